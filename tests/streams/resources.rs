//! Host objects that become resources on delivery, and objects again when they come back.

use std::sync::{Arc, Mutex};
use std::task::Poll;

use futures::stream;
use wasmtime::component::{Resource, StreamReader};
use wasmtime::{Result, StoreContextMut};
use wasmtime_streams::{End, ItemProducer, items::With, sinks, streams};

use crate::support::guest::{Code, Connection, World, with_guest};
use crate::support::script::{Script, Writer};
use wasmtime_streams_testing::executor::idle;

type Handle = Resource<Connection>;
type Connections = streams::Items<stream::Iter<std::vec::IntoIter<Connection>>>;

fn push(mut store: StoreContextMut<'_, World>, connection: Connection) -> Result<Handle> {
    Ok(store.data_mut().table.push(connection)?)
}

fn take(mut store: StoreContextMut<'_, World>, handle: Handle) -> Result<Connection> {
    Ok(store.data_mut().table.delete(handle)?)
}

type Push = fn(StoreContextMut<'_, World>, Connection) -> Result<Handle>;

fn connections(ids: &[u32]) -> ItemProducer<Connections, With<Push>> {
    let connections: Vec<_> = ids.iter().map(|id| Connection(*id)).collect();
    streams::items(stream::iter(connections)).deliver_with(push as Push)
}

#[test]
fn a_resource_is_created_when_it_is_delivered_and_not_before() {
    // Rule "Resources are created on delivery": not when the stream is made, and not by a zero-length read.
    with_guest::<Handle, _>(async |guest| {
        let stream = guest.source(connections(&[1, 2, 3])).await;
        assert_eq!(guest.read(stream, 0).await, Code::Completed(0));
        assert!(guest.with(|store| store.data().table.is_empty()));
        assert_eq!(guest.read(stream, 2).await, Code::Completed(2));
        let count = guest.with(|mut store| store.data_mut().table.iter_mut().count());
        assert_eq!(count, 2);
        guest.drop_readable(stream).await;
    });
}

#[test]
fn a_cancelled_read_creates_no_resource() {
    // Rule "Resources are created on delivery".
    with_guest::<Handle, _>(async |guest| {
        // Becomes ready without a wake-up, so that the cancel comes first.
        let ready = Arc::new(Mutex::new(false));
        let gate = ready.clone();
        let items = stream::poll_fn(move |_| match *gate.lock().unwrap() {
            true => Poll::Ready(Some(Connection(1))),
            false => Poll::Pending,
        });
        let stream = guest.source(wasmtime_streams::streams::items(items).deliver_with(push)).await;
        assert_eq!(guest.read(stream, 1).await, Code::Blocked);
        idle().await;
        *ready.lock().unwrap() = true;
        assert_eq!(guest.cancel_read(stream).await, Code::Cancelled(0));
        assert!(guest.with(|store| store.data().table.is_empty()));
        assert_eq!(guest.read(stream, 1).await, Code::Completed(1));
        assert!(!guest.with(|store| store.data().table.is_empty()));
    });
}

#[test]
fn a_resource_comes_back_as_its_object() {
    // Rule "Resources are created on delivery", in the other direction: it is received in the same poll, and leaves the
    // table.
    with_guest::<Handle, _>(async |guest| {
        let stream = guest.source(connections(&[7, 8])).await;
        assert_eq!(guest.read(stream, 2).await, Code::Dropped(2));
        let (consumer, done) = sinks::items(Writer::<Connection>::new(Script::new([])))
            .receive_with(take)
            .with_completion();
        let back = guest.sink(consumer).await;
        assert_eq!(guest.write(back, 2).await, Code::Completed(2));
        assert!(guest.with(|store| store.data().table.is_empty()));
        guest.drop_writable(back).await;
        let done = done.await;
        let log = done.inner.get_ref().log();
        log.look(|written| assert_eq!(written.accepted, [Connection(7), Connection(8)]));
    });
}

/// Refuses the connection with this number.
fn refusing(bad: u32) -> impl FnMut(StoreContextMut<'_, World>, Connection) -> Result<Handle> {
    move |store, connection| {
        if connection.0 == bad {
            return Err(wasmtime::Error::msg("refused"));
        }
        push(store, connection)
    }
}

#[test]
fn an_undeliverable_item_ends_the_stream_after_those_before_it() {
    // Rule "Items before the error": also if the source itself ends with the same batch.
    for bad in 1..=3_u32 {
        with_guest::<Handle, _>(async |guest| {
            let connections = stream::iter(vec![Connection(1), Connection(2), Connection(3)]);
            let (producer, done) =
                streams::items(connections).deliver_with(refusing(bad)).with_completion();
            let stream = guest.source(producer).await;
            assert_eq!(guest.read(stream, 9).await, Code::Dropped(bad - 1));
            let done = done.await;
            assert!(matches!(done.end, End::Undeliverable(_)), "{:?}", done.end);
            assert_eq!(done.moved, u64::from(bad - 1));
        });
    }
}

#[test]
fn an_item_that_cannot_be_received_ends_the_stream_after_those_before_it() {
    // Rule "Items before the error", rule "Resources are created on delivery": no handle of the batch stays raw.
    for batch in [1, 64] {
        with_guest::<Handle, _>(async |guest| {
            let stream = guest.source(connections(&[1, 2, 3])).await;
            assert_eq!(guest.read(stream, 3).await, Code::Dropped(3));
            let receive =
                |store: StoreContextMut<'_, World>, handle: Handle| match take(store, handle)? {
                    Connection(2) => Err(wasmtime::Error::msg("refused")),
                    connection => Ok(connection),
                };
            let (consumer, done) = sinks::items(Writer::<Connection>::new(Script::new([])))
                .receive_with(receive)
                .batch(batch)
                .with_completion();
            let back = guest.sink(consumer).await;
            assert!(matches!(guest.write(back, 3).await, Code::Dropped(_)));
            let done = done.await;
            assert!(matches!(done.end, End::Undeliverable(_)), "{:?}", done.end);
            let (writer, unsent) = done.inner.into_parts();
            let mut kept = writer.log().look(|written| std::mem::take(&mut written.accepted));
            kept.extend(unsent);
            assert_eq!(kept, [Connection(1)]);
            // One by one, the third was never taken from the guest.
            let left = guest.with(|mut store| store.data_mut().table.iter_mut().count());
            assert_eq!(left, if batch == 1 { 1 } else { 0 });
        });
    }
}

#[test]
fn an_unread_stream_of_resources_leaves_the_table_empty() {
    // Rule "Resources are created on delivery".
    with_guest::<Handle, _>(async |guest| {
        guest.with(|mut store| {
            let mut reader = StreamReader::new(&mut store, connections(&[1, 2])).unwrap();
            reader.close(&mut store).unwrap();
            assert!(store.data().table.is_empty());
        });
    });
}
