//! Streams and futures in items: they become host objects, at any depth, in both directions.

use futures::executor::block_on;
use futures::stream;
use tokio::io::AsyncReadExt as _;
use wasmtime::component::{ComponentType, FutureReader, Lift, Lower, StreamReader};
use wasmtime::{Result, Store};
use wasmtime_streams::from_guest::{self, GuestItems, GuestReader, GuestValue};
use wasmtime_streams::{
    ByteProducer, End, ValueProducer, channels,
    items::{Crossing, IntoGuest, IntoHost, Nested},
    iterators, to_guest, tokio_io, values,
};

use crate::handles::streams;
use crate::handles_guest::{Bytes, ENGINE, Guest, Of, Record, with_guest};
use crate::support::guest::Code;

/// What the guest writes into one of its streams, as text.
async fn text(reader: &mut GuestReader) -> String {
    let mut text = String::new();
    reader.read_to_string(&mut text).await.unwrap();
    text
}

/// The guest writes `text` to one of its streams, and ends it.
async fn write<T: crate::handles_guest::Wire>(guest: &Guest<'_, T>, stream: u32, text: &[u8; 4]) {
    guest.load(&[u32::from_le_bytes(*text)]).await;
    assert_eq!(guest.send(Of::Bytes, stream, 4).await, Code::Completed(4));
    guest.drop_writable(Of::Bytes, stream).await;
}

#[test]
fn a_stream_of_streams_of_a_guest_is_a_stream_of_readers() {
    // Rule "Resources are created on delivery": a handle becomes its object in the poll that lifts it.
    with_guest::<Bytes, _>(async |guest| {
        let before = guest.entries();
        let (stream, writable) = guest.stream().await;
        let mut readers = guest.with(|store| from_guest::items(store, stream, 8)).unwrap();
        let (readable, inner) = streams(guest, 2).await;
        // One of them has a pending write when it is given.
        assert_eq!(guest.write(Of::Bytes, inner[0], 4).await, Code::Blocked);
        let early = *b"earl";
        guest.load_at(64, &readable).await;
        guest.load(&[u32::from_le_bytes(early)]).await;
        assert_eq!(guest.write_at(Of::Items, writable, 64, 2).await, Code::Completed(2));
        guest.drop_writable(Of::Items, writable).await;

        let mut first = readers.next_item().await.unwrap();
        let mut second = readers.next_item().await.unwrap();
        assert!(readers.next_item().await.is_none());
        assert_eq!(guest.wait(inner[0]).await, Code::Completed(4));
        guest.drop_writable(Of::Bytes, inner[0]).await;
        write(guest, inner[1], b"late").await;
        assert_eq!(text(&mut first).await, "earl");
        assert_eq!(text(&mut second).await, "late");
        drop((first, second, readers));
        assert_eq!(guest.entries(), before);
    });
}

#[test]
fn records_tuples_options_and_lists_of_streams_become_host_objects() {
    // Rule "Resources are created on delivery".
    with_guest::<Record, _>(async |guest| {
        let (stream, writable) = guest.stream().await;
        let mut items: GuestItems<(u32, GuestReader, GuestValue<u32>)> =
            guest.with(|store| from_guest::items(store, stream, 8)).unwrap();
        let (bytes, bytes_in) = guest.open(Of::Bytes).await;
        let (value, value_in) = guest.open(Of::Value).await;
        guest.load(&[7, bytes, value]).await;
        assert_eq!(guest.send(Of::Items, writable, 1).await, Code::Completed(1));
        let (n, mut reader, value) = items.next_item().await.unwrap();
        write(guest, bytes_in, b"body").await;
        guest.load(&[9]).await;
        assert_eq!(guest.send(Of::Value, value_in, 0).await, Code::Completed(0));
        assert_eq!((n, text(&mut reader).await.as_str(), value.await), (7, "body", Ok(9)));
    });
    with_guest::<Option<Bytes>, _>(async |guest| {
        let (stream, writable) = guest.stream().await;
        let mut items = guest.with(|store| from_guest::items(store, stream, 8)).unwrap();
        let (readable, inner) = streams(guest, 1).await;
        guest.load(&[0, 0, 1, readable[0]]).await;
        assert_eq!(guest.send(Of::Items, writable, 2).await, Code::Completed(2));
        assert!(items.next_item().await.unwrap().is_none());
        let mut reader = items.next_item().await.unwrap().unwrap();
        write(guest, inner[0], b"some").await;
        assert_eq!(text(&mut reader).await, "some");
    });
    with_guest::<Vec<Bytes>, _>(async |guest| {
        let (stream, writable) = guest.stream().await;
        let mut items = guest.with(|store| from_guest::items(store, stream, 8)).unwrap();
        let (readable, inner) = streams(guest, 2).await;
        // A list, at the address after the item.
        guest.load(&[crate::handles_guest::BUFFER + 8, 2, readable[0], readable[1]]).await;
        assert_eq!(guest.send(Of::Items, writable, 1).await, Code::Completed(1));
        let mut readers = items.next_item().await.unwrap();
        write(guest, inner[0], b"one.").await;
        write(guest, inner[1], b"two.").await;
        assert_eq!(text(&mut readers[0]).await, "one.");
        assert_eq!(text(&mut readers[1]).await, "two.");
    });
}

