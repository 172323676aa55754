//! Nested streams whose outer stream either side leaves early. Nobody waits for ever, and nothing stays in a table.

use futures::channel::mpsc;
use futures::executor::block_on;
use futures::future::FutureExt as _;
use futures::stream;
use tokio::sync::mpsc as channel;
use wasmtime::Store;
use wasmtime::component::{FutureProducer, StreamConsumer, StreamProducer, StreamReader};
use wasmtime_streams::from_guest::{self, GuestReader};
use wasmtime_streams::{
    ByteProducer, Completion, End, channels, completion::Shared, iterators, sinks, streams,
    to_guest, tokio_io, values,
};
use wasmtime_streams_testing::executor::idle;

use crate::handles::{assert_reader_gone, streams};
use crate::handles_guest::{Bytes, ENGINE, Guest, Of, Record, Wire, with_guest};
use crate::support::guest::{Code, World};

/// The guest gives three streams to `consumer`, whose receiver is dropped. The guest must find them closed.
fn given_and_dropped<C, R>(make: impl Fn() -> (C, R))
where
    C: StreamConsumer<World, Item = Bytes>,
{
    with_guest::<Bytes, _>(async |guest| {
        for written in [false, true] {
            let before = guest.entries();
            let (consumer, holder) = make();
            let items = guest.sink(consumer).await;
            let (readable, writable) = streams(guest, 3).await;
            guest.load(&readable).await;
            assert_eq!(guest.send(Of::Items, items, 3).await.count(), 3);
            if written {
                // The receiver holds a part of the first one.
                assert_eq!(guest.send(Of::Bytes, writable[0], 9).await, Code::Completed(9));
            }
            drop(holder);
            guest.drop_writable(Of::Items, items).await;
            idle().await;
            for stream in writable {
                assert_reader_gone(guest, stream).await;
            }
            assert_eq!(guest.entries(), before);
        }
    });
}

#[test]
fn readers_that_the_host_drops_are_closed() {
    // Rule "Resources are created on delivery": no lifted handle stays in the table.
    given_and_dropped(|| {
        let (consumer, items) = from_guest::item_consumer::<GuestReader>(8);
        (consumer.nested(), items)
    });
    given_and_dropped(|| {
        let (tx, rx) = mpsc::channel::<GuestReader>(9);
        (sinks::items(tx).nested(), rx)
    });
    given_and_dropped(|| {
        let (tx, rx) = channel::channel::<GuestReader>(9);
        (channels::mpsc_sender(tx).nested(), rx)
    });
    given_and_dropped(|| {
        let (consumer, done) = iterators::collect::<GuestReader>(9).nested().with_completion();
        (consumer, done)
    });
}

#[test]
fn readers_in_an_unread_collection_are_closed() {
    // Rule "Resources are created on delivery".
    with_guest::<Bytes, _>(async |guest| {
        let before = guest.entries();
        let items = guest.sink(iterators::collect::<GuestReader>(2).nested()).await;
        let (readable, writable) = streams(guest, 3).await;
        guest.load(&readable).await;
        // One more than the collector takes: it stays with the guest.
        assert_eq!(guest.send(Of::Items, items, 3).await, Code::Dropped(2));
        guest.drop_writable(Of::Items, items).await;
        idle().await;
        assert_reader_gone(guest, writable[0]).await;
        assert_reader_gone(guest, writable[1]).await;
        guest.drop_readable(Of::Bytes, readable[2]).await;
        assert_reader_gone(guest, writable[2]).await;
        assert_eq!(guest.entries(), before);
    });
}

#[test]
fn futures_and_streams_in_records_that_the_host_drops_are_closed() {
    // Rule "Resources are created on delivery".
    with_guest::<Record, _>(async |guest| {
        let before = guest.entries();
        let (stream, items) = guest.stream().await;
        let host = guest.with(|store| from_guest::items(store, stream, 4)).unwrap();
        let (bytes, bytes_in) = guest.open(Of::Bytes).await;
        let (value, value_in) = guest.open(Of::Value).await;
        guest.load(&[1, bytes, value]).await;
        assert_eq!(guest.send(Of::Items, items, 1).await, Code::Completed(1));
        drop(host);
        assert_reader_gone(guest, bytes_in).await;
        // To the writer of a future this is like any other answer: it has written its value.
        let code = guest.send(Of::Value, value_in, 0).await;
        assert!(matches!(code, Code::Completed(_) | Code::Dropped(_)), "{code:?}");
        guest.drop_writable(Of::Value, value_in).await;
        assert_eq!(guest.write(Of::Items, items, 1).await, Code::Dropped(0));
        guest.drop_writable(Of::Items, items).await;
        assert_eq!(guest.entries(), before);
    });
}

