//! Runs a guest on a host.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    task::JoinHandle,
    time::timeout,
};
use wasmtime::{Config, Engine, component::Component};

use super::{Mode, ours::ours, wasmtimes::wasmtimes};

/// A pipe's capacity: less than most operations, so that they are partial, and wait.
const PIPE: usize = 16 * 1024;

/// The capacity of a stdin that has all its bytes at once, so that a read is as long as the guest wants, and a write of
/// what was read, too.
const WIDE: usize = 16 << 20;

/// No guest takes as long, unless it hangs.
const LONGEST: Duration = Duration::from_secs(120);

/// Whose WASI a guest runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// Wasmtime's own, all of it.
    Wasmtime,
    /// This crate's streams.
    Ours,
}

/// What a host gives its guest.
#[derive(Debug)]
pub(crate) struct World {
    /// The first is the name of the command.
    pub(crate) arguments: Vec<String>,
    pub(crate) directories: Vec<Directory>,
    /// The guest's ends of the pipes.
    pub(crate) stdin: DuplexStream,
    pub(crate) stdout: DuplexStream,
    pub(crate) stderr: DuplexStream,
}

/// A preopened directory.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    pub(crate) host: PathBuf,
    pub(crate) guest: &'static str,
    pub(crate) writable: bool,
}

/// How a guest exited.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Success,
    Failure,
    /// A trap, or an error of the host.
    Trapped(String),
}

/// All that shows of a guest that has run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) stdout: Vec<u8>,
    /// The lines of stderr.
    pub(crate) report: Vec<String>,
    pub(crate) status: Status,
}

impl Outcome {
    fn lines(&self) -> Vec<&str> {
        self.report.iter().map(String::as_str).collect()
    }

    /// Asserts the report and the status.
    #[track_caller]
    pub(crate) fn says(&self, report: &[&str], status: Status) {
        assert_eq!((self.lines(), &self.status), (report.to_vec(), &status));
    }
}

/// A guest to run.
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    name: &'static str,
    arguments: Vec<String>,
    directories: Vec<Directory>,
    stdin: usize,
}

impl Guest {
    /// `tests/wasi/guests/NAME.wasm`.
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, arguments: vec![name.to_owned()], directories: Vec::new(), stdin: PIPE }
    }

    /// Adds arguments.
    pub(crate) fn arguments<T: ToString>(mut self, arguments: &[T]) -> Self {
        self.arguments.extend(arguments.iter().map(T::to_string));
        self
    }

    /// Has all of stdin ready before the guest starts.
    pub(crate) fn ready_stdin(mut self) -> Self {
        self.stdin = WIDE;
        self
    }

    /// Adds the options of a mode, and the length of the operations.
    pub(crate) fn moving(self, buffer: usize, mode: Mode) -> Self {
        self.arguments(mode.0).arguments(&["--buffer".to_owned(), buffer.to_string()])
    }

    /// Preopens a directory, for reading and writing.
    pub(crate) fn directory(self, host: &Path, guest: &'static str) -> Self {
        self.preopened(host, guest, true)
    }

    /// Preopens a directory, for reading only.
    pub(crate) fn read_only(self, host: &Path, guest: &'static str) -> Self {
        self.preopened(host, guest, false)
    }

    fn preopened(mut self, host: &Path, guest: &'static str, writable: bool) -> Self {
        self.directories.push(Directory { host: host.to_owned(), guest, writable });
        self
    }

    /// Runs the guest, with `stdin`, to its end.
    pub(crate) async fn run(self, host: Host, stdin: &[u8]) -> Outcome {
        self.start(host).finish(stdin).await
    }

    /// Starts the guest, which talks by pipes.
    pub(crate) fn start(self, host: Host) -> Running {
        let component = component(self.name);
        let ((stdin, for_stdin), (stdout, for_stdout), (stderr, for_stderr)) =
            (duplex(self.stdin), duplex(PIPE), duplex(PIPE));
        let world = World {
            arguments: self.arguments,
            directories: self.directories,
            stdin: for_stdin,
            stdout: for_stdout,
            stderr: for_stderr,
        };
        let task = tokio::spawn(async move {
            let ran = match host {
                Host::Wasmtime => wasmtimes(&component, world).await,
                Host::Ours => ours(&component, world).await,
            };
            match ran {
                Ok(Ok(())) => Status::Success,
                Ok(Err(())) => Status::Failure,
                Err(error) => Status::Trapped(format!("{error:?}")),
            }
        });
        Running { stdin, stdout: Some(stdout), stderr, task }
    }
}

/// A guest that runs.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) stdin: DuplexStream,
    /// What the guest writes; dropped, it is closed.
    pub(crate) stdout: Option<DuplexStream>,
    stderr: DuplexStream,
    task: JoinHandle<Status>,
}

impl Running {
    /// Writes the rest of stdin, and waits for the guest's end.
    pub(crate) async fn finish(self, rest: &[u8]) -> Outcome {
        let Self { mut stdin, stdout, mut stderr, task } = self;
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let input = async {
            // Fails if the guest does not read all.
            let _ = stdin.write_all(rest).await;
            drop(stdin);
        };
        let output = async {
            if let Some(mut stdout) = stdout {
                stdout.read_to_end(&mut out).await.unwrap();
            }
        };
        let all = async { tokio::join!(input, output, stderr.read_to_end(&mut err), task) };
        let ((), (), read, status) = timeout(LONGEST, all).await.expect("the guest hangs");
        read.unwrap();
        Outcome {
            stdout: out,
            report: String::from_utf8(err).unwrap().lines().map(str::to_owned).collect(),
            status: status.unwrap_or_else(|panic| Status::Trapped(format!("the host: {panic}"))),
        }
    }
}

/// The engine of all tests.
pub(crate) static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let mut config = Config::new();
    // For a cancel that does not wait.
    config.wasm_component_model_more_async_builtins(true);
    Engine::new(&config).unwrap()
});

/// Compiles a guest, once.
pub(crate) fn component(name: &'static str) -> Component {
    static COMPILED: LazyLock<Mutex<HashMap<&str, Component>>> = LazyLock::new(Mutex::default);
    let mut compiled = COMPILED.lock().unwrap();
    let compile = || {
        let path = format!("{}/tests/wasi/guests/{name}.wasm", env!("CARGO_MANIFEST_DIR"));
        Component::from_file(&ENGINE, path).unwrap()
    };
    compiled.entry(name).or_insert_with(compile).clone()
}
