//! Common mistakes in how producers and consumers answer a cancel.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::sync::mpsc::UnboundedReceiver as Rx;
use wasmtime::component::StreamResult::{Cancelled, Completed, Dropped};
use wasmtime::component::{Source, StreamConsumer, StreamResult};
use wasmtime::{Result, StoreContextMut};
use wasmtime_streams_testing::{Finding, consumer, producer};

use crate::wrong::{
    Peer, assert_found, batch, fed, items, narrow, nothing, take, wrong_consumer, wrong_producer,
};

wrong_producer! {
    struct IgnoresFinish { rx: Rx<u32> }
    |this, cx, store, dst, _| {
        match ready!(batch(&mut this.rx, dst.remaining(store).unwrap_or(64), cx)) {
            Some(items) => {
                dst.set_buffer(items.into());
                Poll::Ready(Ok(Completed))
            }
            None => Poll::Ready(Ok(Dropped)),
        }
    }
}

#[test]
fn finish_is_ignored_while_nothing_is_ready() {
    let check = producer(items(), fed(|rx| IgnoresFinish { rx }));
    assert_found(check, Finding::PendingOnFinish, "Cancellation keeps the stream");
}

#[test]
fn a_cancel_that_blocks_can_be_allowed() {
    let check = producer(items(), fed(|rx| IgnoresFinish { rx }));
    // It also spins at its end.
    check.allow(Finding::PendingOnFinish).allow(Finding::SpinsAtEnd).assert();
}

#[test]
fn the_script_of_a_failure_can_be_run_alone() {
    let check = || producer(items(), fed(|rx| TakesOnCancel { rx }));
    let failure = check().run().expect_err("it is wrong");
    let alone = check().replay(&failure.script).run().expect_err("nothing was found");
    assert_eq!((alone.finding, alone.trace), (failure.finding, failure.trace));
}

wrong_producer! {
    struct FinishIsTheEnd { rx: Rx<u32> }
    |this, cx, store, dst, finish| {
        if finish {
            return Poll::Ready(Ok(Dropped));
        }
        match ready!(batch(&mut this.rx, dst.remaining(store).unwrap_or(64), cx)) {
            Some(items) => {
                dst.set_buffer(items.into());
                Poll::Ready(Ok(Completed))
            }
            None => Poll::Ready(Ok(Dropped)),
        }
    }
}

#[test]
fn finish_is_read_as_the_end_of_the_stream() {
    let check = producer(items(), fed(|rx| FinishIsTheEnd { rx }));
    assert_found(check, Finding::EndedOnCancel, "Cancellation keeps the stream");
}

wrong_producer! {
    /// Answers the cancel correctly, but stops the source behind it.
    struct FinishStopsTheSource { rx: Rx<u32> }
    |this, cx, store, dst, finish| {
        match batch(&mut this.rx, dst.remaining(store).unwrap_or(64), cx) {
            Poll::Ready(Some(items)) => {
                dst.set_buffer(items.into());
                Poll::Ready(Ok(Completed))
            }
            Poll::Ready(None) => Poll::Ready(Ok(Dropped)),
            Poll::Pending => {
                if finish {
                    this.rx.close();
                }
                nothing!(finish)
            }
        }
    }
}

#[test]
fn finish_stops_the_source() {
    let check = producer(items(), fed(|rx| FinishStopsTheSource { rx }));
    assert_found(check, Finding::EndedOnCancel, "Cancellation keeps the stream");
}

wrong_producer! {
    /// Polls as always, and checks the flag afterwards.
    struct TakesOnCancel { rx: Rx<u32> }
    |this, cx, store, dst, finish| {
        let answer = batch(&mut this.rx, dst.remaining(store).unwrap_or(64), cx);
        if finish {
            return Poll::Ready(Ok(Cancelled));
        }
        match ready!(answer) {
            Some(items) => {
                dst.set_buffer(items.into());
                Poll::Ready(Ok(Completed))
            }
            None => Poll::Ready(Ok(Dropped)),
        }
    }
}

#[test]
fn a_cancel_takes_items_that_nobody_gets() {
    let check = producer(items(), fed(|rx| TakesOnCancel { rx }));
    assert_found(check, Finding::LostOnCancel, "Cancellation keeps the stream");
}

