//! Output by way of `AsyncStdoutStream`, and by this crate's adapter for the same writer.

use tokio::task::JoinError;
use wasmtime::Result;
use wasmtime_streams::tokio_io;
use wasmtime_wasi::{
    cli::AsyncStdoutStream,
    p2::pipe::{MemoryInputPipe, MemoryOutputPipe},
};

use super::World;
use crate::{
    matrix::{Host, data, same_bytes},
    script::{Log, Script, Writer},
};

/// The buffer of Wasmtime's stdout.
const BUFFER: usize = 65_536;

/// A guest that copies stdin to stdout by operations of `length` bytes, as a task of its own. What its stdout got, its
/// report, and how it ended.
async fn cat(
    host: Host,
    stdin: &[u8],
    length: usize,
) -> (Log<u8>, String, Result<Result<Result<(), ()>>, JoinError>) {
    let stdout = Writer::<u8>::new(Script::new([]));
    let written = stdout.log();
    let mut world = World::new();
    world.0.args(&["cat", "--buffer", &length.to_string()]);
    match host {
        Host::Wasmtime => {
            let stderr = MemoryOutputPipe::new(4096);
            world
                .0
                .stdin(MemoryInputPipe::new(stdin.to_vec()))
                .stdout(AsyncStdoutStream::new(BUFFER, stdout))
                .stderr(stderr.clone());
            let ran = tokio::spawn(world.run(host, "cat")).await;
            (written, String::from_utf8(stderr.contents().into()).unwrap(), ran)
        }
        Host::Ours => {
            let stderr = Writer::<u8>::new(Script::new([]));
            let report = stderr.log();
            world.1 = world
                .1
                .stdin(tokio_io::read(std::io::Cursor::new(stdin.to_vec())))
                .stdout(tokio_io::write(stdout))
                .stderr(tokio_io::write(stderr));
            let ran = tokio::spawn(world.run(host, "cat")).await;
            (written, String::from_utf8(report.accepted()).unwrap(), ran)
        }
    }
}

#[tokio::test]
async fn a_write_longer_than_the_buffer_takes_no_host_down() {
    let stdin = data(BUFFER + 1);
    let (_, _, ran) = cat(Host::Wasmtime, &stdin, stdin.len()).await;
    assert!(ran.unwrap_err().is_panic());

    let (written, _, ran) = cat(Host::Ours, &stdin, stdin.len()).await;
    ran.unwrap().unwrap().unwrap();
    same_bytes(&written.accepted(), &stdin);
}

#[tokio::test]
async fn what_a_guest_was_told_is_written_has_arrived_and_stdout_is_shut_down() {
    let stdin = data(1_000_000);
    for host in [Host::Wasmtime, Host::Ours] {
        let (written, report, ran) = cat(host, &stdin, BUFFER).await;
        ran.unwrap().unwrap().unwrap();
        let told = "read: 1000000 bytes, dropped, ok\nwrite: 1000000 bytes, completed, ok\n";
        assert_eq!(report, told);
        // Nothing runs any more that could write the rest: the store is dropped.
        let arrived = written.accepted();
        let shut_down = written.look(|written| written.closed);
        match host {
            Host::Wasmtime => {
                assert!(arrived.len() < stdin.len(), "nothing is lost");
                assert!(!shut_down);
            }
            Host::Ours => {
                same_bytes(&arrived, &stdin);
                assert!(shut_down);
            }
        }
    }
}
