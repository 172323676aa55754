//! The step with store access between what flows on the host's side and what crosses to the guest.

use std::mem;

use wasmtime::{AsContextMut, Result, StoreContextMut};

use crate::items::Plain;

/// Makes the items that cross to the guest out of a source's items, at the moment of delivery and with store access.
///
/// This is where a host object becomes a `Resource<T>` in the store's table: only when the guest really gets it, never
/// for a zero-length read, never ahead of the guest. Closures come in by
/// [`ItemProducer::deliver_with`](crate::ItemProducer::deliver_with); without one items cross [as they are](Identity).
pub trait Deliver<D: 'static, I>: Send + 'static {
    /// What crosses to the guest.
    type Wire;

    /// Makes one item.
    ///
    /// # Errors
    ///
    /// An error ends the stream, after the items before it, and is reported as
    /// [`End::Undeliverable`](crate::End::Undeliverable).
    fn deliver(&mut self, store: StoreContextMut<'_, D>, item: I) -> Result<Self::Wire>;

    /// Makes a whole batch, appended to `out`. On an error `out` holds what was made before it.
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

/// Makes a sink's items out of what the guest wrote, in the same poll and with store access.
///
/// A handle that was lifted must not be kept raw, since a `Drop` has no store to free it with; here it is turned into
/// the object that it stands for. Closures come in by
/// [`ItemConsumer::receive_with`](crate::ItemConsumer::receive_with).
pub trait Receive<D: 'static, W>: Send + 'static {
    /// What flows on the host's side.
    type Item;

    /// Makes one item.
    ///
    /// # Errors
    ///
    /// An error ends the stream, after the items before it, and is reported as
    /// [`End::Undeliverable`](crate::End::Undeliverable).
    fn receive(&mut self, store: StoreContextMut<'_, D>, wire: W) -> Result<Self::Item>;

    /// Whether what is lifted may hold handles, of streams, futures or resources. Then each item is lifted alone if it may own
    /// heap data, too: Wasmtime's hostcall fuel may end in the midst of a batch, and its handles are taken by then.
    ///
    /// True by default.
    fn may_hold_handles(&self) -> bool {
        true
    }

    /// Takes what the sink does not want any more, when a stream that the host itself has made is piped and ends early: nobody else
    /// has those items then. They are received and dropped, by default.
    fn discard(&mut self, store: StoreContextMut<'_, D>, wire: W) {
        let _ = self.receive(store, wire);
    }

    /// The storage that a batch is lifted into before [`Receive::receive_all`] gets it. `out` is what `receive_all` will
    /// be given; a step that changes nothing lends its storage. Empty by default.
    fn storage(&mut self, out: &mut Vec<Self::Item>) -> Vec<W> {
        let _ = out;
        Vec::new()
    }

    /// Makes a whole batch, appended to `out`. On an error `out` holds what was made before it. What comes after it in
    /// the batch is received as well, and dropped: a handle that is lifted must not stay raw.
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

    // Of one item, half of the call is to make it.
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
        // `storage` took what was there, so `wire` starts with it.
        *out = wire;
        Ok(())
    }
}

/// All of a batch, the rest behind a failure too, which is dropped: a handle that is lifted must not stay raw.
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

/// Values that the host makes without store access, of whatever type.
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
