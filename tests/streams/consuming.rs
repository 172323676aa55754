//! Bytes from the guest, over every adapter.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use wasmtime_streams::{ByteConsumer, ByteSink, End, EndReason, Flush, sinks, tokio_io};

use crate::support::adapters::{Sink, sinks};
use crate::support::guest::{Code, Guest, with_guest, with_large_guest, with_trapping_guest};
use crate::support::script::{ChunkWriter, FAILURE, Script, Step, Writer};
use crate::{BUFFERS, pattern};
use wasmtime_streams_testing::executor::{self, idle};

#[test]
fn every_sink_takes_every_write_size_and_loses_nothing() {
    // Rule "Exact partial writes".
    for sink in sinks() {
        for buffer in BUFFERS {
            let data = pattern(buffer as usize * 2 + 3);
            with_guest::<u8, _>(async |guest| {
                let steps = [1, 3, 1000, 2, 65536].map(Step::Accept);
                let steps = steps.into_iter().flat_map(|accept| [accept, Step::Pending]);
                let writer = Writer::new(Script::new(steps));
                let (stream, done, log) = sink.open(guest, writer).await;
                for part in data.chunks(buffer as usize) {
                    let code = guest.send_all(stream, part).await;
                    assert!(matches!(code, Code::Completed(_)), "{}: {code:?}", sink.name);
                }
                guest.drop_writable(stream).await;
                let (end, moved) = done.await;
                assert!(end.is_finished(), "{} at {buffer}: {end:?}", sink.name);
                assert_eq!(moved, data.len() as u64, "{} at {buffer}", sink.name);
                assert!(log.accepted() == data, "{} at {buffer}", sink.name);
            });
        }
    }
}

#[test]
fn partial_writes_of_every_size_are_counted_exactly() {
    // Rule "Exact partial writes".
    for accept in 1..=8 {
        with_guest::<u8, _>(async |guest| {
            let steps = [Step::Accept(accept), Step::Hold];
            let writer = Writer::new(Script::new(steps));
            let log = writer.log();
            let stream = guest.sink(tokio_io::write(writer)).await;
            let data = pattern(8);
            let code = guest.send(stream, &data).await;
            assert_eq!(code, Code::Completed(accept as u32));
            assert_eq!(log.accepted(), data[..accept]);
        });
    }
}

#[test]
fn pending_at_every_point_loses_nothing() {
    // Rule "Register the current waker".
    for sink in sinks() {
        for mask in 0..16_usize {
            for buffer in [1, 2, 7] {
                with_guest::<u8, _>(async |guest| {
                    let steps = (0..4).flat_map(|i| {
                        let pending = (mask & (1 << i) != 0).then_some(Step::Pending);
                        pending.into_iter().chain([Step::Accept(1)])
                    });
                    let (stream, done, log) =
                        sink.open(guest, Writer::new(Script::new(steps))).await;
                    for part in [1, 2, 3, 4, 5, 6].chunks(buffer) {
                        guest.send_all(stream, part).await;
                    }
                    guest.drop_writable(stream).await;
                    assert!(done.await.0.is_finished());
                    assert_eq!(log.accepted(), [1, 2, 3, 4, 5, 6], "{} {mask:b}", sink.name);
                });
            }
        }
    }
}

