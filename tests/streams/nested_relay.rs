//! Streams in items between two stores, each with handles of its own.

use futures::channel::{mpsc, oneshot};
use futures::executor::block_on;
use futures::future::join;
use futures::{StreamExt as _, join};
use tokio::io::AsyncReadExt as _;
use wasmtime::Store;
use wasmtime::component::StreamReader;
use wasmtime_streams::from_guest::{self, GuestItems, GuestReader};
use wasmtime_streams::{End, ItemProducer, iterators, relay, tokio_io};
use wasmtime_streams_testing::executor::run;

use crate::handles::{assert_reader_gone, streams};
use crate::handles_guest::{Bytes, ENGINE, Of, drive};
use crate::support::guest::{Code, World};

async fn text(reader: &mut GuestReader) -> String {
    let mut text = String::new();
    reader.read_to_string(&mut text).await.unwrap();
    text
}

#[test]
fn a_stream_of_streams_goes_from_one_store_to_another() {
    // Rule "Resources are created on delivery": no handle of one store is looked up in another.
    let (mut one, mut two) = (Store::new(&ENGINE, ()), Store::new(&ENGINE, ()));
    // Streams of the second store, with the indices that those of the first one have.
    let mut own: Vec<_> = (0..9)
        .map(|_| StreamReader::new(&mut two, tokio_io::read(&b"secret"[..])).unwrap())
        .collect();
    let files = |texts: [&'static str; 2]| {
        iterators::items(texts.map(|text| tokio_io::read(text.as_bytes()))).nested()
    };
    let stream: StreamReader<StreamReader<StreamReader<u8>>> = StreamReader::new(
        &mut one,
        iterators::items([files(["a", "b"]), files(["c", "d"])]).nested(),
    )
    .unwrap();
    let relayed = relay::items(&mut one, stream, &mut two, 8, |folder| folder).unwrap();
    let mut folders: GuestItems<GuestItems<GuestReader>> =
        from_guest::items(&mut two, relayed.stream, 8).unwrap();
    let (all_read, done) = oneshot::channel::<()>();
    let first = one.run_concurrent(async |_| done.await.unwrap());
    let second = two.run_concurrent(async |_| {
        let mut all = String::new();
        while let Some(mut folder) = folders.next_item().await {
            while let Some(mut file) = folder.next_item().await {
                all += &text(&mut file).await;
            }
        }
        all_read.send(()).unwrap();
        all
    });
    let (first, second) = block_on(join(first, second));
    first.unwrap();
    assert_eq!(second.unwrap(), "abcd");
    own.iter_mut().for_each(|own| own.close(&mut two).unwrap());
    assert_eq!(one.concurrent_state_table_size(), 0);
    assert_eq!(two.concurrent_state_table_size(), 0);
}

/// One guest gives streams, and another gets them. The script directs both.
#[test]
fn guests_in_two_stores_share_streams_and_leave_nothing_behind() {
    // Rule "Resources are created on delivery".
    let (consumer, producer) = relay::item_parts::<GuestReader>(8);
    let (shared_all, mut has_shared) = mpsc::unbounded::<()>();
    let (second_left, mut has_left) = mpsc::unbounded::<()>();
    let first = drive::<Bytes, _>(async |guest| {
        let before = guest.entries();
        let items = guest.sink(consumer.nested()).await;
        let (readable, writable) = streams(guest, 3).await;
        guest.load(&readable).await;
        assert_eq!(guest.send(Of::Items, items, 3).await, Code::Completed(3));
        guest.load(&[u32::from_le_bytes(*b"text")]).await;
        assert_eq!(guest.send(Of::Bytes, writable[0], 4).await, Code::Completed(4));
        guest.drop_writable(Of::Bytes, writable[0]).await;
        // The second guest leaves with one stream that it has not read, and one that it has not got.
        shared_all.unbounded_send(()).unwrap();
        has_left.next().await;
        assert_reader_gone(guest, writable[1]).await;
        assert_reader_gone(guest, writable[2]).await;
        assert_eq!(guest.write(Of::Items, items, 1).await, Code::Dropped(0));
        guest.drop_writable(Of::Items, items).await;
        assert_eq!(guest.entries(), before);
    });
    let second = drive::<Bytes, _>(async |guest| {
        let before = guest.entries();
        let stream = guest.source(producer.nested()).await;
        assert_eq!(guest.recv(Of::Items, stream, 2).await, Code::Completed(2));
        let got = guest.words(2).await;
        has_shared.next().await;
        assert_eq!(guest.read_bytes(got[0]).await, b"text");
        guest.drop_readable(Of::Bytes, got[0]).await;
        guest.drop_readable(Of::Bytes, got[1]).await;
        guest.drop_readable(Of::Items, stream).await;
        assert_eq!(guest.entries(), before);
        second_left.unbounded_send(()).unwrap();
    });
    let (first, second) = run(async { join!(first, second) });
    first.and(second).unwrap();
}

#[test]
fn a_spliced_stream_of_host_objects_makes_its_handles_in_the_second_store() {
    // Rule "Splice".
    let (mut one, mut two) = (Store::new(&ENGINE, ()), Store::new(&ENGINE, ()));
    let files = vec![tokio_io::read(&b"a"[..]), tokio_io::read(&b"b"[..])];
    let stream: StreamReader<Bytes> =
        StreamReader::new(&mut one, iterators::items(files).nested().spliceable()).unwrap();
    type Files = iterators::Items<
        std::vec::IntoIter<
            wasmtime_streams::ByteProducer<wasmtime_streams::tokio_io::Read<&'static [u8]>>,
        >,
    >;
    let files: Files = stream.try_into(&mut one).unwrap();
    drop(one);
    let stream = StreamReader::new(&mut two, ItemProducer::new(files).nested()).unwrap();
    let mut files = from_guest::items(&mut two, stream, 8).unwrap();
    let all = block_on(two.run_concurrent(async |_| {
        let mut all = String::new();
        while let Some(mut file) = files.next_item().await {
            all += &text(&mut file).await;
        }
        all
    }));
    assert_eq!(all.unwrap(), "ab");
}

#[test]
fn a_failed_relay_leaves_nothing_open_in_either_store() {
    // Rule "Completion".
    let (mut one, mut two) = (Store::new(&ENGINE, World::default()), Store::new(&ENGINE, ()));
    two.concurrent_resource_table().unwrap().set_max_capacity(0);
    let (producer, done) = iterators::items([1_u32]).with_completion();
    let stream = StreamReader::new(&mut one, producer).unwrap();
    assert!(relay::items(&mut one, stream, &mut two, 8, |n| n).is_err());
    assert_eq!(one.concurrent_state_table_size(), 0);
    assert!(matches!(block_on(done).end, End::PeerDropped));

    // The first stream is closed already.
    two.concurrent_resource_table().unwrap().set_max_capacity(100);
    let stream: StreamReader<u32> = StreamReader::new(&mut one, iterators::items([1_u32])).unwrap();
    drop(one);
    let mut one = Store::new(&ENGINE, World::default());
    assert!(relay::items(&mut one, stream, &mut two, 8, |n| n).is_err());
    assert_eq!(two.concurrent_state_table_size(), 0);
}
