//! Items from the guest.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures::StreamExt as _;
use futures::channel::mpsc;
use wasmtime_streams::{End, EndReason, Flush, ItemConsumer, ItemSink, Take, items::Plain, sinks};

use crate::support::guest::{
    BUFFER, Code, Guest, with_guest, with_large_guest, with_trapping_guest,
};
use crate::support::script::{Script, Step, Writer};
use wasmtime_streams_testing::Item;
use wasmtime_streams_testing::executor::{self, idle};

fn bytes(words: impl IntoIterator<Item = u32>) -> Vec<u8> {
    words.into_iter().flat_map(u32::to_le_bytes).collect()
}

/// Writes strings into the guest's memory, with their pairs of address and length at the start of the buffer.
async fn strings(guest: &Guest<'_, String>, items: &[&str]) -> u32 {
    let first = BUFFER + 8 * items.len() as u32;
    let mut at = first;
    let mut memory = Vec::new();
    for item in items {
        memory.extend(bytes([at, item.len() as u32]));
        at += item.len() as u32;
    }
    memory.extend(items.concat().into_bytes());
    guest.load(&memory).await;
    items.len() as u32
}

#[test]
fn a_write_is_taken_whole_if_there_is_room() {
    // Rule "Exact partial writes".
    for len in [1, 2, 7, 256, 4096, 20_000] {
        with_guest::<u32, _>(async |guest| {
            let writer = Writer::<u32>::new(Script::new([]));
            let log = writer.log();
            let stream = guest.sink(sinks::items(writer)).await;
            assert_eq!(guest.send(stream, &bytes(0..len)).await, Code::Completed(len));
            assert!(log.accepted().into_iter().eq(0..len));
        });
    }
}

#[test]
fn strings_arrive_whole_and_in_order() {
    // Rule "Exact partial writes".
    with_guest::<String, _>(async |guest| {
        let writer = Writer::<String>::new(Script::new([]));
        let log = writer.log();
        let stream = guest.sink(sinks::items(writer)).await;
        let len = strings(guest, &["", "a", "bc", "déf"]).await;
        assert_eq!(guest.write(stream, len).await, Code::Completed(4));
        assert_eq!(log.accepted(), ["", "a", "bc", "déf"]);
    });
}

#[test]
fn a_strict_sink_takes_no_item_without_room() {
    // Rule "Exact partial writes": with a batch of 1, everything that was taken was sent.
    with_guest::<u32, _>(async |guest| {
        let (tx, mut rx) = mpsc::channel::<u32>(1);
        let consumer = sinks::items(tx).batch(1).flush(Flush::OnClose);
        let stream = guest.sink(consumer).await;
        // One slot of the channel, and one for its only sender.
        assert_eq!(guest.send(stream, &bytes(0..5)).await, Code::Completed(2));
        guest.load(&bytes(2..5)).await;
        assert_eq!(guest.write(stream, 3).await, Code::Blocked);
        idle().await;
        assert_eq!(guest.cancel_write(stream).await, Code::Cancelled(0));
        assert_eq!((rx.next().await, rx.next().await), (Some(0), Some(1)));
        assert_eq!(guest.send(stream, &bytes(2..5)).await, Code::Completed(2));
        assert_eq!((rx.next().await, rx.next().await), (Some(2), Some(3)));
    });
}

#[test]
fn the_write_of_a_taken_batch_is_held_until_it_is_sent() {
    // Rule "Exact partial writes": the guest's write stays pending.
    with_guest::<u32, _>(async |guest| {
        let script = Script::new([Step::Accept(1), Step::Hold, Step::Accept(1), Step::Hold]);
        let control = script.control();
        let writer = Writer::<u32>::new(script);
        let log = writer.log();
        let stream = guest.sink(sinks::items(writer)).await;
        guest.load(&bytes(0..3)).await;
        assert_eq!(guest.write(stream, 3).await, Code::Blocked);
        let mut wait = Box::pin(guest.wait(stream));
        assert_eq!(guest.parked(&mut wait).await, None);
        assert_eq!(log.accepted(), [0]);
        control.release();
        assert_eq!(guest.parked(&mut wait).await, None);
        assert_eq!(log.accepted(), [0, 1]);
        control.release();
        assert_eq!(wait.await, Code::Completed(3));
        assert_eq!(log.accepted(), [0, 1, 2]);
    });
}

#[test]
fn a_taken_batch_survives_a_cancel_and_is_sent_first() {
    // Rule "Cancellation keeps the stream": items that were taken count as written.
    with_guest::<u32, _>(async |guest| {
        let script = Script::new([Step::Accept(1), Step::Hold]);
        let control = script.control();
        let writer = Writer::<u32>::new(script);
        let log = writer.log();
        let (consumer, done) = sinks::items(writer).with_completion();
        let stream = guest.sink(consumer).await;
        guest.load(&bytes(0..3)).await;
        assert_eq!(guest.write(stream, 3).await, Code::Blocked);
        assert_eq!(guest.cancel_write(stream).await, Code::Cancelled(3));
        control.release();
        assert_eq!(guest.send(stream, &bytes([3])).await, Code::Completed(1));
        guest.drop_writable(stream).await;
        assert_eq!(done.await.moved, 4);
        assert_eq!(log.accepted(), [0, 1, 2, 3]);
    });
}

