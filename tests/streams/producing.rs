//! Bytes to the guest, over every adapter.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::stream;
use wasmtime_streams::{ByteProducer, ByteSource, EndReason, Then};

use crate::support::adapters::sources;
use crate::support::guest::{Code, with_guest, with_large_guest, with_trapping_guest};
use crate::support::script::{Reader, Script, Step};
use crate::{BUFFERS, interleaved, pattern, read_to_end, uneven};
use wasmtime_streams_testing::executor::idle;

#[test]
fn every_source_fills_every_buffer_size_and_loses_nothing() {
    // Rule "Fill each operation".
    for source in sources() {
        for buffer in BUFFERS {
            let data = pattern(3 * buffer as usize + 5);
            with_guest::<u8, _>(async |guest| {
                let script = Script::new(uneven(&data, buffer as usize));
                let (stream, done) = source.open(guest, script).await;
                let got = read_to_end(guest, stream, buffer).await;
                assert!(got == data, "{} at {buffer}: {} bytes", source.name, got.len());
                let (end, moved) = done.await;
                assert!(end.is_finished(), "{} at {buffer}: {end:?}", source.name);
                assert_eq!(moved, data.len() as u64, "{} at {buffer}", source.name);
            });
        }
    }
}

#[test]
fn a_read_takes_all_chunks_that_are_in_memory() {
    // Rule "Fill each operation".
    with_guest::<u8, _>(async |guest| {
        let chunk = Bytes::from(vec![7; 1024]);
        let chunks = stream::iter(vec![chunk; 100]);
        let stream = guest.source(wasmtime_streams::streams::chunks(chunks)).await;
        assert_eq!(guest.read(stream, 65536).await, Code::Completed(65536));
    });
}

#[test]
fn a_raw_reader_is_asked_once_per_operation() {
    // Rule "Fill each operation": after a short read it is not asked again.
    with_guest::<u8, _>(async |guest| {
        let script = Script::new([Step::Data(vec![1, 2]), Step::Data(vec![3])]);
        let control = script.control();
        let stream = guest.source(wasmtime_streams::tokio_io::read(Reader::new(script))).await;
        assert_eq!(guest.recv(stream, 100).await, (Code::Completed(2), vec![1, 2]));
        assert_eq!(control.steps(), 1);
    });
}

/// Records the buffers and wakers that it gets.
struct Probe {
    lens: Arc<Mutex<Vec<usize>>>,
    pending: bool,
}

