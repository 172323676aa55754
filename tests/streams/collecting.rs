//! Collectors with a limit.

use wasmtime_streams::{End, iterators};

use crate::pattern;
use crate::support::guest::{Code, with_guest, with_large_guest};

#[test]
fn exactly_the_limit_is_taken_and_the_rest_stays_with_the_guest() {
    // Rule "Exact partial writes": the guest sees how much was taken, and that the stream has ended.
    with_guest::<u8, _>(async |guest| {
        let (consumer, done) = iterators::collect_bytes(5).with_completion();
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send(stream, &[1, 2, 3]).await, Code::Completed(3));
        assert_eq!(guest.send(stream, &[4, 5, 6]).await, Code::Dropped(2));
        let done = done.await;
        assert!(matches!(done.end, End::LimitReached));
        assert_eq!((done.moved, done.inner.into_inner()), (5, vec![1, 2, 3, 4, 5]));

        let (consumer, done) = iterators::collect::<u8>(5).with_completion();
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send(stream, &[1, 2, 3]).await, Code::Completed(3));
        assert_eq!(guest.send(stream, &[4, 5, 6]).await, Code::Dropped(2));
        let done = done.await;
        assert!(matches!(done.end, End::LimitReached));
        assert_eq!((done.moved, done.inner.into_inner()), (5, vec![1, 2, 3, 4, 5]));
    });
}

#[test]
fn data_of_exactly_the_limit_is_accepted() {
    // Rule "Completion": a limit on a sink ends it only when more arrives. A zero-length write is not more.
    with_guest::<u8, _>(async |guest| {
        let (bytes, bytes_done) = iterators::collect_bytes(3).with_completion();
        let (items, items_done) = iterators::collect::<u8>(3).with_completion();
        for stream in [guest.sink(bytes).await, guest.sink(items).await] {
            assert_eq!(guest.send(stream, &[1, 2, 3]).await, Code::Completed(3));
            assert_eq!(guest.write(stream, 0).await, Code::Completed(0));
            guest.drop_writable(stream).await;
        }
        let done = bytes_done.await;
        assert!(done.end.is_finished() && done.inner.into_inner() == [1, 2, 3]);
        let done = items_done.await;
        assert!(done.end.is_finished() && done.inner.into_inner() == [1, 2, 3]);
    });
}

#[test]
fn a_limit_of_zero_takes_nothing() {
    // Rule "Exact partial writes".
    with_guest::<u8, _>(async |guest| {
        let (bytes, bytes_done) = iterators::collect_bytes(0).with_completion();
        let (items, items_done) = iterators::collect::<u8>(0).with_completion();
        for stream in [guest.sink(bytes).await, guest.sink(items).await] {
            assert_eq!(guest.send(stream, &[1]).await, Code::Dropped(0));
        }
        assert!(matches!(bytes_done.await.end, End::LimitReached));
        assert!(matches!(items_done.await.end, End::LimitReached));
    });
}

#[test]
fn a_cancel_hands_back_what_was_collected() {
    // Rule "Completion".
    with_guest::<u8, _>(async |guest| {
        let (consumer, done) = iterators::collect_bytes(9).with_completion();
        let stream = guest.sink(consumer).await;
        guest.send_all(stream, &[1, 2]).await;
        done.cancel();
        let done = done.await;
        assert!(matches!(done.end, End::Cancelled));
        assert_eq!(done.inner.into_inner(), [1, 2]);
        assert_eq!(guest.send(stream, &[3]).await, Code::Dropped(0));
    });
}

#[test]
fn memory_grows_with_what_arrives_and_not_beyond_the_limit() {
    // Rule "Bounded memory": neither the limit nor the guest's length is allocated.
    const MIB: usize = 1 << 20;
    let data = pattern(3 * MIB);
    with_large_guest::<u8, _>(4 << 20, async |guest| {
        for limit in [usize::MAX, 5 * MIB / 2] {
            let (consumer, done) = iterators::collect_bytes(limit).with_completion();
            let stream = guest.sink(consumer).await;
            guest.send_all(stream, &data[..10]).await;
            guest.send_all(stream, &data[10..]).await;
            guest.drop_writable(stream).await;
            let bytes = done.await.inner.into_inner();
            assert!(bytes == data[..data.len().min(limit)]);
            assert!(bytes.capacity() <= limit.min(2 * bytes.len()), "{}", bytes.capacity());
        }
        let (consumer, done) = iterators::collect_bytes(usize::MAX).with_completion();
        let stream = guest.sink(consumer).await;
        guest.send_all(stream, &data[..10]).await;
        done.cancel();
        assert!(done.await.inner.into_inner().capacity() <= 20);
    });
    with_large_guest::<u32, _>(MIB as u32, async |guest| {
        let limit = 100_000;
        let (consumer, done) = iterators::collect::<u32>(limit).with_completion();
        let stream = guest.sink(consumer).await;
        // More than one operation may take, and then more than the limit.
        assert_eq!(guest.write(stream, MIB as u32).await, Code::Completed(65_536));
        assert_eq!(guest.write(stream, MIB as u32).await, Code::Dropped(100_000 - 65_536));
        let items = done.await.inner.into_inner();
        assert_eq!((items.len(), items.capacity()), (limit, limit));
    });
}

#[test]
fn strings_are_collected_in_batches_that_grow_with_them() {
    // Rule "Bounded memory": a limit is not reserved.
    with_guest::<String, _>(async |guest| {
        let (consumer, done) = iterators::collect::<String>(1 << 40).with_completion();
        let stream = guest.sink(consumer).await;
        let items: Vec<_> = (0..200).map(|n| n.to_string()).collect();
        guest.load_items(&items).await;
        assert_eq!(guest.write(stream, 200).await, Code::Completed(200));
        guest.drop_writable(stream).await;
        let got = done.await.inner.into_inner();
        assert_eq!(got, items);
        assert!(got.capacity() <= 400, "{}", got.capacity());
    });
}
