//! Runs three workers and the coordinator as processes, with a NATS server that the test starts.
#![allow(missing_docs)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures::StreamExt as _;
use tempfile::TempDir;

/// Longer than anything here takes; only a failure waits for it.
const LONG: Duration = Duration::from_secs(120);

/// A process, killed by SIGKILL when dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    /// Starts it, and waits for a line of its stderr with `ready`; returns what follows in that line.
    fn start(command: &mut Command, ready: &str) -> (Self, String) {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let process = Self(child);
        let rest = lines.find_map(|line| Some(line.unwrap().split_once(ready)?.1.to_owned()));
        // Reads on, so that the process never blocks on its stderr; what it says is of interest if the test fails.
        std::thread::spawn(move || lines.for_each(|line| eprintln!("{}", line.unwrap())));
        (process, rest.expect(ready))
    }
}

struct Server {
    address: String,
    _process: Process,
    _directory: TempDir,
}

impl Server {
    /// `None`, which is an error with `CI=true`, where nats-server is not installed.
    fn start() -> Option<Self> {
        let Some(program) = find("nats-server") else {
            let missing = "not run: no NATS server is installed (`apt-get install nats-server`)";
            assert!(!std::env::var("CI").is_ok_and(|ci| ci == "true"), "{missing}");
            println!("{missing}");
            return None;
        };
        let directory = TempDir::new().unwrap();
        let mut server = Command::new(program);
        // Port -1 is a free one.
        server.args(["-a", "127.0.0.1", "-p", "-1", "-js", "-sd"]).arg(directory.path());
        let (process, address) =
            Process::start(&mut server, "Listening for client connections on ");
        Some(Self { address, _process: process, _directory: directory })
    }

    fn worker(&self, guest: Option<&Path>) -> Process {
        let mut worker = Command::new(env!("CARGO_BIN_EXE_nats_workers"));
        worker.arg(&self.address).args(guest);
        worker.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        Process::start(&mut worker, "working").0
    }

    fn coordinator(&self, count: usize) -> Command {
        let mut coordinator = Command::new(env!("CARGO_BIN_EXE_coordinator"));
        coordinator.args([&self.address, &count.to_string()]);
        coordinator
    }

    async fn client(&self) -> async_nats::Client {
        async_nats::connect(&self.address).await.unwrap()
    }
}

/// The program in the PATH, or where Debian has it, which is not in every user's.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|directory| directory.join(program))
        .find(|file| file.is_file())
}

#[tokio::test]
async fn all_work_has_its_result_once_though_workers_are_killed() {
    const COUNT: usize = 3000;
    let Some(server) = Server::start() else { return };
    let client = server.client().await;
    let mut results = client.subscribe("results.>").await.unwrap();
    client.flush().await.unwrap(); // subscribed, before there are any

    let mut workers = vec![server.worker(None), server.worker(None), server.worker(None)];
    let coordinator = server.coordinator(COUNT).stdout(Stdio::piped()).spawn().unwrap();
    let mut coordinator = Process(coordinator);
    let test = async {
        // Each kill is in the midst of the work, at whatever the worker is doing then.
        for number in 0..COUNT {
            let result = results.next().await.unwrap();
            assert!(result.payload.starts_with(b"WORK NUMBER "), "{result:?}");
            match number {
                500 | 1000 => drop(workers.pop()),
                1500 => workers.push(server.worker(None)),
                _ => {}
            }
        }
    };
    tokio::time::timeout(LONG, test).await.expect("a result for all work");
    let mut stdout = String::new();
    coordinator.0.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    assert!(coordinator.0.wait().unwrap().success());
    let all = format!("{COUNT} sent, {COUNT} results, 0 repeated, 0 failed, ");
    assert!(stdout.starts_with(&all), "{stdout}");

    // What the server has stored, whatever the coordinator says.
    let stored = async_nats::jetstream::new(client).get_stream("results").await.unwrap();
    assert_eq!(stored.cached_info().state.messages, COUNT as u64);
}

#[tokio::test]
async fn work_on_which_the_guest_fails_has_that_as_its_result() {
    let Some(server) = Server::start() else { return };
    let guest = include_str!("../guests/upper.wat");
    let upper = "(call $transform-buffer (global.get $end))";
    // The last letter of `work number 7`, alone.
    let trap = "(if (i32.eq (i32.load16_u (i32.const 12)) (i32.const 55)) (then unreachable))";
    assert!(guest.contains(upper));
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("upper-with-trap.wat");
    std::fs::write(&file, guest.replace(upper, &format!("{trap} {upper}"))).unwrap();
    let _worker = server.worker(Some(&file));
    let output = server.coordinator(10).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.starts_with("10 sent, 10 results, 0 repeated, 1 failed, "), "{stdout}");
}

#[test]
fn without_a_server_both_say_how_to_get_one() {
    let nowhere = "127.0.0.1:1";
    let mut worker = Command::new(env!("CARGO_BIN_EXE_nats_workers"));
    worker.arg(nowhere).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let mut coordinator = Command::new(env!("CARGO_BIN_EXE_coordinator"));
    coordinator.args([nowhere, "10"]);
    for mut command in [worker, coordinator] {
        let output = command.output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(
            !output.status.success() && stderr.contains("apt-get install nats-server"),
            "{stderr}"
        );
    }
}
