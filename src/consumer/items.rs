use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use wasmtime::component::{Lift, Source, StreamConsumer, StreamResult};
use wasmtime::{AsContextMut, Error, Result, StoreContextMut};

use super::lift::{Failure, Write};
use super::{Common, broken};
use crate::completion::{self, Completing, Completion};
use crate::deliver::With;
use crate::limits::{ITEMS_PER_OP, default_batch};
use crate::{Flush, Identity, ItemSink, Meter, Receive};

pin_project! {
    /// Takes a guest's `stream<T>` into an [`ItemSink`], for
    /// [`StreamReader::pipe`](wasmtime::component::StreamReader::pipe).
    ///
    /// `W` is what crosses from the guest, `V` the [receiving step](Receive) that makes the sink's items out of it.
    #[must_use = "a consumer does nothing until it is given to `StreamReader::pipe`"]
    pub struct ItemConsumer<S: ItemSink, W = <S as ItemSink>::Item, V = Identity> {
        #[pin]
        sink: S,
        receive: V,
        batch: Option<usize>,
        common: Common<S::Error>,
        wire: PhantomData<fn() -> W>,
    }
}

impl<S: ItemSink> ItemConsumer<S> {
    /// A consumer over `sink`.
    pub fn new(sink: S) -> Self {
        Self { sink, receive: Identity, batch: None, common: Common::new(), wire: PhantomData }
    }

    /// Makes the sink's items out of what the guest wrote, in the same poll and with store access: a handle becomes the
    /// object that it stands for. See [`Receive`].
    ///
    /// ```
    /// # use wasmtime::{StoreContextMut, component::{Resource, ResourceTable}};
    /// # #[cfg(feature = "futures")] {
    /// # struct Data { table: ResourceTable }
    /// struct Connection(u32);
    ///
    /// let (connections, _) = futures::channel::mpsc::channel::<Connection>(8);
    /// let consumer = wasmtime_streams::sink(connections).receive_with(
    ///     |mut store: StoreContextMut<'_, Data>, c: Resource<Connection>| {
    ///         Ok(store.data_mut().table.delete(c)?)
    ///     },
    /// );
    /// # let _ = consumer;
    /// # }
    /// ```
    pub fn receive_with<D, W, F>(self, receive: F) -> ItemConsumer<S, W, With<F>>
    where
        D: 'static,
        F: FnMut(StoreContextMut<'_, D>, W) -> Result<S::Item> + Send + 'static,
    {
        self.receive_by(With(receive))
    }

    /// Like [`ItemConsumer::receive_with`], for a step that has a type of its own.
    pub fn receive_by<W, V>(self, receive: V) -> ItemConsumer<S, W, V> {
        ItemConsumer {
            sink: self.sink,
            receive,
            batch: self.batch,
            common: self.common,
            wire: PhantomData,
        }
    }
}

impl<S: ItemSink, W, V> ItemConsumer<S, W, V> {
    /// Puts a combinator around the sink.
    pub(crate) fn map<T: ItemSink<Error = S::Error>>(
        self,
        wrap: impl FnOnce(S) -> T,
    ) -> ItemConsumer<T, W, V> {
        let mut sink = wrap(self.sink);
        sink.flush_policy(self.common.flush);
        ItemConsumer {
            sink,
            receive: self.receive,
            batch: self.batch,
            common: self.common,
            wire: PhantomData,
        }
    }

    /// Counts the items that the sink takes, and the guest's writes of which it took some.
    pub fn metered(mut self, meter: &Meter) -> Self {
        self.common.meter = Some(meter.clone());
        self
    }

    /// How many items are taken from the guest at a time; 0 counts as 1.
    ///
    /// By default 64 for items that own heap data and else as many as 64 KiB hold. It bounds the memory of the stream,
    /// and how many items a sink that cannot reserve room may hold unsent; 1 is strict.
    pub fn batch(mut self, items: usize) -> Self {
        self.batch = Some(items.max(1));
        self
    }

