//! Steps that fail after some items: the stream traps if the host asks for it, or else ends and the completion reports
//! it.

use std::sync::{Arc, Mutex};

use futures::stream;
use tokio::sync::mpsc;
use wasmtime::{Error, Result, StoreContextMut};
use wasmtime_streams::{
    End, ItemConsumer, ItemProducer, ItemSink, ItemSource, channels, iterators, sinks, streams,
};

use crate::support::guest::{Code, World, with_guest, with_trapping_guest};
use crate::support::script::{Script, Writer};

/// Refuses one item.
fn refusing(
    bad: u8,
) -> impl FnMut(StoreContextMut<'_, World>, u8) -> Result<u8> + Send + Copy + 'static {
    move |_, item| if item == bad { Err(Error::msg("refused")) } else { Ok(item) }
}

fn is_refusal(error: &Error) -> bool {
    format!("{error:?}").contains("refused")
}

/// The items with which a closure was called.
type Calls = Arc<Mutex<Vec<u8>>>;

#[test]
fn a_failed_closure_is_a_trap_if_the_host_asks_for_it() {
    // Rule "Items before the error": without a completion only a trap shows it.
    for batch in [1, 64] {
        let calls = Calls::default();
        let called = calls.clone();
        let error = with_trapping_guest::<u8, _>(async |guest| {
            let call = move |_: StoreContextMut<'_, World>, item: u8| {
                called.lock().unwrap().push(item);
                if item == 3 { Err(Error::msg("refused")) } else { Ok(()) }
            };
            let stream = guest.sink(iterators::for_each(call).batch(batch).trap_on_error()).await;
            let code = guest.send(stream, &[1, 2, 3, 4]).await;
            panic!("no trap, but {code:?}");
        });
        assert!(is_refusal(&error), "{error:?}");
        assert_eq!(*calls.lock().unwrap(), [1, 2, 3]);
    }
}

#[test]
fn a_failed_batch_closure_is_a_trap_if_the_host_asks_for_it() {
    // Rule "Items before the error".
    let calls = Calls::default();
    let called = calls.clone();
    let error = with_trapping_guest::<u8, _>(async |guest| {
        let call = move |_: StoreContextMut<'_, World>, batch: Vec<u8>| {
            let fails = batch.contains(&3);
            called.lock().unwrap().extend(batch);
            if fails { Err(Error::msg("refused")) } else { Ok(()) }
        };
        let stream = guest.sink(iterators::for_each_batch(call).batch(2).trap_on_error()).await;
        let code = guest.send(stream, &[1, 2, 3, 4, 5]).await;
        panic!("no trap, but {code:?}");
    });
    assert!(is_refusal(&error), "{error:?}");
    assert_eq!(*calls.lock().unwrap(), [1, 2, 3, 4]);
}

/// The guest reads everything before the refused item. The trap must come then.
fn delivery_traps<S>(make: impl Fn() -> ItemProducer<S>)
where
    S: ItemSource<Item = u8, Error: Into<Error>> + Unpin,
{
    for trap_first in [true, false] {
        for bad in [1, 2, 3] {
            let mut got = Vec::new();
            let error = with_trapping_guest::<u8, _>(async |guest| {
                let stream = match trap_first {
                    true => guest.source(make().trap_on_error().deliver_with(refusing(bad))).await,
                    false => guest.source(make().deliver_with(refusing(bad)).trap_on_error()).await,
                };
                for _ in 0..3 {
                    let (code, items) = guest.recv(stream, 9).await;
                    got.extend(items);
                    assert!(matches!(code, Code::Completed(_)), "{bad}: no trap, but {code:?}");
                }
            });
            assert!(is_refusal(&error), "{error:?}");
            assert_eq!(got, (1..bad).collect::<Vec<_>>(), "the items before it come first");
        }
    }
}

#[test]
fn a_failed_delivery_is_a_trap_if_the_host_asks_for_it() {
    // Rule "Items before the error": also if the source itself ends with the same batch.
    delivery_traps(|| streams::items(stream::iter([1, 2, 3])));
    delivery_traps(|| iterators::items([1, 2, 3, 4, 5]));
    delivery_traps(|| {
        let (tx, rx) = mpsc::channel(3);
        (1..=3).for_each(|item| tx.try_send(item).unwrap());
        channels::mpsc_receiver(rx)
    });
}

