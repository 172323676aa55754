//! The slot in which a stream and its completion share the source or sink.
//!
//! The object is polled in place, under its lock: one lock an operation. So nobody else may ever wait for that lock while
//! the object is polled, for its code may itself cancel, or wait for a lock that the canceller holds. Who cancels, and the
//! completion, only try it; if it is taken they leave word (`cut`) and wake both sides, of which one finds it:
//!
//! - A poll looks for word before it polls the object and, once it has left the waker of a parked operation, after it. Word
//!   that comes later than that finds the waker there.
//! - A completion that finds word and the lock taken asks again: the other side is about to let go of it.
//!
//! Whoever lets go of the lock of a stream that has ended wakes the completion, which may have tried it in vain.
//!
//! Once the completion and its handles are gone nobody can come in any more. The stream then takes the object out, and
//! polls it without a lock.

use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::task::{Context, Poll, Waker};

use crate::{End, Why};

/// What is left when a stream has ended.
pub(super) struct Ended<S, E> {
    pub(super) end: End<E>,
    pub(super) moved: u64,
    pub(super) object: S,
}

/// An object's `stream_ended`, captured where it is known which of the four traits it has.
pub(super) type Over<S> = fn(&mut S, Option<Why>);

struct State<S, E> {
    /// `None` while it is told of its end, and after it was handed back.
    object: Option<S>,
    end: Option<End<E>>,
    moved: u64,
}

impl<S, E> State<S, E> {
    const EMPTY: Self = Self { object: None, end: None, moved: 0 };

    /// Polls the object; `None` if there is none any more.
    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut S>, &mut Context<'_>, &mut Step<'_, E>) -> Poll<T>,
    ) -> Option<Poll<T>>
    where
        S: Unpin,
    {
        let Self { object, end, moved } = self;
        Some(poll(Pin::new(object.as_mut()?), cx, &mut Step { end, moved }))
    }
}

#[derive(Default)]
struct Wakers {
    /// The guest's parked operation.
    parked: Option<Waker>,
    /// The host's completion.
    waiting: Option<Waker>,
}

pub(super) struct Slot<S, E> {
    state: Mutex<State<S, E>>,
    /// The host wants the stream to end, and `why`.
    wanted: AtomicBool,
    why: Mutex<Option<Why>>,
    wakers: Mutex<Wakers>,
    /// Lives as long as the store's data.
    store: Mutex<Option<Weak<()>>>,
    over: Over<S>,
}

/// Type-erased, for the cancel handle.
pub(super) trait Cancel: Send + Sync {
    fn cancel(&self);
}

