//! The broadcast and watch channels of tokio: what only they must keep.

use tokio::sync::broadcast::error::TryRecvError;
use tokio::sync::{broadcast, watch};
use wasmtime_streams::channels;

use crate::channels::{bytes, park, recv};
use crate::support::guest::{Code, with_guest};

#[test]
fn a_lag_is_counted_and_the_stream_goes_on() {
    // Rule "Exactly once, in order": what a broadcast channel has overwritten is no error.
    with_guest::<u32, _>(async |guest| {
        let (tx, rx) = broadcast::channel(4);
        let (producer, done) = channels::broadcast_receiver(rx).with_completion();
        let stream = guest.source(producer).await;
        for start in [0, 100] {
            (start..start + 7).for_each(|n| assert_eq!(tx.send(n).unwrap(), 1));
            let (code, got) = recv(guest, stream, 9).await;
            assert_eq!((code, got), (Code::Completed(4), (start + 3..start + 7).collect()));
        }
        (0..5).for_each(|n| assert_eq!(tx.send(n).unwrap(), 1));
        drop(tx);
        // The read that meets the lag asks for one item.
        assert_eq!(recv(guest, stream, 1).await, (Code::Completed(1), vec![1]));
        assert_eq!(recv(guest, stream, 9).await, (Code::Dropped(3), vec![2, 3, 4]));
        let done = done.await;
        assert_eq!((done.moved, done.inner.lagged()), (12, 7));
    });
}

#[test]
fn a_lag_may_become_an_item() {
    // Rule "Exactly once, in order": in the place of what was lost.
    with_guest::<u32, _>(async |guest| {
        let (tx, rx) = broadcast::channel(2);
        let producer = channels::broadcast_receiver(rx).on_lag(|lost| Some(1000 + lost as u32));
        let stream = guest.source(producer).await;
        tx.send(0).unwrap();
        assert_eq!(recv(guest, stream, 9).await, (Code::Completed(1), vec![0]));
        (1..6).for_each(|n| assert_eq!(tx.send(n).unwrap(), 1));
        assert_eq!(recv(guest, stream, 2).await, (Code::Completed(2), vec![1003, 4]));
        assert_eq!(recv(guest, stream, 9).await, (Code::Completed(1), vec![5]));
    });
}

#[test]
fn a_zero_length_read_of_a_broadcast_waits_and_takes_nothing() {
    // Rule "Zero-length reads".
    with_guest::<u32, _>(async |guest| {
        let (tx, rx) = broadcast::channel(4);
        let stream = guest.source(channels::broadcast_receiver(rx).spliceable()).await;
        park(guest.read(stream, 0).await).await;
        // The second zero-length read waits.
        assert_eq!(tx.send(5).unwrap(), 2);
        assert_eq!(guest.wait(stream).await, Code::Completed(0));
        assert_eq!((tx.receiver_count(), guest.read(stream, 0).await), (1, Code::Completed(0)));
        // Rule "Splice".
        let reader = guest.give(stream).await;
        let source =
            guest.with(|store| reader.try_into::<channels::BroadcastReceiver<u32>>(store)).unwrap();
        let mut rx = source.into_inner();
        assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(5), Err(TryRecvError::Empty)));
    });
}

#[test]
fn a_cancelled_read_of_a_broadcast_loses_nothing() {
    // Rule "Cancellation keeps the stream": the second receiver, which waited, had a copy of its own.
    with_guest::<u32, _>(async |guest| {
        let (tx, rx) = broadcast::channel(4);
        let stream = guest.source(channels::broadcast_receiver(rx)).await;
        park(guest.read(stream, 9).await).await;
        assert_eq!(guest.cancel_read(stream).await, Code::Cancelled(0));
        tx.send(5).unwrap();
        tx.send(6).unwrap();
        assert_eq!(recv(guest, stream, 9).await, (Code::Completed(2), vec![5, 6]));
        assert_eq!(tx.receiver_count(), 1);
        park(guest.read(stream, 9).await).await;
        drop(tx);
        assert_eq!(guest.wait(stream).await, Code::Dropped(0));
    });
}

