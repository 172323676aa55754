//! Refused splices: of a source that has failed, and of one whose settings would be lost.

use std::io;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use wasmtime::component::StreamReader;
use wasmtime::{Engine, Store, StoreContextMut};
use wasmtime_streams::{
    ByteProducer, ByteSource, EndReason, ItemProducer, ItemSource, Meter, body, iterators, relay,
    relay::Splice, streams, tokio_io,
};
use wasmtime_streams_testing::executor;

use crate::support::guest::{Code, Guest, World, with_guest, with_trapping_guest};

fn failing() -> [io::Result<u8>; 4] {
    [Ok(1), Err(io::Error::other("broken")), Ok(3), Ok(4)]
}

fn failing_chunks() -> impl futures::Stream<Item = io::Result<&'static [u8]>> + Send + 'static {
    stream::iter([Ok(&b"\x01"[..]), Err(io::Error::other("broken")), Ok(b"\x03\x04")])
}

/// The guest reads what is there, and passes the stream on. The splice is refused, so the stream goes back to the
/// guest.
async fn read_and_pass_on<S: 'static>(guest: &Guest<'_, u8>, reader: StreamReader<u8>) {
    let stream = guest.take(reader).await;
    assert_eq!(guest.recv(stream, 9).await, (Code::Completed(1), vec![1]));
    let reader = guest.give(stream).await;
    let refused = guest.with(|store| reader.try_into::<S>(store));
    let Err(reader) = refused else { panic!("a source that has failed was given out") };
    let stream = guest.take(reader).await;
    let (code, bytes) = guest.recv(stream, 9).await;
    panic!("the error is no trap: {code:?} with {bytes:?}");
}

