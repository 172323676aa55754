//! Several streams of a guest over one host object.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use wasmtime_streams::wasi::Stdio;
use wasmtime_streams::{ByteConsumer, ByteSink, End, EndReason, iterators, tokio_io};

use super::{BLOCKED, CANCELLED, DROPPED, Guest, completed};
use crate::script::{Reader, Script, Step, Writer};

#[test]
fn a_stream_that_is_dropped_leaves_the_output_open() {
    let (consumer, done) = iterators::collect_bytes(100).with_completion();
    let mut guest = Guest::new(Stdio::new().stdout(consumer));
    for byte in *b"abc" {
        let (stream, result) = guest.open("stdout");
        assert_eq!(guest.write(stream, 2, byte), completed(2));
        guest.drop_end("drop-writable", stream);
        assert_eq!(guest.outcome(result), Ok(()));
    }
    let ends = guest.close();
    assert!(ends.stdout.is_none(), "the completion of the consumer reports");
    let done = futures::executor::block_on(done);
    assert!(done.end.is_finished());
    assert_eq!(done.inner.into_inner(), b"aabbcc");
}

#[test]
fn an_input_continues_where_the_last_stream_stopped() {
    let mut guest = Guest::new(Stdio::new().stdin(tokio_io::read(&b"hello world"[..])));
    let (first, result) = guest.open("stdin");
    assert_eq!(guest.read(first, 5), completed(5));
    assert_eq!(guest.data(5), b"hello");
    guest.drop_end("drop-readable", first);
    assert_eq!(guest.outcome(result), Ok(()));

    let (second, result) = guest.open("stdin");
    assert_eq!(guest.read(second, 100), completed(6));
    assert_eq!(guest.data(6), b" world");
    assert_eq!(guest.read(second, 100), DROPPED);
    assert_eq!(guest.outcome(result), Ok(()));

    // A stream that is opened after the end has ended.
    let (third, result) = guest.open("stdin");
    assert_eq!(guest.read(third, 1), DROPPED);
    assert_eq!(guest.outcome(result), Ok(()));

    let stdin = guest.close().stdin.unwrap();
    assert!(matches!(stdin.end, End::Finished), "{:?}", stdin.end);
    assert_eq!((stdin.moved, stdin.opened), (11, 3));
}

#[test]
fn a_stream_waits_for_the_operation_of_another() {
    let script = Script::new([Step::Hold, Step::Accept(3), Step::Hold]);
    let control = script.control();
    let writer = Writer::<u8>::new(script);
    let log = writer.log();
    let mut guest = Guest::new(Stdio::new().stdout(tokio_io::write(writer)));
    let (first, _) = guest.open("stdout");
    let (second, _) = guest.open("stdout");
    assert_eq!(guest.write(first, 3, b'a'), BLOCKED);
    assert_eq!(guest.write(second, 3, b'b'), BLOCKED);
    assert_eq!(guest.event(second), BLOCKED);
    control.release();
    assert_eq!(guest.event(first), completed(3));
    assert_eq!(guest.event(second), BLOCKED);
    control.release();
    assert_eq!(guest.event(second), completed(3));
    assert_eq!(log.accepted(), b"aaabbb");
}

#[test]
fn a_cancel_lets_the_next_stream_in_and_a_waiting_one_leaves_the_queue() {
    let script = Script::new([Step::Hold]);
    let control = script.control();
    let mut guest = Guest::new(Stdio::new().stdin(tokio_io::read(Reader::new(script))));
    let streams = [(); 3].map(|()| guest.open("stdin").0);
    for stream in streams {
        assert_eq!(guest.read(stream, 4), BLOCKED);
    }
    // The second waits for the first, and leaves; the third gets its turn when the first leaves.
    assert_eq!(guest.call::<_, u32>("cancel-read", (streams[1],)), CANCELLED);
    assert_eq!(guest.call::<_, u32>("cancel-read", (streams[0],)), CANCELLED);
    guest.idle();
    control.release();
    assert_eq!(guest.event(streams[2]), DROPPED);
}

#[test]
fn messages_can_go_to_the_output_in_order() {
    let (consumer, done) = iterators::collect_bytes(100).with_completion();
    let mut guest = Guest::new(Stdio::new().stdout(consumer).stderr_to_stdout());
    let ((out, _), (err, _)) = (guest.open("stdout"), guest.open("stderr"));
    for (stream, byte) in [(out, b'1'), (err, b'2'), (out, b'3')] {
        assert_eq!(guest.write(stream, 1, byte), completed(1));
    }
    guest.close();
    assert_eq!(futures::executor::block_on(done).inner.into_inner(), b"123");
}

#[test]
fn messages_go_where_the_host_said_last() {
    for last in ["stderr", "stdout"] {
        let (out, out_done) = iterators::collect_bytes(100).with_completion();
        let (err, err_done) = iterators::collect_bytes(100).with_completion();
        let stdio = Stdio::new().stdout(out);
        let stdio = match last {
            "stderr" => stdio.stderr_to_stdout().stderr(err),
            _ => stdio.stderr(err).stderr_to_stdout(),
        };
        let mut guest = Guest::new(stdio);
        let (stream, _) = guest.open("stderr");
        assert_eq!(guest.write(stream, 1, b'x'), completed(1));
        guest.close();
        let done = if last == "stderr" { err_done } else { out_done };
        assert_eq!(futures::executor::block_on(done).inner.into_inner(), b"x", "{last}");
    }
}

/// Takes all, and flushes never. Counts the operations that were cancelled.
struct Stuck(Arc<AtomicUsize>);

impl ByteSink for Stuck {
    type Error = io::Error;

    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize, End<io::Error>>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), End<io::Error>>> {
        Poll::Pending
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), End<io::Error>>> {
        Poll::Pending
    }

    fn op_cancelled(self: Pin<&mut Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}

#[test]
fn an_object_hears_of_the_cancel_of_its_operation_alone() {
    let cancelled = Arc::new(AtomicUsize::new(0));
    let stdout = ByteConsumer::new(Stuck(cancelled.clone()));
    let mut guest = Guest::new(Stdio::new().stdout(stdout));
    let ((first, _), (waiting, _)) = (guest.open("stdout"), guest.open("stdout"));
    assert_eq!(guest.write(first, 3, b'a'), BLOCKED);
    assert_eq!(guest.write(waiting, 3, b'b'), BLOCKED);
    assert_eq!(guest.call::<_, u32>("cancel-write", (waiting,)), CANCELLED);
    assert_eq!(cancelled.load(Ordering::Relaxed), 0);
    assert_eq!(guest.call::<_, u32>("cancel-write", (first,)), CANCELLED | completed(3));
    assert_eq!(cancelled.load(Ordering::Relaxed), 1);
    // And of one that is dropped with its store.
    assert_eq!(guest.write(first, 3, b'a'), BLOCKED);
    drop(guest);
    assert_eq!(cancelled.load(Ordering::Relaxed), 2);
}

#[test]
fn a_limit_counts_for_all_streams_together() {
    let mut guest = Guest::new(Stdio::new().stdout(iterators::collect_bytes(100).limit(3)));
    let (first, _) = guest.open("stdout");
    assert_eq!(guest.write(first, 2, b'a'), completed(2));
    let (second, result) = guest.open("stdout");
    assert_eq!(guest.write(second, 2, b'b'), completed(1) | DROPPED);
    assert_eq!(guest.outcome(result), Err("io"));
    let stdout = guest.close().stdout.unwrap();
    assert!(matches!(stdout.end, End::LimitReached), "{:?}", stdout.end);
    assert_eq!((stdout.moved, stdout.opened), (3, 2));
}
