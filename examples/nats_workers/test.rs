//! Runs three workers and the coordinator as processes, with a NATS server that the test starts.
#![allow(missing_docs)]

use std::collections::HashSet;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
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

impl Process {
    fn signal(&self, signal: &str) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
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

    fn worker(&self) -> Process {
        let mut worker = Command::new(env!("CARGO_BIN_EXE_nats_workers"));
        worker.arg(&self.address).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        Process::start(&mut worker, "working").0
    }

    /// Sends work, of which so many pieces are such that the guest traps.
    fn coordinator(&self, count: usize, bad: usize) -> Process {
        let mut coordinator = Command::new(env!("CARGO_BIN_EXE_coordinator"));
        coordinator.args([&self.address, &count.to_string(), &bad.to_string()]);
        Process::start(coordinator.stdout(Stdio::piped()), "waiting for workers").0
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

/// What a process prints before it ends in order.
fn output(mut process: Process) -> String {
    let mut stdout = String::new();
    process.0.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    assert!(process.0.wait().unwrap().success());
    println!("{stdout}");
    stdout
}

/// The number before `what`.
fn number(output: &str, what: &str) -> usize {
    let before = output.split(what).next().unwrap();
    before.rsplit(", ").next().unwrap().trim().parse().unwrap()
}

/// A moment in the midst of a third of the work.
fn moment(third: usize) -> usize {
    let random = RandomState::new().build_hasher().finish() as usize;
    COUNT / 10 + third * COUNT / 4 + random % (COUNT / 4)
}

const COUNT: usize = 6000;

#[tokio::test]
async fn all_work_has_its_result_once_though_workers_are_killed() {
    let Some(server) = Server::start() else { return };
    let client = server.client().await;
    let first = server.coordinator(3, 0);
    let mut workers = vec![server.worker(), server.worker(), server.worker()];
    output(first);
    let mut results = client.subscribe("results.>").await.unwrap();
    client.flush().await.unwrap(); // subscribed, before there are any
    // They stand still until there is work for all.
    workers.iter().for_each(|worker| worker.signal("-STOP"));
    let work = client.subscribe("work.>").await.unwrap();
    client.flush().await.unwrap();
    let coordinator = server.coordinator(COUNT, 0);
    // They are here as the server gets them.
    let half = work.take(COUNT / 2).for_each(|_| std::future::ready(()));
    tokio::time::timeout(LONG, half).await.expect("work");
    workers.iter().for_each(|worker| worker.signal("-CONT"));
    // Each is killed in the midst of the work, at whatever it is doing then.
    let (first, second) = (moment(0), moment(1));
    println!("kills at {first} and {second} of {COUNT}");
    let mut stored = HashSet::new();
    let test = async {
        while stored.len() < COUNT {
            // Those with an id that the server has come here, too; only its stream is without them.
            let result = results.next().await.unwrap();
            assert!(result.payload.starts_with(b"WORK NUMBER "), "{result:?}");
            if !stored.insert(result.subject.to_string()) {
                continue;
            }
            if stored.len() == first || stored.len() == second {
                drop(workers.pop());
            }
            if stored.len() == second + COUNT / 10 {
                workers.push(server.worker());
            }
        }
    };
    tokio::time::timeout(LONG, test).await.expect("a result for all work");
    let output = output(coordinator);
    let all = format!("{COUNT} sent, {COUNT} results, 0 repeated, 0 failed, ");
    assert!(output.starts_with(&all), "{output}");
    assert!(number(&output, " delivered again") > 0, "the dead left something: {output}");

    // What the server has stored, whatever the coordinator says.
    let context = async_nats::jetstream::new(client.clone());
    let stored = context.get_stream("results").await.unwrap();
    assert_eq!(stored.cached_info().state.messages, COUNT as u64 + 3);
}

#[tokio::test]
async fn work_on_which_the_guest_traps_has_that_as_its_result_and_harms_no_other() {
    let Some(server) = Server::start() else { return };
    let coordinator = server.coordinator(100, 3);
    let _worker = server.worker();
    let output = output(coordinator);
    assert!(output.starts_with("100 sent, 100 results, 0 repeated, 3 failed, "), "{output}");
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