#[test]
fn the_completion_sends_items_that_were_taken_and_not_sent() {
    // Rule "The completion closes the sink".
    with_guest::<u32, _>(async |guest| {
        let script = Script::new([Step::Accept(1), Step::Hold]);
        let control = script.control();
        let writer = Writer::<u32>::new(script);
        let log = writer.log();
        let (consumer, done) = sinks::items(writer).with_completion();
        let stream = guest.sink(consumer).await;
        guest.load(&bytes(0..3)).await;
        assert_eq!(guest.write(stream, 3).await, Code::Blocked);
        assert_eq!(guest.cancel_write(stream).await, Code::Cancelled(3));
        guest.drop_writable(stream).await;
        control.release();
        let done = done.await;
        assert!(done.end.is_finished());
        assert_eq!(log.accepted(), [0, 1, 2]);
        assert!(log.look(|written| written.closed && written.flushed == 3));
    });
}

#[test]
fn items_that_could_not_be_sent_are_handed_back() {
    // Rule "Completion": with the sink, in order. The item for which the sink refused room is among them.
    with_guest::<u32, _>(async |guest| {
        let script = Script::new([Step::Accept(1), Step::Accept(1), Step::Fail]);
        let (consumer, done) = sinks::items(Writer::<u32>::new(script)).with_completion();
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send(stream, &bytes(0..5)).await, Code::Dropped(5));
        let done = done.await;
        assert!(matches!(done.end, End::Failed(_)));
        let (writer, unsent) = done.inner.into_parts();
        assert_eq!((writer.log().accepted(), Vec::from(unsent)), (vec![0, 1], vec![2, 3, 4]));
    });
}

#[test]
fn a_waiting_flush_is_distinct_from_a_zero_length_write() {
    // Rule "Zero-length writes": once everything is taken nothing remains, but it is no zero-length write.
    with_guest::<u32, _>(async |guest| {
        let flush = Script::new([Step::Hold, Step::Accept(0)]);
        let control = flush.control();
        let writer = Writer::<u32>::with_flush(Script::new([]), flush);
        let stream = guest.sink(sinks::items(writer)).await;
        guest.load(&bytes(0..3)).await;
        assert_eq!(guest.write(stream, 3).await, Code::Blocked);
        let mut wait = Box::pin(guest.wait(stream));
        assert_eq!(guest.parked(&mut wait).await, None);
        control.release();
        assert_eq!(wait.await, Code::Completed(3));
    });
}

/// Recorded at each `take`: how much was asked for, how much came, how much remained, the capacity used.
type Seen = Arc<Mutex<Vec<(usize, usize, usize)>>>;

/// Takes once an operation, as much as it can get.
struct Greedy<T> {
    seen: Seen,
    items: Vec<T>,
}

impl<T> Unpin for Greedy<T> {}

impl<T: Send + 'static> ItemSink for Greedy<T> {
    type Item = T;
    type Error = Infallible;

    fn poll_accept(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        items: &mut dyn Take<T>,
    ) -> Poll<Result<(), End<Infallible>>> {
        let this = self.get_mut();
        let remaining = items.remaining();
        let took = items.take(usize::MAX, &mut this.items);
        assert_eq!((items.taken(), items.remaining()), (took, remaining - took));
        this.seen.lock().unwrap().push((remaining, took, this.items.capacity()));
        this.items.clear();
        Poll::Ready(Ok(()))
    }

    unbuffered!();

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}

fn greedy<T: Item + Plain>(batch: usize) {
    const LEN: u32 = (1 << 28) - 1;
    let seen = Seen::default();
    with_large_guest::<T, _>(LEN, async |guest| {
        let greedy = Greedy::<T> { seen: seen.clone(), items: Vec::new() };
        let stream = guest.sink(ItemConsumer::new(greedy)).await;
        for _ in 0..2 {
            assert_eq!(guest.write(stream, LEN).await, Code::Completed(batch as u32));
        }
    });
    assert_eq!(*seen.lock().unwrap(), [(65536, batch, batch); 2]);
}

#[test]
fn the_batch_bounds_memory_whatever_the_guest_offers() {
    // Rule "Bounded memory": 2^28 - 1 items are offered.
    greedy::<u8>(65536);
    greedy::<u32>(16384);
    greedy::<String>(64);
}

#[test]
fn items_too_large_for_one_batch_are_lifted_one_by_one() {
    // Rule "Bounded memory": Wasmtime charges what is lifted to its hostcall fuel, per read: here 24 bytes a string,
    // and its content.
    with_guest::<String, _>(async |guest| {
        guest.with(|mut store| store.set_hostcall_fuel(150));
        let writer = Writer::<String>::new(Script::new([]));
        let log = writer.log();
        let stream = guest.sink(sinks::items(writer)).await;
        let large = "x".repeat(80);
        let len = strings(guest, &["a", &large, &large, "b"]).await;
        assert_eq!(guest.write(stream, len).await, Code::Completed(4));
        assert_eq!(log.accepted(), ["a", &large, &large, "b"]);
    });
}

#[test]
fn an_item_that_cannot_be_lifted_traps_after_those_before_it() {
    // Rule "Items before the error".
    let mut kept = None;
    let error = with_trapping_guest::<String, _>(async |guest| {
        let writer = Writer::<String>::new(Script::new([]));
        let log = writer.log();
        let (consumer, done) = sinks::items(writer).with_completion();
        kept = Some((done, log));
        let stream = guest.sink(consumer).await;
        // The second string is outside of the guest's memory.
        let mut memory = bytes([BUFFER + 16, 2, u32::MAX - 8, 4]);
        memory.extend(b"ok");
        guest.load(&memory).await;
        guest.write(stream, 2).await;
    });
    assert!(format!("{error:?}").contains("out of bounds"), "{error:?}");
    let (done, log) = kept.unwrap();
    assert_eq!(log.accepted(), ["ok"]);
    let done = executor::run(done);
    assert!(matches!(done.end, End::Undeliverable(_)), "{:?}", done.end);
    assert_eq!(done.moved, 1);
}
