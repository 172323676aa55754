//! The slot in which a stream and its completion share the source or sink.

use std::mem;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use crate::End;

/// What is left when a stream has ended.
pub(super) struct Ended<S, E> {
    pub(super) end: End<E>,
    pub(super) moved: u64,
    pub(super) object: S,
}

/// What to do once the lock is released.
type Wake = Option<Waker>;

struct State<S, E> {
    /// `None` while it is polled, and after it was handed back.
    object: Option<S>,
    end: Option<End<E>>,
    moved: u64,
    cancelled: bool,
    /// The guest's parked operation.
    parked: Option<Waker>,
    /// The host's completion.
    waiting: Option<Waker>,
    /// Lives as long as the store's data.
    store: Option<Weak<()>>,
}

pub(super) struct Slot<S, E> {
    state: Mutex<State<S, E>>,
}

/// Type-erased, for the cancel handle.
pub(super) trait Cancel: Send + Sync {
    fn cancel(&self);
}

impl<S: Send, E: Send> Cancel for Slot<S, E> {
    fn cancel(&self) {
        Slot::cancel(self);
    }
}

impl<S, E> Slot<S, E> {
    pub(super) fn new(object: S) -> Self {
        Self {
            state: Mutex::new(State {
                object: Some(object),
                end: None,
                moved: 0,
                cancelled: false,
                parked: None,
                waiting: None,
                store: None,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<S, E>> {
        // Nothing is run under the lock that could leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn watch(&self, store: Weak<()>) {
        let stale = self.lock().store.replace(store);
        drop(stale);
    }

    pub(super) fn store_is_gone(&self) -> bool {
        self.lock().store.as_ref().is_some_and(|store| store.strong_count() == 0)
    }

    /// Takes the object out for a visit; `None` if the stream has ended.
    fn lease(&self) -> Option<Lease<'_, S, E>> {
        let mut state = self.lock();
        if state.end.is_some() {
            return None;
        }
        let object = state.object.take()?;
        drop(state);
        Some(Lease {
            slot: self,
            object: Some(object),
            step: Step { moved: 0, end: None },
            parked: None,
        })
    }

    /// Polls the object outside of its slot; `None` if the stream has ended.
    pub(super) fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut S>, &mut Context<'_>, &mut Step<E>) -> Poll<T>,
    ) -> Option<Poll<T>>
    where
        S: Unpin,
    {
        let mut lease = self.lease()?;
        let answer = poll(Pin::new(lease.object.as_mut()?), cx, &mut lease.step);
        if answer.is_pending() {
            lease.parked = Some(cx.waker().clone());
        }
        Some(answer)
    }

    /// Tells the object something, if the stream has not ended.
    pub(super) fn tell(&self, tell: impl FnOnce(Pin<&mut S>))
    where
        S: Unpin,
    {
        if let Some(object) = self.lease().as_mut().and_then(|lease| lease.object.as_mut()) {
            tell(Pin::new(object));
        }
    }

    /// Ends the stream, unless it has ended. An object that is being polled is handed over right after that.
    pub(super) fn end(&self, end: End<E>) {
        let mut state = self.lock();
        if state.end.is_some() {
            return;
        }
        state.end = Some(end);
        let waiting = state.waiting.take();
        drop(state);
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }

    pub(super) fn cancel(&self) {
        let mut state = self.lock();
        let mut wake: [Wake; 2] = [None, None];
        if state.object.is_some() {
            if state.end.is_none() {
                state.end = Some(End::Cancelled);
                wake = [state.waiting.take(), state.parked.take()];
            }
        } else {
            state.cancelled = true;
        }
        drop(state);
        wake.into_iter().flatten().for_each(Waker::wake);
    }

    /// Takes back what was counted for items that did not reach the guest.
    pub(super) fn undo(&self, lost: usize) {
        let mut state = self.lock();
        state.moved = state.moved.saturating_sub(lost as u64);
    }

    /// Hands the object over once the stream has ended.
    pub(super) fn poll_ended(&self, cx: &mut Context<'_>) -> Poll<Ended<S, E>> {
        let waker = cx.waker().clone();
        let mut state = self.lock();
        match (state.end.take(), state.object.take()) {
            (Some(end), Some(object)) => {
                // Ended for good: the stream must not find the slot open again.
                state.end = Some(End::Finished);
                Poll::Ready(Ended { end, moved: state.moved, object })
            }
            (end, object) => {
                state.end = end;
                state.object = object;
                let stale = state.waiting.replace(waker);
                drop(state);
                // Outside of the lock: it may own the task that holds the stream, which takes the lock when it is dropped.
                drop(stale);
                Poll::Pending
            }
        }
    }
}

/// What came of one poll.
pub(super) struct Step<E> {
    /// So much moved.
    pub(super) moved: usize,
    /// The stream ended.
    pub(super) end: Option<End<E>>,
}

/// The object outside of its slot. It goes back when the lease is dropped, a panic in its poll included.
struct Lease<'a, S, E> {
    slot: &'a Slot<S, E>,
    object: Option<S>,
    step: Step<E>,
    parked: Wake,
}

impl<S, E> Drop for Lease<'_, S, E> {
    fn drop(&mut self) {
        let mut state = self.slot.lock();
        state.object = self.object.take();
        state.moved += self.step.moved as u64;
        if state.end.is_none() {
            // A cancel that came during the poll counts from here on.
            let cancelled = state.cancelled.then_some(End::Cancelled);
            state.end = self.step.end.take().or(cancelled);
        }
        let stale = mem::replace(&mut state.parked, self.parked.take());
        let wake = match &state.end {
            Some(_) => [state.waiting.take(), state.parked.take()],
            None => [None, None],
        };
        drop(state);
        drop(stale);
        wake.into_iter().flatten().for_each(Waker::wake);
    }
}
