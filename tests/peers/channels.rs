//! Channels between tasks on several threads. A guest in between passes the items on (relay.wat).

use std::convert::Infallible;
use std::future::poll_fn;
use std::hint::spin_loop;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::yield_now;
use tokio::time::timeout;
use wasmtime::Result;
use wasmtime::component::StreamProducer;
use wasmtime_streams::{End, ItemSource as _, channels, sinks};

use crate::relay::{PerOp, relay};

/// Sends the numbers below `count` while somebody receives.
fn count_into(tx: mpsc::Sender<u32>, count: u32) {
    tokio::spawn(async move {
        for n in 0..count {
            if tx.send(n).await.is_err() {
                return;
            }
        }
    });
}

/// Receives numbers, which must be in order, and returns how many. Sends on `notify` once there are `at` of them.
async fn receive(mut rx: mpsc::Receiver<u32>, at: u32, notify: oneshot::Sender<()>) -> u32 {
    let mut notify = Some(notify);
    let mut count = 0;
    while let Some(n) = rx.recv().await {
        assert_eq!(n, count);
        count += 1;
        if count >= at {
            notify.take().map(|notify| notify.send(()));
        }
    }
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn items_pass_between_tasks_in_order() -> Result<()> {
    // Rule "Exactly once, in order".
    for (from, to, read, write, count) in
        [(64, 16, 100, 100, 100_000), (1000, 1000, 16384, 16384, 100_000), (1, 1, 7, 7, 10_000)]
    {
        let (tx, rx) = mpsc::channel(from);
        count_into(tx, count);
        let (producer, read_all) = channels::mpsc_receiver(rx).with_completion();
        let (tx, rx) = mpsc::channel(to);
        let received = tokio::spawn(receive(rx, u32::MAX, oneshot::channel().0));
        let (consumer, written) = channels::mpsc_sender(tx).with_completion();
        let both = async { (read_all.await, written.await) };
        let (read_all, written) = relay(producer, consumer, PerOp { read, write }, both).await?;
        assert!(read_all.end.is_finished() && written.end.is_finished());
        assert_eq!((read_all.moved, written.moved), (count.into(), count.into()));
        assert_eq!(received.await?, count);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_from_another_task_loses_and_doubles_nothing() -> Result<()> {
    // Rule "Completion": what moved has arrived, and the rest is still where it was.
    for round in 0..20 {
        let (tx, rx) = mpsc::channel(64);
        count_into(tx, 100_000);
        let (producer, read) = channels::mpsc_receiver(rx).with_completion();
        let (tx, rx) = mpsc::channel(16);
        let (notify, notified) = oneshot::channel();
        let received = tokio::spawn(receive(rx, 100 * round, notify));
        let (consumer, written) = channels::mpsc_sender(tx).with_completion();
        let cancel = written.cancel_handle();
        tokio::spawn(async move {
            notified.await.unwrap();
            cancel.cancel();
        });
        let both = async { (written.await, read.await) };
        let per_op = PerOp { read: 100, write: 100 };
        let (written, read) = relay(producer, consumer, per_op, both).await?;
        assert!(matches!(written.end, End::Cancelled) && matches!(read.end, End::PeerDropped));
        drop(written.inner.into_inner().expect("the sender is open"));
        assert_eq!(u64::from(received.await?), written.moved);
        let next = read.inner.into_inner().recv().await;
        assert_eq!(next.map(u64::from), Some(read.moved));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_is_aborted_ends_the_stream_and_leaves_the_rest_in_the_channel()
-> Result<()> {
    // Rule "Completion".
    for round in 0..20 {
        let (tx, rx) = mpsc::channel(64);
        count_into(tx, 100_000);
        let (producer, read) = channels::mpsc_receiver(rx).with_completion();
        let (tx, rx) = mpsc::channel(16);
        let (notify, notified) = oneshot::channel();
        let received = tokio::spawn(receive(rx, 100 * round, notify));
        let abort = received.abort_handle();
        tokio::spawn(async move {
            notified.await.unwrap();
            abort.abort();
        });
        let (consumer, written) = channels::mpsc_sender(tx).with_completion();
        let both = async { (written.await, read.await) };
        let per_op = PerOp { read: 100, write: 100 };
        let (written, read) = relay(producer, consumer, per_op, both).await?;
        assert!(
            matches!(written.end, End::ReceiverDropped) && matches!(read.end, End::PeerDropped)
        );
        assert!(received.await.unwrap_err().is_cancelled());
        let next = read.inner.into_inner().recv().await;
        assert_eq!(next.map(u64::from), Some(read.moved));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn senders_compete_for_room_and_nothing_is_lost() -> Result<()> {
    // Rule "Exact partial writes": room that was seen may be taken before it is reserved.
    const COUNT: u32 = 30_000;
    const OTHER: u32 = 1 << 30;
    let (tx, rx) = mpsc::unbounded_channel();
    (0..COUNT).for_each(|n| tx.send(n).unwrap());
    drop(tx);
    let producer = channels::mpsc_unbounded_receiver(rx);
    let (tx, mut rx) = mpsc::channel(5);
    for _ in 0..2 {
        let other = tx.clone();
        tokio::spawn(async move {
            for _ in 0..COUNT {
                // Some wait in the queue for room, and some use `try_send`.
                if other.try_send(OTHER).is_err() {
                    other.send(OTHER).await.unwrap();
                }
            }
        });
    }
    let (consumer, written) = channels::mpsc_sender(tx).with_completion();
    let received = tokio::spawn(async move {
        let (mut count, mut others) = (0, 0);
        while let Some(n) = rx.recv().await {
            if n == OTHER {
                others += 1;
            } else {
                assert_eq!(n, count);
                count += 1;
            }
        }
        (count, others)
    });
    let written = relay(producer, consumer, PerOp { read: 100, write: 100 }, written).await?;
    assert!(written.end.is_finished());
    assert_eq!(received.await?, (COUNT, 2 * COUNT));
    Ok(())
}

/// Lets a guest read what another thread sends, item by item. Each is sent when the guest has the one before and is
/// about to wait, at a slightly different moment each time. This is where a wake-up could be lost.
async fn one_by_one(
    producer: impl StreamProducer<(), Item = u32>,
    send: impl Fn(u32) + Send + 'static,
) -> Result<()> {
    const COUNT: u32 = 20_000;
    let got = Arc::new(AtomicU32::new(0));
    let seen = got.clone();
    let sender = std::thread::spawn(move || {
        for n in 1..=COUNT {
            while seen.load(Ordering::Acquire) + 1 < n {
                std::thread::yield_now();
            }
            (0..n % 256).for_each(|_| std::hint::spin_loop());
            send(n);
        }
    });
    let reads = futures::sink::unfold(got, async |got: Arc<AtomicU32>, n| {
        assert_eq!(n, got.load(Ordering::Relaxed) + 1);
        got.store(n, Ordering::Release);
        Ok::<_, Infallible>(got)
    });
    let (consumer, done) = sinks::items(Box::pin(reads)).with_completion();
    let done = relay(producer, consumer, PerOp { read: 16, write: 16 }, done).await?;
    assert!(done.end.is_finished() && done.moved == u64::from(COUNT));
    sender.join().unwrap();
    Ok(())
}

#[tokio::test]
async fn each_item_of_a_broadcast_wakes_the_guest() -> Result<()> {
    // Rule "Register the current waker".
    let (tx, rx) = broadcast::channel(4);
    one_by_one(channels::broadcast_receiver(rx), move |n| assert!(tx.send(n).is_ok())).await
}

#[tokio::test]
async fn an_item_that_is_sent_as_the_wait_begins_is_received() {
    // Rule "Register the current waker": the second receiver misses what was sent before it existed.
    const COUNT: u32 = 40_000;
    let (tx, rx) = broadcast::channel(4);
    let round = Arc::new(AtomicU32::new(0));
    let sender = {
        let round = round.clone();
        std::thread::spawn(move || {
            for n in 1..=COUNT {
                while round.load(Ordering::Acquire) < n {
                    std::thread::yield_now();
                }
                // At a different moment of the poll each time.
                (0..n % 128).for_each(|_| spin_loop());
                tx.send(n).unwrap();
            }
        })
    };
    let mut producer = channels::broadcast_receiver(rx);
    // In a task of its own, so that only its own waker polls it, and not the timeout.
    let receiver = tokio::spawn(async move {
        for n in 1..=COUNT {
            round.store(n, Ordering::Release);
            let mut items = Vec::new();
            poll_fn(|cx| Pin::new(producer.get_mut()).poll_items(cx, 4, &mut items).map(drop))
                .await;
            assert_eq!(items, [n]);
        }
    });
    timeout(Duration::from_secs(60), receiver).await.expect("timed out").unwrap();
    sender.join().unwrap();
}

#[tokio::test]
async fn each_value_of_a_watch_wakes_the_guest() -> Result<()> {
    // Rule "Register the current waker".
    let (tx, rx) = watch::channel(0);
    one_by_one(channels::watch_receiver(rx).changes_only(), move |n| tx.send(n).unwrap()).await
}

#[tokio::test]
async fn each_item_of_a_channel_wakes_the_guest() -> Result<()> {
    // Rule "Register the current waker".
    let (tx, rx) = mpsc::channel(4);
    one_by_one(channels::mpsc_receiver(rx), move |n| tx.try_send(n).unwrap()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_from_another_thread_ends_with_its_last_value() -> Result<()> {
    // Rule "Register the current waker"; rule "Exactly once, in order": values never go back, and the last one arrives.
    const LAST: u32 = 50_000;
    let (tx, rx) = watch::channel(0);
    tokio::spawn(async move {
        for n in 1..=LAST {
            tx.send_replace(n);
            if n % 3 == 0 {
                yield_now().await;
            }
        }
    });
    let producer = channels::watch_receiver(rx);
    let (tx, mut rx) = mpsc::channel(16);
    let received = tokio::spawn(async move {
        let mut last = None;
        while let Some(n) = rx.recv().await {
            assert!(last < Some(n));
            last = Some(n);
        }
        last
    });
    let (consumer, written) = channels::mpsc_sender(tx).with_completion();
    relay(producer, consumer, PerOp { read: 16, write: 16 }, written).await?;
    assert_eq!(received.await?, Some(LAST));
    Ok(())
}
