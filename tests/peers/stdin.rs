//! A guest reads from an idle stdin and leaves; the runtime can be dropped.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use tokio::net::unix::pipe;
use tokio::runtime::Builder;
use wasmtime::component::StreamProducer;
use wasmtime_streams::{
    blocking::{self, Job},
    sockets,
};
use wasmtime_streams_testing::{Code, Guest, Setup};

use crate::DEADLINE;

/// Set in the process whose stdin is read.
const HOW: &str = "STREAMS_READS_STDIN";

/// Lets a guest start a read, cancel it and drop the stream. Then drops the runtime.
fn read_and_leave<P: StreamProducer<(), Item = u8>>(make: impl FnOnce() -> P) {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let script = async |guest: &Guest<'_, (), u8>| {
            let stream = guest.source(make()).await;
            assert_eq!(guest.read(stream, 9).await, Code::Blocked);
            assert_eq!(guest.cancel_read(stream).await, Code::Cancelled(0));
            guest.drop_readable(stream).await;
        };
        Setup::new(()).drive(script).await.unwrap();
    });
    drop(runtime);
}

/// Runs this test in a process whose stdin stays open, and asserts that it assert_ends.
fn assert_ends(name: &str, how: &str) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(HOW, how)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (stdin, mut stdout) = (child.stdin.take(), child.stdout.take().unwrap());
    let (output, ended) = mpsc::channel();
    thread::spawn(move || {
        let mut result = String::new();
        stdout.read_to_string(&mut result).unwrap();
        let _ = output.send(result);
    });
    let result = ended.recv_timeout(DEADLINE);
    if result.is_err() {
        child.kill().unwrap();
    }
    let status = child.wait().unwrap();
    drop(stdin);
    let result = result.expect("the drop of the runtime waits for stdin");
    assert!(status.success() && result.contains("1 passed"), "{result}");
}

#[test]
fn a_runtime_can_be_dropped_while_a_thread_of_the_host_reads_stdin() {
    // Rule "Cancellation keeps the stream": `blocking::read_on`, with a thread that is not the runtime's.
    const NAME: &str = "stdin::a_runtime_can_be_dropped_while_a_thread_of_the_host_reads_stdin";
    if std::env::var_os(HOW).is_none() {
        return assert_ends(NAME, "a thread");
    }
    let (jobs, queue) = mpsc::channel::<Job>();
    thread::spawn(move || queue.into_iter().for_each(Job::run));
    read_and_leave(|| {
        blocking::read_on(std::io::stdin(), move |job| {
            let _ = jobs.send(job);
        })
    });
}

#[test]
fn a_runtime_can_be_dropped_while_a_stdin_that_is_a_pipe_stays_open() {
    // Rule "Cancellation keeps the stream": tokio's pipe, which needs no thread.
    const NAME: &str = "stdin::a_runtime_can_be_dropped_while_a_stdin_that_is_a_pipe_stays_open";
    if std::env::var_os(HOW).is_none() {
        return assert_ends(NAME, "a pipe");
    }
    read_and_leave(|| {
        let stdin = std::os::fd::AsFd::as_fd(&std::io::stdin()).try_clone_to_owned().unwrap();
        sockets::read(pipe::Receiver::from_file(std::fs::File::from(stdin)).unwrap())
    });
}
