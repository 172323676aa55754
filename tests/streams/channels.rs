//! The mpsc channels of tokio, and what all its channels have in common.

use tokio::sync::{broadcast, mpsc, watch};
use wasmtime::StoreContextMut;
use wasmtime_streams::{End, channels};
use wasmtime_streams_testing::executor::idle;

use crate::support::guest::{Code, Guest, World, with_guest};

pub(crate) fn bytes(words: impl IntoIterator<Item = u32>) -> Vec<u8> {
    words.into_iter().flat_map(u32::to_le_bytes).collect()
}

pub(crate) async fn recv(guest: &Guest<'_, u32>, stream: u32, len: u32) -> (Code, Vec<u32>) {
    let (code, bytes) = guest.recv(stream, len).await;
    let words = bytes.chunks(4).map(|word| u32::from_le_bytes(word.try_into().unwrap()));
    (code, words.collect())
}

/// Lets an operation that must wait park.
pub(crate) async fn park(code: Code) {
    assert_eq!(code, Code::Blocked);
    idle().await;
}

/// Runs `test` in a tokio task, whose budget allows a receiver 128 items when it is asked item by item.
fn on_tokio(test: impl FnOnce()) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async { test() });
}

#[test]
fn one_read_takes_everything_in_the_channel() {
    // Rule "Fill each operation".
    on_tokio(|| {
        with_guest::<u32, _>(async |guest| {
            let (tx, rx) = mpsc::channel(1000);
            (0..1000).for_each(|n| tx.try_send(n).unwrap());
            let stream = guest.source(channels::mpsc_receiver(rx)).await;
            let (code, got) = recv(guest, stream, 1000).await;
            assert!(code == Code::Completed(1000) && got.into_iter().eq(0..1000));

            let (tx, rx) = mpsc::unbounded_channel();
            (0..1000).for_each(|n| tx.send(n).unwrap());
            let stream = guest.source(channels::mpsc_unbounded_receiver(rx)).await;
            let (code, got) = recv(guest, stream, 1000).await;
            assert!(code == Code::Completed(1000) && got.into_iter().eq(0..1000));

            let (tx, rx) = broadcast::channel(1024);
            (0..1000).for_each(|n| assert_eq!(tx.send(n).unwrap(), 1));
            let stream = guest.source(channels::broadcast_receiver(rx)).await;
            let (code, got) = recv(guest, stream, 1000).await;
            assert!(code == Code::Completed(1000) && got.into_iter().eq(0..1000));
        });
    });
}

#[test]
fn a_write_is_taken_whole_if_the_channel_has_room() {
    // Rule "Exact partial writes".
    on_tokio(|| {
        with_guest::<u32, _>(async |guest| {
            let (tx, mut rx) = mpsc::channel(1000);
            let stream = guest.sink(channels::mpsc_sender(tx)).await;
            assert_eq!(guest.send(stream, &bytes(0..1001)).await, Code::Completed(1000));
            assert!((0..1000).all(|n| rx.try_recv() == Ok(n)) && rx.is_empty());

            let (tx, mut rx) = mpsc::unbounded_channel();
            let stream = guest.sink(channels::mpsc_unbounded_sender(tx)).await;
            assert_eq!(guest.send(stream, &bytes(0..1000)).await, Code::Completed(1000));
            assert!((0..1000).all(|n| rx.try_recv() == Ok(n)) && rx.is_empty());

            let (tx, mut rx) = broadcast::channel(1024);
            let stream = guest.sink(channels::broadcast_sender(tx)).await;
            assert_eq!(guest.send(stream, &bytes(0..1000)).await, Code::Completed(1000));
            assert!((0..1000).all(|n| rx.try_recv() == Ok(n)) && rx.is_empty());
        });
    });
}