#[test]
fn a_broadcast_without_receivers_is_counted_and_no_error() {
    // Rule "No traps, no panics": receivers may subscribe later.
    with_guest::<u32, _>(async |guest| {
        let tx = broadcast::Sender::new(8);
        let other = tx.clone();
        let (consumer, done) = channels::broadcast_sender(tx).with_completion();
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send(stream, &bytes(0..3)).await, Code::Completed(3));
        assert_eq!(guest.send(stream, &bytes([3])).await, Code::Completed(1));
        let mut rx = other.subscribe();
        assert_eq!(guest.send(stream, &bytes(4..6)).await, Code::Completed(2));
        guest.drop_writable(stream).await;
        let done = done.await;
        assert_eq!((done.moved, done.inner.unheard()), (6, 4));
        assert!(done.inner.into_inner().is_none());
        assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(4), Ok(5)));
        drop(other);
        assert_eq!(rx.try_recv(), Err(TryRecvError::Closed));
    });
}

#[test]
fn a_watch_skips_values_that_the_guest_did_not_read_in_time() {
    // Rule "Exactly once, in order": each value that a read sees, once, and always the last one.
    with_guest::<u32, _>(async |guest| {
        let (tx, rx) = watch::channel(1);
        let stream = guest.source(channels::watch_receiver(rx)).await;
        assert_eq!(recv(guest, stream, 9).await, (Code::Completed(1), vec![1]));
        (2..5).for_each(|n| tx.send(n).unwrap());
        assert_eq!(recv(guest, stream, 9).await, (Code::Completed(1), vec![4]));
        park(guest.read(stream, 9).await).await;
        assert_eq!(tx.receiver_count(), 2);
        tx.send_replace(5);
        assert_eq!((guest.wait(stream).await, tx.receiver_count()), (Code::Completed(1), 1));
        tx.send_replace(6);
        drop(tx);
        assert_eq!(recv(guest, stream, 9).await, (Code::Dropped(1), vec![6]));
    });
}

#[test]
fn a_watch_ends_when_its_senders_are_gone() {
    // Rule "Register the current waker".
    with_guest::<u32, _>(async |guest| {
        for len in [0, 9] {
            let (tx, rx) = watch::channel(1);
            let stream = guest.source(channels::watch_receiver(rx).changes_only()).await;
            park(guest.read(stream, len).await).await;
            drop(tx);
            assert_eq!(guest.wait(stream).await, Code::Dropped(0));
        }
    });
}

#[test]
fn changes_only_starts_with_what_the_receiver_has_not_seen() {
    // Rule "Exactly once, in order".
    with_guest::<u32, _>(async |guest| {
        let (tx, rx) = watch::channel(1);
        let unseen = rx.clone();
        let stream = guest.source(channels::watch_receiver(rx).changes_only()).await;
        park(guest.read(stream, 1).await).await;
        tx.send_replace(2);
        assert_eq!(guest.wait(stream).await, Code::Completed(1));
        let stream = guest.source(channels::watch_receiver(unseen).changes_only()).await;
        assert_eq!(recv(guest, stream, 1).await, (Code::Completed(1), vec![2]));
    });
}

#[test]
fn a_zero_length_read_of_a_watch_waits_and_takes_nothing() {
    // Rule "Zero-length reads".
    with_guest::<u32, _>(async |guest| {
        let (tx, rx) = watch::channel(1);
        let stream = guest.source(channels::watch_receiver(rx)).await;
        assert_eq!(guest.read(stream, 0).await, Code::Completed(0));
        assert_eq!(recv(guest, stream, 1).await, (Code::Completed(1), vec![1]));
        park(guest.read(stream, 0).await).await;
        tx.send_replace(2);
        assert_eq!(guest.wait(stream).await, Code::Completed(0));
        assert_eq!(recv(guest, stream, 1).await, (Code::Completed(1), vec![2]));
    });
}

#[test]
fn a_watch_keeps_the_last_item_of_a_batch() {
    // Rule "Exact partial writes": the whole batch is taken, also without receivers.
    with_guest::<u32, _>(async |guest| {
        let (tx, rx) = watch::channel(0);
        drop(rx);
        let other = tx.clone();
        let (consumer, done) = channels::watch_sender(tx).batch(2).with_completion();
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.write(stream, 0).await, Code::Completed(0));
        for (from, to) in [(1, 2), (2, 4), (4, 9)] {
            assert_eq!(guest.send(stream, &bytes(from..to)).await, Code::Completed(to - from));
            assert_eq!(*other.borrow(), to - 1);
        }
        guest.drop_writable(stream).await;
        assert_eq!(done.await.moved, 8);
        assert_eq!(other.sender_count(), 1);
    });
}