/// Writes 1 to 6, `size` bytes at a time, into a sink that stops after `accepted` steps. Cancels there, and writes on.
async fn write_with_a_cancel(
    guest: &Guest<'_, u8>,
    sink: &Sink,
    accepted: usize,
    size: usize,
    parked: bool,
) {
    let steps = (0..accepted).map(|_| Step::Accept(1));
    let script = Script::new(steps.chain([Step::Hold]));
    let control = script.control();
    let (stream, done, log) = sink.open(guest, Writer::new(script)).await;
    let mut rest = &[1, 2, 3, 4, 5, 6][..];
    let mut cancelled = false;
    while !rest.is_empty() {
        let len = size.min(rest.len());
        guest.load(&rest[..len]).await;
        let mut code = guest.write(stream, len as u32).await;
        if code == Code::Blocked && !cancelled {
            if parked {
                idle().await;
            }
            code = guest.cancel_write(stream).await;
            assert!(matches!(code, Code::Cancelled(_)), "{}: {code:?}", sink.name);
            if !sink.holds {
                assert_eq!(code, Code::Cancelled(0), "{}", sink.name);
            }
            cancelled = true;
            control.release();
        } else if code == Code::Blocked {
            code = guest.wait(stream).await;
        }
        rest = &rest[code.count() as usize..];
    }
    // One large write may be accepted before the sink stops.
    assert!(cancelled || size > 1, "{} took no cancel", sink.name);
    guest.drop_writable(stream).await;
    let (end, moved) = done.await;
    assert!(end.is_finished(), "{}: {end:?}", sink.name);
    assert_eq!(moved, 6, "{}", sink.name);
    assert_eq!(log.accepted(), [1, 2, 3, 4, 5, 6], "{}", sink.name);
}

#[test]
fn a_cancelled_write_is_answered_at_once_with_what_was_taken() {
    // Rule "Cancellation keeps the stream": the guest goes on with what was not taken. No byte is lost or doubled.
    for sink in sinks() {
        for accepted in 0..4 {
            for size in [1, 2, 6] {
                for parked in [false, true] {
                    with_guest(async |guest| {
                        write_with_a_cancel(guest, &sink, accepted, size, parked).await;
                    });
                }
            }
        }
    }
}

#[test]
fn a_waiting_write_is_woken() {
    // Rule "Register the current waker".
    for sink in sinks() {
        with_guest::<u8, _>(async |guest| {
            let script = Script::new([Step::Hold]);
            let control = script.control();
            let (stream, _done, log) = sink.open(guest, Writer::new(script)).await;
            guest.load(&[1, 2]).await;
            assert_eq!(guest.write(stream, 2).await, Code::Blocked, "{}", sink.name);
            let mut wait = Box::pin(guest.wait(stream));
            assert_eq!(guest.parked(&mut wait).await, None, "{}", sink.name);
            control.release();
            assert_eq!(wait.await, Code::Completed(2), "{}", sink.name);
            assert_eq!(log.accepted(), [1, 2], "{}", sink.name);
        });
    }
}

#[test]
fn a_writer_that_accepts_nothing_is_an_error() {
    // Rule "A write of zero bytes is an error".
    with_guest::<u8, _>(async |guest| {
        let writer = Writer::new(Script::new([Step::Accept(2), Step::Accept(0)]));
        let (consumer, done) = tokio_io::write(writer).with_completion();
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send(stream, &[1, 2, 3]).await, Code::Dropped(2));
        let done = done.await;
        assert_eq!(done.moved, 2);
        let End::Failed(error) = done.end else { panic!("{:?}", done.end) };
        assert_eq!(error.kind(), std::io::ErrorKind::WriteZero);
    });
}

#[test]
fn a_zero_length_write_waits_if_the_sink_can_tell_and_sends_nothing() {
    // Rule "Zero-length writes".
    for sink in sinks() {
        with_guest::<u8, _>(async |guest| {
            let script = Script::new([Step::Hold, Step::Accept(8)]);
            let control = script.control();
            let (stream, _done, log) = sink.open(guest, Writer::new(script)).await;
            let code = guest.write(stream, 0).await;
            if sink.readiness {
                assert_eq!(code, Code::Blocked, "{}", sink.name);
                idle().await;
                assert_eq!(guest.cancel_write(stream).await, Code::Cancelled(0));
                assert_eq!(guest.write(stream, 0).await, Code::Blocked);
                let mut wait = Box::pin(guest.wait(stream));
                assert_eq!(guest.parked(&mut wait).await, None, "{}", sink.name);
                control.release();
                assert_eq!(wait.await, Code::Completed(0), "{}", sink.name);
                assert_eq!(guest.write(stream, 0).await, Code::Completed(0), "{}", sink.name);
            } else {
                assert_eq!(code, Code::Completed(0), "{}", sink.name);
                control.release();
            }
            assert_eq!(log.look(|written| written.writes), 0, "{}", sink.name);
            assert_eq!(guest.send_all(stream, &[1, 2]).await.count(), 2, "{}", sink.name);
            assert_eq!(guest.send(stream, &[]).await, Code::Completed(0), "{}", sink.name);
            assert_eq!(log.accepted(), [1, 2], "{}", sink.name);
        });
    }
}

