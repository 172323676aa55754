//! Common mistakes with zero-length operations, one in each producer or consumer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use tokio::sync::mpsc::UnboundedReceiver as Rx;
use wasmtime::component::StreamResult::{Cancelled, Completed, Dropped};
use wasmtime_streams_testing::{Finding, Made, consumer, producer};

use crate::wrong::{
    ITEMS, Peer, assert_found, batch, fed, full, items, nothing, ready, roomy, take,
    wrong_consumer, wrong_producer,
};

wrong_producer! {
    /// Ignores how much is wanted.
    struct ForgetsZeroLength { rx: Rx<u32> }
    |this, cx, _, dst, finish| {
        match this.rx.poll_recv(cx) {
            Poll::Ready(Some(item)) => {
                dst.set_buffer(vec![item].into());
                Poll::Ready(Ok(Completed))
            }
            Poll::Ready(None) => Poll::Ready(Ok(Dropped)),
            Poll::Pending => nothing!(finish),
        }
    }
}

#[test]
fn a_zero_length_read_takes_an_item() {
    let check = producer(items(), fed(|rx| ForgetsZeroLength { rx }));
    assert_found(check, Finding::TookOnZeroLength, "Zero-length reads");
}

wrong_producer! {
    /// Takes "nothing was read" for the end, as with readers.
    struct EmptyIsTheEnd { rx: Rx<u32> }
    |this, cx, store, dst, finish| {
        match batch(&mut this.rx, dst.remaining(store).unwrap_or(64), cx) {
            Poll::Ready(Some(items)) if !items.is_empty() => {
                dst.set_buffer(items.into());
                Poll::Ready(Ok(Completed))
            }
            Poll::Ready(_) => Poll::Ready(Ok(Dropped)),
            Poll::Pending => nothing!(finish),
        }
    }
}

#[test]
fn a_zero_length_read_is_taken_for_the_end() {
    let check = producer(items(), fed(|rx| EmptyIsTheEnd { rx }));
    assert_found(check, Finding::ZeroLengthRead, "Zero-length reads");
}

wrong_producer! {
    /// Waits until the guest has room, which it never has in a zero-length read.
    struct WaitsForRoom { rx: Rx<u32> }
    |this, cx, store, dst, finish| {
        match dst.remaining(store) {
            Some(0) => nothing!(finish),
            wanted => match batch(&mut this.rx, wanted.unwrap_or(64), cx) {
                Poll::Ready(Some(items)) => {
                    dst.set_buffer(items.into());
                    Poll::Ready(Ok(Completed))
                }
                Poll::Ready(None) => Poll::Ready(Ok(Dropped)),
                Poll::Pending => nothing!(finish),
            },
        }
    }
}

#[test]
fn a_zero_length_read_hangs() {
    let check = producer(items(), fed(|rx| WaitsForRoom { rx }));
    assert_found(check, Finding::ZeroLengthRead, "Zero-length reads");
}

wrong_producer! {
    /// Always answers that it is ready.
    struct AlwaysReady { rx: Rx<u32> }
    |this, cx, store, dst, finish| {
        match batch(&mut this.rx, dst.remaining(store).unwrap_or(64), cx) {
            Poll::Ready(Some(items)) => {
                dst.set_buffer(items.into());
                Poll::Ready(Ok(Completed))
            }
            Poll::Ready(None) => Poll::Ready(Ok(Dropped)),
            Poll::Pending => nothing!(finish),
        }
    }
}

#[test]
fn a_guest_that_asks_until_the_end_spins() {
    let check = producer(items(), ready(|rx| AlwaysReady { rx }));
    assert_found(check, Finding::SpinsAtEnd, "Zero-length reads");
    let check = producer(items(), fed(|rx| AlwaysReady { rx }));
    assert_found(check, Finding::SpinsAtEnd, "Zero-length reads");
}

#[test]
fn a_guest_that_asks_an_empty_stream_spins() {
    let check = producer(Vec::new(), || Made::new(AlwaysReady { rx: full([]) }));
    assert_found(check, Finding::SpinsAtEnd, "Zero-length reads");
}

