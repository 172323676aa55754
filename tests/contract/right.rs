//! Correct implementations that differ from each other: the kit accuses none of them.

use std::task::{Poll, ready};

use tokio::sync::mpsc::UnboundedReceiver as Rx;
use wasmtime::component::StreamResult::{Cancelled, Completed, Dropped};
use wasmtime_streams::testing::{Finding, consumer, producer};

use crate::wrong::{
    Peer, batch, closing, fed, items, narrow, nothing, ready as full, roomy, take, wrong_consumer,
    wrong_producer,
};

wrong_producer! {
    /// Takes batches; zero-length reads complete at once, and so do cancels.
    struct Batches { rx: Rx<u32> }
    |this, cx, store, dst, finish| {
        let wanted = dst.remaining(store).unwrap_or(64);
        if finish {
            return Poll::Ready(Ok(Cancelled));
        }
        match ready!(batch(&mut this.rx, wanted, cx)) {
            Some(items) => {
                dst.set_buffer(items.into());
                Poll::Ready(Ok(Completed))
            }
            None => Poll::Ready(Ok(Dropped)),
        }
    }
}

wrong_producer! {
    /// Waits on zero-length reads, holds the next item itself, delivers on a cancel what came just then, and tells the end
    /// with the last items if it can.
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
fn producers_that_answer_zero_length_reads_and_cancels_in_different_ways() {
    producer(items(), fed(|rx| Batches { rx })).assert();
    producer(items(), full(|rx| Batches { rx })).assert();
    producer(items(), fed(|rx| Peeks { rx, next: None, woken: false })).assert();
    producer(items(), full(|rx| Peeks { rx, next: None, woken: false })).assert();
}

#[test]
fn a_deviation_that_no_longer_happens_is_said() {
    let check = producer(items(), fed(|rx| Batches { rx })).allow(Finding::Overfilled);
    let failure = check.run().expect_err("it does not happen");
    assert_eq!(failure.finding, Finding::DeclaredInVain, "\n{failure}\n");
    assert!(failure.detail.contains("Overfilled"), "{failure}");
}

wrong_consumer! {
    /// Takes only what there is room for; a zero-length write waits for room.
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
    /// Takes what is written, and holds the write until there was room; what is left over on a cancel counts as written.
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
    /// Takes three items; the end comes with the last of them, or with the next write.
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
fn consumers_that_wait_at_different_places() {
    consumer(items(), narrow(|peer| WaitsForRoom { peer })).assert();
    consumer(items(), closing(|peer| WaitsForRoom { peer })).assert();
    consumer(items(), narrow(|peer| TakesFirst { peer, taken: Vec::new() })).assert();
    consumer(items(), roomy(|peer| TakesFirst { peer, taken: Vec::new() })).assert();
}

#[test]
fn a_consumer_that_ends_early() {
    let three = |late| roomy(move |peer| TakesThree { peer, left: 3, late });
    consumer(items(), three(false)).assert();
    consumer(items(), three(true)).short().assert();
}
