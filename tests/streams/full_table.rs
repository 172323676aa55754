//! Calls that need an entry in the store's table, when it is full: an error, and never a panic.

use futures::stream;
use wasmtime::component::{Resource, StreamReader};
use wasmtime::{Engine, Result, Store, StoreContextMut};
use wasmtime_streams::{End, from_guest, iterators, relay, streams, to_guest, tokio_io};

use crate::support::guest::{Code, Connection, World, with_guest};

type Items = iterators::Items<std::array::IntoIter<u8, 3>>;

/// How many entries a stream takes.
const STREAM: usize = 3;

struct Stores {
    /// The store that a stream comes from.
    from: Store<()>,
    /// The store that fills up.
    full: Store<()>,
}

impl Stores {
    /// Takes `before` entries, and leaves room for `room` more.
    fn room(&mut self, before: usize, room: usize) {
        self.full.concurrent_resource_table().unwrap().set_max_capacity(before + room);
    }

    fn bytes(store: &mut Store<()>) -> StreamReader<u8> {
        StreamReader::new(store, tokio_io::read(&b"123"[..]).spliceable()).unwrap()
    }

    fn items(store: &mut Store<()>) -> StreamReader<u8> {
        StreamReader::new(store, iterators::items([1_u8, 2, 3]).spliceable()).unwrap()
    }
}

/// Makes `call` with each amount of room. It must fail `times` times, and then succeed.
fn assert_fails(name: &str, times: usize, call: impl Fn(&mut Stores, usize) -> Result<()>) {
    let engine = Engine::default();
    let mut outcomes = Vec::new();
    for room in 0..10 {
        let mut stores = Stores { from: Store::new(&engine, ()), full: Store::new(&engine, ()) };
        outcomes.push(call(&mut stores, room).is_ok());
    }
    let expected: Vec<_> = (0..10).map(|room| room >= times).collect();
    assert_eq!(outcomes, expected, "{name}, with room for 0, 1, 2, …");
}

#[test]
fn making_a_stream_or_a_future_fails_if_the_table_is_full() {
    // Rule "No traps, no panics", rule "Bounded memory".
    assert_fails("StreamReader::new", 3, |stores, room| {
        stores.room(0, room);
        StreamReader::new(&mut stores.full, streams::items(stream::iter([1_u8]))).map(drop)
    });
    assert_fails("to_guest::writer", 3, |stores, room| {
        stores.room(0, room);
        to_guest::writer(&mut stores.full, 64).map(drop)
    });
    assert_fails("to_guest::sink", 3, |stores, room| {
        stores.room(0, room);
        to_guest::sink::<u8>(&mut stores.full, 64).map(drop)
    });
    assert_fails("to_guest::value", 3, |stores, room| {
        stores.room(0, room);
        to_guest::value::<u8>(&mut stores.full).map(drop)
    });
}

#[test]
fn making_a_stream_and_a_future_fails_if_there_is_room_for_one() {
    // Rule "No traps, no panics", rule "Bounded memory".
    assert_fails("into_wit of bytes", 6, |stores, room| {
        stores.room(0, room);
        let source = tokio_io::read(&b"123"[..]);
        source.into_wit(&mut stores.full, |_| Ok::<(), u32>(())).map(drop)
    });
    assert_fails("into_wit of items", 6, |stores, room| {
        stores.room(0, room);
        iterators::items([1_u8, 2]).into_wit(&mut stores.full, |_| Ok::<(), u32>(())).map(drop)
    });
}

