//! Makes the stream of a cell: an adapter with the layer that ends the stream, with or without a completion, and with a
//! spy on what the core calls.

use std::any::Any;
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::FutureExt as _;
use futures::channel::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wasmtime::component::StreamReader;
use wasmtime::{AsContext as _, Error, StoreContextMut};
use wasmtime_streams::{
    ByteConsumer, ByteProducer, ByteSink, ByteSource, CancelHandle, Completed, Completion,
    EndReason, Flush, ItemConsumer, ItemProducer, ItemSink, ItemSource, StoreToken, items::Receive,
};

use crate::cells::Completes;
use crate::host::TIME;
use crate::spy::{Spied, Spy};
use crate::table::Kind;

/// The reason given to `until` and `abort`.
pub const GIVEN: EndReason = EndReason::TimedOut;

/// What a cell tries.
pub struct Plan {
    pub kind: Kind,
    pub completes: Completes,
    pub parked: bool,
    pub token: CancellationToken,
    /// Makes the step fail from now on.
    pub failing: Arc<AtomicBool>,
    until: RefCell<Option<oneshot::Sender<()>>>,
}

impl Plan {
    pub fn new(kind: Kind, completes: Completes, parked: bool) -> Self {
        let (token, failing) = Default::default();
        Self { kind, completes, parked, token, failing, until: RefCell::default() }
    }

    fn until(&self) -> impl Future<Output = ()> + Send + use<> {
        let (tx, rx) = oneshot::channel();
        self.until.replace(Some(tx));
        rx.map(drop)
    }

    pub fn fire(&self) {
        drop(self.until.take());
    }

    /// A step with store access, which fails once `failing` is set.
    pub fn step<A, B, F>(
        &self,
        map: F,
    ) -> impl FnMut(StoreContextMut<'_, StoreToken>, A) -> wasmtime::Result<B> + Send + use<A, B, F>
    where
        A: 'static,
        B: 'static,
        F: Fn(A) -> B + Send + 'static,
    {
        let failing = self.failing.clone();
        move |_, item| match failing.load(Ordering::Relaxed) {
            true => Err(Error::msg("scripted failure")),
            false => Ok(map(item)),
        }
    }
}

/// What the other side of a host object can see of the end of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sees {
    /// Nothing of it.
    Open,
    /// A sink's: the end of the data.
    End,
    /// A sink's: the stream was cut, and why.
    Cut(EndReason),
    /// A source's: nobody reads any more.
    Gone,
}

/// The other side of a host object. A method that no cell of a row calls need not be implemented.
pub trait Peer {
    /// Source: an item arrives.
    fn give(&mut self) {
        unreachable!("it has no feeder");
    }

    /// Sink: takes everything that is there, which makes room.
    fn take(&mut self) {}

    /// Source: the data ends.
    fn finish(&mut self) {
        unreachable!("it has no end");
    }

    /// The host object fails.
    fn fail(&mut self) {
        unreachable!("it cannot fail");
    }

    /// The other side goes away without an error.
    fn leave(&mut self) {
        unreachable!("it has no other side");
    }

    /// Source: the other side cuts the data.
    fn abort(&mut self) {
        unreachable!("it cannot abort");
    }

    /// Gives other threads a turn.
    fn step(&mut self) {}

    /// `None` if it went away itself.
    fn sees(&mut self) -> Option<Sees>;
}

/// How much of the guest's writes a sink takes.
#[derive(Clone, Copy)]
pub struct Shape {
    /// How many writes of one item complete before one waits, if the plan wants one that waits.
    pub room: u32,
    pub flush: Flush,
}

impl Shape {
    pub const SOURCE: Self = Self { room: 0, flush: Flush::EachOp };
    /// It takes only what it has room for.
    pub const EXACT: Self = Self { room: 2, flush: Flush::EachOp };
    /// A flush would wait for the other side.
    pub const UNFLUSHED: Self = Self { flush: Flush::OnClose, ..Self::EXACT };

    /// How many items move before the end.
    pub fn first(self, parked: bool) -> u32 {
        if parked { self.room } else { 1 }
    }
}

/// How a stream ended. The host keeps the object with it.
pub struct Resolved {
    pub end: EndReason,
    pub moved: u64,
    _object: Box<dyn Any>,
}

pub type Done = Pin<Box<dyn Future<Output = Resolved>>>;

/// A stream that the guest has.
#[derive(Default)]
pub struct Given {
    /// A source's stream.
    pub reader: Option<StreamReader<u8>>,
    pub done: Option<Done>,
    pub cancel: Option<CancelHandle>,
}

