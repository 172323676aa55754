//! A guest that writes the stdin of a child process.

use std::process::Stdio;

use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;
use wasmtime_streams::{blocking, tokio_io};
use wasmtime_streams_testing::Code;

use super::{DEADLINE, with_guest};

/// A child that copies its stdin to its stdout.
fn cat() -> (Child, ChildStdin) {
    let mut cat = Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let stdin = cat.stdin.take().unwrap();
    (cat, stdin)
}

async fn output(cat: Child) -> Vec<u8> {
    let output = timeout(DEADLINE / 3, cat.wait_with_output()).await;
    output.expect("the child still waits for the end of its stdin").unwrap().stdout
}

#[test]
fn a_child_sees_the_end_of_its_stdin_while_nobody_awaits_the_driven_completion() {
    // Rule "The completion closes the sink": only dropping a `ChildStdin` closes it.
    with_guest::<u8, _>(async |guest| {
        let (cat, stdin) = cat();
        let (consumer, done) = tokio_io::write(stdin).with_completion();
        let driven = done.driven_by(|task| drop(tokio::spawn(task)));
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send_all(stream, b"hello").await, Code::Completed(5));
        guest.drop_writable(stream).await;
        assert_eq!(output(cat).await, b"hello");
        let driven = driven.await.unwrap();
        assert!(driven.end.is_finished() && driven.moved == 5);
    });
}

#[test]
fn a_child_sees_the_end_of_its_stdin_when_a_driven_blocking_write_ends() {
    // Rule "The completion closes the sink": `std::io::Write` has no shutdown.
    with_guest::<u8, _>(async |guest| {
        let (cat, stdin) = cat();
        let stdin = std::fs::File::from(stdin.into_owned_fd().unwrap());
        let consumer = blocking::write_on(stdin, |job| drop(std::thread::spawn(|| job.run())));
        let (consumer, done) = consumer.with_completion();
        let driven = done.driven_by(|task| drop(tokio::spawn(task)));
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send_all(stream, b"hello").await, Code::Completed(5));
        guest.drop_writable(stream).await;
        assert_eq!(output(cat).await, b"hello");
        assert!(driven.await.unwrap().end.is_finished());
    });
}

#[test]
fn a_child_sees_the_end_of_its_stdin_without_a_completion() {
    // Rule "The completion closes the sink": without one, the drop of the stream drops the pipe.
    with_guest::<u8, _>(async |guest| {
        let (cat, stdin) = cat();
        let stream = guest.sink(tokio_io::write(stdin)).await;
        assert_eq!(guest.send_all(stream, b"hello").await, Code::Completed(5));
        guest.drop_writable(stream).await;
        assert_eq!(output(cat).await, b"hello");
    });
}
