//! Sinks written by a user: what the core asks of them and promises to them.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use wasmtime::StoreContextMut;
use wasmtime_streams::{End, EndReason, ItemConsumer, ItemSink, Take};

use crate::support::guest::{Code, World, with_guest, with_trapping_guest};
use crate::support::script::{Script, Step};

/// Completes without having taken anything.
struct TakesNothing;

impl ItemSink for TakesNothing {
    type Item = u8;
    type Error = Infallible;

    fn poll_accept(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut dyn Take<u8>,
    ) -> Poll<Result<(), End<Infallible>>> {
        Poll::Ready(Ok(()))
    }

    unbuffered!();

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}

#[test]
fn a_sink_that_completes_without_an_item_gets_an_error() {
    // Rule "No empty completions": Wasmtime does not catch this one.
    let error = with_trapping_guest::<u8, _>(async |guest| {
        let stream = guest.sink(ItemConsumer::new(TakesNothing)).await;
        guest.send(stream, &[1, 2, 3]).await;
    });
    let why = "ItemSink::poll_accept completed without an item: expected 1 to 3";
    assert!(format!("{error:?}").contains(why), "{error:?}");
}

/// Takes everything, and holds the operation until it is released. It cannot tell whether it is writable.
struct Holding {
    script: Script,
    items: Vec<u8>,
}

impl ItemSink for Holding {
    type Item = u8;
    type Error = Infallible;

    fn poll_accept(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        items: &mut dyn Take<u8>,
    ) -> Poll<Result<(), End<Infallible>>> {
        items.take(usize::MAX, &mut self.items);
        assert_eq!((items.taken(), items.remaining()), (3, 0));
        self.script.poll_step(cx).map(|_| Ok(()))
    }

    unbuffered!();

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}

#[test]
fn a_held_operation_is_distinct_from_a_zero_length_write() {
    // Rule "Zero-length writes": nothing remains to be taken in both cases, and `taken` distinguishes them.
    with_guest::<u8, _>(async |guest| {
        let script = Script::new([Step::Hold]);
        let control = script.control();
        let stream = guest.sink(ItemConsumer::new(Holding { script, items: Vec::new() })).await;
        guest.load(&[1, 2, 3]).await;
        assert_eq!(guest.write(stream, 3).await, Code::Blocked);
        let mut wait = Box::pin(guest.wait(stream));
        assert_eq!(guest.parked(&mut wait).await, None);
        control.release();
        assert_eq!(wait.await, Code::Completed(3));
    });
}

/// Reserves in `poll_writable`, and gives the reservation back when the operation is cancelled.
struct Reserving {
    cancelled: Arc<Mutex<usize>>,
}

impl ItemSink for Reserving {
    type Item = u8;
    type Error = Infallible;

    fn poll_accept(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut dyn Take<u8>,
    ) -> Poll<Result<(), End<Infallible>>> {
        Poll::Pending
    }

    unbuffered!();

    fn op_cancelled(self: Pin<&mut Self>) {
        *self.cancelled.lock().unwrap() += 1;
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}

#[test]
fn a_sink_is_notified_of_a_cancel_under_every_layer() {
    // Rule "Cancellation keeps the stream": the sink can give back what it reserved.
    for completion in [false, true] {
        let cancelled = Arc::new(Mutex::new(0));
        with_guest::<u8, _>(async |guest| {
            let consumer = ItemConsumer::new(Reserving { cancelled: cancelled.clone() });
            let stream = if completion {
                let (consumer, _done) = consumer.with_completion();
                guest.sink(consumer).await
            } else {
                guest.sink(consumer).await
            };
            assert_eq!(guest.write(stream, 1).await, Code::Blocked);
            assert_eq!(guest.cancel_write(stream).await, Code::Cancelled(0));
        });
        assert_eq!(*cancelled.lock().unwrap(), 1);
    }
}

/// Takes all of a write in several `take`s, and counts the items of each.
struct Counting {
    took: Arc<Mutex<Vec<usize>>>,
}

impl ItemSink for Counting {
    type Item = String;
    type Error = Infallible;

    fn poll_accept(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        items: &mut dyn Take<String>,
    ) -> Poll<Result<(), End<Infallible>>> {
        while items.remaining() > 0 {
            self.took.lock().unwrap().push(items.take(usize::MAX, &mut Vec::new()));
        }
        Poll::Ready(Ok(()))
    }

    unbuffered!();

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}

#[test]
fn a_refused_batch_is_tried_only_once() {
    // Rule "Bounded memory": this bounds time. Each string is 24 bytes of hostcall fuel, so two would pass again after
    // the large one.
    let took = Arc::new(Mutex::new(Vec::new()));
    with_guest::<String, _>(async |guest| {
        guest.with(|mut store| store.set_hostcall_fuel(150));
        let stream = guest.sink(ItemConsumer::new(Counting { took: took.clone() })).await;
        let items = ["x".repeat(120), "a".into(), "b".into(), "c".into()];
        guest.load_items(&items).await;
        assert_eq!(guest.write(stream, 4).await, Code::Completed(4));
    });
    assert_eq!(*took.lock().unwrap(), [1, 1, 1, 1]);
}

#[test]
fn the_batch_setting_survives_a_receiving_step_and_a_completion() {
    // Rule "Bounded memory".
    let took = Arc::new(Mutex::new(Vec::new()));
    with_guest::<String, _>(async |guest| {
        let (consumer, _done) = ItemConsumer::new(Counting { took: took.clone() })
            .batch(2)
            .receive_with(|_: StoreContextMut<'_, World>, item: String| Ok(item))
            .with_completion();
        let stream = guest.sink(consumer).await;
        guest.load_items(&["a".into(), "b".into(), "c".into()]).await;
        assert_eq!(guest.write(stream, 3).await, Code::Completed(3));
    });
    assert_eq!(*took.lock().unwrap(), [2, 1]);
}
