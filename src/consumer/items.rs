use std::fmt;
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use wasmtime::component::{Lift, Source, StreamConsumer, StreamResult};
use wasmtime::{AsContextMut, Error, Result, StoreContextMut};

use super::lifting::{Failure, Write, discard, lifts_one_by_one};
use super::{Common, Polled, broken};
use crate::completion::Completion;
use crate::items::With;
use crate::layer::{ActiveLayers, Layers, Signal, at_most};
use crate::limits::{ITEMS_PER_OP, default_batch};
use crate::place::{ItemsInto, Place};
use crate::{
    EndReason, Flush, ItemSink, Meter,
    completion::{Holding, Owned, Shared},
    items::{Identity, Nested, Receive},
};

pin_project! {
    /// Takes a guest's `stream<T>` into an [`ItemSink`], for
    /// [`StreamReader::pipe`](wasmtime::component::StreamReader::pipe).
    ///
    /// `W` is the type that the guest writes, and `V` the [receiving step](Receive) that makes the sink's items from
    /// it. `C` is [`Owned`] without a completion and [`Shared`] with one.
    #[must_use = "a consumer does nothing until it is given to `StreamReader::pipe`"]
    pub struct ItemConsumer<
        S: ItemSink,
        W = <S as ItemSink>::Item,
        V = Identity,
        C: Holding = Owned,
    > {
        #[pin]
        sink: Place<ItemsInto, S, C>,
        receive: V,
        batch: Option<usize>,
        common: Common<S::Error>,
        wire: PhantomData<fn() -> W>,
    }
}

impl<S: ItemSink> ItemConsumer<S> {
    /// A consumer over `sink`.
    pub fn new(sink: S) -> Self {
        Self {
            sink: Place::new(sink),
            receive: Identity,
            batch: None,
            common: Common::new(),
            wire: PhantomData,
        }
    }
}

impl<S: ItemSink, C: Holding> ItemConsumer<S, S::Item, Identity, C> {
    /// Makes the sink's items from what the guest wrote, in the same poll and with store access: a handle becomes the
    /// object that it stands for. See [`Receive`].
    ///
    /// ```
    /// # use wasmtime::{StoreContextMut, component::{Resource, ResourceTable}};
    /// # #[cfg(feature = "futures")] {
    /// # struct Data { table: ResourceTable }
    /// struct Connection(u32);
    ///
    /// let (connections, _) = futures::channel::mpsc::channel::<Connection>(8);
    /// let consumer = wasmtime_streams::sinks::items(connections).receive_with(
    ///     |mut store: StoreContextMut<'_, Data>, c: Resource<Connection>| {
    ///         Ok(store.data_mut().table.delete(c)?)
    ///     },
    /// );
    /// # let _ = consumer;
    /// # }
    /// ```
    pub fn receive_with<D, W, F>(self, receive: F) -> ItemConsumer<S, W, With<F>, C>
    where
        D: 'static,
        F: FnMut(StoreContextMut<'_, D>, W) -> Result<S::Item> + Send + 'static,
    {
        self.receive_by(With(receive))
    }

    /// Takes items that contain streams and futures. The sink gets [host objects](crate::items::IntoHost) for them,
    /// such as readers, which close their stream when they are dropped.
    ///
    /// Plain items need no step. [`receive_by`](Self::receive_by) with a [`Nested`] sets the capacity of each stream.
    ///
    /// ```
    /// use futures::{StreamExt as _, channel::mpsc};
    /// use wasmtime::{Engine, Store, component::StreamReader};
    /// # #[cfg(feature = "futures")]
    /// use wasmtime_streams::{from_guest::GuestItems, iterators, sinks};
    ///
    /// # #[cfg(feature = "futures")]
    /// # fn main() -> wasmtime::Result<()> {
    /// let mut store = Store::new(&Engine::default(), ());
    /// // A guest's `stream<stream<u32>>`.
    /// let streams: StreamReader<StreamReader<u32>> =
    ///     StreamReader::new(&mut store, iterators::items([iterators::items([1_u32, 2]), iterators::items([3, 4])]).nested())?;
    ///
    /// let (tx, mut rx) = mpsc::unbounded::<GuestItems<u32>>();
    /// streams.pipe(&mut store, sinks::items(tx).nested())?;
    /// let last = futures::executor::block_on(store.run_concurrent(async |_| {
    ///     drop(rx.next().await); // not wanted
    ///     rx.next().await.unwrap().next_batch().await
    /// }))?;
    /// assert_eq!(last.unwrap(), [3, 4]);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "futures"))] fn main() {}
    /// ```
    pub fn nested<W>(self) -> ItemConsumer<S, W, Nested, C> {
        self.receive_by(Nested::default())
    }

    /// Like [`ItemConsumer::receive_with`], for a type that implements [`Receive`].
    pub fn receive_by<W, V>(self, receive: V) -> ItemConsumer<S, W, V, C> {
        ItemConsumer {
            sink: self.sink,
            receive,
            batch: self.batch,
            common: self.common,
            wire: PhantomData,
        }
    }
}

impl<S: ItemSink, W, V, C: Holding> ItemConsumer<S, W, V, C> {
    /// The same consumer for another type that the guest writes.
    pub(crate) fn of<X>(self) -> ItemConsumer<S, X, V, C> {
        let Self { sink, receive, batch, common, .. } = self;
        ItemConsumer { sink, receive, batch, common, wire: PhantomData }
    }

