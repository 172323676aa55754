//! Takes a host object back out of a stream that the guest only passed along.

use bytes::Bytes;
use futures::stream;
use wasmtime::component::StreamReader;
use wasmtime_streams::{
    streams::{self, Chunks},
    tokio_io,
};

use crate::support::guest::{Code, with_guest};

#[test]
fn a_splice_gives_the_source_of_a_passed_stream() {
    // Rule "Splice".
    with_guest::<u8, _>(async |guest| {
        let stream = guest.source(tokio_io::read(&b"hello"[..]).spliceable()).await;
        let reader = guest.give(stream).await;
        let source = guest.with(|store| reader.try_into::<tokio_io::Read<&[u8]>>(store)).unwrap();
        assert_eq!(source.into_inner(), b"hello");
    });
}

#[test]
fn a_splice_keeps_everything_that_the_guest_has_not_read() {
    // Rule "Splice": nothing is held inside of Wasmtime, after zero-length and cancelled reads either.
    type Source = Chunks<stream::Iter<std::vec::IntoIter<Bytes>>, Bytes>;
    with_guest::<u8, _>(async |guest| {
        let body = stream::iter(vec![Bytes::from("hello "), Bytes::from("world")]);
        let stream = guest.source(streams::chunks(body).spliceable()).await;
        assert_eq!(guest.read(stream, 0).await, Code::Completed(0));
        assert_eq!(guest.recv(stream, 8).await.1, b"hello wo");
        assert_eq!(guest.read(stream, 0).await, Code::Completed(0));
        let reader = guest.give(stream).await;
        let source = guest.with(|store| reader.try_into::<Source>(store)).unwrap();
        assert_eq!(source.into_parts().1.unwrap(), "rld");
    });
}

#[test]
fn a_splice_keeps_items_that_the_guest_has_not_read() {
    // Rule "Splice".
    type Source = streams::Items<stream::Iter<std::ops::Range<u32>>>;
    with_guest::<u32, _>(async |guest| {
        let items = wasmtime_streams::streams::items(stream::iter(0..10_u32)).spliceable();
        let stream = guest.source(items).await;
        assert_eq!(guest.read(stream, 3).await, Code::Completed(3));
        let reader = guest.give(stream).await;
        let source = guest.with(|store| reader.try_into::<Source>(store)).unwrap();
        let left = futures::executor::block_on_stream(source.into_inner());
        assert_eq!(left.collect::<Vec<_>>(), [3, 4, 5, 6, 7, 8, 9]);
    });
}

#[test]
fn a_refused_splice_leaves_the_stream_as_it_was() {
    // Rule "Splice": another type was asked for, or the host did not make it spliceable.
    for spliceable in [true, false] {
        with_guest::<u8, _>(async |guest| {
            let producer = tokio_io::read(&b"hello"[..]);
            let producer = if spliceable { producer.spliceable() } else { producer };
            let stream = guest.source(producer).await;
            let reader = guest.give(stream).await;
            let reader: StreamReader<u8> = if spliceable {
                guest.with(|store| reader.try_into::<String>(store)).unwrap_err()
            } else {
                guest.with(|store| reader.try_into::<tokio_io::Read<&[u8]>>(store)).unwrap_err()
            };
            let stream = guest.take(reader).await;
            assert_eq!(guest.recv(stream, 9).await.1, b"hello");
        });
    }
}