#[test]
fn by_default_a_write_completes_only_when_it_is_flushed() {
    // Rule "Flush policy".
    for sink in sinks() {
        with_guest::<u8, _>(async |guest| {
            let flush = Script::new([Step::Hold, Step::Accept(0)]);
            let control = flush.control();
            let writer = Writer::with_flush(Script::new([]), flush);
            let (stream, _done, log) = sink.open(guest, writer).await;
            guest.load(&[1, 2]).await;
            assert_eq!(guest.write(stream, 2).await, Code::Blocked, "{}", sink.name);
            let mut wait = Box::pin(guest.wait(stream));
            assert_eq!(guest.parked(&mut wait).await, None, "{}", sink.name);
            assert_eq!(log.accepted(), [1, 2], "{}", sink.name);
            control.release();
            assert_eq!(wait.await, Code::Completed(2), "{}", sink.name);
            assert_eq!(log.look(|written| written.flushed), 2, "{}", sink.name);
        });
    }
}

#[test]
fn a_write_that_is_cancelled_during_its_flush_counts_in_full() {
    // Rule "Flush policy", rule "Cancellation keeps the stream".
    for sink in sinks() {
        with_guest::<u8, _>(async |guest| {
            let flush = Script::new([Step::Hold, Step::Accept(0)]);
            let control = flush.control();
            let writer = Writer::with_flush(Script::new([]), flush);
            let (stream, done, log) = sink.open(guest, writer).await;
            guest.load(&[1, 2]).await;
            assert_eq!(guest.write(stream, 2).await, Code::Blocked, "{}", sink.name);
            idle().await;
            assert_eq!(guest.cancel_write(stream).await, Code::Cancelled(2), "{}", sink.name);
            control.release();
            assert_eq!(guest.send(stream, &[3]).await, Code::Completed(1), "{}", sink.name);
            guest.drop_writable(stream).await;
            assert_eq!(done.await.1, 3, "{}", sink.name);
            assert_eq!(log.accepted(), [1, 2, 3], "{}", sink.name);
        });
    }
}

#[test]
fn with_flush_on_close_the_completion_flushes() {
    // Rule "Flush policy", rule "The completion closes the sink".
    with_guest::<u8, _>(async |guest| {
        let writer = Writer::new(Script::new([]));
        let log = writer.log();
        let (consumer, done) = tokio_io::write(writer).flush(Flush::OnClose).with_completion();
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send(stream, &[1, 2]).await, Code::Completed(2));
        assert_eq!(log.look(|written| written.flushed), 0);
        guest.drop_writable(stream).await;
        done.await;
        assert_eq!(log.look(|written| (written.flushed, written.closed)), (2, true));
    });
}

#[test]
fn an_error_ends_the_stream_with_what_was_taken_before() {
    // Rule "Items before the error": before, between and after data.
    for sink in sinks() {
        for accepted in 0..3_u32 {
            with_guest::<u8, _>(async |guest| {
                let steps = (0..accepted).map(|_| Step::Accept(1)).chain([Step::Fail]);
                let (stream, done, log) = sink.open(guest, Writer::new(Script::new(steps))).await;
                let mut count = 0;
                let code = loop {
                    let code = guest.send(stream, &[1 + count as u8]).await;
                    count += code.count();
                    if !matches!(code, Code::Completed(_)) {
                        break code;
                    }
                };
                assert!(matches!(code, Code::Dropped(_)), "{}: {code:?}", sink.name);
                let (end, moved) = done.await;
                assert!(matches!(end, End::Failed(why) if why == FAILURE), "{}", sink.name);
                assert_eq!(moved, u64::from(count), "{}", sink.name);
                assert_eq!(log.accepted().len(), accepted as usize, "{}", sink.name);
            });
        }
    }
}