    /// When the sink is flushed; [`Flush::EachOp`] by default.
    pub fn flush(mut self, policy: Flush) -> Self {
        self.common.flush = policy;
        self.sink.flush_policy(policy);
        self
    }

    /// Makes an error of the sink a trap in the guest.
    ///
    /// That fails everything that runs in the store. Without it an error ends the stream, and is seen by a
    /// [completion](Self::with_completion) alone.
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
    /// Errors go to it from then on, instead of a trap.
    pub fn with_completion(
        self,
    ) -> (ItemConsumer<Completing<S, S::Error>, W, V>, Completion<S, S::Error>)
    where
        S: Unpin,
    {
        let (sink, completion) = completion::of_sink(
            self.sink,
            self.common.flush,
            |sink, cx| sink.poll_close(cx),
            |sink, cut| Pin::new(sink).stream_ended(cut),
            |sink, signals| sink.signals(signals),
        );
        let consumer = ItemConsumer {
            sink,
            receive: self.receive,
            batch: self.batch,
            common: self.common.for_completion(),
            wire: PhantomData,
        };
        (consumer, completion)
    }

    /// The sink.
    pub fn get_ref(&self) -> &S {
        &self.sink
    }

    /// The sink, to configure it before the stream starts.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.sink
    }

    /// The sink, of a consumer that was never given away.
    pub fn into_inner(self) -> S {
        self.sink
    }
}

impl<S: ItemSink + fmt::Debug, W, V: fmt::Debug> fmt::Debug for ItemConsumer<S, W, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ItemConsumer")
            .field("sink", &self.sink)
            .field("receive", &self.receive)
            .field("batch", &self.batch)
            .finish_non_exhaustive()
    }
}

impl<D, S, W, V> StreamConsumer<D> for ItemConsumer<S, W, V>
where
    D: 'static,
    S: ItemSink,
    W: Lift + Send + Sync + 'static,
    V: Receive<D, W, Item = S::Item>,
{
    type Item = W;

    fn poll_consume(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'_, D>,
        source: Source<'_, W>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let mut this = self.project();
        let common = this.common;
        if common.ended {
            return Poll::Ready(Ok(StreamResult::Dropped));
        }
        if finish {
            this.sink.op_cancelled();
            return Poll::Ready(Ok(common.cancelled()));
        }
        if !common.op.flushing {
            let remaining = source.remaining(store.as_context_mut());
            if remaining == 0 && common.op.taken == 0 {
                return common.writable(this.sink.poll_writable(cx));
            }
            let before = common.op.taken;
            let mut write = Write {
                store,
                source,
                receive: this.receive,
                batch: this.batch.unwrap_or(const { default_batch::<W>() }),
                remaining: remaining.min(ITEMS_PER_OP.saturating_sub(common.op.taken)),
                taken: &mut common.op.taken,
                failure: None,
            };
            let accepted = this.sink.as_mut().poll_accept(cx, &mut write);
            let failure = write.failure;
            if let Some(meter) = &common.meter {
                meter.count(common.op.taken - before, before == 0);
            }
            match failure {
                None => {}
                Some(Failure::Receive(error)) => {
                    common.ended = true;
                    this.sink.delivery_failed(error);
                    return Poll::Ready(Ok(StreamResult::Dropped));
                }
                Some(Failure::Lift(error)) => {
                    common.ended = true;
                    this.sink.delivery_failed(Error::msg(format!("{error:?}")));
                    return Poll::Ready(Err(error));
                }
            }
            if let Err(halt) = ready!(accepted) {
                return Poll::Ready(common.halt(halt));
            }
            if common.op.taken == 0 {
                return Poll::Ready(Err(broken(format_args!(
                    "ItemSink::poll_accept completed without an item: expected 1 to {remaining}"
                ))));
            }
        }
        common.complete(|| this.sink.poll_flush(cx))
    }
}