    /// Adds a layer.
    pub(crate) fn layer(mut self, add: impl FnOnce(&mut Layers<S::Item>)) -> Self {
        self.sink.layer(add);
        self
    }

    pub(crate) fn until_signal(mut self, signal: Signal) -> Self {
        self.sink.until(signal);
        self
    }

    /// Counts the items that the sink takes, and the guest writes of which it takes some.
    pub fn metered(mut self, meter: &Meter) -> Self {
        self.common.meter = Some(meter.clone());
        self
    }

    /// Sets how many items are taken from the guest at a time; 0 counts as 1.
    ///
    /// The default is 64 for items that own heap data, 1 if they may hold handles as well, otherwise as many as 64 KiB
    /// hold. It bounds the memory of the stream, and how many items a sink that cannot reserve room may hold unsent.
    /// With 1 such a sink takes an item only when it has room.
    pub fn batch(mut self, items: usize) -> Self {
        self.batch = Some(items.max(1));
        self
    }

    /// Sets when the sink is flushed: [`Flush::EachOp`] by default.
    pub fn flush(mut self, policy: Flush) -> Self {
        self.common.flush = policy;
        self
    }

    /// Ends the stream as `reason` instead of piping it, for a host that made a consumer and then cannot use it. The
    /// sink gets `reason` by [`ended`](ItemSink::ended), and a hand-over passes it on to its receiver. A consumer that
    /// is only dropped looks like a guest that wrote nothing.
    pub fn abort(self, reason: EndReason) {
        pin!(self.sink).end(reason.into(), 0);
    }
}

impl<S: ItemSink, W, V> ItemConsumer<S, W, V> {
    /// Turns an error of the sink, or of the receiving step, into a trap.
    ///
    /// A trap fails everything that runs in the store. Without this an error ends the stream, and only a
    /// [completion](Self::with_completion) gets it.
    pub fn trap_on_error(mut self) -> Self
    where
        S::Error: Into<Error>,
    {
        self.common.on_error = Some(Into::into);
        self
    }

    /// Adds a [`Completion`]: how the stream ended, how many items moved, and the sink itself with what it could not
    /// send, flushed and shut down.
    ///
    /// Errors go to the completion, and [`trap_on_error`](Self::trap_on_error) has no effect.
    ///
    /// A sink that is not `Unpin` is boxed first: `Box::pin(object)`, before it is given to its adapter.
    pub fn with_completion(self) -> (ItemConsumer<S, W, V, Shared>, Completion<S, S::Error>)
    where
        S: Unpin,
    {
        let Self { sink, receive, batch, mut common, wire } = self;
        let (sink, completion) = sink.share();
        common.on_error = None;
        (ItemConsumer { sink, receive, batch, common, wire }, completion)
    }

    /// A reference to the sink.
    pub fn get_ref(&self) -> &S {
        self.sink.get_ref()
    }

    /// A mutable reference to the sink, to configure it before the stream starts.
    pub fn get_mut(&mut self) -> &mut S {
        self.sink.get_mut()
    }