impl<S: Send, E: Send> Cancel for Slot<S, E> {
    fn cancel(&self) {
        self.cut(Why::Cancelled);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic in a poll leaves the object where it is; nothing else is half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S, E> Slot<S, E> {
    pub(super) fn new(object: S, over: Over<S>) -> Self {
        let state = State { object: Some(object), ..State::EMPTY };
        Self {
            state: Mutex::new(state),
            wanted: AtomicBool::new(false),
            why: Mutex::new(None),
            wakers: Mutex::default(),
            store: Mutex::new(None),
            over,
        }
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, State<S, E>>> {
        match self.state.try_lock() {
            Ok(state) => Some(state),
            Err(TryLockError::Poisoned(state)) => Some(state.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Lets go of the lock.
    fn release(&self, state: MutexGuard<'_, State<S, E>>) {
        let ended = state.end.is_some();
        drop(state);
        if ended {
            self.wake();
        }
    }

    fn wake(&self) {
        let Wakers { parked, waiting } = mem::take(&mut *locked(&self.wakers));
        parked.into_iter().chain(waiting).for_each(Waker::wake);
    }

    fn wanted(&self) -> Option<Why> {
        if self.is_wanted() { *locked(&self.why) } else { None }
    }

    pub(super) fn watch(&self, store: Weak<()>) {
        *locked(&self.store) = Some(store);
    }

    pub(super) fn store_is_gone(&self) -> bool {
        locked(&self.store).as_ref().is_some_and(|store| store.strong_count() == 0)
    }

    /// Takes back what was counted for items that did not reach the guest.
    pub(super) fn undo(&self, lost: usize) {
        let mut state = locked(&self.state);
        state.moved = state.moved.saturating_sub(lost as u64);
    }

    /// Whether there may be word from the host.
    fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Acquire)
    }

    /// For a poll of the object; `None` if the stream has ended.
    #[inline]
    fn before_poll(&self) -> Option<MutexGuard<'_, State<S, E>>> {
        let state = locked(&self.state);
        if state.end.is_none() && !self.is_wanted() {
            return Some(state);
        }
        self.let_go(state);
        None
    }

    #[inline]
    fn after_poll(&self, state: MutexGuard<'_, State<S, E>>, cx: &Context<'_>, pending: bool) {
        if pending && state.end.is_none() {
            self.park(state, cx);
        } else if state.end.is_some() || self.is_wanted() {
            self.let_go(state);
        }
    }

    /// Lets go of the lock; who ends the stream wakes the operation.
    fn park(&self, state: MutexGuard<'_, State<S, E>>, cx: &Context<'_>) {
        let waker = cx.waker().clone();
        let stale = locked(&self.wakers).parked.replace(waker);
        self.let_go(state);
        // Outside of the lock: it may own a task that holds the stream, which takes the lock when it is dropped.
        drop(stale);
    }

    /// Tells the object something, if the stream has not ended.
    pub(super) fn tell(&self, tell: impl FnOnce(Pin<&mut S>))
    where
        S: Unpin,
    {
        let mut state = locked(&self.state);
        if state.end.is_none()
            && let Some(object) = state.object.as_mut()
        {
            tell(Pin::new(object));
        }
        self.let_go(state);
    }

    /// Lets go of the lock, after the object's own code has run under it: word may have been left meanwhile.
    fn let_go(&self, state: MutexGuard<'_, State<S, E>>) {
        match self.wanted() {
            Some(why) => self.finish(state, why.into(), Some(why)),
            None => self.release(state),
        }
    }

    /// Ends the stream, unless it has ended; the object hears of it, outside of the lock.
    fn finish<'a>(&'a self, mut state: MutexGuard<'a, State<S, E>>, end: End<E>, cut: Option<Why>) {
        if state.end.is_none() {
            state.end = Some(end);
            if let Some(mut object) = state.object.take() {
                drop(state);
                (self.over)(&mut object, cut);
                state = locked(&self.state);
                state.object = Some(object);
            }
        }
        self.release(state);
    }

    /// Ends the stream by an end that is the object's own.
    pub(super) fn end_itself(&self, end: End<E>) {
        let mut state = locked(&self.state);
        state.end.get_or_insert(end);
        self.release(state);
    }

    /// Ends the stream from its own side, as `end`; `cut` if that is not the end of its data.
    pub(super) fn end(&self, end: End<E>, cut: Option<Why>) {
        self.finish(locked(&self.state), end, cut);
    }

    /// Ends the stream from the host's side.
    pub(super) fn cut(&self, why: Why) {
        locked(&self.why).get_or_insert(why);
        self.wanted.store(true, Ordering::Release);
        match self.try_lock() {
            Some(state) => self.finish(state, why.into(), Some(why)),
            None => self.wake(),
        }
    }

    /// Registers the host's completion.
    fn wait(&self, cx: &mut Context<'_>) {
        let waker = cx.waker().clone();
        let stale = locked(&self.wakers).waiting.replace(waker);
        drop(stale);
    }

    /// After the end, while the object is closed: waits for word that it is not to be waited for.
    pub(super) fn poll_wanted(&self, cx: &mut Context<'_>) -> Poll<Why> {
        self.wait(cx);
        self.wanted().map_or(Poll::Pending, Poll::Ready)
    }

    /// Hands the object over once the stream has ended.
    pub(super) fn poll_ended(&self, cx: &mut Context<'_>) -> Poll<Ended<S, E>> {
        self.wait(cx);
        let Some(mut state) = self.try_lock() else {
            if self.wanted.load(Ordering::Acquire) {
                cx.waker().wake_by_ref();
            }
            return Poll::Pending;
        };
        if state.end.is_none()
            && let Some(why) = self.wanted()
        {
            self.finish(state, why.into(), Some(why));
            state = locked(&self.state);
        }
        match (state.end.take(), state.object.take()) {
            (Some(end), Some(object)) => {
                // Ended for good: the stream must not find the slot open again.
                state.end = Some(End::Finished);
                Poll::Ready(Ended { end, moved: state.moved, object })
            }
            (end, object) => {
                state.end = end;
                state.object = object;
                Poll::Pending
            }
        }
    }
}

/// The stream's side of a slot.
pub(super) struct Held<S, E> {
    slot: Arc<Slot<S, E>>,
    /// What was in the slot, once nobody else has it, nor will.
    alone: Option<State<S, E>>,
}

impl<S, E> Held<S, E> {
    pub(super) fn new(slot: Arc<Slot<S, E>>) -> Self {
        Self { slot, alone: None }
    }

    /// The slot, with all that belongs in it.
    pub(super) fn slot(&mut self) -> &Slot<S, E> {
        if let Some(state) = self.alone.take() {
            *locked(&self.slot.state) = state;
        }
        &self.slot
    }

    /// Polls the object in its place; `None` if the stream has ended.
    pub(super) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut S>, &mut Context<'_>, &mut Step<'_, E>) -> Poll<T>,
    ) -> Option<Poll<T>>
    where
        S: Unpin,
    {
        // The counts are loads, for every operation; they may be out of date, which `get_mut` is not.
        if self.alone.is_none() && Arc::strong_count(&self.slot) == 1 {
            self.take_out();
        }
        let Self { slot, alone } = self;
        let mut shared = None;
        let state = match alone {
            Some(state) if state.end.is_some() => return None,
            Some(state) => state,
            None => &mut **shared.insert(slot.before_poll()?),
        };
        let answer = state.poll(cx, poll)?;
        if let Some(state) = shared {
            slot.after_poll(state, cx, answer.is_pending());
        }
        Some(answer)
    }

    #[inline(never)]
    fn take_out(&mut self) {
        if Arc::weak_count(&self.slot) == 0
            && let Some(slot) = Arc::get_mut(&mut self.slot)
            // Else it is about to end.
            && !*slot.wanted.get_mut()
        {
            slot.wakers = Mutex::default();
            let state = slot.state.get_mut().unwrap_or_else(PoisonError::into_inner);
            self.alone = Some(mem::replace(state, State::EMPTY));
        }
    }

    /// Asks the object something.
    pub(super) fn ask(&self, ask: impl FnMut(&S)) {
        match &self.alone {
            Some(state) => state.object.iter().for_each(ask),
            None => locked(&self.slot.state).object.iter().for_each(ask),
        }
    }
}

/// Where a poll leaves word of what came of it.
pub(super) struct Step<'a, E> {
    end: &'a mut Option<End<E>>,
    moved: &'a mut u64,
}

impl<E> Step<'_, E> {
    /// The stream ended.
    pub(super) fn end(&mut self, end: End<E>) {
        *self.end = Some(end);
    }

    /// So much moved.
    pub(super) fn moved(&mut self, items: usize) {
        *self.moved += items as u64;
    }
}
