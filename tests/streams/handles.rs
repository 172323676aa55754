//! Items with handles in them, in batches: none is lifted twice, and none is forgotten.

use wasmtime::{Error, StoreContextMut};
use wasmtime_streams::from_guest::GuestReader;
use wasmtime_streams::{End, items::IntoHost, iterators};

use crate::handles_guest::{Bytes, Guest, Of, Wire, try_with_guest, with_guest};
use crate::support::guest::{Code, World};

/// A list of 3 MiB in the guest's memory. 60 of them exceed the store's hostcall fuel.
const LARGE: [u32; 2] = [0x10000, (3 << 20) / 8];

/// New streams of the guest: their readable and their writable ends.
pub async fn streams<T: Wire>(guest: &Guest<'_, T>, n: usize) -> (Vec<u32>, Vec<u32>) {
    let (mut readable, mut writable) = (Vec::new(), Vec::new());
    for _ in 0..n {
        let (reader, writer) = guest.open(Of::Bytes).await;
        readable.push(reader);
        writable.push(writer);
    }
    (readable, writable)
}

/// Asserts that the guest's next write finds the reader gone.
pub async fn assert_reader_gone<T: Wire>(guest: &Guest<'_, T>, stream: u32) {
    let code = match guest.write(Of::Bytes, stream, 5).await {
        Code::Blocked => guest.parked(&mut Box::pin(guest.wait(stream))).await,
        code => Some(code),
    };
    assert_eq!(code, Some(Code::Dropped(0)));
    guest.drop_writable(Of::Bytes, stream).await;
}

/// Writes 60 records, each of a stream and 3 MiB, in one write.
async fn write_large(guest: &Guest<'_, (Bytes, Vec<u64>)>, to: u32) -> (Code, Vec<u32>) {
    let (readable, writable) = streams(guest, 60).await;
    let words: Vec<_> = readable.iter().flat_map(|r| [*r, LARGE[0], LARGE[1]]).collect();
    guest.load(&words).await;
    (guest.send(Of::Items, to, 60).await, writable)
}

#[test]
fn a_batch_of_handles_and_heap_data_beyond_the_fuel_arrives_whole() {
    // Rule "Bounded memory": items that own heap data and may hold handles are lifted one by one.
    with_guest::<(Bytes, Vec<u64>), _>(async |guest| {
        for batch in [None, Some(64), Some(7)] {
            let before = guest.entries();
            let mut consumer = iterators::collect::<(GuestReader, Vec<u64>)>(100).nested();
            if let Some(batch) = batch {
                consumer = consumer.batch(batch);
            }
            let (consumer, done) = consumer.with_completion();
            let items = guest.sink(consumer).await;
            let (code, writable) = write_large(guest, items).await;
            assert_eq!(code, Code::Completed(60), "in batches of {batch:?}");
            guest.drop_writable(Of::Items, items).await;
            let done = done.await;
            assert!(matches!(done.end, End::Finished));
            let collected = done.inner.into_inner();
            assert_eq!(collected.len(), 60);
            assert!(collected.iter().all(|(_, large)| large.len() == LARGE[1] as usize));
            drop(collected);
            for stream in writable {
                assert_reader_gone(guest, stream).await;
            }
            assert_eq!(guest.entries(), before);
        }
    });
}

#[test]
fn a_custom_step_gets_a_batch_of_handles_and_heap_data_beyond_the_fuel() {
    // Rule "Bounded memory".
    with_guest::<(Bytes, Vec<u64>), _>(async |guest| {
        let close = |store: StoreContextMut<'_, World>, (mut stream, large): (Bytes, Vec<u64>)| {
            stream.close(store)?;
            Ok(large.len())
        };
        let (consumer, done) = iterators::collect(100).receive_with(close).with_completion();
        let items = guest.sink(consumer).await;
        let (code, _) = write_large(guest, items).await;
        assert_eq!(code, Code::Completed(60));
        guest.drop_writable(Of::Items, items).await;
        assert_eq!(done.await.inner.into_inner(), [LARGE[1] as usize; 60]);
    });
}

