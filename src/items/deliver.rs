//! The step with store access between host items and what crosses to the guest.

use std::mem;

use wasmtime::{AsContextMut, Result, StoreContextMut};

use crate::items::Plain;

/// Converts the items of a source into what crosses to the guest, at the moment of delivery and with store access.
///
/// Here a host object becomes a `Resource<T>` in the store's table: only when the guest gets it, never for a
/// zero-length read and never ahead of the guest. [`ItemProducer::deliver_with`](crate::ItemProducer::deliver_with)
/// takes a closure; without a step items cross [as they are](Identity).
pub trait Deliver<D: 'static, I>: Send + 'static {
    /// What crosses to the guest.
    type Wire;

    /// Converts one item.
    ///
    /// # Errors
    ///
    /// An error ends the stream, after the items before it, and is reported as
    /// [`End::Undeliverable`](crate::End::Undeliverable).
    fn deliver(&mut self, store: StoreContextMut<'_, D>, item: I) -> Result<Self::Wire>;

    /// Converts a whole batch and appends it to `out`. On an error `out` holds the items before it.
    ///
    /// # Errors
    ///
    /// As for [`Deliver::deliver`].
    fn deliver_all(
        &mut self,
        mut store: StoreContextMut<'_, D>,
        items: Vec<I>,
        out: &mut Vec<Self::Wire>,
    ) -> Result<()> {
        out.reserve(items.len());
        for item in items {
            out.push(self.deliver(store.as_context_mut(), item)?);
        }
        Ok(())
    }
}

/// Converts what the guest wrote into the items of a sink, in the poll that lifts it and with store access.
///
/// A lifted handle must not be kept raw, since a `Drop` has no store to free it with: here it becomes the object that
/// it stands for. [`ItemConsumer::receive_with`](crate::ItemConsumer::receive_with) takes a closure.
pub trait Receive<D: 'static, W>: Send + 'static {
    /// What the sink gets.
    type Item;

    /// Converts one item.
    ///
    /// # Errors
    ///
    /// An error ends the stream, after the items before it, and is reported as
    /// [`End::Undeliverable`](crate::End::Undeliverable).
    fn receive(&mut self, store: StoreContextMut<'_, D>, wire: W) -> Result<Self::Item>;

    /// Whether lifted items may hold handles, of streams, futures or resources. If they may also own heap data, each is
    /// lifted alone: Wasmtime's hostcall fuel can run out within a batch, after handles were taken.
    ///
    /// True by default.
    fn may_hold_handles(&self) -> bool {
        true
    }

    /// Disposes of an item that the sink no longer takes, if a stream made by the host is piped and ends early: nothing
    /// else owns that item then. By default it is received and dropped.
    fn discard(&mut self, store: StoreContextMut<'_, D>, wire: W) {
        let _ = self.receive(store, wire);
    }

    /// The storage that a batch is lifted into before [`Receive::receive_all`] gets it. `receive_all` gets the same
    /// `out`; a step that changes nothing lends its storage. Empty by default.
    fn storage(&mut self, out: &mut Vec<Self::Item>) -> Vec<W> {
        let _ = out;
        Vec::new()
    }

    /// Converts a whole batch and appends it to `out`. On an error `out` holds the items before it. Those after it are
    /// received and dropped: a lifted handle must not stay raw.
    ///
    /// # Errors
    ///
    /// As for [`Receive::receive`], the first one.
    fn receive_all(
        &mut self,
        mut store: StoreContextMut<'_, D>,
        wire: Vec<W>,
        out: &mut Vec<Self::Item>,
    ) -> Result<()> {
        receive_each(wire, out, |wire| self.receive(store.as_context_mut(), wire))
    }
}

/// [Plain] items cross as they are, whole batches at a time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Identity;

impl<D: 'static, I: Plain> Deliver<D, I> for Identity {
    type Wire = I;

    fn deliver(&mut self, _: StoreContextMut<'_, D>, item: I) -> Result<I> {
        Ok(item)
    }

    // Inlined: for a single item the call is half of the cost.
    #[inline(always)]
    fn deliver_all(
        &mut self,
        _: StoreContextMut<'_, D>,
        mut items: Vec<I>,
        out: &mut Vec<I>,
    ) -> Result<()> {
        if out.is_empty() {
            *out = items;
        } else {
            out.append(&mut items);
        }
        Ok(())
    }
}

impl<D: 'static, W: Plain> Receive<D, W> for Identity {
    type Item = W;

    fn receive(&mut self, _: StoreContextMut<'_, D>, wire: W) -> Result<W> {
        Ok(wire)
    }

    fn may_hold_handles(&self) -> bool {
        false
    }

    fn storage(&mut self, out: &mut Vec<W>) -> Vec<W> {
        mem::take(out)
    }

    fn receive_all(
        &mut self,
        _: StoreContextMut<'_, D>,
        wire: Vec<W>,
        out: &mut Vec<W>,
    ) -> Result<()> {
        // `storage` took the items of `out`, so `wire` starts with them.
        *out = wire;
        Ok(())
    }
}

/// Receives a whole batch. Items after a failure are received and dropped: a lifted handle must not stay raw.
pub(crate) fn receive_each<W, I>(
    wire: Vec<W>,
    out: &mut Vec<I>,
    mut receive: impl FnMut(W) -> Result<I>,
) -> Result<()> {
    out.reserve(wire.len());
    let mut outcome = Ok(());
    for item in wire {
        match receive(item) {
            Ok(item) if outcome.is_ok() => out.push(item),
            Err(error) if outcome.is_ok() => outcome = Err(error),
            Ok(_) | Err(_) => {}
        }
    }
    outcome
}

/// Passes on values that the host made without store access, of any type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AsIs;

impl<D: 'static, I> Deliver<D, I> for AsIs {
    type Wire = I;

    fn deliver(&mut self, _: StoreContextMut<'_, D>, item: I) -> Result<I> {
        Ok(item)
    }
}

/// A closure as [`Deliver`] or [`Receive`] step.
#[derive(Clone, Copy)]
pub struct With<F>(pub(crate) F);

impl<F> std::fmt::Debug for With<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("With").finish_non_exhaustive()
    }
}

impl<D, I, W, F> Deliver<D, I> for With<F>
where
    D: 'static,
    F: FnMut(StoreContextMut<'_, D>, I) -> Result<W> + Send + 'static,
{
    type Wire = W;

    fn deliver(&mut self, store: StoreContextMut<'_, D>, item: I) -> Result<W> {
        (self.0)(store, item)
    }
}

impl<D, W, I, F> Receive<D, W> for With<F>
where
    D: 'static,
    F: FnMut(StoreContextMut<'_, D>, W) -> Result<I> + Send + 'static,
{
    type Item = I;

    fn receive(&mut self, store: StoreContextMut<'_, D>, wire: W) -> Result<I> {
        (self.0)(store, wire)
    }
}
