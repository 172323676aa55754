//! Makes of an adapter what a cell of the matrix needs: the layer that is to end the stream, a completion or none, and a
//! look at what the adapter is told.

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

/// What `until` and `abort` are given.
pub const GIVEN: EndReason = EndReason::TimedOut;

/// What is to be tried.
pub struct Plan {
    pub kind: Kind,
    pub completes: Completes,
    pub parked: bool,
    pub token: CancellationToken,
    /// Fails the step from now on.
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

    /// A step with store access, which fails when it is told to.
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
    /// Of a sink: the end of the data.
    End,
    /// Of a sink: that it was cut short, and why.
    Cut(EndReason),
    /// Of a source: that nobody reads any more.
    Gone,
}

/// The other side of a host object. What a row of the tables does not ask for need not be there.
pub trait Peer {
    /// Of a source: an item arrives.
    fn give(&mut self) {
        unreachable!("nothing feeds it");
    }

    /// Of a sink: takes all that is there, and so makes room.
    fn take(&mut self) {}

    /// Of a source: the data comes to its end.
    fn finish(&mut self) {
        unreachable!("it has no end");
    }

    /// The host object fails.
    fn fail(&mut self) {
        unreachable!("it cannot fail");
    }

    /// The other side goes away, without a word.
    fn leave(&mut self) {
        unreachable!("there is nobody");
    }

    /// Of a source: the other side says that it goes away in the midst of the data.
    fn abort(&mut self) {
        unreachable!("it cannot say so");
    }

    /// Moves on what runs on other threads.
    fn step(&mut self) {}

    /// `None` if it has gone away itself.
    fn sees(&mut self) -> Option<Sees>;
}

/// How a sink takes what the guest writes.
#[derive(Clone, Copy)]
pub struct Shape {
    /// So many writes of one item complete before one waits, if the plan has one that waits.
    pub room: u32,
    pub flush: Flush,
}

impl Shape {
    pub const SOURCE: Self = Self { room: 0, flush: Flush::EachOp };
    /// It takes what it has room for.
    pub const EXACT: Self = Self { room: 2, flush: Flush::EachOp };
    /// To flush it would wait for the other side.
    pub const UNFLUSHED: Self = Self { flush: Flush::OnClose, ..Self::EXACT };

    /// How many items pass before the stream is to end.
    pub fn first(self, parked: bool) -> u32 {
        if parked { self.room } else { 1 }
    }
}

/// How a stream ended, with the object for as long as the host keeps it.
pub struct Resolved {
    pub end: EndReason,
    pub moved: u64,
    _object: Box<dyn Any>,
}

pub type Done = Pin<Box<dyn Future<Output = Resolved>>>;

/// A stream that the guest has.
#[derive(Default)]
pub struct Given {
    /// Of a source.
    pub reader: Option<StreamReader<u8>>,
    pub done: Option<Done>,
    pub cancel: Option<CancelHandle>,
}

type Give = dyn FnOnce(StoreContextMut<'_, StoreToken>, Option<StreamReader<u8>>) -> Given;

/// A stream that is ready to be given to the guest, or, of a sink, to be given the guest's.
pub struct Open {
    pub give: Box<Give>,
    pub peer: Box<dyn Peer>,
    pub shape: Shape,
    /// Where it can be looked at.
    pub seen: Option<Spied>,
}

/// What the host does with a completion.
fn settled<S, E>(done: Completion<S, E>, completes: Completes) -> Done
where
    S: Unpin + Send + 'static,
    E: Send + 'static,
{
    if completes != Completes::Driven {
        return done.map(resolved).boxed_local();
    }
    let mut task = None;
    let driven = done.driven_by(|drive| task = Some(drive));
    task.expect("it was given")
        .then(|()| driven)
        .map(|done| resolved(done.expect("it was driven")))
        .boxed_local()
}

fn resolved<S: 'static, E: 'static>(done: Completed<S, E>) -> Resolved {
    Resolved { end: done.end.reason(), moved: done.moved, _object: Box::new(done) }
}

/// Puts the layer around a producer or consumer that is to end the stream.
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

/// What gives `$object` to a store, with a completion or without.
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
                    Given { reader, done: Some(settled(done, completes)), cancel }
                })
            }
        };
        give
    }};
}

/// What pipes the guest's stream into `$object`, or ends that in its place.
macro_rules! pipe {
    ($plan:ident, $object:ident) => {{
        let aborts = $plan.kind == Kind::Abort;
        give!($plan, $object, |store, reader| {
            let mut reader = reader.expect("the guest's");
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

/// `map` makes bytes of the items at their delivery.
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

/// `map` makes the sink's items of bytes as they are received.
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

/// The same for a consumer whose receiving step is all that it does: there is nothing to look at.
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
