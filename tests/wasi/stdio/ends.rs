//! How stdio ends: result futures, errors, closing.

use std::io;
use std::pin::pin;
use std::task::{Context, Waker};

use wasmtime_streams::wasi::{self, Stdio, StdioError};
use wasmtime_streams::{End, EndReason, Flush, tokio_io};

use super::{BLOCKED, DROPPED, Guest, completed};
use crate::script::{Reader, Script, Step, Writer};

#[test]
fn what_the_host_does_not_set_is_empty_and_takes_everything() {
    let mut guest = Guest::new(Stdio::new());
    let (stdin, read) = guest.open("stdin");
    assert_eq!(guest.read(stdin, 10), DROPPED);
    assert_eq!(guest.outcome(read), Ok(()));
    for name in ["stdout", "stderr"] {
        let (stream, written) = guest.open(name);
        assert_eq!(guest.write(stream, 100_000, b'x'), completed(100_000));
        guest.drop_end("drop-writable", stream);
        assert_eq!(guest.outcome(written), Ok(()));
    }
    let ends = guest.close();
    assert!(ends.stdin.is_none() && ends.stdout.is_none() && ends.stderr.is_none());
}

#[test]
fn a_failed_input_delivers_its_data_and_then_the_error() {
    let script = Script::new([Step::Data(b"ab".to_vec()), Step::Fail]);
    let mut guest = Guest::new(Stdio::new().stdin(tokio_io::read(Reader::new(script))));
    let (stdin, read) = guest.open("stdin");
    assert_eq!(guest.read(stdin, 2), completed(2));
    assert_eq!(guest.read(stdin, 2), DROPPED);
    assert_eq!(guest.outcome(read), Err("io"));
    // The same for a stream that is opened later.
    let (stdin, read) = guest.open("stdin");
    assert_eq!(guest.read(stdin, 2), DROPPED);
    assert_eq!(guest.outcome(read), Err("io"));
    assert!(matches!(guest.close().stdin.unwrap().end, End::Failed(_)));
}

#[test]
fn a_failed_output_reports_its_error_to_guest_and_host() {
    let writer = Writer::<u8>::new(Script::new([Step::Fail]));
    let mut guest = Guest::new(Stdio::new().stderr(tokio_io::write(writer)));
    let (stderr, written) = guest.open("stderr");
    assert_eq!(guest.write(stderr, 2, b'x'), DROPPED);
    assert_eq!(guest.outcome(written), Err("io"));
    assert!(matches!(guest.close().stderr.unwrap().end, End::Failed(_)));
}

#[test]
fn closing_flushes_and_shuts_down_what_the_guest_left() {
    let writer = Writer::<u8>::new(Script::new([]));
    let log = writer.log();
    let mut guest = Guest::new(Stdio::new().stdout(tokio_io::write(writer).flush(Flush::OnClose)));
    let (stdout, written) = guest.open("stdout");
    assert_eq!(guest.write(stdout, 5, b'x'), completed(5));
    assert!(!log.look(|written| written.closed));
    let stdout_end = guest.close().stdout.unwrap();
    assert!(stdout_end.end.is_finished());
    assert_eq!((stdout_end.moved, stdout_end.opened), (5, 1));
    assert!(log.look(|written| written.closed));
    // The guest's stream is still there: it has ended, and not in order.
    assert_eq!(guest.write(stdout, 1, b'y'), DROPPED);
    assert_eq!(guest.outcome(written), Err("pipe"));
    assert!(guest.close().stdout.is_none(), "a second close reports nothing");
}

#[test]
fn outputs_are_closed_at_the_same_time() {
    // Who reads both may read one to its end first.
    let writer = Writer::<u8>::new(Script::new([]));
    let held = Script::new([Step::Hold]);
    let control = held.control();
    let stdout = Writer::<u8>::with_flush(Script::new([]), held);
    let (out, err) = (stdout.log(), writer.log());
    let mut stdio = Stdio::new().stdout(tokio_io::write(stdout)).stderr(tokio_io::write(writer));
    let mut closing = pin!(stdio.closing());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(closing.as_mut().poll(&mut cx).is_pending());
    assert!(err.look(|written| written.closed) && !out.look(|written| written.closed));
    control.release();
    assert!(closing.as_mut().poll(&mut cx).is_ready());
    assert!(out.look(|written| written.closed));
}

#[test]
fn closing_ends_an_operation_that_is_under_way() {
    let script = Script::new([Step::Hold]);
    let mut guest = Guest::new(Stdio::new().stdin(tokio_io::read(Reader::new(script))));
    let (stdin, read) = guest.open("stdin");
    let (waiting, _) = guest.open("stdin");
    assert_eq!(guest.read(stdin, 5), BLOCKED);
    assert_eq!(guest.read(waiting, 5), BLOCKED);
    assert!(matches!(guest.close().stdin.unwrap().end, End::PeerDropped));
    assert_eq!(guest.event(waiting), DROPPED);
    assert_eq!(guest.event(stdin), DROPPED);
    assert_eq!(guest.outcome(read), Err("pipe"));
}

#[test]
fn closing_wakes_a_guest_that_waits_for_an_operation() {
    // The operation that has its turn, and one that waits for it.
    for waits in 0..2 {
        let script = Script::new([Step::Hold]);
        let mut guest = Guest::new(Stdio::new().stdin(tokio_io::read(Reader::new(script))));
        let streams = [guest.open("stdin").0, guest.open("stdin").0];
        for stream in &streams[..=waits] {
            assert_eq!(guest.read(*stream, 5), BLOCKED);
        }
        assert_eq!(guest.close_while_waiting(streams[waits]), DROPPED);
    }
}

#[test]
fn ends_become_the_codes_of_the_interface() {
    let failed = |kind: io::ErrorKind| wasi::stdio_end(End::Failed(io::Error::from(kind)));
    assert_eq!(failed(io::ErrorKind::BrokenPipe), Err(StdioError::Pipe));
    assert_eq!(failed(io::ErrorKind::InvalidData), Err(StdioError::IllegalByteSequence));
    assert_eq!(failed(io::ErrorKind::StorageFull), Err(StdioError::Io));
    for (reason, expected) in [
        (EndReason::Finished, Ok(())),
        (EndReason::PeerDropped, Ok(())),
        (EndReason::ReceiverDropped, Err(StdioError::Pipe)),
        (EndReason::Abandoned, Err(StdioError::Io)),
        (EndReason::Cancelled, Err(StdioError::Io)),
        (EndReason::TimedOut, Err(StdioError::Io)),
        (EndReason::LimitReached, Err(StdioError::Io)),
    ] {
        assert_eq!(wasi::stdio_end(End::<io::Error>::from(reason)), expected, "{reason:?}");
    }
}
