//! Futures that are polled and dropped repeatedly: nothing is lost, and nothing is left behind.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use futures::FutureExt as _;
use wasmtime::component::FutureReader;
use wasmtime::{Engine, Store};
use wasmtime_streams::{from_guest, to_guest, tokio_io, values};

use crate::support::guest::{Code, with_guest};
use crate::support::script::{Reader, Script, Step};

const TIMES: usize = 100_000;

struct Task;

impl Wake for Task {
    fn wake(self: Arc<Self>) {}
}

/// Polls a new future of `make` with a new waker many times, and drops it each time. Returns how many wakers are kept.
fn kept(mut make: impl AsyncFnMut()) -> usize {
    let tasks: Vec<_> = (0..TIMES).map(|_| Arc::new(Task)).collect();
    for task in &tasks {
        let waker = Waker::from(task.clone());
        assert!(pin!(make()).poll(&mut Context::from_waker(&waker)).is_pending());
    }
    tasks.iter().filter(|task| Arc::strong_count(task) > 1).count()
}

/// The same for one future that is kept.
fn kept_of<F: Future + Unpin>(future: &mut F) -> usize {
    let tasks: Vec<_> = (0..TIMES).map(|_| Arc::new(Task)).collect();
    for task in &tasks {
        let waker = Waker::from(task.clone());
        assert!(future.poll_unpin(&mut Context::from_waker(&waker)).is_pending());
    }
    tasks.iter().filter(|task| Arc::strong_count(task) > 1).count()
}

#[test]
fn a_dropped_wait_for_items_takes_none() {
    // Rule "Bounded memory", rule "Exactly once, in order": only the newest waker is kept.
    with_guest::<u8, _>(async |guest| {
        let (consumer, mut items) = from_guest::item_consumer(8);
        let stream = guest.sink(consumer).await;
        assert!(kept(async || _ = items.next_item().await) <= 1);
        assert!(kept(async || _ = items.next_batch().await) <= 1);
        assert_eq!(guest.send(stream, &[1, 2]).await, Code::Completed(2));
        assert_eq!(items.next_item().await, Some(1));
        assert_eq!(items.next_batch().await, Some(vec![2]));
    });
}

#[test]
fn a_dropped_send_sends_nothing() {
    // Rule "Exactly once, in order": a send that waits for room is cancel-safe.
    with_guest::<u8, _>(async |guest| {
        let (mut sink, producer) = to_guest::item_producer(2);
        let stream = guest.source(producer).await;
        sink.send_item(1).await.unwrap();
        sink.send_item(2).await.unwrap();
        assert!(kept(async || _ = sink.send_item(9).await) <= 1);
        assert!(kept(async || _ = sink.send_batch(vec![9]).await) <= 1);
        sink.close();
        assert_eq!(guest.recv(stream, 9).await, (Code::Dropped(2), vec![1, 2]));
    });
}

#[test]
fn completions_and_values_that_are_polled_over_and_over_keep_one_waker() {
    // Rule "Bounded memory".
    with_guest::<u8, _>(async |guest| {
        let reader = Reader::new(Script::new([Step::Hold]));
        let (producer, mut done) = tokio_io::read(reader).with_completion();
        guest.source(producer).await;
        assert!(kept_of(&mut done) <= 1);

        let (consumer, mut value) = from_guest::value_consumer::<u8>();
        let future = guest.future_sink(consumer).await;
        assert!(kept_of(&mut value) <= 1);
        guest.load(&[7]).await;
        guest.future_write(future).await;
        assert_eq!(value.await, Ok(7));
    });
}

#[test]
fn futures_that_the_guest_drops_unread_leave_no_table_entry() {
    // Rule "Bounded memory": the table has room for a few of them at a time.
    let alive = Arc::new(());
    with_guest::<u8, _>(async |guest| {
        guest.with(|mut store| store.concurrent_resource_table().unwrap().set_max_capacity(64));
        for n in 0..2000 {
            let held = alive.clone();
            let never = async move {
                let _held = held;
                std::future::pending::<u8>().await
            };
            let handle = guest.future_source(values::future(never)).await;
            if n % 2 == 0 {
                assert_eq!(guest.future_read(handle).await, Code::Blocked);
                assert_eq!(guest.future_cancel_read(handle).await, Code::Cancelled(0));
            }
            guest.future_drop_readable(handle).await;
            assert_eq!(Arc::strong_count(&alive), 1);
        }
    });
}

#[test]
fn futures_that_the_host_closes_unread_leave_no_table_entry() {
    // Rule "Bounded memory": with their Rust future, and with the sender of a value.
    let alive = Arc::new(());
    let mut store = Store::new(&Engine::default(), ());
    store.concurrent_resource_table().unwrap().set_max_capacity(8);
    for _ in 0..TIMES {
        let held = alive.clone();
        let never = async move {
            let _held = held;
            std::future::pending::<u8>().await
        };
        let mut reader = FutureReader::new(&mut store, values::future(never)).unwrap();
        reader.close(&mut store).unwrap();
        let (value, mut reader) = to_guest::value::<u8>(&mut store).unwrap();
        reader.close(&mut store).unwrap();
        assert_eq!(value.send(1), Err(1));
    }
    assert_eq!(Arc::strong_count(&alive), 1);
    assert!(store.concurrent_resource_table().unwrap().is_empty());
}
