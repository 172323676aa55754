//! A reader is an index in its store. Readers of another store are refused where the crate can detect it.

use wasmtime::Store;
use wasmtime::component::{FutureReader, StreamReader};
use wasmtime_streams::{from_guest, iterators, tokio_io, values};

use crate::handles_guest::{Bytes, ENGINE, Of, with_guest};
use crate::support::guest::World;

/// A store in which every index is a stream or future of something else.
fn other<T>(make: impl Fn(&mut Store<World>) -> T) -> (Store<World>, Vec<T>) {
    let mut store = Store::new(&ENGINE, World::default());
    let made = (0..20).map(|_| make(&mut store)).collect();
    (store, made)
}

#[test]
fn a_reader_of_another_store_is_refused_if_its_index_is_unused_or_of_another_type() {
    // Rule "Resources are created on delivery": no handle of one store is looked up in another, where that can be
    // detected.
    let mut empty = Store::new(&ENGINE, World::default());
    with_guest::<u32, _>(async |guest| {
        // The guest's own streams are distinguished by their types.
        let (stream, _) = guest.stream().await;
        assert!(from_guest::items(&mut empty, stream, 8).is_err());
        let (stream, _) = guest.stream().await;
        let (mut futures, _made) =
            other(|store| FutureReader::new(store, values::future(async { 1_u32 })));
        assert!(from_guest::items(&mut futures, stream, 8).is_err());
        let (value, _) = guest.future().await;
        let (mut streams, _made) =
            other(|store| StreamReader::new(store, iterators::items([1_u32])));
        assert!(from_guest::value(&mut streams, value).is_err());
        let (value, _) = guest.future().await;
        assert!(from_guest::value(&mut empty, value).is_err());
    });
    let reader =
        |store: &mut Store<World>| StreamReader::new(store, tokio_io::read(&b"theirs"[..]));
    let (_one, theirs) = other(reader);
    for theirs in theirs {
        assert!(from_guest::reader(&mut empty, theirs.unwrap(), 64).is_err());
    }
}

#[test]
fn a_reader_whose_index_is_a_guests_stream_of_another_type_is_refused() {
    // Rule "Resources are created on delivery".
    let reader =
        |store: &mut Store<World>| StreamReader::new(store, tokio_io::read(&b"theirs"[..]));
    let (_one, theirs) = other(reader);
    with_guest::<Bytes, _>(async |guest| {
        let mut streams = Vec::new();
        for _ in 0..20 {
            streams.push(guest.open(Of::Items).await);
        }
        let mut refused = 0;
        for theirs in theirs {
            refused +=
                usize::from(guest.with(|s| from_guest::reader(s, theirs.unwrap(), 64)).is_err());
        }
        assert_eq!(refused, 20);
        // And the guest's streams are unaffected.
        for (readable, writable) in streams {
            guest.drop_readable(Of::Items, readable).await;
            assert_eq!(guest.write(Of::Items, writable, 0).await.count(), 0);
            guest.drop_writable(Of::Items, writable).await;
        }
    });
}