type Give = dyn FnOnce(StoreContextMut<'_, StoreToken>, Option<StreamReader<u8>>) -> Given;

/// A stream that can be given to the guest; a sink's waits for the guest's stream.
pub struct Open {
    pub give: Box<Give>,
    pub peer: Box<dyn Peer>,
    pub shape: Shape,
    /// The spy on the source or sink, if there is one.
    pub seen: Option<Spied>,
}

/// Awaits the completion, or has it driven.
fn awaited<S, E>(done: Completion<S, E>, completes: Completes) -> Done
where
    S: Unpin + Send + 'static,
    E: Send + 'static,
{
    if completes != Completes::Driven {
        return done.map(resolved).boxed_local();
    }
    let mut task = None;
    let driven = done.driven_by(|drive| task = Some(drive));
    task.expect("`driven_by` calls its executor")
        .then(|()| driven)
        .map(|done| resolved(done.expect("the task has run")))
        .boxed_local()
}

fn resolved<S: 'static, E: 'static>(done: Completed<S, E>) -> Resolved {
    Resolved { end: done.end.reason(), moved: done.moved, _object: Box::new(done) }
}

/// Puts the layer that ends the stream around a producer or consumer.
macro_rules! layered {
    ($plan:ident, $object:expr, $limit:expr) => {{
        let object = $object;
        match $plan.kind {
            Kind::Limit => object.limit($limit),
            Kind::Until => object.until(GIVEN, $plan.until()),
            Kind::Deadline => object.deadline(Instant::now() + TIME),
            Kind::IdleTimeout => object.idle_timeout(TIME),
            Kind::Token => object.cancel_on($plan.token.clone()),
            _ => object,
        }
    }};
}

/// A closure that gives `$object` to a store, with or without a completion.
macro_rules! give {
    ($plan:ident, $object:ident, |$store:ident, $reader:ident| $give:expr) => {{
        let completes = $plan.completes;
        let give: Box<Give> = match completes {
            Completes::Without => Box::new(move |mut $store, $reader| {
                let reader = $give;
                Given { reader, ..Given::default() }
            }),
            _ => {
                let ($object, done) = $object.with_completion();
                Box::new(move |mut $store, $reader| {
                    let done = done.watch_store($store.as_context().data());
                    let cancel = Some(done.cancel_handle());
                    let reader = $give;
                    Given { reader, done: Some(awaited(done, completes)), cancel }
                })
            }
        };
        give
    }};
}

/// A closure that pipes the guest's stream into `$object`, or aborts `$object` in its place.
macro_rules! pipe {
    ($plan:ident, $object:ident) => {{
        let aborts = $plan.kind == Kind::Abort;
        give!($plan, $object, |store, reader| {
            let mut reader = reader.expect("a sink gets the guest's stream");
            if aborts {
                $object.abort(GIVEN);
                reader.close(&mut store).unwrap();
            } else {
                reader.pipe(&mut store, $object).unwrap();
            }
            None
        })
    }};
}

pub fn byte_source<S>(plan: &Plan, producer: ByteProducer<S>, peer: impl Peer + 'static) -> Open
where
    S: ByteSource + Unpin,
{
    let (spy, seen) = Spy::new(producer.into_inner());
    let producer = layered!(plan, ByteProducer::new(spy), 2);
    let give = give!(plan, producer, |store, _none| Some(
        StreamReader::new(&mut store, producer).unwrap()
    ));
    Open { give, peer: Box::new(peer), shape: Shape::SOURCE, seen: Some(seen) }
}

/// `map` makes bytes of the items on delivery.
pub fn item_source<S>(
    plan: &Plan,
    producer: ItemProducer<S>,
    map: impl Fn(S::Item) -> u8 + Send + 'static,
    peer: impl Peer + 'static,
) -> Open
where
    S: ItemSource + Unpin,
{
    let (spy, seen) = Spy::new(producer.into_inner());
    let producer = ItemProducer::new(spy).deliver_with(plan.step(map));
    let producer = layered!(plan, producer, 2);
    let give = give!(plan, producer, |store, _none| Some(
        StreamReader::new(&mut store, producer).unwrap()
    ));
    Open { give, peer: Box::new(peer), shape: Shape::SOURCE, seen: Some(seen) }
}

fn limit(plan: &Plan, shape: Shape) -> u64 {
    u64::from(shape.first(plan.parked)) + u64::from(plan.parked)
}

pub fn byte_sink<S>(
    plan: &Plan,
    consumer: ByteConsumer<S>,
    shape: Shape,
    peer: impl Peer + 'static,
) -> Open
where
    S: ByteSink + Unpin,
{
    let (spy, seen) = Spy::new(consumer.into_inner());
    let consumer = ByteConsumer::new(spy).flush(shape.flush);
    let consumer = layered!(plan, consumer, limit(plan, shape));
    Open { give: pipe!(plan, consumer), peer: Box::new(peer), shape, seen: Some(seen) }
}

/// `map` makes the sink's items of bytes on receipt.
pub fn item_sink<S>(
    plan: &Plan,
    consumer: ItemConsumer<S>,
    map: impl Fn(u8) -> S::Item + Send + 'static,
    shape: Shape,
    peer: impl Peer + 'static,
) -> Open
where
    S: ItemSink + Unpin,
{
    let (spy, seen) = Spy::new(consumer.into_inner());
    let consumer = ItemConsumer::new(spy).receive_with(plan.step(map)).flush(shape.flush);
    Open { seen: Some(seen), ..received(plan, consumer, shape, peer) }
}

/// The same for a consumer that has only a receiving step, and no sink for a spy.
pub fn received<S, V>(
    plan: &Plan,
    consumer: ItemConsumer<S, u8, V>,
    shape: Shape,
    peer: impl Peer + 'static,
) -> Open
where
    S: ItemSink + Unpin,
    V: Receive<StoreToken, u8, Item = S::Item>,
{
    let consumer = layered!(plan, consumer, limit(plan, shape));
    Open { give: pipe!(plan, consumer), peer: Box::new(peer), shape, seen: None }
}
