use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use wasmtime::{AsContextMut, Result, StoreContextMut};

use crate::{
    End, EndReason, ItemConsumer, ItemSink, Take,
    completion::Holding,
    items::{IntoHost, Nested, Receive},
};

/// Calls `call` with each item of a guest's `stream<T>`, with store access.
///
/// The inverse is [`items`](crate::iterators::items()). [`for_each_batch`](for_each_batch()) calls once a batch. `call`
/// must not block: send an item that has to wait for something through a channel.
///
/// # Partial writes
/// Each guest write is taken whole, up to 65,536 items an operation, in [batches](crate::ItemConsumer::batch).
///
/// # Cancellation
/// A write never waits, so there is nothing to cancel.
///
/// # Zero-length operations
/// They complete at once: a closure is always ready.
///
/// # Errors
/// If `call` fails, the stream ends for the guest, the completion reports
/// [`End::Undeliverable`](crate::End::Undeliverable), and `call` is not called again. The rest of the batch was already
/// taken from the guest: its items count as written and are dropped, without a call. Streams and futures in them are
/// host objects by then, so dropping them closes them. Later batches of the same write stay with the guest.
///
/// With a [`batch`](crate::ItemConsumer::batch) of 1, no item is lost this way. To decide about the rest of a batch
/// yourself, use [`for_each_batch`](for_each_batch()).
///
/// An item that cannot be turned into [its host form](crate::items::IntoHost) ends the stream in the same way, after
/// `call` got the items before it.
///
/// # Drop
/// `call` is dropped with the guest's end. There is nothing to close.
///
/// ```
/// use wasmtime::{Engine, Store, StoreContextMut, component::StreamReader};
///
/// # fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), Vec::new());
/// let reader = StreamReader::new(&mut store, wasmtime_streams::iterators::items([1_u32, 2, 3]))?;
///
/// let (consumer, done) = wasmtime_streams::iterators::for_each(|mut store: StoreContextMut<'_, _>, n: u32| {
///     let squares: &mut Vec<u32> = store.data_mut();
///     squares.push(n * n);
///     Ok(())
/// })
/// .with_completion();
/// reader.pipe(&mut store, consumer)?;
/// futures::executor::block_on(store.run_concurrent(async |_| done.await))?;
/// assert_eq!(*store.data(), [1, 4, 9]);
/// # Ok(())
/// # }
/// ```
pub fn for_each<D, T, F>(call: F) -> ItemConsumer<Calls, T, EachItem<F>>
where
    D: 'static,
    F: FnMut(StoreContextMut<'_, D>, T) -> Result<()> + Send + 'static,
{
    ItemConsumer::new(Calls(())).receive_by(EachItem(call))
}

/// Calls `call` with each batch of items of a guest's `stream<T>`, with store access.
///
/// The inverse is [`items`](crate::iterators::items()). It is faster than [`for_each`](for_each()) where `call` can use
/// a whole batch, which is never empty.
///
/// # Partial writes
/// As for [`for_each`](for_each()): each guest write is one batch, or several if it is larger than the
/// [batch](crate::ItemConsumer::batch).
///
/// # Cancellation
/// As for [`for_each`](for_each()).
///
/// # Zero-length operations
/// As for [`for_each`](for_each()).
///
/// # Errors
/// If `call` fails, the stream ends for the guest, and the completion reports
/// [`End::Undeliverable`](crate::End::Undeliverable). The batch that `call` got counts as written; later batches of the
/// same write stay with the guest.
///
/// An item that cannot be turned into [its host form](crate::items::IntoHost) ends the stream in the same way: `call`
/// gets the items before it as the last batch, and those after it are dropped.
///
/// # Drop
/// As for [`for_each`](for_each()).
///
/// ```
/// use wasmtime::{Engine, Store, StoreContextMut, component::StreamReader};
///
/// # fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), 0);
/// let reader = StreamReader::new(&mut store, wasmtime_streams::iterators::items(1_u32..=1000))?;
///
/// let add = |mut store: StoreContextMut<'_, u32>, batch: Vec<u32>| {
///     *store.data_mut() += batch.iter().sum::<u32>();
///     Ok(())
/// };
/// let (consumer, done) = wasmtime_streams::iterators::for_each_batch(add).with_completion();
/// reader.pipe(&mut store, consumer)?;
/// futures::executor::block_on(store.run_concurrent(async |_| done.await))?;
/// assert_eq!(*store.data(), 500_500);
/// # Ok(())
/// # }
/// ```
pub fn for_each_batch<D, T, F>(call: F) -> ItemConsumer<Calls, T, EachBatch<F>>
where
    D: 'static,
    F: FnMut(StoreContextMut<'_, D>, Vec<T>) -> Result<()> + Send + 'static,
{
    ItemConsumer::new(Calls(())).receive_by(EachBatch(call))
}

/// The sink of [`for_each`](for_each()) and [`for_each_batch`](for_each_batch()): the closure has had each item before
/// this gets a `()` for it.
#[derive(Debug)]
pub struct Calls(());

impl ItemSink for Calls {
    type Item = ();
    type Error = Infallible;

    fn poll_accept(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        items: &mut dyn Take<()>,
    ) -> Poll<Result<(), End<Infallible>>> {
        // A `Vec` of `()` allocates nothing.
        let mut done = Vec::new();
        while items.take(usize::MAX, &mut done) > 0 {
            done.clear();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_writable(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Option<Poll<Result<(), End<Infallible>>>> {
        Some(Poll::Ready(Ok(())))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), End<Infallible>>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), End<Infallible>>> {
        Poll::Ready(Ok(()))
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}

impl<T, F, C: Holding> ItemConsumer<Calls, T, EachItem<F>, C> {
    /// Takes items with streams and futures in them: the closure gets their [host form](crate::items::IntoHost).
    pub fn nested<W>(self) -> ItemConsumer<Calls, W, EachItem<F>, C> {
        self.of()
    }
}

impl<T, F, C: Holding> ItemConsumer<Calls, T, EachBatch<F>, C> {
    /// Takes items with streams and futures in them: the closure gets their [host form](crate::items::IntoHost).
    pub fn nested<W>(self) -> ItemConsumer<Calls, W, EachBatch<F>, C> {
        self.of()
    }
}

/// The receiving step of [`for_each`](for_each()).
#[derive(Clone, Copy)]
pub struct EachItem<F>(F);

impl<F> fmt::Debug for EachItem<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EachItem").finish_non_exhaustive()
    }
}

impl<D, T, F> Receive<D, T> for EachItem<F>
where
    D: 'static,
    T: IntoHost<D>,
    F: FnMut(StoreContextMut<'_, D>, T::Host) -> Result<()> + Send + 'static,
{
    type Item = ();

    fn receive(&mut self, mut store: StoreContextMut<'_, D>, item: T) -> Result<()> {
        let item = Nested::default().receive(store.as_context_mut(), item)?;
        (self.0)(store, item)
    }

    fn discard(&mut self, store: StoreContextMut<'_, D>, item: T) {
        // `call` is not called once the stream has ended.
        let _ = Nested::default().receive(store, item);
    }

    fn may_hold_handles(&self) -> bool {
        Receive::<D, T>::may_hold_handles(&Nested::default())
    }

    fn receive_all(
        &mut self,
        mut store: StoreContextMut<'_, D>,
        batch: Vec<T>,
        out: &mut Vec<()>,
    ) -> Result<()> {
        let mut items = Vec::new();
        // On an error `items` holds those before it; handles in the others are closed.
        let received = Nested::default().receive_all(store.as_context_mut(), batch, &mut items);
        // `call` has side effects, so after an error it is not called again. The items left are host objects: dropping
        // them closes their streams.
        for item in items {
            (self.0)(store.as_context_mut(), item)?;
            out.push(());
        }
        received
    }
}

/// The receiving step of [`for_each_batch`](for_each_batch()).
#[derive(Clone, Copy)]
pub struct EachBatch<F>(F);

impl<F> fmt::Debug for EachBatch<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EachBatch").finish_non_exhaustive()
    }
}

impl<D, T, F> Receive<D, T> for EachBatch<F>
where
    D: 'static,
    T: IntoHost<D>,
    F: FnMut(StoreContextMut<'_, D>, Vec<T::Host>) -> Result<()> + Send + 'static,
{
    type Item = ();

    fn receive(&mut self, mut store: StoreContextMut<'_, D>, item: T) -> Result<()> {
        let item = Nested::default().receive(store.as_context_mut(), item)?;
        (self.0)(store, vec![item])
    }

    fn discard(&mut self, store: StoreContextMut<'_, D>, item: T) {
        // `call` is not called once the stream has ended.
        let _ = Nested::default().receive(store, item);
    }

    fn may_hold_handles(&self) -> bool {
        Receive::<D, T>::may_hold_handles(&Nested::default())
    }

    fn receive_all(
        &mut self,
        mut store: StoreContextMut<'_, D>,
        batch: Vec<T>,
        out: &mut Vec<()>,
    ) -> Result<()> {
        let mut items = Vec::new();
        let received = Nested::default().receive_all(store.as_context_mut(), batch, &mut items);
        // No item is left if the first one the guest wrote is invalid: `call` gets no empty batch.
        let count = items.len();
        if count > 0 {
            (self.0)(store, items)?;
            out.resize(out.len() + count, ());
        }
        received
    }
}