/// The guest's write traps. The items before the refused one have been passed on.
fn receipt_traps<S>(make: impl Fn() -> ItemConsumer<S>)
where
    S: ItemSink<Item = u8, Error: Into<Error>> + Unpin,
{
    for trap_first in [true, false] {
        for batch in [1, 64] {
            let error = with_trapping_guest::<u8, _>(async |guest| {
                let consumer = make().batch(batch);
                let stream = match trap_first {
                    true => guest.sink(consumer.trap_on_error().receive_with(refusing(3))).await,
                    false => guest.sink(consumer.receive_with(refusing(3)).trap_on_error()).await,
                };
                let code = guest.send(stream, &[1, 2, 3, 4]).await;
                panic!("no trap, but {code:?}");
            });
            assert!(is_refusal(&error), "{error:?}");
        }
    }
}

#[test]
fn a_failed_receiving_step_is_a_trap_if_the_host_asks_for_it() {
    // Rule "Items before the error": into a sink, a channel, a collector.
    let log = Arc::new(Mutex::new(None));
    receipt_traps(|| {
        let writer = Writer::<u8>::new(Script::new([]));
        if let Some(log) = log.lock().unwrap().replace(writer.log()) {
            assert_eq!(log.accepted(), [1, 2]);
        }
        sinks::items(writer)
    });
    assert_eq!(log.lock().unwrap().take().unwrap().accepted(), [1, 2]);

    let received = Arc::new(Mutex::new(None));
    let all = |mut rx: mpsc::Receiver<u8>| std::iter::from_fn(move || rx.try_recv().ok());
    receipt_traps(|| {
        let (tx, rx) = mpsc::channel(8);
        if let Some(rx) = received.lock().unwrap().replace(rx) {
            assert_eq!(all(rx).collect::<Vec<_>>(), [1, 2]);
        }
        channels::mpsc_sender(tx)
    });
    assert_eq!(all(received.lock().unwrap().take().unwrap()).collect::<Vec<_>>(), [1, 2]);
    receipt_traps(|| iterators::collect(9));
}

#[test]
fn failed_steps_without_a_trap_end_the_stream() {
    // Rule "Items before the error": the choice is the host's.
    with_guest::<u8, _>(async |guest| {
        let stream = guest.source(iterators::items([1, 2, 3]).deliver_with(refusing(3))).await;
        assert_eq!(guest.recv(stream, 9).await, (Code::Dropped(2), vec![1, 2]));
        let writer = Writer::<u8>::new(Script::new([]));
        let log = writer.log();
        let stream = guest.sink(sinks::items(writer).receive_with(refusing(3))).await;
        assert!(matches!(guest.send(stream, &[1, 2, 3]).await, Code::Dropped(_)));
        assert_eq!(log.accepted(), [1, 2]);
    });
}

#[test]
fn a_completion_takes_the_errors_instead_of_a_trap() {
    // Rule "Items before the error": `trap_on_error` is for streams without a completion, as its documentation says.
    with_guest::<u8, _>(async |guest| {
        let producer = iterators::items([1, 2, 3]).trap_on_error().deliver_with(refusing(3));
        let (producer, done) = producer.with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(guest.recv(stream, 9).await, (Code::Dropped(2), vec![1, 2]));
        assert!(matches!(done.await.end, End::Undeliverable(error) if is_refusal(&error)));

        let call = |_: StoreContextMut<'_, World>, _: u8| Err(Error::msg("refused"));
        let (consumer, done) = iterators::for_each(call).trap_on_error().with_completion();
        let stream = guest.sink(consumer).await;
        assert!(matches!(guest.send(stream, &[1]).await, Code::Dropped(_)));
        assert!(matches!(done.await.end, End::Undeliverable(error) if is_refusal(&error)));

        let failing = stream::iter([Ok(1), Err(Error::msg("refused"))]);
        let producer = wasmtime_streams::streams::try_items(failing).trap_on_error();
        let (producer, done) = producer.with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(guest.recv(stream, 9).await, (Code::Dropped(1), vec![1]));
        assert!(matches!(done.await.end, End::Failed(error) if is_refusal(&error)));
    });
}