type Body = ByteProducer<tokio_io::Read<&'static [u8]>, Shared>;
type Done = Completion<tokio_io::Read<&'static [u8]>, std::io::Error>;

fn bodies() -> (Vec<Body>, Vec<Done>) {
    (0..3).map(|_| tokio_io::read(&b"body"[..]).with_completion()).unzip()
}

fn all_dropped(done: Vec<Done>) {
    for done in done {
        let done = done.now_or_never().expect("resolved");
        assert!(matches!(done.end, End::PeerDropped), "{:?}", done.end);
    }
}

/// The guest drops a stream of streams, unread or after the first one.
fn dropped_by_the_guest<P>(make: impl Fn(Vec<Body>) -> P)
where
    P: StreamProducer<World, Item = Bytes>,
{
    with_guest::<Bytes, _>(async |guest| {
        for read in [0, 1] {
            let before = guest.entries();
            let (bodies, mut done) = bodies();
            let stream = guest.source(make(bodies)).await;
            if read > 0 {
                assert_eq!(guest.recv(Of::Items, stream, 1).await, Code::Completed(1));
                let first = guest.words(1).await[0];
                guest.drop_readable(Of::Items, stream).await;
                assert_eq!(guest.read_bytes(first).await, b"body");
                guest.drop_readable(Of::Bytes, first).await;
                assert!(done.remove(0).await.end.is_finished());
            } else {
                guest.drop_readable(Of::Items, stream).await;
            }
            idle().await;
            all_dropped(done);
            assert_eq!(guest.entries(), before);
        }
    });
}

#[test]
fn streams_that_the_guest_does_not_read_are_dropped_on_the_host() {
    // Rule "Resources are created on delivery": nothing is created before the guest gets it.
    dropped_by_the_guest(|bodies| iterators::items(bodies).nested());
    dropped_by_the_guest(|bodies| streams::items(stream::iter(bodies)).nested());
    dropped_by_the_guest(|bodies| {
        let (tx, rx) = channel::channel(9);
        bodies.into_iter().for_each(|body| assert!(tx.try_send(body).is_ok()));
        channels::mpsc_receiver(rx).nested()
    });
    dropped_by_the_guest(|bodies| {
        let (mut sink, producer) = to_guest::item_producer(9);
        bodies.into_iter().for_each(|body| assert!(sink.try_send(body).is_ok()));
        producer.nested()
    });
}

#[test]
fn a_cancelled_read_makes_no_stream() {
    // Rule "Cancellation keeps the stream".
    with_guest::<Bytes, _>(async |guest| {
        let (tx, rx) = channel::channel(9);
        let stream = guest.source(channels::mpsc_receiver(rx).nested()).await;
        let before = guest.entries();
        assert_eq!(guest.read(Of::Items, stream, 3).await, Code::Blocked);
        assert_eq!(guest.cancel_read(Of::Items, stream).await, Code::Cancelled(0));
        let (body, done) = tokio_io::read(&b"body"[..]).with_completion();
        tx.send(body).await.unwrap();
        idle().await;
        assert_eq!(guest.entries(), before);
        assert_eq!(guest.recv(Of::Items, stream, 3).await, Code::Completed(1));
        let got = guest.words(1).await[0];
        assert_eq!(guest.read_bytes(got).await, b"body");
        assert!(done.await.end.is_finished());
    });
}

#[test]
fn unread_host_streams_are_dropped_when_the_reader_leaves() {
    // Rule "Host to host": without a guest nobody else has them.
    let mut store = Store::new(&ENGINE, ());
    let (bodies, done) = bodies();
    let stream: StreamReader<Bytes> =
        StreamReader::new(&mut store, iterators::items(bodies).nested()).unwrap();
    let (consumer, collected) = iterators::collect::<GuestReader>(1).nested().with_completion();
    stream.pipe(&mut store, consumer).unwrap();
    let collected = block_on(store.run_concurrent(async |_| collected.await)).unwrap();
    assert!(matches!(collected.end, End::LimitReached));
    drop(collected);
    // The first one notices when it is asked for more.
    block_on(store.run_concurrent(async |_| done.into_iter().last().unwrap().await)).unwrap();
    assert_eq!(store.concurrent_state_table_size(), 0);
}

/// The guest drops a future of a stream, unread.
fn future_dropped_by_the_guest<P>(make: impl FnOnce(Body) -> P)
where
    P: FutureProducer<World, Item = Bytes>,
{
    with_guest::<Bytes, _>(async |guest| {
        let before = guest.entries();
        let (body, done) = tokio_io::read(&b"body"[..]).with_completion();
        let producer = make(body);
        let reader =
            guest.with(|store| wasmtime::component::FutureReader::new(store, producer)).unwrap();
        let future = guest.take_future(reader).await;
        guest.drop_readable(Of::Item, future).await;
        all_dropped(vec![done]);
        assert_eq!(guest.entries(), before);
    });
}