#[test]
fn a_flush_that_fails_ends_the_stream() {
    // Rule "Flush policy".
    for sink in sinks() {
        with_guest::<u8, _>(async |guest| {
            let writer = Writer::with_flush(Script::new([]), Script::new([Step::Fail]));
            let (stream, done, _) = sink.open(guest, writer).await;
            assert_eq!(guest.send(stream, &[1, 2]).await, Code::Dropped(2), "{}", sink.name);
            let (end, moved) = done.await;
            assert!(matches!(end, End::Failed(why) if why == FAILURE), "{}", sink.name);
            assert_eq!(moved, 2, "{}", sink.name);
        });
    }
}

#[test]
fn an_error_is_a_trap_only_if_the_host_asks_for_it() {
    // Rule "Items before the error".
    let error = with_trapping_guest::<u8, _>(async |guest| {
        let writer = Writer::<u8>::new(Script::new([Step::Fail]));
        let stream = guest.sink(tokio_io::write(writer).trap_on_error()).await;
        guest.send(stream, &[1]).await;
    });
    assert!(format!("{error:?}").contains(FAILURE), "{error:?}");
}

#[test]
fn a_trap_during_a_write_loses_nothing_that_was_taken() {
    // Rule "Completion": the trap looks like the guest dropping its end, once the store is dropped.
    for sink in sinks() {
        let mut completion = None;
        with_trapping_guest::<u8, _>(async |guest| {
            let script = Script::new([Step::Accept(1), Step::Accept(1), Step::Hold]);
            let control = script.control();
            let (stream, done, log) = sink.open(guest, Writer::new(script)).await;
            completion = Some((done, log, control));
            guest.send(stream, &[1]).await;
            guest.send(stream, &[2]).await;
            guest.load(&[3]).await;
            assert_eq!(guest.write(stream, 1).await, Code::Blocked);
            guest.trap().await;
        });
        let (done, log, control) = completion.unwrap();
        control.release();
        let (end, moved) = executor::run(done);
        assert!(end.is_finished(), "{}: {end:?}", sink.name);
        assert_eq!(log.accepted()[..2], [1, 2], "{}", sink.name);
        assert_eq!(moved, log.accepted().len() as u64, "{}", sink.name);
    }
}

#[test]
fn a_write_of_any_length_is_taken_in_bounded_parts() {
    // Rule "Bounded memory": 2^28 - 1 bytes are offered.
    const LEN: u32 = (1 << 28) - 1;
    with_large_guest::<u8, _>(LEN, async |guest| {
        let writer = Writer::new(Script::new([]));
        let log = writer.log();
        let consumer = sinks::chunks(ChunkWriter(writer)).max_chunk(1 << 16);
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.write(stream, LEN).await, Code::Completed(1 << 20));
        log.look(|written| {
            assert_eq!((written.accepted.len(), written.writes), (1 << 20, 16));
        });
    });
}

/// Claims to have accepted more than it was offered.
struct ReportsTooMuch;

impl ByteSink for ReportsTooMuch {
    type Error = Infallible;

    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize, End<Infallible>>> {
        Poll::Ready(Ok(buf.len() + 1))
    }

    unbuffered!();

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}

#[test]
fn a_sink_that_breaks_its_trait_gets_an_error_and_no_panic() {
    // Rule "No traps, no panics": a sink that breaks its trait is an exception.
    let error = with_trapping_guest::<u8, _>(async |guest| {
        let stream = guest.sink(ByteConsumer::new(ReportsTooMuch)).await;
        guest.send(stream, &[1, 2, 3]).await;
    });
    let why = "ByteSink::poll_write accepted 4 of 3 bytes: expected 1 to 3";
    assert!(format!("{error:?}").contains(why), "{error:?}");
}