#[test]
fn pipe_wit_fails_if_the_table_is_full() {
    // Rule "No traps, no panics", rule "Bounded memory".
    assert_fails("pipe_wit of bytes", 3, |stores, room| {
        let stream = Stores::bytes(&mut stores.full);
        stores.room(STREAM, room);
        iterators::collect_bytes(9)
            .pipe_wit(&mut stores.full, stream, |_| Ok::<(), u32>(()))
            .map(drop)
    });
    assert_fails("pipe_wit of items", 3, |stores, room| {
        let stream = Stores::items(&mut stores.full);
        stores.room(STREAM, room);
        iterators::collect::<u8>(9)
            .pipe_wit(&mut stores.full, stream, |_| Ok::<(), u32>(()))
            .map(drop)
    });
    assert_fails("pipe_wit_on of bytes", 3, |stores, room| {
        let stream = Stores::bytes(&mut stores.full);
        stores.room(STREAM, room);
        let map = |_| Ok::<(), u32>(());
        iterators::collect_bytes(9).pipe_wit_on(&mut stores.full, stream, drop, map).map(drop)
    });
    assert_fails("pipe_wit_on of items", 3, |stores, room| {
        let stream = Stores::items(&mut stores.full);
        stores.room(STREAM, room);
        let map = |_| Ok::<(), u32>(());
        iterators::collect::<u8>(9).pipe_wit_on(&mut stores.full, stream, drop, map).map(drop)
    });
    assert_fails("tokio_io::duplex", 3, |stores, room| {
        let output = Stores::bytes(&mut stores.full);
        stores.room(STREAM, room);
        tokio_io::duplex(&mut stores.full, output, 64).map(drop)
    });
}

#[test]
fn a_relay_into_a_full_store_fails() {
    // Rule "No traps, no panics", rule "Bounded memory".
    assert_fails("relay::bytes", 3, |stores, room| {
        let stream = Stores::bytes(&mut stores.from);
        stores.room(0, room);
        relay::bytes(&mut stores.from, stream, &mut stores.full, 64, |_| {}).map(drop)
    });
    assert_fails("relay::items", 3, |stores, room| {
        let stream = Stores::items(&mut stores.from);
        stores.room(0, room);
        relay::items(&mut stores.from, stream, &mut stores.full, 64, |item: u8| item).map(drop)
    });
    assert_fails("relay::splice", 3, |stores, room| {
        let stream = Stores::bytes(&mut stores.from);
        stores.room(0, room);
        let spliced =
            relay::splice::<tokio_io::Read<&[u8]>>(&mut stores.from, stream, &mut stores.full);
        spliced.expect("a source that can be spliced").map(drop)
    });
    assert_fails("relay::splice_items", 3, |stores, room| {
        let stream = Stores::items(&mut stores.from);
        stores.room(0, room);
        let spliced = relay::splice_items::<u8, Items>(&mut stores.from, stream, &mut stores.full);
        spliced.expect("a source that can be spliced").map(drop)
    });
}

#[test]
fn a_pipe_needs_no_table_entry() {
    // Rule "Bounded memory": a guest's stream already has its entries, so a full store can still pipe it.
    assert_fails("from_guest::reader", 0, |stores, _| {
        let stream = Stores::bytes(&mut stores.full);
        stores.room(STREAM, 0);
        from_guest::reader(&mut stores.full, stream, 64).map(drop)
    });
    assert_fails("from_guest::items", 0, |stores, _| {
        let stream = Stores::items(&mut stores.full);
        stores.room(STREAM, 0);
        from_guest::items(&mut stores.full, stream, 64).map(drop)
    });
}

#[test]
fn a_resource_without_room_in_the_table_ends_its_stream() {
    // Rule "Resources are created on delivery", rule "Items before the error": here the embedder's own table is full.
    with_guest::<Resource<Connection>, _>(async |guest| {
        guest.with(|mut store| store.data_mut().table.set_max_capacity(2));
        let push = |mut store: StoreContextMut<'_, World>, connection| {
            Ok(store.data_mut().table.push(connection)?)
        };
        let connections = streams::items(stream::iter((1..=3).map(Connection))).deliver_with(push);
        let (producer, done) = connections.with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(guest.read(stream, 9).await, Code::Dropped(2));
        let done = done.await;
        assert!(matches!(done.end, End::Undeliverable(_)), "{:?}", done.end);
        assert_eq!(done.moved, 2);
    });
}
