//! Closures that get what a guest writes.

use wasmtime::component::Resource;
use wasmtime::{StoreContextMut, bail};
use wasmtime_streams::{End, iterators};

use crate::support::guest::{
    Code, Connection, World, with_guest, with_large_guest, with_trapping_guest,
};
use wasmtime_streams_testing::{Guest, Setup};

/// Runs `script` against a guest whose store collects what was received, and returns that.
fn received<T: Send + 'static>(script: impl AsyncFnOnce(&Guest<'_, Vec<T>, u32>)) -> Vec<T> {
    let all = Setup::new(Vec::new()).run(async |guest: &Guest<'_, Vec<T>, u32>| {
        script(guest).await;
        guest.with(|mut store| std::mem::take(store.data_mut()))
    });
    all.0.unwrap().unwrap()
}

fn words(numbers: impl IntoIterator<Item = u32>) -> Vec<u8> {
    numbers.into_iter().flat_map(u32::to_le_bytes).collect()
}

#[test]
fn a_closure_gets_each_item_once_and_in_order_with_the_store() {
    // Rule "Exactly once, in order".
    let got = received(async |guest| {
        let consumer = iterators::for_each(|mut store: StoreContextMut<'_, Vec<u32>>, n: u32| {
            store.data_mut().push(n);
            Ok(())
        });
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send(stream, &words(0..1000)).await, Code::Completed(1000));
        assert_eq!(guest.write(stream, 0).await, Code::Completed(0));
        assert_eq!(guest.send(stream, &words(1000..1001)).await, Code::Completed(1));
    });
    assert!(got.into_iter().eq(0..1001));
}

#[test]
fn a_closure_gets_a_write_whole_or_in_batches() {
    // Rule "Bounded memory": the host sets the batch. It is never empty.
    for (batch, sizes) in [(None, vec![10]), (Some(4), vec![4, 4, 2])] {
        let got = received(async |guest| {
            let call = |mut store: StoreContextMut<'_, Vec<usize>>, batch: Vec<u32>| {
                store.data_mut().push(batch.len());
                Ok(())
            };
            let consumer = iterators::for_each_batch(call);
            let consumer = match batch {
                Some(items) => consumer.batch(items),
                None => consumer,
            };
            let stream = guest.sink(consumer).await;
            assert_eq!(guest.send(stream, &words(0..10)).await, Code::Completed(10));
            assert_eq!(guest.write(stream, 0).await, Code::Completed(0));
        });
        assert_eq!(got, sizes);
    }
}

#[test]
fn a_batch_holds_no_more_than_64_kib_by_default() {
    // Rule "Bounded memory": whatever length the guest names.
    let most = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let seen = most.clone();
    with_large_guest::<u32, _>(1 << 20, async |guest| {
        let consumer =
            iterators::for_each_batch(move |_: StoreContextMut<'_, World>, batch: Vec<u32>| {
                seen.fetch_max(batch.capacity(), std::sync::atomic::Ordering::Relaxed);
                Ok(())
            });
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.write(stream, 1 << 20).await, Code::Completed(1 << 16));
    });
    assert_eq!(most.load(std::sync::atomic::Ordering::Relaxed), 1 << 14);
}

#[test]
fn a_closure_that_fails_is_not_called_again() {
    // Rule "Items before the error": it would handle items after the failed one, which cannot be undone.
    let got = received(async |guest| {
        let consumer = iterators::for_each(|mut store: StoreContextMut<'_, Vec<u32>>, n: u32| {
            store.data_mut().push(n);
            if n == 2 {
                bail!("no two");
            }
            Ok(())
        });
        let (consumer, done) = consumer.with_completion();
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send(stream, &words(0..9)).await, Code::Dropped(9));
        let done = done.await;
        let End::Undeliverable(error) = done.end else { panic!("{:?}", done.end) };
        assert_eq!(error.to_string(), "no two");
    });
    assert_eq!(got, [0, 1, 2]);
}

#[test]
fn a_batch_of_one_takes_no_items_after_the_failed_one() {
    // Rule "Exact partial writes": for a guest that must know how many items were handled.
    let got = received(async |guest| {
        let consumer = iterators::for_each(|mut store: StoreContextMut<'_, Vec<u32>>, n: u32| {
            store.data_mut().push(n);
            if n == 2 { Err(wasmtime::Error::msg("no two")) } else { Ok(()) }
        })
        .batch(1);
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send(stream, &words(0..9)).await, Code::Dropped(3));
    });
    assert_eq!(got, [0, 1, 2]);
}

#[test]
fn a_refused_batch_ends_the_stream() {
    // Rule "Items before the error".
    with_guest::<u8, _>(async |guest| {
        let refuse =
            |_: StoreContextMut<'_, World>, batch: Vec<u8>| bail!("{} of them", batch.len());
        let (consumer, done) = iterators::for_each_batch(refuse).batch(2).with_completion();
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send(stream, &[1, 2, 3]).await, Code::Dropped(2));
        let End::Undeliverable(error) = done.await.end else { panic!("no error") };
        assert_eq!(error.to_string(), "2 of them");
    });
}

#[test]
fn a_closure_is_not_called_for_invalid_items() {
    // Rule "No traps, no panics": only the guest's own mistake traps. There is no empty batch.
    let error = with_trapping_guest::<String, _>(async |guest| {
        let call = |_: StoreContextMut<'_, World>, batch: Vec<String>| panic!("{batch:?}");
        let stream = guest.sink(iterators::for_each_batch(call)).await;
        // One string, which ends outside of the guest's memory.
        guest.send(stream, &[0, 0, 0, 0, 0, 0, 0, 0x40]).await;
    });
    assert!(format!("{error:?}").contains("out of bounds"), "{error:?}");
}

#[test]
fn a_closure_gets_the_objects_of_handles() {
    // Rule "Resources are created on delivery", in the other direction: no handle is kept raw.
    with_guest::<Resource<Connection>, _>(async |guest| {
        let source = iterators::items([Connection(7), Connection(8)]).deliver_with(
            |mut store: StoreContextMut<'_, World>, c| Ok(store.data_mut().table.push(c)?),
        );
        let stream = guest.source(source).await;
        let (code, handles) = guest.recv(stream, 9).await;
        assert_eq!(code, Code::Dropped(2));
        // In this target a handle becomes its connection: see `handles_resources`.
        let (tx, rx) = std::sync::mpsc::channel();
        let consumer = iterators::for_each(move |_: StoreContextMut<'_, World>, c: Connection| {
            tx.send(c).map_err(wasmtime::Error::msg)
        });
        let sink = guest.sink(consumer.nested()).await;
        assert_eq!(guest.send(sink, &handles).await, Code::Completed(2));
        assert_eq!(rx.try_iter().collect::<Vec<_>>(), [Connection(7), Connection(8)]);
        guest.with(|mut store| assert!(store.data_mut().table.is_empty()));
    });
}