#[test]
fn items_without_handles_are_lifted_in_batches_though_they_own_heap_data() {
    // Rule "Bounded memory": only items that may hold handles are lifted one by one.
    async fn batches<T>(guest: &Guest<'_, T>, words: &[u32], items: u32) -> Vec<usize>
    where
        T: Wire + IntoHost<World>,
    {
        guest.load(words).await;
        let (tx, rx) = std::sync::mpsc::channel();
        let consumer =
            iterators::for_each_batch(move |_: StoreContextMut<'_, World>, batch: Vec<T::Host>| {
                tx.send(batch.len()).unwrap();
                Ok(())
            });
        let stream = guest.sink(consumer.nested()).await;
        guest.send(Of::Items, stream, items).await;
        rx.try_iter().collect()
    }
    with_guest::<(u32, String), _>(async |guest| {
        assert_eq!(batches(guest, &[0; 30], 10).await, [10]);
    });
    with_guest::<(Bytes, Vec<u64>), _>(async |guest| {
        let (readable, _) = streams(guest, 3).await;
        let words: Vec<_> = readable.iter().flat_map(|r| [*r, 0, 0]).collect();
        assert_eq!(batches(guest, &words, 3).await, [1; 3]);
    });
    with_guest::<Bytes, _>(async |guest| {
        let (readable, _) = streams(guest, 3).await;
        assert_eq!(batches(guest, &readable, 3).await, [3]);
    });
}

#[test]
fn an_invalid_handle_traps_with_its_index_after_the_items_before_it() {
    // Rule "No traps, no panics": only an invalid item traps.
    let (tx, mut rx) = futures::channel::mpsc::unbounded::<GuestReader>();
    let trapped = try_with_guest::<Bytes, _>(async |guest| {
        let items = guest.sink(wasmtime_streams::sinks::items(tx).nested()).await;
        let (readable, _) = streams(guest, 2).await;
        guest.load(&[readable[0], readable[1], 77, readable[0]]).await;
        guest.send(Of::Items, items, 4).await
    });
    let trap = format!("{:?}", trapped.unwrap_err());
    assert!(trap.contains("unknown handle index 77"), "{trap}");
    let got = std::iter::from_fn(|| rx.try_recv().ok()).count();
    assert_eq!(got, 2);

    let trapped = try_with_guest::<(Bytes, Vec<u64>), _>(async |guest| {
        let consumer = iterators::collect::<(GuestReader, Vec<u64>)>(9).nested().batch(9);
        let items = guest.sink(consumer).await;
        let (readable, _) = streams(guest, 2).await;
        guest.load(&[readable[0], 0, 0, readable[1], 0, 0, 77, 0, 0]).await;
        guest.send(Of::Items, items, 3).await
    });
    let trap = format!("{:?}", trapped.unwrap_err());
    assert!(trap.contains("unknown handle index 77"), "{trap}");
}

#[test]
fn a_closure_that_fails_within_a_batch_leaves_no_handle_open() {
    // Rule "Resources are created on delivery": a handle that is lifted is not kept raw.
    with_guest::<Bytes, _>(async |guest| {
        let before = guest.entries();
        let mut calls = 0;
        let (consumer, done) =
            iterators::for_each(move |_: StoreContextMut<'_, World>, _: GuestReader| {
                calls += 1;
                if calls == 2 { Err(Error::msg("not this one")) } else { Ok(()) }
            })
            .nested()
            .with_completion();
        let items = guest.sink(consumer).await;
        let (readable, writable) = streams(guest, 5).await;
        guest.load(&readable).await;
        assert_eq!(guest.send(Of::Items, items, 5).await, Code::Dropped(5));
        assert!(matches!(done.await.end, End::Undeliverable(_)));
        for stream in writable {
            assert_reader_gone(guest, stream).await;
        }
        guest.drop_writable(Of::Items, items).await;
        assert_eq!(guest.entries(), before);
    });
}
