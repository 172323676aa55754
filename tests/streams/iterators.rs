//! Streams over iterators.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use wasmtime::component::StreamReader;
use wasmtime_streams::{End, iterators};

use crate::support::guest::{Code, with_guest};

/// Counts its calls, has a wrong size hint, and panics when it is asked after its end.
struct Counting {
    next: u8,
    end: u8,
    asked: Arc<AtomicUsize>,
}

impl Iterator for Counting {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        assert!(self.next <= self.end, "asked after its end");
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.next += 1;
        (self.next <= self.end).then_some(self.next)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, Some(0))
    }
}

fn counting(end: u8) -> (Counting, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    (Counting { next: 0, end, asked: asked.clone() }, asked)
}

#[test]
fn a_read_takes_exactly_what_the_guest_asks_for() {
    // Rule "Fill each operation".
    with_guest::<u8, _>(async |guest| {
        let (items, asked) = counting(9);
        let stream = guest.source(iterators::items(items)).await;
        assert_eq!(guest.recv(stream, 3).await, (Code::Completed(3), vec![1, 2, 3]));
        assert_eq!(asked.load(Ordering::Relaxed), 3);
        assert_eq!(guest.recv(stream, 2).await, (Code::Completed(2), vec![4, 5]));
        assert_eq!(asked.load(Ordering::Relaxed), 5);
    });
}

#[test]
fn the_end_goes_with_the_last_items_once_next_has_returned_none() {
    // Rule "The end goes with the last items": only `next` shows it, and `next` is not called again.
    with_guest::<u8, _>(async |guest| {
        let (items, _) = counting(3);
        let stream = guest.source(iterators::items(items)).await;
        assert_eq!(guest.recv(stream, 9).await, (Code::Dropped(3), vec![1, 2, 3]));
        let (items, _) = counting(3);
        let stream = guest.source(iterators::items(items)).await;
        assert_eq!(guest.recv(stream, 3).await, (Code::Completed(3), vec![1, 2, 3]));
        assert_eq!(guest.recv(stream, 3).await.0, Code::Dropped(0));
        let (items, _) = counting(3);
        let stream = guest.source(iterators::try_items(items.map(Ok::<_, ()>))).await;
        assert_eq!(guest.recv(stream, 9).await, (Code::Dropped(3), vec![1, 2, 3]));
    });
}

#[test]
fn a_zero_length_read_does_not_call_the_iterator() {
    // Rule "Zero-length reads".
    with_guest::<u8, _>(async |guest| {
        let (items, asked) = counting(3);
        let stream = guest.source(iterators::items(items)).await;
        assert_eq!(guest.read(stream, 0).await, Code::Completed(0));
        assert_eq!(asked.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn items_before_an_error_are_delivered_and_the_rest_stays() {
    // Rule "Items before the error".
    with_guest::<u8, _>(async |guest| {
        let items = [Ok(1), Ok(2), Err("broken"), Ok(3)];
        let (producer, done) = iterators::try_items(items).with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(guest.recv(stream, 9).await, (Code::Dropped(2), vec![1, 2]));
        let done = done.await;
        assert!(matches!(done.end, End::Failed("broken")));
        assert_eq!(done.moved, 2);
        assert_eq!(done.inner.into_inner().collect::<Vec<_>>(), [Ok(3)]);
    });
}

#[test]
fn an_endless_iterator_is_taken_in_batches_and_handed_back() {
    // Rule "Bounded memory".
    with_guest::<u32, _>(async |guest| {
        let (producer, done) = iterators::items(0_u32..).batch(100).with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(guest.recv(stream, 1 << 20).await.0, Code::Completed(100));
        guest.drop_readable(stream).await;
        let done = done.await;
        assert!(matches!(done.end, End::PeerDropped));
        assert_eq!(done.inner.into_inner().next(), Some(100));
    });
}

#[test]
fn a_splice_gives_an_iterator_back() {
    // Rule "Splice": no item is held outside of the iterator.
    with_guest::<u8, _>(async |guest| {
        let stream = guest.source(iterators::items([1_u8, 2, 3]).spliceable()).await;
        assert_eq!(guest.recv(stream, 1).await.1, [1]);
        let reader: StreamReader<u8> = guest.give(stream).await;
        let source: iterators::Items<std::array::IntoIter<u8, 3>> =
            guest.with(|store| reader.try_into(store)).ok().unwrap();
        assert_eq!(source.into_inner().collect::<Vec<_>>(), [2, 3]);
    });
}
