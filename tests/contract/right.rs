//! Correct implementations that differ from each other. The kit finds nothing wrong with them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use tokio::sync::mpsc::UnboundedReceiver as Rx;
use wasmtime::component::StreamResult::{Cancelled, Completed, Dropped};
use wasmtime_streams_testing::{Finding, Made, consumer, producer};

use crate::wrong::{
    ITEMS, Peer, batch, closing, fed, full as channel, items, narrow, nothing, ready as full,
    roomy, take, wrong_consumer, wrong_producer,
};
use crate::wrong_beside::{BesideMistake, sends, with_trailers};
use crate::wrong_cuts::{Mistake, narrow_hand_over, roomy_hand_over, watching_hand_over};
use crate::wrong_handles::{Batch, files, futures, gives, nested};

wrong_producer! {
    /// Takes batches. Zero-length reads and cancels complete at once. The second zero-length read in a row looks ahead
    /// by one item.
    struct Batches { rx: Rx<u32>, asked: bool, next: Option<u32>, taken: Arc<AtomicUsize> }
    |this, cx, store, dst, finish| {
        let wanted = dst.remaining(store).unwrap_or(64);
        if finish {
            return Poll::Ready(Ok(Cancelled));
        }
        let asked = std::mem::replace(&mut this.asked, wanted == 0);
        if wanted == 0 && (!asked || this.next.is_some()) {
            return Poll::Ready(Ok(Completed));
        }
        let held = usize::from(this.next.is_some());
        let mut items = Vec::from_iter(this.next.take());
        if held < wanted.max(1) {
            match batch(&mut this.rx, wanted.max(1) - held, cx) {
                Poll::Ready(Some(more)) => items.extend(more),
                Poll::Ready(None) if items.is_empty() => return Poll::Ready(Ok(Dropped)),
                Poll::Pending if items.is_empty() => return Poll::Pending,
                _ => {}
            }
        }
        this.taken.fetch_add(items.len() - held, Ordering::Relaxed);
        if wanted == 0 {
            this.next = items.pop();
        }
        dst.set_buffer(items.into());
        Poll::Ready(Ok(Completed))
    }
}

fn batches(rx: Rx<u32>) -> Made<Batches> {
    let taken = Arc::new(AtomicUsize::new(0));
    let made = Made::new(Batches { rx, asked: false, next: None, taken: taken.clone() });
    made.taken(move || taken.load(Ordering::Relaxed))
}

