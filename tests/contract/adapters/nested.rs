//! Rows: items that are or hold handles, both ways: streams, futures, and resources. None may be left open, wherever a
//! script ends.

use std::convert::Infallible;
use std::future::ready;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use ::futures::{StreamExt as _, stream};
use wasmtime::StoreContextMut;
use wasmtime::component::{FutureReader, Resource, ResourceTable, ResourceType, StreamReader};
use wasmtime_streams::from_guest::{self, GuestReader, GuestValue};
use wasmtime_streams::iterators::Collect;
use wasmtime_streams::{self as ws, Completion};
use wasmtime_streams_testing::{self as testing, BoxedCheck, Made, ReceiverEnd};

use super::channels::{Peer, Receive, observed};
use super::{Checks, ITEMS, Kind, add, completed};
use crate::script::ItemStream;

/// How many items there are, as values that say nothing: a handle does not identify its item.
const FIVE: [u32; 5] = [0; 5];

type Body = ws::ByteProducer<ws::tokio_io::Read<&'static [u8]>>;

fn body(_: u8) -> Body {
    ws::tokio_io::read(&b"body"[..])
}

fn value(n: u8) -> ws::ValueProducer<std::future::Ready<u32>> {
    ws::values::future(ready(n.into()))
}

/// Checks a source of host objects that become handles on delivery.
macro_rules! gives {
    ($($kind:ident)*, $object:expr) => {{
        let mut checks = Checks::default();
        $({
            let check = testing::producer(vec![0; ITEMS.len()], || {
                let (script, holds) = Kind::$kind.source();
                let control = script.control();
                let items = ItemStream::new(script, $object).map(Result::unwrap);
                let (producer, done) = ws::streams::items(items).nested().with_completion();
                Kind::$kind.step(completed(Made::new(producer), done), control, holds)
            });
            checks = add(checks, check.depth(Kind::$kind.depth(3)).boxed());
        })*
        checks
    }};
}

/// What arrives on the host, one at a time, and is dropped there.
fn dropped<T: 'static>(mut items: from_guest::GuestItems<T>) -> Receive<u32> {
    Box::new(move || match items.poll_try_item(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(Some(_))) => Ok(0),
        Poll::Ready(Ok(None)) => Err(ReceiverEnd::Complete),
        Poll::Ready(Err(_)) => Err(ReceiverEnd::Cut),
        Poll::Pending => Err(ReceiverEnd::Open),
    })
}

const PEERS: [(usize, Peer); 4] =
    [(16, Peer::Last), (2, Peer::Steps), (4, Peer::Leaves(2)), (2, Peer::Leaves(0))];

/// The guest makes streams, and gives them to a task of the host.
fn streams_of_a_guest() -> Checks {
    let mut checks = Checks::default();
    for (capacity, peer) in PEERS {
        let check = testing::consumer(FIVE.to_vec(), move || {
            let (consumer, readers) = from_guest::item_consumer::<GuestReader>(capacity);
            observed(Made::new(consumer.nested::<StreamReader<u8>>()), dropped(readers), peer, true)
        });
        let check = if let Peer::Leaves(_) = peer { check.fails() } else { check };
        checks = add(checks, check.bound(capacity).boxed());
    }
    checks
}

/// The same for futures, which the host has made.
fn futures_of_a_guest() -> Checks {
    let mut checks = Checks::default();
    for (capacity, peer) in PEERS {
        let check = testing::consumer(FIVE.to_vec(), move || {
            let (consumer, values) = from_guest::item_consumer::<GuestValue<u32>>(capacity);
            observed(Made::new(consumer.nested()), dropped(values), peer, true)
        });
        let check = check.gives(|store, _| FutureReader::new(store, value(7)));
        let check = if let Peer::Leaves(_) = peer { check.fails() } else { check };
        checks = add(checks, check.bound(capacity).boxed());
    }
    checks
}

/// Counts what was collected, and drops it.
fn counted<X, T: Send + 'static>(
    (consumer, completion): (X, Completion<Collect<T>, Infallible>),
) -> Made<X, u32> {
    let count = Arc::new(Mutex::new(0));
    let collected = count.clone();
    Made::new(consumer)
        .drive(async move {
            *collected.lock().unwrap() = completion.await.inner.into_inner().len();
        })
        .received(move || vec![0; *count.lock().unwrap()])
}

/// The guest's streams are collected, and dropped with the completion.
fn collected(limit: usize) -> BoxedCheck {
    testing::consumer(FIVE.to_vec(), move || {
        let (consumer, completion) = ws::iterators::collect::<GuestReader>(limit)
            .nested::<StreamReader<u8>>()
            .with_completion();
        counted((consumer, completion))
    })
    .bound(FIVE.len().min(limit))
    .boxed()
}

struct Connection;

/// The guest's resources leave the table when the host receives them.
fn resources_of_a_guest() -> BoxedCheck {
    testing::consumer_in(ResourceTable::new, FIVE.to_vec(), || {
        let delete = |mut store: StoreContextMut<'_, ResourceTable>, own: Resource<Connection>| {
            Ok(store.data_mut().delete(own)?)
        };
        let collect = ws::iterators::collect::<Connection>(100).receive_with(delete);
        counted(collect.with_completion())
    })
    .gives(|mut store, _| Ok(store.data_mut().push(Connection)?))
    .link(|root| {
        let ty = ResourceType::host::<Connection>();
        root.resource("item", ty, |mut store: StoreContextMut<'_, ResourceTable>, rep| {
            store.data_mut().delete(Resource::<Connection>::new_own(rep))?;
            Ok(())
        })
    })
    .leftovers(|table| table.iter_mut().count())
    .boxed()
}

/// A host that stops reading in the midst has streams that nobody has read.
fn unread() -> BoxedCheck {
    testing::producer(FIVE.to_vec(), || {
        let bodies = stream::iter((0..5).map(body));
        let (producer, done) = ws::streams::items(bodies).batch(2).nested().with_completion();
        completed(Made::new(producer), done)
    })
    .short()
    .boxed()
}

#[rustfmt::skip]
rows! {
    streams_items_of_streams: gives!(Ready Parts, body);
    streams_items_of_futures: gives!(Ready Parts, value);
    streams_items_of_streams_in_batches: unread();
    from_guest_item_consumer_of_streams: streams_of_a_guest();
    from_guest_item_consumer_of_futures: futures_of_a_guest();
    iterators_collect_of_streams: collected(100);
    iterators_collect_of_streams_limited: collected(3);
    iterators_collect_of_resources: resources_of_a_guest();
}
