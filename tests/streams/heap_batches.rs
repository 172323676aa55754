//! The batch size of a consumer whose receiving step turns plain items into host items that own heap data.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::{broadcast, mpsc, watch};
use wasmtime::component::Resource;
use wasmtime::{AsContextMut as _, Result, StoreContextMut};
use wasmtime_streams::{
    ItemConsumer, ItemSink, channels, from_guest, items::Receive, iterators, sinks,
};
use wasmtime_streams_testing::executor::idle;

use crate::support::guest::{Code, Connection, World, with_guest};
use crate::support::script::{Script, Step, Writer};

/// The batch for items that own heap data, as in docs/contract.md.
const HEAP: usize = 64;

/// How many items the guest writes in one operation.
const WRITES: u32 = 4000;

/// A host item that owns heap data.
type Large = Vec<u8>;

/// Turns numbers into large items, and records the largest batch.
#[derive(Clone, Default)]
struct Grow {
    most: Arc<AtomicUsize>,
}

impl Receive<World, u32> for Grow {
    type Item = Large;

    fn receive(&mut self, _: StoreContextMut<'_, World>, n: u32) -> Result<Large> {
        Ok(n.to_string().into_bytes())
    }

    fn receive_all(
        &mut self,
        mut store: StoreContextMut<'_, World>,
        wire: Vec<u32>,
        out: &mut Vec<Large>,
    ) -> Result<()> {
        self.most.fetch_max(wire.len(), Ordering::SeqCst);
        for n in wire {
            out.push(self.receive(store.as_context_mut(), n)?);
        }
        Ok(())
    }
}

/// The largest batch that `consumer` takes from one guest write, with a completion and without.
fn largest<S>(consumer: impl Fn() -> ItemConsumer<S>) -> usize
where
    S: ItemSink<Item = Large> + Unpin,
{
    let grow = Grow::default();
    with_guest::<u32, _>(async |guest| {
        let stream = guest.sink(consumer().receive_by::<u32, _>(grow.clone())).await;
        assert_eq!(guest.write(stream, WRITES).await, Code::Completed(WRITES));
        let (consumer, done) = consumer().receive_by::<u32, _>(grow.clone()).with_completion();
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.write(stream, WRITES).await, Code::Completed(WRITES));
        done.cancel();
    });
    grow.most.load(Ordering::SeqCst)
}

#[test]
fn the_batch_is_small_if_host_items_own_heap_data() {
    // Rule "Bounded memory": the smaller default of both sides, as for a producer.
    const ROOM: usize = 2 * WRITES as usize;
    let (tx, _rx) = mpsc::channel::<Large>(ROOM);
    let (unbounded, _unbounded_rx) = mpsc::unbounded_channel::<Large>();
    let broadcast = broadcast::Sender::<Large>::new(16);
    let watch = watch::Sender::<Large>::new(Vec::new());
    let kept = Mutex::new(Vec::new());
    let batches = [
        ("sinks::items", largest(|| sinks::items::<_, Large>(Writer::new(Script::new([]))))),
        ("channels::mpsc_sender", largest(|| channels::mpsc_sender(tx.clone()))),
        (
            "channels::mpsc_unbounded_sender",
            largest(|| channels::mpsc_unbounded_sender(unbounded.clone())),
        ),
        ("channels::broadcast_sender", largest(|| channels::broadcast_sender(broadcast.clone()))),
        ("channels::watch_sender", largest(|| channels::watch_sender(watch.clone()))),
        ("iterators::collect", largest(|| iterators::collect::<Large>(ROOM))),
        (
            "from_guest::item_consumer",
            largest(|| {
                let (consumer, items) = from_guest::item_consumer::<Large>(ROOM);
                kept.lock().unwrap().push(items);
                consumer
            }),
        ),
    ];
    assert!(batches.iter().all(|(_, most)| *most <= HEAP), "{batches:?}");
}

#[test]
fn a_sink_without_room_holds_a_small_batch() {
    // Rule "Bounded memory": the items that it holds count as written.
    with_guest::<u32, _>(async |guest| {
        let writer = Writer::<Large>::new(Script::new([Step::Accept(1), Step::Hold]));
        let stream = guest.sink(sinks::items(writer).receive_by::<u32, _>(Grow::default())).await;
        assert_eq!(guest.write(stream, WRITES).await, Code::Blocked);
        idle().await;
        let Code::Cancelled(taken) = guest.cancel_write(stream).await else { panic!() };
        assert!(taken as usize <= HEAP, "{taken} items at once");
    });
}

#[test]
fn a_batch_size_that_the_host_sets_is_used() {
    // Rule "Bounded memory": the default does not limit the host's setting.
    let grow = Grow::default();
    with_guest::<u32, _>(async |guest| {
        let consumer = sinks::items::<_, Large>(Writer::new(Script::new([]))).batch(1000);
        let stream = guest.sink(consumer.receive_by::<u32, _>(grow.clone())).await;
        assert_eq!(guest.write(stream, WRITES).await, Code::Completed(WRITES));
    });
    assert_eq!(grow.most.load(Ordering::SeqCst), 1000);
}

#[test]
fn the_batch_is_small_if_handles_become_objects() {
    // Rule "Bounded memory": a handle is a number, but its object owns heap data.
    const OBJECTS: u32 = 500;
    with_guest::<Resource<Connection>, _>(async |guest| {
        let source = iterators::items((0..OBJECTS).map(Connection)).deliver_with(
            |mut store: StoreContextMut<'_, World>, c| Ok(store.data_mut().table.push(c)?),
        );
        let stream = guest.source(source).await;
        let (code, handles) = guest.recv(stream, OBJECTS).await;
        assert_eq!(code.count(), OBJECTS);
        let take = |mut store: StoreContextMut<'_, World>, handle: Resource<Connection>| {
            Ok(vec![store.data_mut().table.delete(handle)?])
        };
        let writer = Writer::<Vec<Connection>>::new(Script::new([Step::Accept(1), Step::Hold]));
        let back = guest.sink(sinks::items(writer).receive_with(take)).await;
        guest.load(&handles).await;
        assert_eq!(guest.write(back, OBJECTS).await, Code::Blocked);
        idle().await;
        let Code::Cancelled(taken) = guest.cancel_write(back).await else { panic!() };
        assert!(taken as usize <= HEAP, "{taken} objects at once");
    });
}
