//! The completion's side of a [`Slot`]: cancel, wait for the end, close, take the object out.
//!
//! The invariants are those of the slot's module.

use std::any::Any;
use std::task::{Context, Poll};

use super::slot::{DROPPED_WHILE_PIPING, PIPING, Slot, SlotState, locked};
use crate::layer::Outcome;
use crate::place::{Kind, StreamState};
use crate::sync::Weak;
use crate::sync::atomic::{Ordering, fence};
use crate::{End, EndReason};

/// What `take` gives out.
pub(crate) struct Ended<S, E> {
    pub(super) end: End<E>,
    pub(super) moved: u64,
    pub(super) object: S,
    /// The byte or item that was looked ahead and never read.
    pub(super) ahead: Option<Box<dyn Any + Send>>,
}

/// What a cancel handle needs, whatever the stream is of.
pub(crate) trait Cancel: Send + Sync {
    /// Ends the stream with `reason`, unless it has ended; gives up a close that is under way. Never waits.
    fn cut(&self, reason: EndReason);
}

/// What a completion needs, whatever the stream is of.
pub(crate) trait Completing<S, E>: Cancel {
    /// Ends the stream as `Abandoned`, unless it has ended, and drops the object as soon as it has. Never waits.
    fn orphan(&self);
    /// Waits for the end of the stream; `true` if the object is to be closed then.
    fn poll_ended(&self, cx: &mut Context<'_>) -> Poll<bool>;
    /// Flushes and closes a sink. `cut` ends the wait, and so does a cancel.
    fn poll_close(&self, cx: &mut Context<'_>, cut: Option<EndReason>) -> Poll<()>;
    /// Takes the object out, if it is in the slot.
    fn take(&self) -> Option<Ended<S, E>>;
    /// Watches the store that holds the token.
    fn watch(&self, store: Weak<()>);
    /// Waits for the first deadline, token or other future that ends the stream from outside.
    fn poll_signals(&self, cx: &mut Context<'_>) -> Poll<EndReason>;
    /// The consumer is about to be piped.
    fn begin_piping(&self);
    /// The pipe has succeeded or failed.
    fn piped(&self, ok: bool);
}

impl<K: Kind<S>, S: Send> Cancel for Slot<K, S> {
    fn cut(&self, reason: EndReason) {
        locked(&self.reason).get_or_insert(reason);
        // The first request is never lost, so another one changes nothing. A completion whose deadline has passed
        // requests it again in each poll.
        if self.cancel_requested.swap(true, Ordering::AcqRel) {
            return;
        }
        fence(Ordering::SeqCst);
        if let Some(state) = self.try_lock() {
            if state.end.is_none() {
                return self.finish(state, reason.into(), 0);
            }
            drop(state);
        }
        // The completion gives up a close that is under way.
        self.unlocked_ended();
    }
}

impl<K: Kind<S>, S: Send> Completing<S, K::Error> for Slot<K, S> {
    fn orphan(&self) {
        self.orphaned.store(true, Ordering::Relaxed);
        self.cut(EndReason::Abandoned);
        // A poll that is under way does it when it unlocks.
        self.drop_orphan();
    }

    fn poll_ended(&self, cx: &mut Context<'_>) -> Poll<bool> {
        self.register_completion(cx);
        // Invariant 4: whoever has the lock wakes the completion once the stream has ended.
        let Some(state) = self.try_lock() else { return Poll::Pending };
        let polled = match &*state {
            // A limit of the sink's own closes it. A limit of what feeds it does not: rule "Truncated is never complete".
            SlotState { end: Some(End::LimitReached), object: Some((_, stream)) } => {
                Poll::Ready(stream.layers.truncated() != Some(EndReason::LimitReached))
            }
            SlotState { end: Some(end), object: Some(_) } => Poll::Ready(end.is_finished()),
            _ => Poll::Pending,
        };
        if state.end.is_none() {
            self.unlock(state);
        } else {
            // Not `unlock_ended`, which would wake this completion: it would spin while the object is notified.
            drop(state);
        }
        polled
    }

    fn poll_close(&self, cx: &mut Context<'_>, cut: Option<EndReason>) -> Poll<()> {
        self.register_completion(cx);
        // Outside of the lock: the sink's code may drop the stream, which takes the lock.
        let Some((mut object, mut stream)) = locked(&self.state).object.take() else {
            return Poll::Ready(());
        };
        stream.layers.enter();
        let mut closed = K::poll_close((self.pin)(&mut object), cx);
        // A close that is ready is not given up: all data had come before the cancel.
        if closed.is_pending()
            && let Some(reason) = cut.or_else(|| self.requested_reason())
        {
            closed = Poll::Ready(Err(reason.into()));
        }
        stream.layers.exit();
        let end = match closed {
            Poll::Pending => {
                locked(&self.state).object = Some((object, stream));
                return Poll::Pending;
            }
            Poll::Ready(Ok(())) => None,
            Poll::Ready(Err(halt)) => Some(halt),
        };
        if K::SINK {
            let finished = Outcome::Ended(EndReason::Finished);
            let outcome = end.as_ref().map_or(finished, |end| Outcome::of(end, 0));
            stream.layers.closed(&outcome, stream.moved);
        }
        let mut state = locked(&self.state);
        state.object = Some((object, stream));
        if end.is_some() {
            state.end = end;
        }
        Poll::Ready(())
    }

    fn take(&self) -> Option<Ended<S, K::Error>> {
        let mut state = locked(&self.state);
        let (object, stream) = state.object.take()?;
        // Invariant 6.
        let end = state.end.replace(End::Finished).unwrap_or(End::Finished);
        drop(state);
        let StreamState { layers, moved, ahead } = stream;
        drop(layers);
        let ahead = ahead.map(|ahead| Box::new(ahead.item) as _);
        Some(Ended { end, moved, object, ahead })
    }

    fn watch(&self, store: Weak<()>) {
        *locked(&self.store) = Some(store);
    }

    fn poll_signals(&self, cx: &mut Context<'_>) -> Poll<EndReason> {
        // Cloned, and polled without the lock.
        let signals = locked(&self.signals).clone();
        signals.poll(cx)
    }

    fn begin_piping(&self) {
        self.piping.store(PIPING, Ordering::Relaxed);
    }

    fn piped(&self, ok: bool) {
        if !ok {
            // Before the swap: a drop beside it must not look like the guest's.
            self.cut(EndReason::Abandoned);
        }
        if self.piping.swap(0, Ordering::AcqRel) == DROPPED_WHILE_PIPING {
            self.end_dropped();
        }
    }
}