#[test]
fn the_end_of_a_channel_goes_with_its_last_items() {
    // Rule "The end goes with the last items": only the receiver knows that nobody can send any more.
    with_guest::<u32, _>(async |guest| {
        for left in [false, true] {
            let (tx, rx) = mpsc::channel(3);
            (0..3).for_each(|n| tx.try_send(n).unwrap());
            let other = left.then(|| tx.clone());
            drop(tx);
            let stream = guest.source(channels::mpsc_receiver(rx)).await;
            last(guest, stream, other).await;

            let (tx, rx) = mpsc::unbounded_channel();
            (0..3).for_each(|n| tx.send(n).unwrap());
            let other = left.then(|| tx.clone());
            drop(tx);
            let stream = guest.source(channels::mpsc_unbounded_receiver(rx)).await;
            last(guest, stream, other).await;

            let (tx, rx) = broadcast::channel(3);
            (0..3).for_each(|n| assert_eq!(tx.send(n).unwrap(), 1));
            let other = left.then(|| tx.clone());
            drop(tx);
            let stream = guest.source(channels::broadcast_receiver(rx)).await;
            last(guest, stream, other).await;
        }
    });
}

/// Reads the items 0 to 2. `other` is a sender that can still send.
async fn last<S>(guest: &Guest<'_, u32>, stream: u32, other: Option<S>) {
    let (code, got) = recv(guest, stream, 3).await;
    assert_eq!(got, [0, 1, 2]);
    if other.is_none() {
        return assert_eq!(code, Code::Dropped(3));
    }
    assert_eq!(code, Code::Completed(3));
    park(guest.read(stream, 3).await).await;
    drop(other);
    assert_eq!(guest.wait(stream).await, Code::Dropped(0));
}

#[test]
fn a_guest_writes_item_by_item_into_a_channel_of_one() {
    // Rule "Backpressure".
    with_guest::<u32, _>(async |guest| {
        let (tx, mut rx) = mpsc::channel(1);
        let stream = guest.sink(channels::mpsc_sender(tx)).await;
        assert_eq!(guest.send(stream, &bytes(0..3)).await, Code::Completed(1));
        for n in 1..3 {
            guest.load(&bytes(n..3)).await;
            park(guest.write(stream, 3 - n).await).await;
            assert_eq!(rx.try_recv(), Ok(n - 1));
            assert_eq!(guest.wait(stream).await, Code::Completed(1));
        }
        assert_eq!(rx.try_recv(), Ok(2));
    });
}

#[test]
fn a_woken_write_uses_all_the_room() {
    // Rule "Fill each operation": it waited for room for one item.
    with_guest::<u32, _>(async |guest| {
        let (tx, mut rx) = mpsc::channel(4);
        let stream = guest.sink(channels::mpsc_sender(tx)).await;
        assert_eq!(guest.send(stream, &bytes(0..4)).await, Code::Completed(4));
        guest.load(&bytes(4..9)).await;
        park(guest.write(stream, 5).await).await;
        assert!((0..3).all(|n| rx.try_recv() == Ok(n)));
        assert_eq!(guest.wait(stream).await, Code::Completed(3));
        assert!((3..7).all(|n| rx.try_recv() == Ok(n)));
    });
}

#[test]
fn batches_of_strings_are_sent_one_after_another_while_there_is_room() {
    // Rule "Fill each operation": 64 strings are taken at a time.
    with_guest::<String, _>(async |guest| {
        let names: Vec<_> = (0..200).map(|n| format!("item {n}")).collect();
        let (tx, mut rx) = mpsc::channel(150);
        let other = tx.clone();
        let stream = guest.sink(channels::mpsc_sender(tx)).await;
        guest.load_items(&names).await;
        assert_eq!(guest.write(stream, 200).await, Code::Completed(150));
        assert!(names[..150].iter().all(|name| rx.try_recv().as_ref() == Ok(name)));
        assert_eq!(other.capacity(), 150);
    });
}

#[test]
fn a_write_uses_the_room_that_other_senders_leave() {
    // Rule "Exact partial writes": no item leaves the guest without room.
    with_guest::<u32, _>(async |guest| {
        let (tx, mut rx) = mpsc::channel(5);
        let other = tx.clone();
        let taken = other.try_reserve_many(3).unwrap();
        let stream = guest.sink(channels::mpsc_sender(tx)).await;
        assert_eq!(guest.send(stream, &bytes(0..9)).await, Code::Completed(2));
        guest.load(&bytes(2..9)).await;
        park(guest.write(stream, 7).await).await;
        // The other senders give their room back.
        drop(taken);
        assert_eq!(guest.wait(stream).await, Code::Completed(3));
        assert!((0..5).all(|n| rx.try_recv() == Ok(n)) && rx.is_empty());
    });
}

