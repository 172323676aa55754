use std::any::{Any, TypeId};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use wasmtime::component::{Destination, Lift, Lower, StreamProducer, StreamResult, VecBuffer};
use wasmtime::{AsContextMut, Error, Result, StoreContextMut};

use super::{OnError, Splice, SpliceFn, State, splice};
use crate::completion::{self, Completing, Completion};
use crate::deliver::With;
use crate::limits::{EMPTY_STEPS, default_batch};
use crate::{Deliver, Identity, ItemSource, Meter, Then, Undelivered};

pin_project! {
    /// A `stream<T>` from an [`ItemSource`], for [`StreamReader::new`](wasmtime::component::StreamReader::new).
    ///
    /// Items cross in batches, each in one allocation of the size that the last one had. A stream that waits holds none, and
    /// its next batch grows anew.
    #[derive(Debug)]
    #[must_use = "a producer does nothing until it is given to `StreamReader::new`"]
    pub struct ItemProducer<S: ItemSource, V = Identity> {
        #[pin]
        source: S,
        deliver: V,
        batch: Option<usize>,
        expected: usize,
        on_error: OnError<S::Error>,
        splice: Option<SpliceFn<ItemProducer<S, V>>>,
        meter: Option<Meter>,
        state: State,
    }
}

impl<S: ItemSource> ItemProducer<S> {
    /// A producer over `source`.
    pub fn new(source: S) -> Self {
        Self {
            source,
            deliver: Identity,
            batch: None,
            expected: 0,
            on_error: None,
            splice: None,
            meter: None,
            state: State::Open,
        }
    }

    /// Makes what crosses to the guest out of the source's items when they are delivered, with store access: a host
    /// object becomes a `Resource<T>` only when the guest really gets it. See [`Deliver`].
    ///
    /// ```
    /// # use wasmtime::{StoreContextMut, component::{Resource, ResourceTable}};
    /// # #[cfg(feature = "futures")] {
    /// # struct Data { table: ResourceTable }
    /// struct Connection(u32);
    ///
    /// let connections = futures::stream::iter([Connection(1), Connection(2)]);
    /// let producer = wasmtime_streams::stream(connections)
    ///     .deliver_with(|mut store: StoreContextMut<'_, Data>, c| Ok(store.data_mut().table.push(c)?));
    /// # let _ = producer;
    /// # }
    /// ```
    pub fn deliver_with<D, W, F>(self, deliver: F) -> ItemProducer<S, With<F>>
    where
        D: 'static,
        F: FnMut(StoreContextMut<'_, D>, S::Item) -> Result<W> + Send + 'static,
    {
        self.deliver_by(With(deliver))
    }

    /// Like [`ItemProducer::deliver_with`], for a step that has a type of its own.
    pub fn deliver_by<V>(self, deliver: V) -> ItemProducer<S, V> {
        ItemProducer {
            source: self.source,
            deliver,
            batch: self.batch,
            expected: 0,
            on_error: self.on_error,
            splice: None,
            meter: self.meter,
            state: self.state,
        }
    }

    /// Lets the host take the source back out of a stream that the guest has only passed along: `S` is what
    /// [`StreamReader::try_into`](wasmtime::component::StreamReader::try_into) can then give.
    pub fn spliceable(mut self) -> Self
    where
        S: Splice + Unpin,
    {
        self.splice = Some(|me, ty| splice(me, ty, Self::into_inner));
        self
    }
}

impl<S: ItemSource, V> ItemProducer<S, V> {
    /// Puts a combinator around the source. It ends spliceability: what flows may be changed.
    pub(crate) fn map<T: ItemSource<Error = S::Error>>(
        self,
        wrap: impl FnOnce(S) -> T,
    ) -> ItemProducer<T, V> {
        ItemProducer {
            source: wrap(self.source),
            deliver: self.deliver,
            batch: self.batch,
            expected: 0,
            on_error: self.on_error,
            splice: None,
            meter: self.meter,
            state: self.state,
        }
    }

    /// Counts the items that the guest gets, and its reads that got some.
    pub fn metered(mut self, meter: &Meter) -> Self {
        self.meter = Some(meter.clone());
        self
    }

    /// How many items cross at most in one operation; 0 counts as 1.
    ///
    /// By default 64 for items that own heap data and else as many as 64 KiB hold. It bounds the memory of the stream.
    pub fn batch(mut self, items: usize) -> Self {
        self.batch = Some(items.max(1));
        self
    }

    /// Makes an error of the source a trap, after the items before it.
    ///
    /// That fails everything that runs in the store. Without it an error ends the stream, and is seen by a
    /// [completion](Self::with_completion) alone.
    pub fn trap_on_error(mut self) -> Self
    where
        S::Error: Into<Error>,
    {
        self.on_error = Some(Into::into);
        self
    }