#[test]
fn a_value_that_the_guest_does_not_read_is_dropped_on_the_host() {
    // Rule "Resources are created on delivery".
    future_dropped_by_the_guest(|body| values::future(std::future::ready(body)).nested());
    future_dropped_by_the_guest(|body| {
        let (tx, rx) = tokio::sync::oneshot::channel();
        assert!(tx.send(body).is_ok());
        values::try_future(rx).nested()
    });
    future_dropped_by_the_guest(|body| {
        let (value, producer) = to_guest::value_producer();
        assert!(value.send(body).is_ok());
        producer.nested()
    });
}

/// Leaves room in the store's table for `streams` more streams.
fn room_for<T: Wire>(guest: &Guest<'_, T>, streams: usize) {
    // The entry of the guest's own call exists now, and not during a read.
    let most = guest.entries() - 1 + 3 * streams;
    guest.with(|mut store| store.concurrent_resource_table().unwrap().set_max_capacity(most));
}

#[test]
fn an_item_without_room_in_the_store_leaves_nothing_there() {
    // Rule "Items before the error".
    with_guest::<Record, _>(async |guest| {
        let record = |n| {
            let (body, done) = tokio_io::read(&b"body"[..]).with_completion();
            ((n, body, values::future(std::future::ready(n))), done)
        };
        let ((first, one), (second, two)) = (record(1_u32), record(2));
        let (producer, done) = iterators::items([first, second]).nested().with_completion();
        let stream = guest.source(producer).await;
        let before = guest.entries();
        // Too little for the future of the second one.
        room_for(guest, 3);
        assert_eq!(guest.recv(Of::Items, stream, 2).await, Code::Dropped(1));
        let words = guest.words(3).await;
        assert!(matches!(done.await.end, End::Undeliverable(_)));
        all_dropped(vec![two]);
        assert_eq!(guest.read_bytes(words[1]).await, b"body");
        assert!(one.await.end.is_finished());
        guest.drop_readable(Of::Bytes, words[1]).await;
        guest.drop_readable(Of::Value, words[2]).await;
        guest.drop_readable(Of::Items, stream).await;
        assert_eq!(guest.entries(), before - 3);
    });
}

#[test]
fn a_dropped_store_ends_everything_nested_in_it() {
    // Rule "Completion".
    let (bodies, done) = bodies();
    let reader = with_guest::<Bytes, _>(async |guest| {
        let stream = guest.source(iterators::items(bodies).nested()).await;
        assert_eq!(guest.recv(Of::Items, stream, 2).await, Code::Completed(2));
        let (stream, items) = guest.stream().await;
        let mut host = guest.with(|store| from_guest::items(store, stream, 4)).unwrap();
        let (readable, _) = streams(guest, 1).await;
        guest.load(&readable).await;
        guest.send(Of::Items, items, 1).await;
        host.next_item().await.unwrap()
    });
    all_dropped(done);
    let mut reader: GuestReader = reader;
    let end = std::future::poll_fn(|cx| reader.poll_fill_buf(cx).map_ok(|bytes| bytes.len()));
    assert!(end.now_or_never().is_some());
}

#[test]
fn a_guest_that_gives_and_drops_streams_in_a_loop_does_not_fill_the_table() {
    // Rule "Resources are created on delivery".
    with_guest::<Bytes, _>(async |guest| {
        let before = guest.entries();
        room_for(guest, 4);
        let (stream, items) = guest.stream().await;
        let mut host = guest.with(|store| from_guest::items(store, stream, 4)).unwrap();
        for _ in 0..50 {
            let (readable, writable) = streams(guest, 1).await;
            guest.load(&readable).await;
            assert_eq!(guest.send(Of::Items, items, 1).await, Code::Completed(1));
            drop(host.next_item().await.unwrap());
            assert_reader_gone(guest, writable[0]).await;
            let source: StreamReader<Bytes> = guest
                .with(|store| {
                    StreamReader::new(store, iterators::items([tokio_io::read(&b"x"[..])]).nested())
                })
                .unwrap();
            let stream = guest.take(source).await;
            guest.drop_readable(Of::Items, stream).await;
        }
        drop(host);
        assert_eq!(guest.write(Of::Items, items, 1).await, Code::Dropped(0));
        guest.drop_writable(Of::Items, items).await;
        assert_eq!(guest.entries(), before);
    });
}