#[test]
fn a_cancelled_write_leaves_the_queue_for_room() {
    // Rule "Cancellation keeps the stream": what was reserved for it is given back.
    for len in [0, 1] {
        with_guest::<u32, _>(async |guest| {
            let (tx, mut rx) = mpsc::channel(1);
            let other = tx.clone();
            let stream = guest.sink(channels::mpsc_sender(tx)).await;
            other.try_send(7).unwrap();
            guest.load(&bytes([8])).await;
            park(guest.write(stream, len).await).await;
            assert_eq!(guest.cancel_write(stream).await, Code::Cancelled(0));
            assert_eq!(rx.try_recv(), Ok(7));
            other.try_send(9).unwrap();
            assert_eq!(rx.try_recv(), Ok(9));
            assert_eq!(guest.write(stream, 1).await, Code::Completed(1));
            assert_eq!(rx.try_recv(), Ok(8));
        });
    }
}

#[test]
fn a_zero_length_write_waits_for_room_and_does_not_keep_it() {
    // Rule "Zero-length writes".
    with_guest::<u32, _>(async |guest| {
        let (tx, mut rx) = mpsc::channel(1);
        let other = tx.clone();
        let stream = guest.sink(channels::mpsc_sender(tx)).await;
        assert_eq!(guest.write(stream, 0).await, Code::Completed(0));
        other.try_send(7).unwrap();
        park(guest.write(stream, 0).await).await;
        assert_eq!(rx.try_recv(), Ok(7));
        assert_eq!(guest.wait(stream).await, Code::Completed(0));
        other.try_send(9).unwrap();
        assert_eq!(rx.try_recv(), Ok(9));
    });
}

/// The guest drops its end. Then the only sender left is the clone that the host kept.
macro_rules! dropped_at_the_end {
    ($guest:expr, $tx:expr, $make:expr, $senders:expr) => {{
        let other = $tx.clone();
        let (consumer, done) = $make($tx).with_completion();
        let stream = $guest.sink(consumer).await;
        assert_eq!($guest.send(stream, &bytes([1])).await, Code::Completed(1));
        $guest.drop_writable(stream).await;
        let done = done.await;
        assert!(done.end.is_finished() && done.moved == 1);
        // At once, and not only when the adapter is dropped.
        assert_eq!($senders(&other), 1);
        assert!(done.inner.get_ref().is_none() && done.inner.into_inner().is_none());
    }};
}

#[test]
fn a_sender_is_dropped_at_the_end_and_its_clones_keep_the_channel_open() {
    // Rule "The completion closes the sink".
    with_guest::<u32, _>(async |guest| {
        let (tx, mut rx) = mpsc::channel::<u32>(4);
        dropped_at_the_end!(guest, tx, channels::mpsc_sender, mpsc::Sender::strong_count);
        assert_eq!((rx.recv().await, rx.recv().await), (Some(1), None));

        let (tx, _rx) = mpsc::unbounded_channel::<u32>();
        dropped_at_the_end!(
            guest,
            tx,
            channels::mpsc_unbounded_sender,
            mpsc::UnboundedSender::strong_count
        );
        let (tx, _rx) = broadcast::channel::<u32>(4);
        dropped_at_the_end!(guest, tx, channels::broadcast_sender, broadcast::Sender::strong_count);
        let (tx, _rx) = watch::channel(0_u32);
        dropped_at_the_end!(guest, tx, channels::watch_sender, watch::Sender::sender_count);
    });
}