    /// Adds a [`Completion`]: how the stream ended, how many items moved, and the source itself.
    ///
    /// Errors go to it from then on, instead of a trap, and the source can no longer be spliced: it has two owners.
    pub fn with_completion(
        self,
    ) -> (ItemProducer<Completing<S, S::Error>, V>, Completion<S, S::Error>)
    where
        S: Unpin,
    {
        let (source, completion) = completion::of_source(
            self.source,
            |source, cut| Pin::new(source).stream_ended(cut),
            |source, signals| source.signals(signals),
        );
        let mut producer = ItemProducer::new(source).deliver_by(self.deliver);
        producer.batch = self.batch;
        producer.meter = self.meter;
        (producer, completion)
    }

    /// The source.
    pub fn get_ref(&self) -> &S {
        &self.source
    }

    /// The source, to configure it before the stream starts.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.source
    }

    /// The source, of a producer that was never given away.
    pub fn into_inner(self) -> S {
        self.source
    }
}

/// What one look at the source came to, after the items it gave.
enum Collected<E> {
    Pending,
    Some,
    End,
    Failed(E),
}

/// Rule "fill the operation": as far as is free, up to `max` items.
fn collect<S: ItemSource>(
    mut source: Pin<&mut S>,
    cx: &mut Context<'_>,
    max: usize,
    items: &mut Vec<S::Item>,
) -> Collected<S::Error> {
    for _ in 0..EMPTY_STEPS {
        loop {
            let before = items.len();
            match source.as_mut().poll_items(cx, max - before, items) {
                Poll::Pending => return Collected::Pending,
                Poll::Ready(Err(error)) => return Collected::Failed(error),
                Poll::Ready(Ok(Then::End(_))) => return Collected::End,
                Poll::Ready(Ok(_)) if items.len() >= max => return Collected::Some,
                Poll::Ready(Ok(Then::Stop)) if !items.is_empty() => return Collected::Some,
                Poll::Ready(Ok(_)) if items.len() == before => break,
                Poll::Ready(Ok(_)) => {}
            }
        }
    }
    if items.is_empty() {
        cx.waker().wake_by_ref();
    }
    Collected::Pending
}

impl<D, S, V> StreamProducer<D> for ItemProducer<S, V>
where
    D: 'static,
    S: ItemSource,
    V: Deliver<D, S::Item>,
    V::Wire: Lower + Lift + Send + Sync + 'static,
{
    type Item = V::Wire;
    type Buffer = VecBuffer<V::Wire>;

    fn poll_produce<'a>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'a, D>,
        mut destination: Destination<'a, Self::Item, Self::Buffer>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let mut this = self.project();
        if let Some(answer) = this.state.early(finish) {
            return Poll::Ready(answer);
        }
        // What is smaller on one side may own heap data on the other.
        let batch = this
            .batch
            .unwrap_or_else(|| default_batch::<S::Item>().min(default_batch::<V::Wire>()));
        let max = match destination.remaining(store.as_context_mut()) {
            Some(0) => {
                return this.state.readable(this.source.poll_readable(cx), *this.on_error);
            }
            // Rule "bounded": never by what the guest asked for.
            Some(wanted) => wanted.min(batch),
            None => batch,
        };

        let mut items = Vec::with_capacity(max.min(*this.expected));
        let collected = collect(this.source.as_mut(), cx, max, &mut items);
        *this.expected = items.len();
        let gave = items.len();
        let mut wire = Vec::new();
        // Rule "created when delivered".
        let delivered = match gave {
            0 => Ok(()),
            _ => this.deliver.deliver_all(store, items, &mut wire),
        };
        let produced = wire.len();
        if produced > 0 {
            destination.set_buffer(wire.into());
            if let Some(meter) = this.meter {
                meter.count(produced, true);
            }
        }
        if let Err(error) = delivered {
            let lost = gave.saturating_sub(produced);
            this.source.ended(Err(Undelivered { error, lost }));
            return Poll::Ready(Ok(this.state.end()));
        }
        if let Collected::End | Collected::Failed(_) = collected {
            this.source.ended(Ok(()));
        }
        Poll::Ready(match collected {
            Collected::Pending if produced == 0 => {
                // Wasmtime keeps the storage of the last batch until it gets another: a stream that waits holds none.
                destination.set_buffer(VecBuffer::default());
                return Poll::Pending;
            }
            Collected::Some if produced == 0 => {
                // The delivery step swallowed the whole batch; "completed with nothing" would be an error.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Collected::Pending | Collected::Some => Ok(StreamResult::Completed),
            Collected::End => Ok(this.state.end()),
            Collected::Failed(error) => this.state.fail(error, *this.on_error, produced > 0),
        })
    }

    fn try_into(me: Pin<Box<Self>>, ty: TypeId) -> Result<Box<dyn Any>, Pin<Box<Self>>> {
        match me.splice {
            Some(splice) => splice(me, ty),
            None => Err(me),
        }
    }
}
