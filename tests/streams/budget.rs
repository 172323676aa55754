//! The cooperative budget of tokio: a task that takes or sends items without waiting still yields to the other tasks of
//! its thread.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::{SinkExt as _, StreamExt as _, stream};
use tokio::runtime::Builder;
use tokio::task::yield_now;
use wasmtime::component::StreamReader;
use wasmtime::{Engine, Store};
use wasmtime_streams::from_guest::{self, GuestItems};
use wasmtime_streams::{iterators, to_guest};

const COUNT: usize = 10_000;

/// A task has a budget of 128 operations before it must let others run.
const TURNS: usize = COUNT / 128;

/// How often another task of the same thread runs during `work`.
fn turns_during<R>(work: impl Future<Output = R>) -> usize {
    let turns = Arc::new(AtomicUsize::new(0));
    let count = turns.clone();
    Builder::new_current_thread().build().unwrap().block_on(async {
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

/// A guest's items, which have all arrived before the first is read.
fn waiting() -> GuestItems<u32> {
    let mut store = Store::new(&Engine::default(), ());
    let stream =
        StreamReader::new(&mut store, iterators::items(0..COUNT as u32).batch(COUNT)).unwrap();
    let items = from_guest::items(&mut store, stream, 4 * COUNT).unwrap();
    let mut left = 100;
    let run = store.run_concurrent(async |_| {
        std::future::poll_fn(|cx| {
            left -= 1;
            cx.waker().wake_by_ref();
            if left == 0 { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    });
    futures::executor::block_on(run).unwrap();
    items
}

#[test]
fn a_task_that_takes_ready_items_lets_other_tasks_run() {
    // Rule "Fill each operation": as for a task that reads bytes.
    let mut all = Vec::new();
    let mut items = waiting();
    all.push((
        "next_item",
        turns_during(async {
            for n in 0..COUNT as u32 {
                assert_eq!(items.next_item().await, Some(n));
            }
        }),
    ));
    let mut items = waiting();
    all.push((
        "Stream::next",
        turns_during(async {
            for n in 0..COUNT as u32 {
                assert_eq!(items.next().await, Some(n));
            }
        }),
    ));
    let few: Vec<_> = all.into_iter().filter(|(_, turns)| *turns < TURNS).collect();
    assert!(few.is_empty(), "of {TURNS} turns: {few:?}");
}

#[test]
fn a_task_that_sends_items_without_waiting_lets_other_tasks_run() {
    // Rule "Fill each operation": as for a task that writes bytes.
    let mut all = Vec::new();
    let (mut sink, _producer) = to_guest::item_producer::<u32>(4 * COUNT);
    all.push((
        "send_item",
        turns_during(async {
            for n in 0..COUNT as u32 {
                sink.send_item(n).await.unwrap();
            }
        }),
    ));
    let (mut sink, _producer) = to_guest::item_producer::<u32>(4 * COUNT);
    all.push((
        "send_batch",
        turns_during(async {
            for n in 0..COUNT as u32 {
                sink.send_batch(vec![n]).await.unwrap();
            }
        }),
    ));
    let (mut sink, _producer) = to_guest::item_producer::<u32>(4 * COUNT);
    all.push((
        "Sink::feed",
        turns_during(async {
            for n in 0..COUNT as u32 {
                sink.feed(n).await.unwrap();
            }
        }),
    ));
    let (mut sink, _producer) = to_guest::item_producer::<u32>(4 * COUNT);
    all.push((
        "Sink::send_all",
        turns_during(async {
            sink.send_all(&mut stream::iter(0..COUNT as u32).map(Ok)).await.unwrap();
        }),
    ));
    let few: Vec<_> = all.into_iter().filter(|(_, turns)| *turns < TURNS).collect();
    assert!(few.is_empty(), "of {TURNS} turns: {few:?}");
}
