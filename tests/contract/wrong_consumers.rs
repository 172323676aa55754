//! Common mistakes of consumers, one in each.

use std::collections::VecDeque;
use std::task::Poll;

use wasmtime::component::StreamResult::{Cancelled, Completed, Dropped};
use wasmtime_streams_testing::{Finding, Made, Reported, consumer};

use crate::wrong::{
    Peer, Reports, assert_found, closing, items, narrow, peak, roomy, take, wrong_consumer,
};

wrong_consumer! {
    /// Never closes its peer, whose reader then waits for ever.
    struct NeverCloses { peer: Peer }
    |this, _, store, source, _| {
        this.peer.send(take(store, &mut source, 64)?);
        Poll::Ready(Ok(Completed))
    }
}

#[test]
fn nothing_is_shut_down_at_the_end() {
    let check = consumer(items(), closing(|peer| NeverCloses { peer }));
    assert_found(check, Finding::NotClosed, "The completion closes the sink");
}

wrong_consumer! {
    /// Sends full buffers only.
    struct NeverFlushes { peer: Peer, buffer: Vec<u32> }
    |this, _, store, source, _| {
        this.buffer.extend(take(store, &mut source, 64)?);
        while this.buffer.len() >= 4 {
            this.peer.send(this.buffer.drain(..4).collect());
        }
        Poll::Ready(Ok(Completed))
    }
}

#[test]
fn nothing_is_flushed_at_the_end() {
    let check = consumer(items(), roomy(|peer| NeverFlushes { peer, buffer: Vec::new() }));
    assert_found(check, Finding::NotClosed, "The completion closes the sink");
}

wrong_consumer! {
    /// Completes with nothing when there is no room, so that the guest tries again.
    struct TryAgain { peer: Peer }
    |this, cx, store, source, _| {
        if let Poll::Ready(room) = this.peer.poll_room(cx) {
            this.peer.send(take(store, &mut source, room)?);
        }
        Poll::Ready(Ok(Completed))
    }
}

#[test]
fn a_write_completes_with_nothing() {
    let check = consumer(items(), narrow(|peer| TryAgain { peer }));
    assert_found(check, Finding::CompletedWithNothing, "No empty completions");
}

wrong_consumer! {
    struct NoWaker { peer: Peer }
    |this, _, store, source, finish| {
        match this.peer.room() {
            0 if finish => Poll::Ready(Ok(Cancelled)),
            0 => Poll::Pending,
            room => {
                this.peer.send(take(store, &mut source, room)?);
                Poll::Ready(Ok(Completed))
            }
        }
    }
}

#[test]
fn pending_without_a_waker() {
    let check = consumer(items(), narrow(|peer| NoWaker { peer }));
    assert_found(check, Finding::LostWakeup, "Register the current waker");
}

wrong_consumer! {
    struct OneAtATime { peer: Peer }
    |this, _, store, source, _| {
        this.peer.send(take(store, &mut source, 1)?);
        Poll::Ready(Ok(Completed))
    }
}

#[test]
fn one_item_a_poll() {
    let check = consumer(items(), roomy(|peer| OneAtATime { peer }));
    assert_found(check, Finding::PartlyFilled, "Fill each operation");
}

wrong_consumer! {
    /// Keeps what there was no room for, and sends it again with the next write.
    struct SendsTheRestAgain { peer: Peer, rest: Vec<u32> }
    |this, _, store, source, _| {
        let mut items = std::mem::take(&mut this.rest);
        items.extend(take(store, &mut source, 64)?);
        this.rest.extend(items.last());
        this.peer.send(items);
        Poll::Ready(Ok(Completed))
    }
}

#[test]
fn an_item_is_doubled() {
    let check = consumer(items(), roomy(|peer| SendsTheRestAgain { peer, rest: Vec::new() }));
    assert_found(check, Finding::Doubled, "Exactly once, in order");
}

wrong_consumer! {
    /// Puts what there was no room for at the wrong end of its queue.
    struct Stack { peer: Peer, queue: VecDeque<u32> }
    |this, _, store, source, _| {
        this.queue.extend(take(store, &mut source, 64)?);
        while let Some(item) = this.queue.pop_back() {
            this.peer.send(vec![item]);
        }
        Poll::Ready(Ok(Completed))
    }
}

#[test]
fn items_are_reordered() {
    let check = consumer(items(), roomy(|peer| Stack { peer, queue: VecDeque::new() }));
    assert_found(check, Finding::Reordered, "Exactly once, in order");
}

wrong_consumer! {
    /// Queues everything that the guest writes.
    struct UnboundedQueue { peer: Peer, queue: VecDeque<u32> }
    |this, cx, store, source, _| {
        this.queue.extend(take(store, &mut source, 64)?);
        while let (false, Poll::Ready(_)) = (this.queue.is_empty(), this.peer.poll_room(cx)) {
            this.peer.send(this.queue.pop_front().into_iter().collect());
        }
        Poll::Ready(Ok(Completed))
    }
}

#[test]
fn a_queue_has_no_bound() {
    let make = narrow(|peer| UnboundedQueue { peer, queue: VecDeque::new() });
    assert_found(consumer(items(), make).bound(2), Finding::Outran, "Backpressure");
}

wrong_consumer! {
    /// Allocates room for everything that is written.
    struct GuestSized { peer: Peer }
    |this, _, store, source, _| {
        let items = take(store, &mut source, usize::MAX)?;
        if !items.is_empty() {
            this.peer.send(items);
        }
        Poll::Ready(Ok(Completed))
    }
}

#[test]
fn a_buffer_is_allocated_by_the_guests_length() {
    let check = consumer(items(), roomy(|peer| GuestSized { peer })).memory(peak);
    assert_found(check, Finding::GuestSizedMemory, "Bounded memory");
}

wrong_consumer! {
    /// Sends to a peer that goes away after two writes. It returns the error, or swallows it.
    struct PeerGoesAway { peer: Peer, writes: usize, traps: bool, reports: Reports }
    |this, _, store, source, _| {
        let items = take(store, &mut source, 64)?;
        this.writes += usize::from(!items.is_empty());
        match this.writes {
            0..=2 => this.peer.send(items),
            _ if this.traps => return Poll::Ready(Err(wasmtime::Error::msg("peer went away"))),
            _ => {
                this.reports.push(Reported::Ended);
                return Poll::Ready(Ok(Dropped));
            }
        }
        Poll::Ready(Ok(Completed))
    }
}

fn going_away(traps: bool, reports: Reports) -> Made<PeerGoesAway, u32> {
    let pushed = reports.clone();
    let peer = Peer::new(usize::MAX);
    Made::new(PeerGoesAway { peer, writes: 0, traps, reports }).reports(move || pushed.all())
}

#[test]
fn an_error_traps_the_guest() {
    let check = consumer(items(), || going_away(true, Reports::default()));
    assert_found(check.fails(), Finding::ErrorTrapped, "Items before the error");
}

#[test]
fn an_error_is_lost() {
    let check = consumer(items(), || going_away(false, Reports::default()));
    assert_found(check.fails(), Finding::ErrorLost, "Items before the error");
}
