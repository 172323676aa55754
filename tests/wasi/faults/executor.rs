//! The process's own stdout, as a pipe that nobody reads.
//!
//! The test runs itself again as a process whose stdin is the other end of its stdout: so it sees when the pipe is full,
//! and decides when it is read.

use std::{
    env,
    io::{self, Read as _, pipe},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::{runtime::Builder, time::interval};
use wasmtime_streams::{tokio_io, wasi};
use wasmtime_wasi::p2::pipe::MemoryInputPipe;

use super::World;
use crate::matrix::{HOSTS, Host};

const NAME: &str =
    "faults::executor::a_guest_that_waits_for_a_full_stdout_does_not_stop_the_executor";

/// Set in the process that the test starts: whose host it runs.
const HOST: &str = "WASMTIME_STREAMS_TEST_HOST";

/// What one operation writes: more than any pipe holds.
const LENGTH: usize = 4 << 20;

/// So many ticks show that the executor runs.
const TICKS: u32 = 20;

fn writable() -> bool {
    let stdout = io::stdout();
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::new(&stdout, PollFlags::OUT)], Some(&now)).unwrap() == 1
}

/// Waits until stdout is full, prints how often the executor ticks then, and reads stdout.
fn observe(ticks: &AtomicU32, patience: Duration) {
    while writable() {
        thread::yield_now();
    }
    let (full, start) = (ticks.load(Ordering::SeqCst), Instant::now());
    let since = || ticks.load(Ordering::SeqCst) - full;
    while since() < TICKS && start.elapsed() < patience {
        thread::yield_now();
    }
    eprintln!("ticks: {}", since());
    let mut buf = [0; 65_536];
    while io::stdin().read(&mut buf).unwrap() > 0 {}
}

/// What the process does that the test starts.
fn process(host: Host) {
    let stdin = vec![b'x'; LENGTH];
    let mut world = World::new();
    world.0.args(&["cat", "--buffer", &LENGTH.to_string()]);
    let patience = match host {
        Host::Wasmtime => {
            world.0.stdin(MemoryInputPipe::new(stdin)).inherit_stdout();
            // That nothing happens has no end.
            Duration::from_millis(200)
        }
        Host::Ours => {
            let stdout = wasi::process_stdout().unwrap();
            world.1 = world.1.stdin(tokio_io::read(io::Cursor::new(stdin))).stdout(stdout);
            Duration::from_secs(20)
        }
    };
    let ticks = Arc::new(AtomicU32::new(0));
    let ticking = ticks.clone();
    thread::spawn(move || observe(&ticks, patience));
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        tokio::spawn(async move {
            let mut interval = interval(Duration::from_millis(1));
            loop {
                interval.tick().await;
                ticking.fetch_add(1, Ordering::SeqCst);
            }
        });
        world.run(host, "cat").await.unwrap().unwrap();
    });
}

#[test]
fn a_guest_that_waits_for_a_full_stdout_does_not_stop_the_executor() {
    match env::var(HOST).as_deref() {
        Ok("Wasmtime") => return process(Host::Wasmtime),
        Ok(_) => return process(Host::Ours),
        Err(_) => {}
    }
    for host in HOSTS {
        let (reader, writer) = pipe().unwrap();
        let ran = Command::new(env::current_exe().unwrap())
            .args([NAME, "--exact", "--nocapture"])
            .env(HOST, format!("{host:?}"))
            .stdin(reader)
            .stdout(writer)
            .output()
            .unwrap();
        let stderr = String::from_utf8(ran.stderr).unwrap();
        assert!(ran.status.success(), "{host:?}: {stderr}");
        let ticks = stderr.lines().find_map(|line| line.strip_prefix("ticks: ")).unwrap();
        let ticks: u32 = ticks.parse().unwrap();
        match host {
            Host::Wasmtime => assert_eq!(ticks, 0),
            Host::Ours => assert!(ticks >= TICKS),
        }
    }
}