/// A user's record, as the guest has it and as the host has it.
#[derive(ComponentType, Lift, Lower)]
#[component(record)]
struct Download {
    name: String,
    body: StreamReader<u8>,
}

struct HostDownload<B> {
    name: String,
    body: B,
}

impl<D: 'static> IntoHost<D> for Download {
    type Host = HostDownload<GuestReader>;
    type Stream = GuestItems<Self::Host>;

    fn into_host(self, at: &mut Crossing<'_, D>) -> Result<Self::Host> {
        Ok(HostDownload { name: self.name, body: self.body.into_host(at)? })
    }
}

impl<D: 'static, B: IntoGuest<D, Guest = StreamReader<u8>>> IntoGuest<D> for HostDownload<B> {
    type Guest = Download;

    fn into_guest(self, at: &mut Crossing<'_, D>) -> Result<Download> {
        Ok(Download { name: self.name, body: self.body.into_guest(at)? })
    }
}

#[test]
fn a_custom_record_crosses_with_its_stream() {
    // Rule "Host to host".
    let mut store = Store::new(&ENGINE, ());
    let download = HostDownload { name: "a".to_owned(), body: tokio_io::read(&b"contents"[..]) };
    let stream: StreamReader<Download> =
        StreamReader::new(&mut store, iterators::items([download]).nested()).unwrap();
    let mut downloads = from_guest::items(&mut store, stream, 8).unwrap();
    block_on(store.run_concurrent(async |_| {
        let mut download = downloads.next_item().await.unwrap();
        assert_eq!(download.name, "a");
        assert_eq!(text(&mut download.body).await, "contents");
        assert!(downloads.next_item().await.is_none());
    }))
    .unwrap();
    assert_eq!(store.concurrent_state_table_size(), 0);
}

#[test]
fn streams_of_streams_of_streams_cross_both_ways() {
    // Rule "Host to host".
    let mut store = Store::new(&ENGINE, ());
    let files = |texts: [&'static str; 2]| {
        iterators::items(texts.map(|text| tokio_io::read(text.as_bytes()))).nested()
    };
    let folders = iterators::items([files(["1", "2"]), files(["3", "4"])]).nested();
    let stream: StreamReader<StreamReader<StreamReader<u8>>> =
        StreamReader::new(&mut store, folders).unwrap();
    let mut folders: GuestItems<GuestItems<GuestReader>> =
        from_guest::items(&mut store, stream, 8).unwrap();
    let all = block_on(store.run_concurrent(async |_| {
        let mut all = String::new();
        while let Some(mut folder) = folders.next_item().await {
            while let Some(mut file) = folder.next_item().await {
                all += &text(&mut file).await;
            }
        }
        all
    }));
    assert_eq!(all.unwrap(), "1234");
    assert_eq!(store.concurrent_state_table_size(), 0);
}

