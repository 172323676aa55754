use std::any::{Any, TypeId};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use wasmtime::component::{Destination, Lift, Lower, StreamProducer, StreamResult, VecBuffer};
use wasmtime::{AsContextMut, Error, Result, StoreContextMut};

use super::collect::{collect, poll_slow};
use super::{OnError, Polled, Splice, SpliceFn, State, layers_end, splice};
use crate::completion::Completion;
use crate::items::With;
use crate::layer::{Layers, Signal};
use crate::limits::default_batch;
use crate::place::{ItemsFrom, Place};
use crate::{
    ItemSource, Meter,
    completion::{Holding, Owned, Shared},
    items::{Deliver, Identity, Nested},
};

pin_project! {
    /// A `stream<T>` from an [`ItemSource`], for [`StreamReader::new`](wasmtime::component::StreamReader::new).
    ///
    /// Items cross in batches. Each batch is one allocation, of the size that the last batch had. A stream that waits
    /// holds none.
    ///
    /// `V` is the [delivery step](Deliver). `C` is [`Owned`] without a completion and [`Shared`] with one.
    #[derive(Debug)]
    #[must_use = "a producer does nothing until it is given to `StreamReader::new`"]
    pub struct ItemProducer<S: ItemSource, V = Identity, C: Holding = Owned> {
        #[pin]
        source: Place<ItemsFrom, S, C>,
        deliver: V,
        batch: Option<usize>,
        expected: usize,
        on_error: OnError<S::Error>,
        splice: Option<SpliceFn<ItemProducer<S, V, C>>>,
        meter: Option<Meter>,
        state: State,
    }
}

impl<S: ItemSource> ItemProducer<S> {
    /// A producer over `source`.
    pub fn new(source: S) -> Self {
        Self {
            source: Place::new(source),
            deliver: Identity,
            batch: None,
            expected: 0,
            on_error: None,
            splice: None,
            meter: None,
            state: State::Open,
        }
    }
}

