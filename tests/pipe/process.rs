//! Runs the example as a process, with helpers for files, sockets and components.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::spawn;

use crate::example::build;

pub(crate) const ROT13: &str = "examples/guests/rot13.wat";
const UPPER: &str = include_str!("../../examples/guests/upper.wat");

/// The example, built with the features of this test.
pub(crate) fn example() -> &'static Path {
    static EXAMPLE: OnceLock<PathBuf> = OnceLock::new();
    EXAMPLE.get_or_init(|| build("pipe"))
}

pub(crate) fn start(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Child {
    start_between(Stdio::piped(), Stdio::piped(), arguments)
}

/// Starts the example with the given standard streams.
pub(crate) fn start_between(
    stdin: impl Into<Stdio>,
    stdout: impl Into<Stdio>,
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Child {
    spawn_command(Command::new(example()).stdin(stdin).stdout(stdout).args(arguments))
}

/// Starts the example by a shell command, in which `"$0" "$@"` stands for it and its arguments.
pub(crate) fn start_by(
    line: &str,
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Child {
    let mut shell = Command::new("sh");
    shell.args(["-c", line]).arg(example()).args(arguments);
    spawn_command(shell.stdin(Stdio::piped()).stdout(Stdio::piped()))
}

fn spawn_command(command: &mut Command) -> Child {
    // Without backtraces: the tests look for panics, and backtraces make them longer.
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("RUST_BACKTRACE", "0")
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Ended {
    #[track_caller]
    pub(crate) fn with(self, status: i32, message: &[&str]) -> Self {
        let Self { status: found, stderr, .. } = &self;
        assert_eq!(*found, status, "{stderr}");
        for words in message {
            assert!(stderr.contains(words), "expected {words:?} in {stderr:?}");
        }
        self
    }

    /// Status 0, with only the summary on stderr. As stderr is no terminal, there is no progress bar.
    #[track_caller]
    pub(crate) fn in_order(self, read: usize, written: usize) -> Vec<u8> {
        let lines: Vec<_> =
            self.stderr.lines().filter(|line| !line.starts_with("listening")).collect();
        let [line] = lines[..] else { panic!("one line expected: {self:?}") };
        let numbers = line.strip_prefix(&format!("in {read} bytes, out {written} bytes, "));
        let Some((seconds, rate)) = numbers.and_then(|rest| rest.split_once(" s, ")) else {
            panic!("no summary of {read} and {written} bytes: {line:?}")
        };
        let rate = rate.strip_suffix(" MB/s").expect(line);
        assert!(seconds.parse::<f64>().is_ok() && rate.parse::<f64>().is_ok(), "{line:?}");
        self.with(0, &[]).stdout
    }
}

/// Fails a test that hangs. No test depends on timing.
pub(crate) async fn within<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(120), test).await.expect("timed out after 120 s")
}

pub(crate) async fn end(child: Child) -> Ended {
    let output = within(child.wait_with_output()).await.unwrap();
    let status = output.status.code().expect("ended by a signal");
    let stderr = String::from_utf8(output.stderr).unwrap();
    Ended { status, stdout: output.stdout, stderr }
}

/// Runs the example with `input` on its stdin.
pub(crate) async fn run(
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    input: impl Into<Vec<u8>>,
) -> Ended {
    feed(start(arguments), input).await
}

/// Runs the example by a shell command, as [`start_by`] does.
pub(crate) async fn run_by(
    line: &str,
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Ended {
    feed(start_by(line, arguments), "").await
}

async fn feed(mut child: Child, input: impl Into<Vec<u8>>) -> Ended {
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.into());
    // The example may end before it has read everything.
    let feed = spawn(async move { stdin.write_all(&input).await });
    let ended = end(child).await;
    feed.abort();
    ended
}

pub(crate) async fn refused(arguments: &[&str], message: &[&str]) {
    let ended = run(arguments, "").await.with(2, message);
    assert!(ended.stdout.is_empty(), "{ended:?}");
}

/// A directory for one test, removed when it is dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(test: &str) -> Self {
        // Not in the target directory: the path of a Unix socket must be short.
        let prefix = format!("pipe-{test}-");
        Self(tempfile::Builder::new().prefix(&prefix).tempdir().unwrap().keep())
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// Creates a named pipe.
    pub(crate) fn fifo(&self, name: &str) -> String {
        let path = self.path(name);
        assert!(process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    }

    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// All byte values in pseudo-random order, with an odd length.
pub(crate) fn data() -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next).flatten().take(9_000_001).collect()
}

/// The default guest with `from` replaced by `to`.
#[track_caller]
pub(crate) fn changed(from: &str, to: &str) -> String {
    assert_eq!(UPPER.matches(from).count(), 1, "{from:?} in upper.wat");
    UPPER.replace(from, to)
}

/// A component whose only export traps.
pub(crate) fn component(name: &str, ty: &str) -> String {
    format!(
        r#"(component
            (core module $m (func (export "f") (param i32) (result i32) unreachable))
            (core instance $i (instantiate $m))
            (func (export "{name}") {ty} (canon lift (core func $i "f"))))"#
    )
}

pub(crate) async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("tcp:{}", listener.local_addr().unwrap());
    (listener, endpoint)
}

pub(crate) async fn accept(listener: &TcpListener) -> TcpStream {
    within(listener.accept()).await.unwrap().0
}

/// Reads exactly the expected bytes.
pub(crate) async fn expect(mut reader: impl tokio::io::AsyncRead + Unpin, bytes: &[u8]) {
    let mut found = vec![0; bytes.len()];
    within(reader.read_exact(&mut found)).await.unwrap();
    assert_eq!(found, bytes);
}