type HostRecord =
    (u32, ByteProducer<tokio_io::Read<&'static [u8]>>, ValueProducer<std::future::Ready<u32>>);

#[test]
fn host_objects_are_items_for_a_guest() {
    // Rule "Resources are created on delivery".
    with_guest::<Record, _>(async |guest| {
        let before = guest.entries();
        let (body, body_done) = tokio_io::read(&b"hello"[..]).with_completion();
        let record = (7_u32, body, values::future(std::future::ready(9_u32)));
        let stream = guest.source(iterators::items([record]).nested()).await;
        assert_eq!(guest.entries(), before + 3, "handles were made before the read");
        assert_eq!(guest.recv(Of::Items, stream, 8).await.count(), 1);
        let words = guest.words(3).await;
        assert_eq!(words[0], 7);
        assert_eq!(guest.read_bytes(words[1]).await, b"hello");
        assert!(body_done.await.end.is_finished());
        assert_eq!(guest.recv(Of::Value, words[2], 0).await, Code::Completed(0));
        assert_eq!(guest.words(1).await, [9]);
        guest.drop_readable(Of::Bytes, words[1]).await;
        guest.drop_readable(Of::Value, words[2]).await;
        guest.drop_readable(Of::Items, stream).await;
        assert_eq!(guest.entries(), before);
    });
}

#[test]
fn a_host_sink_sends_host_objects() {
    // Rule "Resources are created on delivery".
    with_guest::<Record, _>(async |guest| {
        let (mut sink, producer) = to_guest::item_producer::<HostRecord>(8);
        let stream = guest.source(producer.nested()).await;
        assert_eq!(guest.read(Of::Items, stream, 8).await, Code::Blocked);
        let record = (1, tokio_io::read(&b"sent"[..]), values::future(std::future::ready(2)));
        sink.send_item(record).await.unwrap();
        assert_eq!(guest.wait(stream).await, Code::Completed(1));
        let words = guest.words(3).await;
        assert_eq!(guest.read_bytes(words[1]).await, b"sent");
    });
}

#[test]
fn a_future_of_a_stream_becomes_a_value_of_a_reader_and_back() {
    // Rule "Resources are created on delivery".
    with_guest::<Bytes, _>(async |guest| {
        let (value, producer) = to_guest::value_producer::<GuestReader>();
        let reader = guest.with(|store| FutureReader::new(store, producer.nested())).unwrap();
        // What came from the guest goes back to it.
        let (given, given_in) = guest.future().await;
        let given = guest.with(|store| from_guest::value(store, given)).unwrap();
        let (readable, inner) = streams(guest, 1).await;
        guest.load(&readable).await;
        assert_eq!(guest.send(Of::Item, given_in, 0).await, Code::Completed(0));
        value.send(given.await.unwrap()).unwrap();
        let future = guest.take_future(reader).await;
        assert_eq!(guest.recv(Of::Item, future, 0).await, Code::Completed(0));
        let stream = guest.words(1).await[0];
        write(guest, inner[0], b"back").await;
        assert_eq!(guest.read_bytes(stream).await, b"back");

        let (tx, rx) = tokio::sync::oneshot::channel::<GuestReader>();
        let (future, writable) = guest.future().await;
        guest.with(|store| future.pipe(store, channels::oneshot_sender(tx).nested())).unwrap();
        let (readable, inner) = streams(guest, 1).await;
        guest.load(&readable).await;
        assert_eq!(guest.send(Of::Item, writable, 0).await, Code::Completed(0));
        write(guest, inner[0], b"once").await;
        assert_eq!(text(&mut rx.await.unwrap()).await, "once");
    });
}

#[test]
fn each_nested_stream_holds_no_more_than_its_capacity() {
    // Rule "Backpressure".
    with_guest::<Bytes, _>(async |guest| {
        let nested = Nested::default().bytes(16);
        let (consumer, mut readers) = from_guest::item_consumer(8);
        let writable = guest.sink(consumer.receive_by(nested)).await;
        let (readable, inner) = streams(guest, 1).await;
        guest.load(&readable).await;
        guest.send(Of::Items, writable, 1).await;
        let reader = readers.next_item().await.unwrap();
        let mut held = 0;
        loop {
            match guest.write(Of::Bytes, inner[0], 100).await {
                Code::Completed(n) => held += n,
                code => break assert_eq!(code, Code::Blocked),
            }
        }
        assert_eq!(held, 16);
        drop(reader);
        assert_eq!(guest.wait(inner[0]).await, Code::Dropped(0));
    });
}

#[test]
fn futures_of_records_and_streams_of_futures_cross() {
    // Rule "Host to host".
    let mut store = Store::new(&ENGINE, ());
    let values = (1..=3_u32)
        .map(|n| values::future(std::future::ready((n, tokio_io::read(&b"x"[..])))).nested());
    let stream: StreamReader<FutureReader<(u32, Bytes)>> = StreamReader::new(
        &mut store,
        wasmtime_streams::streams::items(stream::iter(values)).nested(),
    )
    .unwrap();
    let (consumer, done) =
        iterators::collect::<GuestValue<(u32, GuestReader)>>(9).nested().with_completion();
    stream.pipe(&mut store, consumer).unwrap();
    block_on(store.run_concurrent(async |_| {
        let done = done.await;
        assert!(matches!(done.end, End::Finished));
        for (n, value) in (1..).zip(done.inner.into_inner()) {
            let (m, mut reader) = value.await.unwrap();
            assert_eq!((n, text(&mut reader).await.as_str()), (m, "x"));
        }
    }))
    .unwrap();
    assert_eq!(store.concurrent_state_table_size(), 0);
}
