//! Relays from a guest's store to another store. Two guests in two stores are in tests/peers/.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::channel::oneshot;
use futures::{join, stream};
use wasmtime::component::{Lift, StreamReader};
use wasmtime::{Engine, Store};
use wasmtime_streams::to_guest::{self, FromHost};
use wasmtime_streams::{
    End,
    items::{IntoGuest, IntoHost, Plain},
    iterators, relay,
    streams::{self, Chunks},
    tokio_io,
};
use wasmtime_streams_testing::{Guest, Item, Setup, executor};

use crate::pattern;
use crate::support::guest::{Code, with_guest};

/// A store for the other side, and a stream in it.
type Other<T> = (Store<()>, StreamReader<T>);

fn other_store() -> Store<()> {
    Store::new(&Engine::default(), ())
}

/// Runs `script`, and `other` beside its store with what the script sends: Wasmtime cannot run a store inside of
/// another.
fn with_other<T: Item, U, R, O>(
    script: impl AsyncFnOnce(&Guest<'_, (), T>, oneshot::Sender<Other<U>>) -> R,
    other: impl AsyncFnOnce(Store<()>, StreamReader<U>) -> O,
) -> (R, O) {
    let (tx, rx) = oneshot::channel();
    let script = Setup::new(()).drive(async |guest| script(guest, tx).await);
    let other = async {
        let (store, stream) = rx.await.expect("the script sends a stream");
        other(store, stream).await
    };
    let (result, other) = executor::run(async { join!(script, other) });
    (result.expect("the guest trapped"), other)
}

/// Everything that comes out of `stream`, in a store of its own.
async fn collected<T>(mut store: Store<()>, stream: StreamReader<T>) -> Vec<T>
where
    T: Plain + Lift,
{
    let (consumer, done) = iterators::collect(1 << 20).with_completion();
    stream.pipe(&mut store, consumer).unwrap();
    store.run_concurrent(async |_| done.await).await.unwrap().inner.into_inner()
}

#[test]
fn bytes_cross_from_store_to_store_in_order() {
    // Rule "Exactly once, in order": the inspection sees exactly these bytes.
    let data = pattern(50_000);
    for capacity in [2, 100, 1 << 20] {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let look = seen.clone();
        let look = move |bytes: &[u8]| look.lock().unwrap().extend_from_slice(bytes);
        let script = async |guest: &Guest<'_, (), u8>, moved: oneshot::Sender<_>| {
            let mut other = other_store();
            let (reader, writable) = guest.stream().await;
            let relayed = guest
                .with(|store| relay::bytes(store, reader, &mut other, capacity, look))
                .unwrap();
            assert!(moved.send((other, relayed.stream)).is_ok());
            guest.send_all(writable, &data).await;
            guest.drop_writable(writable).await;
            join!(relayed.from, relayed.to)
        };
        let ((from, to), all) = with_other(script, collected);
        assert!(all == data && *seen.lock().unwrap() == data);
        assert!(from.end.is_finished() && to.end.is_finished());
        assert_eq!((from.moved, to.moved), (50_000, 50_000));
    }
}

/// Asserts that the guest's items come out as what `map` makes of them.
fn mapped<T, U>(values: Vec<T::Value>, map: fn(T) -> U, expected: Vec<U>)
where
    T: Item + IntoHost<(), Host = T>,
    U: IntoGuest<(), Guest = U> + Lift + Plain + PartialEq,
{
    let script = async |guest: &Guest<'_, (), T>, moved: oneshot::Sender<_>| {
        let mut other = other_store();
        let (reader, writable) = guest.stream().await;
        let relayed = guest.with(|store| relay::items(store, reader, &mut other, 8, map)).unwrap();
        assert!(moved.send((other, relayed.stream)).is_ok());
        let mut left = &values[..];
        while !left.is_empty() {
            guest.load_items(left).await;
            let code = match guest.write(writable, left.len() as u32).await {
                Code::Blocked => guest.wait(writable).await,
                code => code,
            };
            left = &left[code.count() as usize..];
        }
        guest.drop_writable(writable).await;
        relayed.from.await.moved
    };
    let (moved, all) = with_other(script, collected);
    assert!(all == expected);
    assert_eq!(moved, values.len() as u64);
}

#[test]
fn a_relay_maps_items() {
    // Rule "Exactly once, in order": also to a type with heap data, and back.
    let names: Vec<_> = (0..100).map(|n| format!("{n}")).collect();
    mapped::<u32, String>((0..100).collect(), |n| n.to_string(), names.clone());
    mapped::<String, u32>(names, |name| name.parse().unwrap(), (0..100).collect());
}