impl<S: ItemSource, C: Holding> ItemProducer<S, Identity, C> {
    /// Converts the source's items when they are delivered, with store access: a host object becomes a `Resource<T>` in
    /// the poll that gives it to the guest. See [`Deliver`].
    ///
    /// ```
    /// # use wasmtime::{StoreContextMut, component::{Resource, ResourceTable}};
    /// # #[cfg(feature = "futures")] {
    /// # struct Data { table: ResourceTable }
    /// struct Connection(u32);
    ///
    /// let connections = futures::stream::iter([Connection(1), Connection(2)]);
    /// let producer = wasmtime_streams::streams::items(connections)
    ///     .deliver_with(|mut store: StoreContextMut<'_, Data>, c| Ok(store.data_mut().table.push(c)?));
    /// # let _ = producer;
    /// # }
    /// ```
    pub fn deliver_with<D, W, F>(self, deliver: F) -> ItemProducer<S, With<F>, C>
    where
        D: 'static,
        F: FnMut(StoreContextMut<'_, D>, S::Item) -> Result<W> + Send + 'static,
    {
        self.deliver_by(With(deliver))
    }

    /// Delivers items that are streams or futures in a guest, or contain some. The guest's handle is made when it gets
    /// the item, from the host object for it: any producer, or an object of [`from_guest`](crate::from_guest). See
    /// [`IntoGuest`](crate::items::IntoGuest).
    ///
    /// An item that the guest does not get is dropped, and never enters the store.
    ///
    /// ```
    /// use wasmtime::{Engine, Store, component::StreamReader};
    ///
    /// # #[cfg(feature = "tokio")]
    /// # fn main() -> wasmtime::Result<()> {
    /// use wasmtime_streams::{iterators, tokio_io};
    ///
    /// let mut store = Store::new(&Engine::default(), ());
    /// let files = [tokio_io::read(&b"one"[..]), tokio_io::read(&b"two"[..])]; // any readers, as they come
    /// let streams: StreamReader<StreamReader<u8>> = StreamReader::new(&mut store, iterators::items(files).nested())?;
    /// # let _ = streams;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "tokio"))] fn main() {}
    /// ```
    pub fn nested(self) -> ItemProducer<S, Nested, C> {
        self.deliver_by(Nested::default())
    }

    /// Like [`ItemProducer::deliver_with`], for a type that implements [`Deliver`].
    pub fn deliver_by<V>(self, deliver: V) -> ItemProducer<S, V, C> {
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
}

impl<S: ItemSource> ItemProducer<S> {
    /// Lets the host take the source back from a stream that the guest has only passed along, by
    /// [`StreamReader::try_into`](wasmtime::component::StreamReader::try_into) with the type `S`.
    ///
    /// `try_into` refuses a stream that has ended or failed, or that has a limit or another layer, a meter,
    /// `trap_on_error`, a completion, or an item that was looked ahead. `batch` is lost.
    pub fn spliceable(mut self) -> Self
    where
        S: Splice + Unpin,
    {
        self.splice = Some(|me, ty| splice(me, ty, Self::into_inner));
        self
    }
}

impl<S: ItemSource> ItemProducer<S, Nested> {
    /// Lets the host take the source back, like [`spliceable`](ItemProducer::spliceable) without
    /// [`nested`](ItemProducer::nested). Items that the guest has not read are still host objects.
    pub fn spliceable(mut self) -> Self
    where
        S: Splice + Unpin,
    {
        self.splice = Some(|me, ty| splice(me, ty, Self::into_inner));
        self
    }
}

impl<S: ItemSource, V, C: Holding> ItemProducer<S, V, C> {
    /// Adds a layer.
    pub(crate) fn layer(mut self, add: impl FnOnce(&mut Layers<S::Item>)) -> Self {
        self.source.layer(add);
        self
    }

    pub(crate) fn until_signal(mut self, signal: Signal) -> Self {
        self.source.until(signal);
        self
    }

    /// Whether a splice would lose nothing.
    fn is_spliceable(&self) -> bool {
        let plain = self.meter.is_none() && self.on_error.is_none();
        plain && self.state.is_live() && self.source.is_spliceable()
    }

    /// Counts the items that the guest reads, and its reads that get some.
    pub fn metered(mut self, meter: &Meter) -> Self {
        self.meter = Some(meter.clone());
        self
    }

    /// Sets how many items cross in one operation at most; 0 counts as 1.
    ///
    /// The default is 64 for items that own heap data, otherwise as many as 64 KiB hold. It bounds the memory of the
    /// stream.
    pub fn batch(mut self, items: usize) -> Self {
        self.batch = Some(items.max(1));
        self
    }
}

impl<S: ItemSource, V> ItemProducer<S, V> {
    /// Turns an error of the source, or of the delivery step, into a trap, after the items before it.
    ///
    /// A trap fails everything that runs in the store. Without this an error ends the stream, and only a
    /// [completion](Self::with_completion) gets it.
    pub fn trap_on_error(mut self) -> Self
    where
        S::Error: Into<Error>,
    {
        self.on_error = Some(Into::into);
        self
    }

    /// Adds a [`Completion`]: how the stream ended, how many items moved, and the source itself.
    ///
    /// Errors go to the completion, and [`trap_on_error`](Self::trap_on_error) has no effect. The stream can no longer
    /// be spliced.
    ///
    /// A source that is not `Unpin` is boxed first: `Box::pin(object)`, before it is given to its adapter.
    pub fn with_completion(self) -> (ItemProducer<S, V, Shared>, Completion<S, S::Error>)
    where
        S: Unpin,
    {
        let Self { source, deliver, batch, expected, meter, state, .. } = self;
        let (source, completion) = source.share();
        let (on_error, splice) = (None, None);
        let producer =
            ItemProducer { source, deliver, batch, expected, on_error, splice, meter, state };
        (producer, completion)
    }

    /// A reference to the source.
    pub fn get_ref(&self) -> &S {
        self.source.get_ref()
    }

    /// A mutable reference to the source, to configure it before the stream starts.
    pub fn get_mut(&mut self) -> &mut S {
        self.source.get_mut()
    }

    /// Gives the source back, of a stream that never started.
    pub fn into_inner(self) -> S {
        self.source.into_inner()
    }
}

impl<D, S, V, C> StreamProducer<D> for ItemProducer<S, V, C>
where
    D: 'static,
    S: ItemSource,
    V: Deliver<D, S::Item>,
    V::Wire: Lower + Lift + Send + Sync + 'static,
    C: Holding,
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
        if let Some(answer) = this.state.answer_without_source(finish) {
            return Poll::Ready(answer);
        }
        // An item may own heap data on one side of the step only.
        let batch = this
            .batch
            .unwrap_or_else(|| default_batch::<S::Item>().min(default_batch::<V::Wire>()));
        // Rule "Bounded memory": the guest's length is only an upper bound.
        let wanted = destination.remaining(store.as_context_mut());
        let max = wanted.unwrap_or(usize::MAX).min(batch);

        let state = &mut *this.state;
        let plain = state.allows_fast_path() && max > 0;
        let mut items = Vec::with_capacity(max.min(*this.expected));
        let mut last = None;
        let polled = this.source.as_mut().poll(cx, |source, stream, cx| {
            let items = &mut items;
            let result = if !plain {
                poll_slow(state, source, stream, cx, max, items)
            } else {
                match stream.layers.entered() {
                    None => collect(source, &mut (), cx, max, items),
                    Some(mut set) => match layers_end(&mut set, cx) {
                        Some(reason) => Polled::End(reason),
                        None => collect(source, &mut set, cx, max, items),
                    },
                }
            };
            stream.moved += items.len() as u64;
            result.into_poll(!items.is_empty(), &mut last)
        });
        match polled {
            None => return Poll::Ready(Ok(this.state.end())),
            Some(Poll::Ready(())) => {}
            Some(Poll::Pending) => {
                if max > 0 {
                    *this.expected = 0;
                    // Rule "Bounded memory": Wasmtime keeps the storage of the last batch until it gets another one.
                    destination.set_buffer(VecBuffer::default());
                }
                return Poll::Pending;
            }
        }
        let gave = items.len();
        if max > 0 {
            *this.expected = gave;
        }
        let mut wire = Vec::new();
        // Rule "Resources are created on delivery".
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
            last = Some(Polled::Undeliverable(error, gave.saturating_sub(produced)));
        }
        if last.is_none() && gave > 0 && produced == 0 {
            // Rule "No empty completions": the delivery step dropped the whole batch.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Some(last) = last else { return Poll::Ready(Ok(StreamResult::Completed)) };
        Poll::Ready(this.state.ended(this.source, last, *this.on_error, produced > 0))
    }

    fn try_into(me: Pin<Box<Self>>, ty: TypeId) -> Result<Box<dyn Any>, Pin<Box<Self>>> {
        match me.splice {
            Some(splice) if me.is_spliceable() => splice(me, ty),
            _ => Err(me),
        }
    }
}
