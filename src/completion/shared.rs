//! The stream's side of a slot.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};

use super::slot::{Slot, State, locked};
use crate::End;
use crate::layer::Signal;
use crate::place::{Beside, Hold, Kind};

/// Where the object of a stream with a completion stands: in the slot, until nobody else has that.
#[allow(unreachable_pub)] // sealed
pub struct SharedPlace<K: Kind<S>, S: Send> {
    slot: Arc<Slot<K, S>>,
    /// What was in the slot, once nobody else has it, nor will.
    alone: Option<State<S, K::Item, K::Error>>,
}

impl<K: Kind<S>, S: Send> SharedPlace<K, S> {
    pub(crate) fn new(slot: Arc<Slot<K, S>>) -> Self {
        Self { slot, alone: None }
    }

    /// The slot, with all that belongs in it.
    fn slot(&mut self) -> &Slot<K, S> {
        if let Some(state) = self.alone.take() {
            *locked(&self.slot.state) = state;
        }
        &self.slot
    }

    #[inline(never)]
    fn take_out(&mut self) {
        if Arc::weak_count(&self.slot) == 0
            && let Some(slot) = Arc::get_mut(&mut self.slot)
            // Else it is about to end.
            && !*slot.cancel_requested.get_mut()
        {
            slot.forget_wakers();
            let state = slot.state.get_mut().unwrap_or_else(PoisonError::into_inner);
            self.alone = Some(mem::replace(state, State::EMPTY));
        }
    }
}

impl<K: Kind<S>, S: Send> Hold<K, S> for SharedPlace<K, S> {
    fn configure(&mut self, change: impl FnOnce(&mut Beside<K::Item, K::Error>)) {
        let slot = self.slot();
        if let Some((_, beside)) = &mut locked(&slot.state).object {
            change(beside);
        }
    }

    fn until(&mut self, signal: Signal) {
        signal.share(&mut locked(&self.slot.signals));
        self.configure(|beside| beside.layers.until(signal));
    }

    #[inline(always)]
    fn poll<T>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut S>, &mut Beside<K::Item, K::Error>, &mut Context<'_>) -> Poll<T>,
    ) -> Option<Poll<T>> {
        let me = self.get_mut();
        // The counts are loads, for every operation; they may be out of date, which `get_mut` is not.
        if me.alone.is_none() && Arc::strong_count(&me.slot) == 1 {
            me.take_out();
        }
        let slot = &*me.slot;
        let mut guard = None;
        let state = match &mut me.alone {
            Some(state) if state.end.is_some() => return None,
            Some(state) => state,
            None => &mut **guard.insert(slot.before_poll()?),
        };
        let (object, beside) = state.object.as_mut()?;
        let answer = poll((slot.pin)(object), beside, cx);
        if let Some(state) = guard {
            slot.after_poll(state, cx, answer.is_pending());
        }
        Some(answer)
    }

    fn with(self: Pin<&mut Self>, act: impl FnOnce(Pin<&mut S>)) {
        self.get_mut().slot().with(act);
    }

    #[inline(never)]
    fn end(self: Pin<&mut Self>, end: End<K::Error>, lost: usize) -> Option<End<K::Error>> {
        let slot = self.get_mut().slot();
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
        self.slot().dropped();
    }
}

impl<K: Kind<S>, S: Send> Unpin for SharedPlace<K, S> {}

impl<K: Kind<S>, S: Send> fmt::Debug for SharedPlace<K, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedPlace").finish_non_exhaustive()
    }
}
