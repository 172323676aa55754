//! `own<R>` in items, alone and in records, in both directions: objects on the host side, and entries of the table only
//! while a guest has them.

use futures::channel::mpsc;
use futures::{StreamExt as _, stream};
use wasmtime::Result;
use wasmtime::component::{Resource, StreamReader};
use wasmtime_streams::{
    End, from_guest,
    items::{Crossing, IntoGuest, IntoHost},
    iterators, sinks, to_guest,
};
use wasmtime_streams_testing::executor::idle;

use crate::handles_guest::{Guest, Of, Wire, with_guest};
use crate::support::guest::{Code, Connection, World};

type Handle = Resource<Connection>;

impl IntoHost<World> for Handle {
    type Host = Connection;
    type Stream = from_guest::GuestItems<Connection>;

    fn into_host(self, at: &mut Crossing<'_, World>) -> Result<Connection> {
        Ok(at.store().data_mut().table.delete(self)?)
    }
}

impl IntoGuest<World> for Connection {
    type Guest = Handle;

    fn into_guest(self, at: &mut Crossing<'_, World>) -> Result<Handle> {
        Ok(at.store().data_mut().table.push(self)?)
    }
}

/// The guest reads three items with handles. Returns the handles.
async fn three<T: Wire>(guest: &Guest<'_, T>, source: StreamReader<T>, words: u32) -> Vec<u32> {
    let stream = guest.take(source).await;
    assert_eq!(guest.recv(Of::Items, stream, 3).await.count(), 3);
    guest.drop_readable(Of::Items, stream).await;
    guest.words(3 * words).await
}

#[test]
fn resources_become_objects_and_objects_resources() {
    // Rule "Resources are created on delivery".
    with_guest::<Handle, _>(async |guest| {
        let before = (guest.entries(), guest.resources());
        let source = guest.with(|store| {
            StreamReader::new(store, iterators::items([1, 2, 3].map(Connection)).nested())
        });
        let handles = three(guest, source.unwrap(), 1).await;
        assert_eq!(guest.resources(), 3);
        guest.load(&handles).await;
        let (reader, writable) = guest.stream().await;
        let mut items = guest.with(|store| from_guest::items(store, reader, 8)).unwrap();
        assert_eq!(guest.send(Of::Items, writable, 3).await, Code::Completed(3));
        assert_eq!(items.next_batch().await.unwrap(), [1, 2, 3].map(Connection));
        guest.drop_writable(Of::Items, writable).await;
        assert_eq!((guest.entries(), guest.resources()), before);
    });
}

#[test]
fn resources_that_the_guest_drops_leave_the_table() {
    // Rule "Resources are created on delivery".
    with_guest::<Handle, _>(async |guest| {
        let source = guest.with(|store| {
            StreamReader::new(store, iterators::items([1, 2, 3].map(Connection)).nested())
        });
        let handles = three(guest, source.unwrap(), 1).await;
        for (left, handle) in (0..3).rev().zip(handles) {
            guest.drop_resource(handle).await;
            assert_eq!(guest.resources(), left);
        }
    });
}

#[test]
fn resources_in_records_are_dropped_when_either_side_leaves_early() {
    // Rule "Resources are created on delivery".
    with_guest::<(u32, Handle), _>(async |guest| {
        let before = (guest.entries(), guest.resources());
        let records = || (1..=5).map(|n| (n, Connection(n)));
        // The guest reads three of five, and leaves.
        let (mut to_guest, producer) = to_guest::item_producer::<(u32, Connection)>(8);
        let source = guest.with(|store| StreamReader::new(store, producer.nested())).unwrap();
        to_guest.send_batch(records().collect()).await.unwrap();
        let handles = three(guest, source, 2).await;
        assert_eq!(guest.resources(), 3);
        assert!(to_guest.send_item((6, Connection(6))).await.is_err());

        // The host takes one of three, and leaves.
        let (tx, mut rx) = mpsc::channel(8);
        let (consumer, done) = sinks::items(tx).nested().with_completion();
        let writable = guest.sink(consumer).await;
        guest.load(&handles).await;
        assert_eq!(guest.send(Of::Items, writable, 3).await, Code::Completed(3));
        assert_eq!(rx.next().await, Some((1, Connection(1))));
        drop(rx);
        guest.drop_writable(Of::Items, writable).await;
        drop(done);
        idle().await;
        assert_eq!((guest.entries(), guest.resources()), before);
    });
}

#[test]
fn a_resource_that_the_guest_never_reads_is_never_in_the_table() {
    // Rule "Resources are created on delivery".
    with_guest::<Handle, _>(async |guest| {
        let before = (guest.entries(), guest.resources());
        let (producer, done) =
            wasmtime_streams::streams::items(stream::iter([1, 2].map(Connection)))
                .nested()
                .with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(guest.read(Of::Items, stream, 0).await, Code::Completed(0));
        guest.drop_readable(Of::Items, stream).await;
        assert!(matches!(done.await.end, End::PeerDropped));
        assert_eq!((guest.entries(), guest.resources()), before);
    });
}

#[test]
fn an_unknown_resource_ends_the_stream_and_the_rest_of_the_batch_leaves_the_table() {
    // Rule "Items before the error".
    with_guest::<Handle, _>(async |guest| {
        let source = guest.with(|store| {
            StreamReader::new(store, iterators::items([1, 2, 3].map(Connection)).nested())
        });
        let handles = three(guest, source.unwrap(), 1).await;
        // The host has taken the second one out of its table.
        guest.with(|mut store| {
            let table = &mut store.data_mut().table;
            let mut connections =
                (0..64).filter(|rep| table.get(&Handle::new_borrow(*rep)).is_ok());
            let second = connections.nth(1).unwrap();
            table.delete(Handle::new_own(second)).unwrap()
        });
        let (tx, rx) = mpsc::channel(8);
        let (consumer, done) = sinks::items(tx).nested().with_completion();
        let writable = guest.sink(consumer).await;
        guest.load(&handles).await;
        assert_eq!(guest.send(Of::Items, writable, 3).await, Code::Dropped(3));
        let done = done.await;
        assert!(matches!(done.end, End::Undeliverable(_)));
        drop(done);
        assert_eq!(rx.map(|connection| connection.0).collect::<Vec<_>>().await, [1]);
        assert_eq!(guest.resources(), 0);
    });
}