impl ByteSource for Probe {
    type Error = Infallible;

    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<(usize, Then), Infallible>> {
        self.lens.lock().unwrap().push(buf.len());
        if std::mem::take(&mut self.pending) {
            // Only a waker of the executor causes the next poll.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        buf.fill(9);
        Poll::Ready(Ok((buf.len(), Then::End(EndReason::Finished))))
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}

#[test]
fn bytes_go_straight_into_guest_memory() {
    // Rule "Straight into guest memory": the source gets a buffer as long as the guest's own, whatever its length.
    for len in [1, 4097, 3 << 20] {
        let lens = Arc::new(Mutex::new(Vec::new()));
        with_guest::<u8, _>(async |guest| {
            let probe = Probe { lens: lens.clone(), pending: false };
            let stream = guest.source(ByteProducer::new(probe)).await;
            assert_eq!(guest.recv(stream, len).await, (Code::Dropped(len), vec![9; len as usize]));
        });
        assert_eq!(*lens.lock().unwrap(), [len as usize]);
    }
}

#[test]
fn every_poll_passes_on_its_waker() {
    // Rule "Register the current waker": a script keeps only the newest waker, and the first one of Wasmtime does
    // nothing.
    for source in sources() {
        for mask in 0..32 {
            with_guest::<u8, _>(async |guest| {
                let script = Script::new(interleaved(&[1, 2, 3, 4], mask, Step::Hold));
                let control = script.control();
                let (stream, _done) = source.open(guest, script).await;
                let mut got = Vec::new();
                loop {
                    let code = match guest.read(stream, 2).await {
                        Code::Blocked => {
                            let mut wait = Box::pin(guest.wait(stream));
                            assert_eq!(guest.parked(&mut wait).await, None, "{}", source.name);
                            control.release();
                            wait.await
                        }
                        code => code,
                    };
                    let at = crate::support::guest::BUFFER;
                    got.extend(guest.dump(at, code.count()).await);
                    if let Code::Dropped(_) = code {
                        break;
                    }
                    assert_ne!(code.count(), 0, "{}", source.name);
                }
                assert_eq!(got, [1, 2, 3, 4], "{} with {mask:b}", source.name);
            });
        }
    }
}

#[test]
fn pending_at_every_point_loses_nothing() {
    // Rule "Register the current waker".
    for source in sources() {
        for mask in 0..32 {
            for buffer in [1, 2, 7] {
                with_guest::<u8, _>(async |guest| {
                    let script = Script::new(interleaved(&[1, 2, 3, 4], mask, Step::Pending));
                    let (stream, done) = source.open(guest, script).await;
                    let got = read_to_end(guest, stream, buffer).await;
                    assert_eq!(got, [1, 2, 3, 4], "{} with {mask:b} at {buffer}", source.name);
                    assert!(done.await.0.is_finished());
                });
            }
        }
    }
}

/// When a guest cancels its read.
#[derive(Clone, Copy, Debug)]
enum Cancel {
    /// Before the host runs again.
    AtOnce,
    /// While the read is parked.
    Parked,
    /// When the source has become ready, but the producer is not polled yet.
    Ready,
    /// When the read has completed, but the guest does not know it yet.
    Finished,
}

#[test]
fn a_cancelled_read_is_answered_at_once_and_the_next_one_goes_on() {
    // Rule "Cancellation keeps the stream": cancelled at every point, in every way. Then the guest reads on.
    for source in sources() {
        for mask in 1..32 {
            for cancel in [Cancel::AtOnce, Cancel::Parked, Cancel::Ready, Cancel::Finished] {
                with_guest::<u8, _>(async |guest| {
                    let script = Script::new(interleaved(&[1, 2, 3, 4], mask, Step::Hold));
                    let control = script.control();
                    let (stream, done) = source.open(guest, script).await;
                    let mut got = Vec::new();
                    let mut held = mask.count_ones();
                    loop {
                        let mut code = guest.read(stream, 3).await;
                        if code == Code::Blocked {
                            assert!(held > 0, "{} with {mask:b}, {cancel:?}", source.name);
                            if !matches!(cancel, Cancel::AtOnce) {
                                idle().await;
                            }
                            if matches!(cancel, Cancel::Ready | Cancel::Finished) {
                                control.release();
                                held -= 1;
                            }
                            if matches!(cancel, Cancel::Finished) {
                                idle().await;
                            }
                            code = guest.cancel_read(stream).await;
                            if matches!(cancel, Cancel::AtOnce | Cancel::Parked) {
                                assert_eq!(code, Code::Cancelled(0), "{}", source.name);
                                control.release();
                                held -= 1;
                            }
                        }
                        let at = crate::support::guest::BUFFER;
                        got.extend(guest.dump(at, code.count()).await);
                        if let Code::Dropped(_) = code {
                            break;
                        }
                    }
                    assert_eq!(got, [1, 2, 3, 4], "{} with {mask:b}, {cancel:?}", source.name);
                    let (end, moved) = done.await;
                    assert!(end.is_finished(), "{}: {end:?}", source.name);
                    assert_eq!(moved, 4, "{}", source.name);
                });
            }
        }
    }
}

#[test]
fn a_read_never_completes_with_nothing() {
    // Rule "No empty completions": empty chunks are skipped, also in one-byte reads, which Wasmtime does not check.
    for source in sources() {
        for buffer in [1, 2, 7] {
            with_guest::<u8, _>(async |guest| {
                let empty = [Step::Empty, Step::Data(Vec::new()), Step::Empty];
                let mut steps = vec![Step::Empty; 200];
                for byte in 0..5 {
                    steps.extend(empty.iter().cloned());
                    steps.push(Step::Data(vec![byte]));
                }
                steps.extend(empty);
                let (stream, _done) = source.open(guest, Script::new(steps)).await;
                assert_eq!(read_to_end(guest, stream, buffer).await, [0, 1, 2, 3, 4]);
            });
        }
    }
}

#[test]
fn a_zero_length_read_waits_if_the_source_can_tell_and_takes_nothing() {
    // Rule "Zero-length reads".
    for source in sources() {
        with_guest::<u8, _>(async |guest| {
            let script = Script::new([Step::Hold, Step::Data(vec![1, 2, 3])]);
            let control = script.control();
            let (stream, _done) = source.open(guest, script).await;
            let code = guest.read(stream, 0).await;
            if source.readiness {
                assert_eq!(code, Code::Blocked, "{}", source.name);
                idle().await;
                assert_eq!(guest.cancel_read(stream).await, Code::Cancelled(0));
                assert_eq!(guest.read(stream, 0).await, Code::Blocked);
                let mut wait = Box::pin(guest.wait(stream));
                assert_eq!(guest.parked(&mut wait).await, None, "{}", source.name);
                control.release();
                assert_eq!(wait.await, Code::Completed(0), "{}", source.name);
                // The next read does not wait.
                assert_eq!(guest.read(stream, 0).await, Code::Completed(0));
                assert_eq!(guest.read(stream, 1).await, Code::Completed(1));
            } else {
                assert_eq!(code, Code::Completed(0), "{}", source.name);
                assert_eq!(control.steps(), 0, "{} took data", source.name);
                control.release();
                assert_eq!(guest.recv(stream, 1).await.1, [1], "{}", source.name);
            }
            assert_eq!(guest.read(stream, 0).await, Code::Completed(0), "{}", source.name);
            assert_eq!(read_to_end(guest, stream, 7).await, [2, 3], "{}", source.name);
        });
    }
}

#[test]
fn zero_length_reads_between_others_change_nothing() {
    // Rule "Zero-length reads".
    for source in sources() {
        with_guest::<u8, _>(async |guest| {
            let data = pattern(50);
            let (stream, _done) = source.open(guest, Script::new(uneven(&data, 7))).await;
            let mut got = Vec::new();
            loop {
                match guest.recv(stream, 0).await.0 {
                    Code::Completed(0) => {}
                    Code::Dropped(0) => break,
                    code => panic!("{}: {code:?}", source.name),
                }
                let (code, bytes) = guest.recv(stream, 7).await;
                got.extend(bytes);
                if let Code::Dropped(_) = code {
                    break;
                }
            }
            assert_eq!(got, data, "{}", source.name);
        });
    }
}

#[test]
fn a_read_of_any_length_takes_no_more_than_the_budget() {
    // Rule "Bounded memory": 2^28 - 1 bytes are asked for.
    const LEN: u32 = (1 << 28) - 1;
    with_large_guest::<u8, _>(LEN, async |guest| {
        let chunk = Bytes::from(vec![5; 4096]);
        let stream = guest.source(wasmtime_streams::streams::chunks(stream::repeat(chunk))).await;
        assert_eq!(guest.read(stream, LEN).await, Code::Completed(1 << 20));
    });
}

/// Claims to have written more than there was room for.
struct ReportsTooMuch;

impl ByteSource for ReportsTooMuch {
    type Error = Infallible;

    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<(usize, Then), Infallible>> {
        Poll::Ready(Ok((buf.len() + 1, Then::More)))
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}

#[test]
fn a_source_that_breaks_its_trait_gets_an_error_and_no_panic() {
    // Rule "No traps, no panics": a source that breaks its trait is an exception.
    let error = with_trapping_guest::<u8, _>(async |guest| {
        let stream = guest.source(ByteProducer::new(ReportsTooMuch)).await;
        guest.read(stream, 4).await;
    });
    let why = "ByteSource::poll_read reported 5 bytes in a buffer of 4";
    assert!(format!("{error:?}").contains(why), "{error:?}");
}
