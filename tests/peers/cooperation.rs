//! A guest whose channels are always ready lets other tasks of its thread run, as channels of tokio do.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::{SinkExt as _, StreamExt as _, stream};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Builder;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::yield_now;
use wasmtime::component::{StreamConsumer, StreamProducer};
use wasmtime_streams::{channels, from_guest, sinks, to_guest};

use crate::relay::{PerOp, relay};

const COUNT: u32 = 10_000;

/// A task has a budget of 128 operations before it must let others run. The start of the guest takes none of it.
const TURNS: usize = COUNT as usize / 128;

/// How often another task of the same thread runs during `work`.
fn turns_during<R>(work: impl Future<Output = R>) -> usize {
    let turns = Arc::new(AtomicUsize::new(0));
    let count = turns.clone();
    Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
        tokio::spawn(async move {
            loop {
                count.fetch_add(1, Ordering::Relaxed);
                yield_now().await;
            }
        });
        work.await;
    });
    turns.load(Ordering::Relaxed)
}

/// How often another task runs while the guest passes on `COUNT` items, one by one.
fn turns<R>(
    producer: impl StreamProducer<(), Item = u32>,
    consumer: impl StreamConsumer<(), Item = u32>,
    done: impl Future<Output = R> + Send,
) -> usize {
    let relayed = relay(producer, consumer, PerOp { read: 1, write: 1 }, done);
    turns_during(async { relayed.await.unwrap() })
}

/// Counts turns while a guest reads from the given producer, into a sink that always has room.
macro_rules! reading {
    ($producer:expr) => {{
        let (consumer, done) = sinks::items(futures::sink::drain()).with_completion();
        turns($producer, consumer, done)
    }};
}

/// Counts turns while a guest writes into the given consumer, from a stream that is always ready.
macro_rules! writing {
    ($consumer:expr) => {{
        let (consumer, done) = $consumer.with_completion();
        turns(wasmtime_streams::streams::items(stream::iter(0..COUNT)), consumer, done)
    }};
}

#[test]
fn a_stream_without_a_budget_keeps_the_thread() {
    // Rule "Fill each operation": the other tests compare with this.
    let turns = reading!(wasmtime_streams::streams::items(stream::iter(0..COUNT)));
    assert!(turns < TURNS / 4, "{turns}");
}

#[test]
fn a_guest_that_reads_a_busy_channel_lets_others_run() {
    // Rule "Fill each operation": each read is answered at once, and other tasks still run.
    let (tx, rx) = mpsc::channel(COUNT as usize);
    (0..COUNT).for_each(|n| tx.try_send(n).unwrap());
    drop(tx);
    let turns = reading!(channels::mpsc_receiver(rx));
    assert!(turns >= TURNS, "mpsc: {turns}");

    let (tx, rx) = mpsc::unbounded_channel();
    (0..COUNT).for_each(|n| tx.send(n).unwrap());
    drop(tx);
    let turns = reading!(channels::mpsc_unbounded_receiver(rx));
    assert!(turns >= TURNS, "unbounded mpsc: {turns}");

    let (tx, rx) = broadcast::channel(COUNT as usize);
    (0..COUNT).for_each(|n| assert_eq!(tx.send(n).unwrap(), 1));
    drop(tx);
    let turns = reading!(channels::broadcast_receiver(rx));
    assert!(turns >= TURNS, "broadcast: {turns}");
}

#[test]
fn a_guest_that_reads_a_busy_watch_lets_others_run() {
    // Rule "Fill each operation": the arrival of each value is answered with the next one.
    let (tx, rx) = watch::channel(0);
    let next = futures::sink::unfold(Some(tx), async |tx: Option<watch::Sender<u32>>, n| {
        let open = tx.filter(|_| n < COUNT);
        open.as_ref().map(|tx| tx.send_replace(n + 1));
        Ok::<_, Infallible>(open)
    });
    let (consumer, done) = sinks::items(Box::pin(next)).with_completion();
    let turns = turns(channels::watch_receiver(rx), consumer, done);
    assert!(turns >= TURNS, "{turns}");
}

#[test]
fn a_guest_that_writes_into_a_channel_with_room_lets_others_run() {
    // Rule "Backpressure": the receiver must run as well.
    let (tx, _rx) = mpsc::channel::<u32>(COUNT as usize);
    let turns = writing!(channels::mpsc_sender(tx));
    assert!(turns >= TURNS, "mpsc: {turns}");

    let (tx, _rx) = mpsc::unbounded_channel::<u32>();
    let turns = writing!(channels::mpsc_unbounded_sender(tx));
    assert!(turns >= TURNS, "unbounded mpsc: {turns}");

    let turns = writing!(channels::broadcast_sender(broadcast::Sender::<u32>::new(1)));
    assert!(turns >= TURNS, "broadcast: {turns}");

    let turns = writing!(channels::watch_sender(watch::Sender::new(0_u32)));
    assert!(turns >= TURNS, "watch: {turns}");
}