wrong_producer! {
    struct SaysCancelledWithItems { rx: Rx<u32> }
    |this, cx, store, dst, finish| {
        let answer = batch(&mut this.rx, dst.remaining(store).unwrap_or(64), cx);
        let answer = match answer {
            Poll::Ready(Some(items)) => {
                dst.set_buffer(items.into());
                Completed
            }
            Poll::Ready(None) => Dropped,
            Poll::Pending => return nothing!(finish),
        };
        Poll::Ready(Ok(if finish { Cancelled } else { answer }))
    }
}

#[test]
fn a_cancel_is_answered_by_cancelled_and_items() {
    let check = producer(items(), fed(|rx| SaysCancelledWithItems { rx }));
    assert_found(check, Finding::LostOnCancel, "Cancellation keeps the stream");
}

wrong_producer! {
    /// Answers `Cancelled` for "nothing yet".
    struct CancelsItself { rx: Rx<u32> }
    |this, cx, store, dst, _| {
        match batch(&mut this.rx, dst.remaining(store).unwrap_or(64), cx) {
            Poll::Ready(Some(items)) => {
                dst.set_buffer(items.into());
                Poll::Ready(Ok(Completed))
            }
            Poll::Ready(None) => Poll::Ready(Ok(Dropped)),
            Poll::Pending => Poll::Ready(Ok(Cancelled)),
        }
    }
}

#[test]
fn cancelled_without_a_cancel() {
    let check = producer(items(), fed(|rx| CancelsItself { rx }));
    assert_found(check, Finding::CancelledUnasked, "Cancellation keeps the stream");
}

wrong_consumer! {
    /// Takes what is written, waits for room, and drops it when the write is cancelled.
    struct DropsOnCancel { peer: Peer, taken: Vec<u32> }
    |this, cx, store, source, finish| {
        this.taken.extend(take(store, &mut source, 64)?);
        match this.peer.poll_room(cx) {
            Poll::Ready(_) => {
                this.peer.send(std::mem::take(&mut this.taken));
                Poll::Ready(Ok(Completed))
            }
            Poll::Pending if finish => {
                this.taken.clear();
                Poll::Ready(Ok(Cancelled))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

#[test]
fn a_cancel_loses_what_was_taken() {
    let check = consumer(items(), narrow(|peer| DropsOnCancel { peer, taken: Vec::new() }));
    assert_found(check, Finding::Miscounted, "Exact partial writes");
}

/// Sends at once, and marks the item as read only once its peer has room again.
struct CountsLate {
    peer: Peer<u8>,
    sent: usize,
}

impl<D: 'static> StreamConsumer<D> for CountsLate {
    type Item = u8;

    fn poll_consume(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let this = self.get_mut();
        let mut source = source.as_direct(store);
        if this.sent == 0 {
            this.sent = source.remaining().len();
            this.peer.send(source.remaining().to_vec());
        }
        match this.peer.poll_room(cx) {
            Poll::Ready(_) => {
                source.mark_read(std::mem::take(&mut this.sent));
                Poll::Ready(Ok(Completed))
            }
            Poll::Pending if finish => {
                this.sent = 0;
                Poll::Ready(Ok(Cancelled))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

#[test]
fn what_a_cancelled_write_sent_is_written_again() {
    let bytes = (1..=7).collect();
    let check = consumer(bytes, narrow(|peer| CountsLate { peer, sent: 0 }));
    assert_found(check, Finding::Miscounted, "Exact partial writes");
}

wrong_consumer! {
    struct WaitsForRoom { peer: Peer }
    |this, cx, store, source, _| {
        let room = ready!(this.peer.poll_room(cx));
        this.peer.send(take(store, &mut source, room)?);
        Poll::Ready(Ok(Completed))
    }
}

#[test]
fn finish_is_ignored_while_there_is_no_room() {
    let check = consumer(items(), narrow(|peer| WaitsForRoom { peer }));
    assert_found(check, Finding::PendingOnFinish, "Cancellation keeps the stream");
}

wrong_consumer! {
    struct ClosesOnFinish { peer: Peer }
    |this, cx, store, source, finish| {
        if finish {
            return Poll::Ready(Ok(Dropped));
        }
        let room = ready!(this.peer.poll_room(cx));
        this.peer.send(take(store, &mut source, room)?);
        Poll::Ready(Ok(Completed))
    }
}

#[test]
fn finish_is_read_as_the_end_by_a_consumer() {
    let check = consumer(items(), narrow(|peer| ClosesOnFinish { peer }));
    assert_found(check, Finding::EndedOnCancel, "Cancellation keeps the stream");
}