/// Asserts that the error is a trap.
fn assert_traps(script: impl AsyncFnOnce(&Guest<'_, u8>)) {
    let error = with_trapping_guest::<u8, _>(script);
    assert!(format!("{error:?}").contains("broken"), "{error:?}");
}

fn items<S>(make: impl Fn() -> ItemProducer<S>)
where
    S: ItemSource<Item = u8, Error: Into<wasmtime::Error>> + Splice + Unpin,
{
    for trap_first in [true, false] {
        assert_traps(async |guest| {
            let producer = match trap_first {
                true => make().trap_on_error().spliceable(),
                false => make().spliceable().trap_on_error(),
            };
            let reader = guest.with(|store| StreamReader::new(store, producer)).unwrap();
            read_and_pass_on::<S>(guest, reader).await;
        });
    }
}

fn bytes<S>(make: impl Fn() -> ByteProducer<S>)
where
    S: ByteSource<Error: Into<wasmtime::Error>> + Splice + Unpin,
{
    for trap_first in [true, false] {
        assert_traps(async |guest| {
            let producer = match trap_first {
                true => make().trap_on_error().spliceable(),
                false => make().spliceable().trap_on_error(),
            };
            let reader = guest.with(|store| StreamReader::new(store, producer)).unwrap();
            read_and_pass_on::<S>(guest, reader).await;
        });
    }
}

#[test]
fn a_splice_of_a_failed_stream_is_refused() {
    // Rule "Splice", rule "Items before the error": the trap comes with the next read, after the items before the
    // error.
    items(|| streams::try_items(stream::iter(failing())));
}

#[test]
fn a_splice_of_a_failed_iterator_is_refused() {
    // Rule "Splice".
    items(|| iterators::try_items(failing()));
}

#[test]
fn a_splice_of_a_failed_peekable_stream_is_refused() {
    // Rule "Splice".
    items(|| streams::try_peekable(stream::iter(failing()).peekable()));
}

#[test]
fn a_splice_of_failed_chunks_is_refused() {
    // Rule "Splice".
    bytes(|| streams::try_chunks(failing_chunks()));
}

#[test]
fn a_splice_of_a_failed_body_is_refused() {
    // Rule "Splice".
    bytes(|| body::read(StreamBody::new(failing_chunks().map_ok(Frame::data))));
}

#[test]
fn a_splice_of_a_stream_with_layers_is_refused() {
    // Rule "Splice": what stands between the source and the guest would be lost.
    type Source = iterators::Items<std::array::IntoIter<u8, 4>>;
    type Reader = tokio_io::Read<&'static [u8]>;
    with_guest::<u8, _>(async |guest| {
        let source = || iterators::items([1_u8, 2, 3, 4]).spliceable();
        let reader = || tokio_io::read(&[1_u8, 2, 3, 4][..]).spliceable();
        let (completing, _done) = source().with_completion();
        let (reading, _read) = reader().with_completion();
        let delivered =
            source().deliver_with(|_: StoreContextMut<'_, World>, item: u8| Ok(2 * item));
        let never = || std::future::pending::<()>();
        for (name, stream, got) in [
            ("limit", guest.source(source().limit(2)).await, vec![1, 2]),
            (
                "until",
                guest.source(source().until(EndReason::TimedOut, never())).await,
                vec![1, 2, 3, 4],
            ),
            ("inspect", guest.source(source().inspect(|_| {})).await, vec![1, 2, 3, 4]),
            ("completion", guest.source(completing).await, vec![1, 2, 3, 4]),
            ("deliver_with", guest.source(delivered).await, vec![2, 4, 6, 8]),
            ("limit, bytes", guest.source(reader().limit(2)).await, vec![1, 2]),
            ("completion, bytes", guest.source(reading).await, vec![1, 2, 3, 4]),
        ] {
            let reader = guest.give(stream).await;
            let refused = guest.with(|mut store| {
                let reader = reader.try_into::<Source>(&mut store).map(drop).err()?;
                reader.try_into::<Reader>(store).map(drop).err()
            });
            let stream = guest.take(refused.unwrap_or_else(|| panic!("{name} is gone"))).await;
            assert_eq!(guest.recv(stream, 9).await.1, got, "{name}");
        }
    });
}

/// Two stores. A stream of the first one is taken to the second, if that loses nothing.
struct Stores([Store<()>; 2]);

impl Stores {
    fn new() -> Self {
        let engine = Engine::default();
        Self([Store::new(&engine, ()), Store::new(&engine, ())])
    }

    /// The stream, and the store in which it is now.
    fn splice_items<S>(&mut self, producer: ItemProducer<S>) -> (&mut Store<()>, StreamReader<u8>)
    where
        S: ItemSource<Item = u8> + Splice + Unpin,
    {
        let Self([one, two]) = self;
        let stream = StreamReader::new(&mut *one, producer.spliceable()).unwrap();
        match relay::splice_items::<u8, S>(&mut *one, stream, &mut *two) {
            Ok(stream) => (two, stream.unwrap()),
            Err(stream) => (one, stream),
        }
    }

    /// The same for bytes.
    fn splice<S>(&mut self, producer: ByteProducer<S>) -> (&mut Store<()>, StreamReader<u8>)
    where
        S: ByteSource + Splice + Unpin,
    {
        let Self([one, two]) = self;
        let stream = StreamReader::new(&mut *one, producer.spliceable()).unwrap();
        match relay::splice::<S>(&mut *one, stream, &mut *two) {
            Ok(stream) => (two, stream.unwrap()),
            Err(stream) => (one, stream),
        }
    }
}

#[test]
fn a_relay_by_splice_loses_no_meter() {
    // Rule "Splice": the meter goes on counting in the other store, or the stream stays where it is.
    let (items, bytes) = (Meter::new(), Meter::new());
    let mut stores = Stores::new();
    let (store, stream) = stores.splice_items(iterators::items([1_u8, 2, 3]).metered(&items));
    let (sink, done) = iterators::collect::<u8>(9).with_completion();
    stream.pipe(&mut *store, sink).unwrap();
    let done = executor::run(store.run_concurrent(async |_| done.await)).unwrap();
    assert_eq!((done.moved, items.moved()), (3, 3));

    let (store, stream) = stores.splice(tokio_io::read(&b"123"[..]).metered(&bytes));
    let (sink, done) = iterators::collect_bytes(9).with_completion();
    stream.pipe(&mut *store, sink).unwrap();
    let done = executor::run(store.run_concurrent(async |_| done.await)).unwrap();
    assert_eq!((done.moved, bytes.moved()), (3, 3));
}

#[test]
fn a_relay_by_splice_loses_no_trap() {
    // Rule "Splice", rule "Items before the error".
    let mut stores = Stores::new();
    let (store, stream) =
        stores.splice_items(streams::try_items(stream::iter(failing())).trap_on_error());
    let (sink, done) = iterators::collect::<u8>(9).with_completion();
    stream.pipe(&mut *store, sink).unwrap();
    let error = executor::run(store.run_concurrent(async |_| done.await.end)).unwrap_err();
    assert!(format!("{error:?}").contains("broken"), "{error:?}");

    let mut stores = Stores::new();
    let (store, stream) = stores.splice(streams::try_chunks(failing_chunks()).trap_on_error());
    let (sink, done) = iterators::collect_bytes(9).with_completion();
    stream.pipe(&mut *store, sink).unwrap();
    let error = executor::run(store.run_concurrent(async |_| done.await.end)).unwrap_err();
    assert!(format!("{error:?}").contains("broken"), "{error:?}");
}