#[test]
fn a_host_that_never_waits_for_the_guest_lets_others_run() {
    // Rule "Fill each operation": the same on the host side, as in tokio's pipes.
    const LEN: usize = COUNT as usize;
    let (mut writer, producer) = to_guest::producer(4 * LEN);
    let turns = turns_during(async {
        for _ in 0..LEN {
            writer.write_all(&[1]).await.unwrap();
        }
    });
    assert!(turns >= TURNS, "writes: {turns}");

    let mut store = wasmtime::Store::new(&wasmtime::Engine::default(), ());
    let stream = wasmtime::component::StreamReader::new(&mut store, producer).unwrap();
    let mut reader = from_guest::reader(&mut store, stream, 4 * LEN).unwrap();
    writer.close();
    // Everything is there before it is read.
    futures::executor::block_on(store.run_concurrent(async |_| yield_now_often().await)).unwrap();
    let half = turns_during(async {
        for _ in 0..LEN / 2 {
            assert_eq!(reader.read_u8().await.unwrap(), 1);
        }
    });
    assert!(half >= TURNS / 2, "reads: {half}");
    let half = turns_during(async {
        for _ in 0..LEN / 2 {
            assert_eq!(reader.fill_buf().await.unwrap()[0], 1);
            reader.consume(1);
        }
    });
    assert!(half >= TURNS / 2, "buffered reads: {half}");
}

#[test]
fn a_host_that_sends_or_takes_items_lets_others_run() {
    // Rule "Fill each operation": items, by the host's own methods and by the traits of the futures crate.
    const LEN: usize = COUNT as usize;
    let (mut sink, producer) = to_guest::item_producer::<u32>(5 * LEN);
    let turns = turns_during(async {
        for n in 0..COUNT {
            sink.send_item(n).await.unwrap();
        }
    });
    assert!(turns >= TURNS, "sends: {turns}");
    let turns = turns_during(async {
        for n in 0..COUNT {
            sink.send_batch(vec![n]).await.unwrap();
        }
    });
    assert!(turns >= TURNS, "batches sent: {turns}");
    let turns = turns_during(async {
        for n in 0..COUNT {
            sink.feed(n).await.unwrap();
        }
    });
    assert!(turns >= TURNS, "fed: {turns}");

    let mut store = wasmtime::Store::new(&wasmtime::Engine::default(), ());
    let stream = wasmtime::component::StreamReader::new(&mut store, producer).unwrap();
    let mut items = from_guest::items(&mut store, stream, 4 * LEN).unwrap();
    moved(&mut store);
    let turns = turns_during(async {
        for _ in 0..COUNT {
            items.next_item().await.unwrap();
        }
    });
    assert!(turns >= TURNS, "taken: {turns}");
    let turns = turns_during(async {
        for _ in 0..COUNT {
            items.next().await.unwrap();
        }
    });
    assert!(turns >= TURNS, "of a stream: {turns}");
    let mut items = items.into_try_stream();
    let turns = turns_during(async {
        for _ in 0..COUNT - 1 {
            items.next().await.unwrap().unwrap();
        }
    });
    assert!(turns >= TURNS - 1, "fallible stream: {turns}");
}

#[test]
fn the_byte_traits_of_the_futures_crate_let_others_run_too() {
    // Rule "Fill each operation": the budget is the same for the traits of both ecosystems.
    const LEN: usize = COUNT as usize;
    let (mut writer, producer) = to_guest::producer(4 * LEN);
    let turns = turns_during(async {
        for _ in 0..LEN {
            futures::AsyncWriteExt::write_all(&mut writer, &[1]).await.unwrap();
        }
    });
    assert!(turns >= TURNS, "writes: {turns}");
    let mut store = wasmtime::Store::new(&wasmtime::Engine::default(), ());
    let stream = wasmtime::component::StreamReader::new(&mut store, producer).unwrap();
    let mut reader = from_guest::reader(&mut store, stream, 4 * LEN).unwrap();
    moved(&mut store);
    let half = turns_during(async {
        for _ in 0..LEN / 2 {
            futures::AsyncReadExt::read_exact(&mut reader, &mut [0]).await.unwrap();
        }
    });
    assert!(half >= TURNS / 2, "reads: {half}");
    let half = turns_during(async {
        for _ in 0..LEN / 2 {
            let bytes = futures::AsyncBufReadExt::fill_buf(&mut reader).await.unwrap();
            assert_eq!(bytes[0], 1);
            futures::AsyncBufReadExt::consume_unpin(&mut reader, 1);
        }
    });
    assert!(half >= TURNS / 2, "buffered reads: {half}");
}

/// Lets a store without a guest move everything that can be moved.
fn moved(store: &mut wasmtime::Store<()>) {
    futures::executor::block_on(store.run_concurrent(async |_| yield_now_often().await)).unwrap();
}

/// Lets the rest of the store run, without a runtime.
async fn yield_now_often() {
    let mut left = 100;
    std::future::poll_fn(|cx| {
        left -= 1;
        cx.waker().wake_by_ref();
        if left == 0 { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}
