//! Examples as processes: one that runs to its end, or a server for a peer.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
#[cfg(unix)]
use std::process::ExitStatus;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{LazyLock, Mutex};
use std::thread;
use std::time::Duration;
#[cfg(unix)]
use std::time::Instant;

use crate::example::build;
use crate::tools::one_of;

/// What hangs fails its test after this. No test depends on timing otherwise.
const LONGEST: Duration = Duration::from_secs(120);

/// The example, to be run in the package's directory.
pub(crate) fn example(name: &str) -> Command {
    static BUILT: LazyLock<Mutex<HashMap<String, PathBuf>>> = LazyLock::new(Default::default);
    let mut built = BUILT.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let built = built.entry(name.to_owned()).or_insert_with(|| build(name));
    let mut command = Command::new(built);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env("RUST_BACKTRACE", "0");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs an example to its end.
pub(crate) fn run(name: &str, arguments: &[&str]) -> Output {
    example(name).args(arguments).output().unwrap()
}

/// Fails unless the example ended in order; returns what it printed.
#[track_caller]
pub(crate) fn in_order(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Fails unless the example failed; returns its message.
#[track_caller]
pub(crate) fn failed(output: &Output) -> String {
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A path for a file of one test.
pub(crate) fn scratch(name: &str) -> String {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("examples");
    fs::create_dir_all(&directory).unwrap();
    directory.join(name).to_str().unwrap().to_owned()
}

/// A program that is not part of this package; `None` if it is not installed.
pub(crate) fn tool(name: &str) -> Option<Command> {
    one_of(&[name])
}

/// A server, killed at the end of the test.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    /// The lines that it prints, of both stdout and stderr.
    lines: Mutex<Receiver<String>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts the example on a free port, and waits until it listens.
    pub(crate) fn start(name: &str, arguments: &[&str]) -> Self {
        let mut child = example(name).arg("127.0.0.1:0").args(arguments).spawn().unwrap();
        let (tx, lines) = channel();
        // They read on when the test wants no more, so that the server never waits for a reader.
        let forward = |stream: Box<dyn Read + Send>| {
            let tx = tx.clone();
            thread::spawn(move || {
                for line in BufReader::new(stream).lines() {
                    let _ = tx.send(line.unwrap());
                }
            });
        };
        forward(Box::new(child.stdout.take().unwrap()));
        forward(Box::new(child.stderr.take().unwrap()));
        let mut server = Self { child, address: String::new(), lines: Mutex::new(lines) };
        let line = server.says("listening on ");
        server.address = line.trim_start_matches("listening on ").to_owned();
        server
    }

    /// Waits until the server prints a line with these words.
    #[track_caller]
    pub(crate) fn says(&self, words: &str) -> String {
        let mut seen = String::new();
        loop {
            match self.lines.lock().unwrap().recv_timeout(LONGEST) {
                Ok(line) if line.contains(words) => return line,
                Ok(line) => seen += &format!("{line}\n"),
                Err(error) => panic!("no {words:?} ({error}): {seen}"),
            }
        }
    }

    /// What the process holds now.
    #[cfg(target_os = "linux")]
    pub(crate) fn held(&self) -> Held {
        let process = PathBuf::from(format!("/proc/{}", self.child.id()));
        let status = fs::read_to_string(process.join("status")).unwrap();
        let size = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
        };
        Held {
            descriptors: fs::read_dir(process.join("fd")).unwrap().count(),
            address_space: size("VmSize:"),
            memory: size("VmRSS:"),
        }
    }

    /// Waits until the process holds so little.
    #[cfg(target_os = "linux")]
    #[track_caller]
    pub(crate) fn held_once(&self, is_enough: impl Fn(&Held) -> bool) -> Held {
        let start = Instant::now();
        loop {
            let held = self.held();
            if is_enough(&held) {
                return held;
            }
            assert!(start.elapsed() < LONGEST, "still held: {held:?}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn connect(&self) -> Peer {
        let socket = TcpStream::connect(&self.address).unwrap();
        socket.set_read_timeout(Some(LONGEST)).unwrap();
        Peer(socket)
    }

    /// As by Ctrl-C.
    #[cfg(unix)]
    pub(crate) fn interrupt(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    }

    #[cfg(unix)]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < LONGEST, "the server does not end");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// What a process holds; sizes are in bytes.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) descriptors: usize,
    pub(crate) address_space: u64,
    pub(crate) memory: u64,
}

/// A client's connection.
pub(crate) struct Peer(pub(crate) TcpStream);

impl Peer {
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).unwrap();
    }

    /// Shuts down one direction.
    pub(crate) fn end(&mut self) {
        self.0.shutdown(std::net::Shutdown::Write).unwrap();
    }

    /// Reads until these bytes are there, and fails at an end before them. Returns all that came.
    #[track_caller]
    pub(crate) fn until(&mut self, bytes: impl AsRef<[u8]>) -> String {
        let (bytes, mut came) = (bytes.as_ref(), Vec::new());
        while !came.windows(bytes.len()).any(|window| window == bytes) {
            let mut buffer = [0; 4096];
            let n = self.0.read(&mut buffer).unwrap();
            assert!(n > 0, "ended before {:?}: {:?}", text(bytes), text(&came));
            came.extend_from_slice(&buffer[..n]);
        }
        text(&came)
    }

    /// Reads to the end of the data.
    #[track_caller]
    pub(crate) fn rest(mut self) -> String {
        let mut came = Vec::new();
        self.0.read_to_end(&mut came).expect("an end in order");
        text(&came)
    }

    /// Fails unless the server resets the connection. What came before that may be lost.
    #[track_caller]
    pub(crate) fn expect_reset(mut self) {
        let end = self.0.read_to_end(&mut Vec::new());
        assert!(end.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset));
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