#[test]
fn the_first_guest_gets_no_further_ahead_than_the_capacity() {
    // Rule "Backpressure": across stores.
    with_guest::<u8, _>(async |guest| {
        let mut other = other_store();
        let (reader, writable) = guest.stream().await;
        let relayed =
            guest.with(|store| relay::bytes(store, reader, &mut other, 64, |_| {})).unwrap();
        assert_eq!(guest.write(writable, 999).await, Code::Completed(64));
        assert_eq!(guest.write(writable, 999).await, Code::Blocked);
        let mut wait = Box::pin(guest.wait(writable));
        assert_eq!(guest.parked(&mut wait).await, None);
        drop((relayed.stream, other));
        assert_eq!(wait.await, Code::Dropped(0));
    });
}

#[test]
fn dropping_the_second_store_wakes_the_first_guest_whoever_holds_the_completions() {
    // Rule "Completion": a completion that is not awaited yet must not keep the first guest waiting.
    for drops_store in [true, false] {
        let script = async |guest: &Guest<'_, (), u8>, moved: oneshot::Sender<_>| {
            let mut other = other_store();
            let (reader, writable) = guest.stream().await;
            let relayed =
                guest.with(|store| relay::bytes(store, reader, &mut other, 64, |_| {})).unwrap();
            assert_eq!(guest.write(writable, 32).await, Code::Completed(32));
            assert!(moved.send((other, relayed.stream)).is_ok());
            let from = async {
                while let Code::Completed(_) = match guest.write(writable, 32).await {
                    Code::Blocked => guest.wait(writable).await,
                    code => code,
                } {}
                relayed.from.await
            };
            let from = from.await;
            assert!(matches!(from.end, End::ReceiverDropped));
            let to = relayed.to.await;
            assert!(matches!(to.end, End::PeerDropped), "{:?}", to.end);
            // The bytes on their way are still there.
            assert_eq!(to.moved + to.inner.into_unread().len() as u64, from.moved);
        };
        with_other(script, async |mut store, stream: StreamReader<u8>| {
            let (consumer, done) = iterators::collect_bytes(10).with_completion();
            stream.pipe(&mut store, consumer).unwrap();
            let done = store.run_concurrent(async |_| {
                let done = done.await;
                // The drop of the stream shows its end.
                executor::idle().await;
                done
            });
            if drops_store {
                executor::idle().await;
            } else {
                assert!(matches!(done.await.unwrap().end, End::LimitReached));
            }
        });
    }
}

#[test]
fn a_splice_moves_the_object_in_the_middle_of_its_stream() {
    // Rule "Splice": no byte is lost, and there is no guest in between any more.
    type Body = Chunks<stream::Iter<std::vec::IntoIter<Bytes>>, Bytes>;
    let script = async |guest: &Guest<'_, (), u8>, moved: oneshot::Sender<_>| {
        let mut other = other_store();
        let body = stream::iter(vec![Bytes::from("hello "), Bytes::from("world")]);
        let stream = guest.source(streams::chunks(body).spliceable()).await;
        assert_eq!(guest.recv(stream, 8).await.1, b"hello wo");
        let reader = guest.give(stream).await;
        let spliced = guest.with(|store| relay::splice::<Body>(store, reader, &mut other));
        // And the same again, out of the second store.
        let mut third = other_store();
        let spliced = relay::splice::<Body>(&mut other, spliced.unwrap().unwrap(), &mut third);
        assert!(moved.send((third, spliced.unwrap().unwrap())).is_ok());
    };
    assert_eq!(with_other(script, collected).1, b"rld");
}

#[test]
fn a_refused_splice_leaves_a_stream_that_can_be_relayed() {
    // Rule "Splice".
    let script = async |guest: &Guest<'_, (), u8>, moved: oneshot::Sender<_>| {
        let mut other = other_store();
        let stream = guest.source(tokio_io::read(&b"hello"[..])).await;
        let reader = guest.give(stream).await;
        let refused = guest
            .with(|store| relay::splice::<tokio_io::Read<&[u8]>>(store, reader, &mut other))
            .unwrap_err();
        let relayed =
            guest.with(|store| relay::bytes(store, refused, &mut other, 64, |_| {})).unwrap();
        assert!(moved.send((other, relayed.stream)).is_ok());
        relayed.from.await
    };
    let (from, all) = with_other(script, collected);
    assert!(from.end.is_finished() && all == b"hello");
}

#[test]
fn streams_of_items_and_host_writers_can_be_spliced() {
    // Rule "Splice": data that was written before goes with the stream, and so does later data.
    let script = async |guest: &Guest<'_, (), u32>, moved: oneshot::Sender<_>| {
        let mut other = other_store();
        let (mut sink, producer) = to_guest::item_producer(64);
        let stream = guest.source(producer.spliceable()).await;
        sink.send_batch(vec![1, 2, 3]).await.unwrap();
        assert_eq!(guest.read(stream, 1).await, Code::Completed(1));
        let reader = guest.give(stream).await;
        let spliced = guest
            .with(|store| relay::splice_items::<_, FromHost<u32>>(store, reader, &mut other))
            .unwrap();
        sink.send_batch(vec![4]).await.unwrap();
        sink.close();
        assert!(moved.send((other, spliced.unwrap())).is_ok());
    };
    assert_eq!(with_other(script, collected).1, [2, 3, 4]);
}