wrong_producer! {
    /// Looks ahead by one item on every zero-length read.
    struct TakesAhead { rx: Rx<u32>, next: Option<u32>, taken: Arc<AtomicUsize> }
    |this, cx, store, dst, finish| {
        let wanted = dst.remaining(store).unwrap_or(64);
        let mut items: Vec<_> = if wanted > 0 { this.next.take().into_iter().collect() } else { Vec::new() };
        while items.len() < wanted || wanted == 0 && this.next.is_none() {
            let item = match this.rx.poll_recv(cx) {
                Poll::Ready(None) if items.is_empty() => return Poll::Ready(Ok(Dropped)),
                Poll::Pending if items.is_empty() => return nothing!(finish),
                Poll::Ready(Some(item)) => item,
                _ => break,
            };
            this.taken.fetch_add(1, Ordering::Relaxed);
            if wanted > 0 { items.push(item) } else { this.next = Some(item) }
        }
        dst.set_buffer(items.into());
        Poll::Ready(Ok(Completed))
    }
}

#[test]
fn the_first_zero_length_read_looks_ahead() {
    let check = producer(items(), || {
        let taken = Arc::new(AtomicUsize::new(0));
        let made = Made::new(TakesAhead { rx: full(ITEMS), next: None, taken: taken.clone() });
        made.taken(move || taken.load(Ordering::Relaxed))
    });
    assert_found(check, Finding::LookedAhead, "Zero-length reads");
}

wrong_consumer! {
    struct FirstOfNothing { peer: Peer }
    |this, _, store, source, _| {
        let items = take(store, &mut source, 64)?;
        let first = items[0];
        this.peer.send(vec![first]);
        this.peer.send(items[1..].to_vec());
        Poll::Ready(Ok(Completed))
    }
}

#[test]
fn a_zero_length_write_panics() {
    let check = consumer(items(), || Made::new(FirstOfNothing { peer: Peer::new(64) }));
    assert_found(check, Finding::ZeroLengthWrite, "Zero-length writes");
}

wrong_consumer! {
    struct RefusesNothing { peer: Peer }
    |this, _, store, source, _| {
        let items = take(store, &mut source, 64)?;
        if items.is_empty() {
            return Poll::Ready(Err(wasmtime::Error::msg("nothing to write")));
        }
        this.peer.send(items);
        Poll::Ready(Ok(Completed))
    }
}

#[test]
fn a_zero_length_write_traps() {
    let check = consumer(items(), roomy(|peer| RefusesNothing { peer }));
    assert_found(check, Finding::ZeroLengthWrite, "Zero-length writes");
}

wrong_consumer! {
    struct WaitsForItems { peer: Peer }
    |this, _, store, source, finish| {
        let items = take(store, &mut source, 64)?;
        match (items.is_empty(), finish) {
            (true, true) => return Poll::Ready(Ok(Cancelled)),
            (true, false) => return Poll::Pending,
            _ => this.peer.send(items),
        }
        Poll::Ready(Ok(Completed))
    }
}

#[test]
fn a_zero_length_write_hangs() {
    let check = consumer(items(), roomy(|peer| WaitsForItems { peer }));
    assert_found(check, Finding::ZeroLengthWrite, "Zero-length writes");
}

wrong_consumer! {
    struct NothingIsTheEnd { peer: Peer }
    |this, _, store, source, _| {
        let items = take(store, &mut source, 64)?;
        if items.is_empty() {
            return Poll::Ready(Ok(Dropped));
        }
        this.peer.send(items);
        Poll::Ready(Ok(Completed))
    }
}

#[test]
fn a_zero_length_write_is_taken_for_the_end() {
    let check = consumer(items(), roomy(|peer| NothingIsTheEnd { peer }));
    assert_found(check, Finding::ZeroLengthWrite, "Zero-length writes");
}

wrong_consumer! {
    struct SendsWhatCame { peer: Peer }
    |this, _, store, source, _| {
        this.peer.send(take(store, &mut source, 64)?);
        Poll::Ready(Ok(Completed))
    }
}

#[test]
fn a_zero_length_write_sends_an_empty_chunk() {
    let check = consumer(items(), roomy(|peer| SendsWhatCame { peer }));
    assert_found(check, Finding::EmptyChunk, "Zero-length writes");
}