    /// Gives the sink back, of a stream that never started.
    pub fn into_inner(self) -> S {
        self.sink.into_inner()
    }
}

impl<S: ItemSink + fmt::Debug, W, V: fmt::Debug, C: Holding> fmt::Debug
    for ItemConsumer<S, W, V, C>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ItemConsumer")
            .field("sink", &self.sink)
            .field("receive", &self.receive)
            .field("batch", &self.batch)
            .finish_non_exhaustive()
    }
}

impl<D, S, W, V, C> StreamConsumer<D> for ItemConsumer<S, W, V, C>
where
    D: 'static,
    S: ItemSink,
    W: Lift + Send + Sync + 'static,
    V: Receive<D, W, Item = S::Item>,
    C: Holding,
{
    type Item = W;

    #[inline]
    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'_, D>,
        mut source: Source<'_, W>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let answer = self.as_mut().consume(cx, store.as_context_mut(), source.reborrow(), finish);
        if let Poll::Ready(Ok(StreamResult::Dropped)) = answer {
            let receive = self.project().receive;
            if receive.may_hold_handles() {
                discard(store, source, receive);
            }
        }
        answer
    }
}

impl<S: ItemSink, W, V, C: Holding> ItemConsumer<S, W, V, C> {
    #[inline(always)]
    fn consume<D>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'_, D>,
        source: Source<'_, W>,
        finish: bool,
    ) -> Poll<Result<StreamResult>>
    where
        D: 'static,
        W: Lift + Send + Sync + 'static,
        V: Receive<D, W, Item = S::Item>,
    {
        let mut this = self.project();
        let common = this.common;
        if common.ended {
            return Poll::Ready(Ok(StreamResult::Dropped));
        }
        if finish {
            this.sink.with_object(|sink| sink.op_cancelled());
            return Poll::Ready(Ok(common.cancelled()));
        }
        let receive = this.receive;
        let batch = this.batch.unwrap_or_else(|| match lifts_one_by_one::<D, W, V>(receive) {
            true => 1,
            // An item may own heap data on one side of the step only.
            false => default_batch::<W>().min(default_batch::<S::Item>()),
        });
        let before = common.op.taken;
        let remaining =
            if common.op.flushing { 0 } else { source.remaining(store.as_context_mut()) };
        let polled = this.sink.as_mut().poll(cx, |mut sink, stream, cx| {
            let layers = &mut stream.layers.entered();
            if let Poll::Ready(reason) = layers.poll_end(cx) {
                return Poll::Ready(common.end_now(reason, cx, |cx| sink.poll_flush(cx)));
            }
            if !common.op.flushing {
                let allowed = layers.allowance();
                if remaining == 0 && common.op.taken == 0 {
                    let writable = if allowed == 0 { None } else { sink.poll_writable(cx) };
                    return Common::writable(writable);
                }
                let offered = remaining.min(ITEMS_PER_OP.saturating_sub(common.op.taken));
                let mut write = Write {
                    store,
                    source,
                    receive,
                    batch,
                    remaining: at_most(allowed, offered),
                    taken: &mut common.op.taken,
                    failure: None,
                    layers: &mut *layers,
                };
                // Also with a limit of 0: what the sink holds of an earlier operation is sent before the end.
                let accepted = sink.as_mut().poll_accept(cx, &mut write);
                let failure = write.failure;
                let taken = common.op.taken - before;
                stream.moved += taken as u64;
                common.unflushed |= taken > 0;
                match failure {
                    None => {}
                    Some(Failure::Receive(error)) => {
                        return Poll::Ready(Polled::Undeliverable(error));
                    }
                    Some(Failure::Lift(error)) => return Poll::Ready(Polled::Trap(error)),
                }
                if let Err(end) = ready!(accepted) {
                    return Poll::Ready(Polled::SinkEnded(end));
                }
                let over = layers.allowance() == 0 && remaining > taken;
                common.op.end_after_flush = over.then_some(EndReason::LimitReached);
                if common.op.taken == 0 && !over {
                    return Poll::Ready(broken(format_args!(
                        "ItemSink::poll_accept completed without an item: expected 1 to {remaining}"
                    )));
                }
            }
            common.poll_flushed(cx, |cx| sink.poll_flush(cx))
        });
        if let Some(meter) = &common.meter {
            meter.count(common.op.taken - before, before == 0);
        }
        common.answer(this.sink, polled)
    }
}
