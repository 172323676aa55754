//! The stream's side of a [`Slot`].

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::slot::{Slot, SlotState, locked};
use crate::End;
use crate::layer::Signal;
use crate::place::{Hold, Kind, StreamState};
use crate::sync::atomic::Ordering;
use crate::sync::{Arc, PoisonError, strong_count};

/// The place of an object that a completion shares: the slot, until nobody else can reach that.
#[allow(unreachable_pub)] // sealed
pub struct SharedPlace<K: Kind<S>, S: Send> {
    slot: Arc<Slot<K, S>>,
    /// The contents of the slot, once the completion and its handles are gone: invariant 9 of the slot.
    unshared: Option<SlotState<S, K::Item, K::Error>>,
}

impl<K: Kind<S>, S: Send> SharedPlace<K, S> {
    pub(crate) fn new(slot: Arc<Slot<K, S>>) -> Self {
        Self { slot, unshared: None }
    }

    /// The slot, after the contents were moved back into it.
    fn refilled_slot(&mut self) -> &Slot<K, S> {
        if let Some(state) = self.unshared.take() {
            *locked(&self.slot.state) = state;
        }
        &self.slot
    }

    /// Reads how the stream ended, until the completion has taken that.
    #[cfg(feature = "wasi")]
    pub(crate) fn with_end<T>(&mut self, read: impl FnOnce(&End<K::Error>) -> T) -> Option<T> {
        let slot = self.refilled_slot();
        let state = locked(&slot.state);
        let answer = state.end.as_ref().map(read);
        slot.unlock_ended(state);
        answer
    }

    /// Moves the contents out of the slot, if this is its only owner.
    #[inline(never)]
    fn take_from_slot(&mut self) {
        if Arc::weak_count(&self.slot) == 0
            && let Some(slot) = Arc::get_mut(&mut self.slot)
            // Else the stream is about to end, and the slot does that. Nobody else has the slot, so this is up to date.
            && !slot.cancel_requested.load(Ordering::Relaxed)
        {
            slot.clear_wakers();
            let state = slot.state.get_mut().unwrap_or_else(PoisonError::into_inner);
            self.unshared = Some(mem::replace(state, SlotState::EMPTY));
        }
    }
}

impl<K: Kind<S>, S: Send> Hold<K, S> for SharedPlace<K, S> {
    fn configure(&mut self, change: impl FnOnce(&mut StreamState<K::Item, K::Error>)) {
        let slot = self.refilled_slot();
        let mut state = locked(&slot.state);
        if let Some((_, stream)) = &mut state.object {
            change(stream);
        }
        slot.unlock(state);
    }

    fn until(&mut self, signal: Signal) {
        signal.share(&mut locked(&self.slot.signals));
        self.configure(|stream| stream.layers.until(signal));
    }

    #[inline(always)]
    fn poll<T>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut S>, &mut StreamState<K::Item, K::Error>, &mut Context<'_>) -> Poll<T>,
    ) -> Option<Poll<T>> {
        let me = self.get_mut();
        // A load for every operation. It may be out of date; `Arc::get_mut` decides.
        if me.unshared.is_none() && strong_count(&me.slot) == 1 {
            me.take_from_slot();
        }
        let slot = &*me.slot;
        let mut guard = None;
        let state = match &mut me.unshared {
            Some(state) if state.end.is_some() => return None,
            Some(state) => state,
            None => &mut **guard.insert(slot.before_poll()?),
        };
        let (object, stream) = state.object.as_mut()?;
        let answer = poll((slot.pin)(object), stream, cx);
        if let Some(state) = guard {
            slot.after_poll(state, cx, answer.is_pending());
        }
        Some(answer)
    }

    fn with_object(self: Pin<&mut Self>, act: impl FnOnce(Pin<&mut S>)) {
        self.get_mut().refilled_slot().with_object(act);
    }

    #[inline(never)]
    fn end(self: Pin<&mut Self>, end: End<K::Error>, lost: usize) -> Option<End<K::Error>> {
        let slot = self.get_mut().refilled_slot();
        slot.finish(locked(&slot.state), end, lost);
        None
    }

    fn is_spliceable(&self) -> bool {
        false
    }

    fn fmt_object(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result
    where
        S: fmt::Debug,
    {
        f.write_str("(shared with a completion)")
    }
}

/// Wasmtime has dropped the stream.
impl<K: Kind<S>, S: Send> Drop for SharedPlace<K, S> {
    fn drop(&mut self) {
        self.refilled_slot().stream_dropped();
    }
}

impl<K: Kind<S>, S: Send> Unpin for SharedPlace<K, S> {}

impl<K: Kind<S>, S: Send> fmt::Debug for SharedPlace<K, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedPlace").finish_non_exhaustive()
    }
}