wrong_producer! {
    /// Waits on zero-length reads and holds the next item itself. Completes a cancel with items that have just arrived,
    /// and ends with the last items if it can.
    struct Peeks { rx: Rx<u32>, next: Option<u32>, woken: bool }
    |this, cx, store, dst, finish| {
        let wanted = dst.remaining(store).unwrap_or(64);
        if !std::mem::replace(&mut this.woken, true) && !finish {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut items = Vec::new();
        loop {
            if this.next.is_none() {
                match this.rx.poll_recv(cx) {
                    Poll::Ready(Some(item)) => this.next = Some(item),
                    Poll::Ready(None) => {
                        dst.set_buffer(items.into());
                        return Poll::Ready(Ok(Dropped));
                    }
                    Poll::Pending if items.is_empty() => return nothing!(finish),
                    Poll::Pending => break,
                }
            }
            if items.len() == wanted {
                break;
            }
            items.extend(this.next.take());
        }
        this.woken = false;
        dst.set_buffer(items.into());
        Poll::Ready(Ok(Completed))
    }
}

#[test]
fn producers_may_answer_zero_length_reads_and_cancels_differently() {
    let none = || Arc::new(AtomicUsize::new(0));
    let fed_batches = move |rx| Batches { rx, asked: false, next: None, taken: none() };
    producer(items(), fed(fed_batches)).assert();
    producer(items(), || batches(channel(ITEMS))).assert();
    producer(Vec::new(), || batches(channel([]))).assert();
    producer(items(), fed(|rx| Peeks { rx, next: None, woken: false })).assert();
    producer(items(), full(|rx| Peeks { rx, next: None, woken: false })).assert();
}

#[test]
fn an_allowed_deviation_that_does_not_happen_is_reported() {
    let check = producer(items(), || batches(channel(ITEMS))).allow(Finding::Overfilled);
    let failure = check.run().expect_err("nothing was found");
    assert_eq!(failure.finding, Finding::DeclaredInVain, "\n{failure}\n");
    assert!(failure.detail.contains("Overfilled"), "{failure}");
}

wrong_consumer! {
    /// Takes only what there is room for. A zero-length write waits for room.
    struct WaitsForRoom { peer: Peer }
    |this, cx, store, source, finish| {
        let room = match this.peer.poll_room(cx) {
            Poll::Ready(room) => room,
            Poll::Pending => return nothing!(finish),
        };
        let items = take(store, &mut source, room)?;
        if !items.is_empty() {
            this.peer.send(items);
        }
        Poll::Ready(Ok(Completed))
    }
}

impl Drop for WaitsForRoom {
    fn drop(&mut self) {
        self.peer.close();
    }
}

wrong_consumer! {
    /// Takes everything, and holds the write until there is room. What is left on a cancel counts as written.
    struct TakesFirst { peer: Peer, taken: Vec<u32> }
    |this, cx, store, source, finish| {
        if this.taken.is_empty() {
            this.taken = take(store, &mut source, 64)?;
        }
        let answer = this.peer.poll_room(cx);
        if finish || (answer.is_ready() && !this.taken.is_empty()) {
            this.peer.send(std::mem::take(&mut this.taken));
            return Poll::Ready(Ok(Completed));
        }
        answer.map(|_| Ok(Completed))
    }
}

wrong_consumer! {
    /// Takes three items, and ends with the last one or at the next write.
    struct TakesThree { peer: Peer, left: usize, late: bool }
    |this, _, store, source, _| {
        if this.left == 0 {
            return Poll::Ready(Ok(Dropped));
        }
        let items = take(store, &mut source, this.left)?;
        this.left -= items.len();
        if !items.is_empty() {
            this.peer.send(items);
        }
        Poll::Ready(Ok(if this.left == 0 && !this.late { Dropped } else { Completed }))
    }
}

#[test]
fn consumers_may_wait_before_or_after_taking() {
    consumer(items(), narrow(|peer| WaitsForRoom { peer })).assert();
    consumer(items(), closing(|peer| WaitsForRoom { peer })).assert();
    consumer(items(), narrow(|peer| TakesFirst { peer, taken: Vec::new() })).assert();
    consumer(items(), roomy(|peer| TakesFirst { peer, taken: Vec::new() })).assert();
}

#[test]
fn a_consumer_may_end_early() {
    let three = |late| roomy(move |peer| TakesThree { peer, left: 3, late });
    consumer(items(), three(false)).assert();
    consumer(items(), three(true)).short().assert();
}

#[test]
fn hand_overs_that_distinguish_the_end_from_a_cut_are_accepted() {
    narrow_hand_over(Mistake::Nothing).assert();
    roomy_hand_over(Mistake::Nothing, usize::MAX).assert();
    roomy_hand_over(Mistake::Nothing, 3).short().assert();
    roomy_hand_over(Mistake::Nothing, 7).assert();
    let report = watching_hand_over(Mistake::Nothing).assert();
    // The kit cuts it at every point.
    let plain = consumer(items(), narrow(|peer| WaitsForRoom { peer })).assert();
    assert!(report.scripts > plain.scripts + 100, "{report}; without cuts: {plain}");
}

/// Without a value in the store's data a trap cannot be distinguished from an end.
#[test]
fn a_trap_may_look_like_the_end_if_the_store_is_not_watched() {
    narrow_hand_over(Mistake::TrapLooksComplete).assert();
}

#[test]
fn futures_beside_a_stream_that_resolve_at_every_end_are_accepted() {
    with_trailers(BesideMistake::NoMistake).assert();
}

#[test]
fn a_sender_that_frees_its_place_is_accepted() {
    sends(true).assert();
}

#[test]
fn handles_that_are_closed_are_accepted() {
    nested(Batch::Closed).assert();
    nested(Batch::Piped).assert();
    nested(Batch::RefusedAndClosed).assert();
    futures(true).assert();
    files(true).assert();
    gives(false).assert();
}