#[test]
fn a_sender_that_the_host_cancels_is_handed_back() {
    // Rule "Completion": unchanged, and with no place in the queue for room.
    with_guest::<u32, _>(async |guest| {
        let (tx, mut rx) = mpsc::channel(1);
        tx.try_send(7).unwrap();
        let (consumer, done) = channels::mpsc_sender(tx).with_completion();
        let stream = guest.sink(consumer).await;
        guest.load(&bytes([8])).await;
        park(guest.write(stream, 1).await).await;
        done.cancel();
        assert_eq!(guest.wait(stream).await, Code::Dropped(0));
        let done = done.await;
        assert!(matches!(done.end, End::Cancelled) && done.moved == 0);
        let tx = done.inner.into_inner().unwrap();
        assert_eq!((rx.try_recv(), tx.strong_count()), (Ok(7), 1));
        tx.try_send(9).unwrap();
    });
}

#[test]
fn a_receiver_that_is_gone_ends_the_stream() {
    // Rule "Completion": nothing is taken that nobody would get.
    for zero in [false, true] {
        with_guest::<u32, _>(async |guest| {
            guest.load(&bytes([8])).await;
            let (tx, rx) = mpsc::channel::<u32>(1);
            let (consumer, done) = channels::mpsc_sender(tx).with_completion();
            let stream = guest.sink(consumer).await;
            drop(rx);
            assert_eq!(guest.write(stream, u32::from(!zero)).await, Code::Dropped(0));
            let done = done.await;
            assert!(matches!(done.end, End::ReceiverDropped));
            assert!(done.moved == 0 && done.inner.into_inner().unwrap().is_closed());

            let (tx, rx) = mpsc::unbounded_channel::<u32>();
            let (consumer, done) = channels::mpsc_unbounded_sender(tx).with_completion();
            let stream = guest.sink(consumer).await;
            drop(rx);
            assert_eq!(guest.write(stream, u32::from(!zero)).await, Code::Dropped(0));
            let done = done.await;
            assert!(matches!(done.end, End::ReceiverDropped));
            assert!(done.moved == 0 && done.inner.into_parts().1.is_empty());
        });
    }
}

#[test]
fn a_waiting_write_is_woken_when_the_receiver_is_dropped() {
    // Rule "Register the current waker".
    with_guest::<u32, _>(async |guest| {
        let (tx, rx) = mpsc::channel(1);
        tx.try_send(7).unwrap();
        let stream = guest.sink(channels::mpsc_sender(tx)).await;
        guest.load(&bytes([8])).await;
        park(guest.write(stream, 1).await).await;
        drop(rx);
        assert_eq!(guest.wait(stream).await, Code::Dropped(0));
    });
}

#[test]
fn what_an_unbounded_channel_refuses_is_handed_back() {
    // Rule "Exact partial writes": the receiver is dropped between the check and the sends.
    for len in [1, 3] {
        with_guest::<u32, _>(async |guest| {
            let (tx, rx) = mpsc::unbounded_channel();
            let mut rx = Some(rx);
            let close = move |_: StoreContextMut<'_, World>, item: u32| {
                drop(rx.take());
                Ok(item)
            };
            let (consumer, done) =
                channels::mpsc_unbounded_sender(tx).receive_with(close).with_completion();
            let stream = guest.sink(consumer).await;
            assert_eq!(guest.send(stream, &bytes(0..len)).await, Code::Dropped(len));
            let done = done.await;
            assert!(matches!(done.end, End::ReceiverDropped));
            assert!(done.inner.into_parts().1.into_iter().eq(0..len));
        });
    }
}

#[test]
fn a_splice_gives_a_channel_back_with_its_items() {
    // Rule "Splice".
    with_guest::<u32, _>(async |guest| {
        let (tx, rx) = mpsc::channel(4);
        (0..4).for_each(|n| tx.try_send(n).unwrap());
        let stream = guest.source(channels::mpsc_receiver(rx).spliceable()).await;
        assert_eq!(guest.read(stream, 0).await, Code::Completed(0));
        assert_eq!(recv(guest, stream, 2).await, (Code::Completed(2), vec![0, 1]));
        let reader = guest.give(stream).await;
        let source =
            guest.with(|store| reader.try_into::<channels::MpscReceiver<u32>>(store)).unwrap();
        let mut rx = source.into_inner();
        assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(2), Ok(3)));
    });
}
