//! The slot in which a stream and its completion share the source or sink, and what is beside it.
//!
//! The object is polled in place, under the lock `state`: one lock an operation. Its code may itself cancel, or wait for a
//! lock that the canceller holds, so nobody may wait for `state` while the object is polled. `cancel` and
//! `Completion::poll` only `try_lock`. On contention they set `cancel_requested`, and whoever holds the lock acts on it.
//!
//! Invariants:
//!
//! 1. Only the stream waits for `state` while it is open (`end` is `None`); everybody else tries it.
//! 2. `cancel_requested` is never reset, and `reason` is set before it.
//! 3. Whoever unlocks `state` looks at `cancel_requested` afterwards, with a fence in between; whoever requests a cancel sets
//!    it, passes a fence, and then tries the lock. So one of the two sees the other, and a request is never lost: the
//!    stream has ended as cancelled when the later one of the two returns.
//! 4. `Completion::poll` registers its waker before it tries the lock, and whoever sets `end` wakes it after the unlock. So a
//!    completion whose `try_lock` failed need not ask again.
//! 5. `end` is set once by `finish`, by `poll_close` once more if the close fails. The object is away (`None`) while it is
//!    told of the end, outside of the lock, and comes back with the end whatever its code does, a panic included.
//! 6. No waker is called or dropped, and no code of the object's but a poll is run, under a lock.
//!
//! The tests: `streams::races` and `streams::reentrancy` for 1 to 4, `streams::wakers` and `streams::panics` for 5 and 6.
//!
//! Once the completion and its handles are gone nobody can come in any more. The stream then takes the object out, and
//! polls it without a lock.

use std::any::Any;
use std::marker::PhantomData;
use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering, fence};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::task::{Context, Poll, Waker};

use crate::layer::{Outcome, Signals};
use crate::place::{Beside, Kind, dropped};
use crate::wake::wake_both;
use crate::{End, EndReason};

/// What is left when a stream has ended.
pub(crate) struct Ended<S, E> {
    pub(super) end: End<E>,
    pub(super) moved: u64,
    pub(super) object: S,
    /// What was looked ahead and never read.
    pub(super) ahead: Option<Box<dyn Any + Send>>,
}

pub(super) struct State<S, T, E> {
    /// `None` while it is told of its end or closed, and after it was handed back.
    pub(super) object: Option<(S, Beside<T, E>)>,
    pub(super) end: Option<End<E>>,
}

impl<S, T, E> State<S, T, E> {
    pub(super) const EMPTY: Self = Self { object: None, end: None };
}

/// `Pin::new`, captured where `S: Unpin` is known.
pub(crate) type PinFn<S> = fn(&mut S) -> Pin<&mut S>;

#[derive(Default)]
struct Wakers {
    /// The guest's parked operation.
    parked: Option<Waker>,
    /// The host's completion.
    waiting: Option<Waker>,
}

#[allow(unreachable_pub)] // sealed
pub struct Slot<K: Kind<S>, S: Send> {
    pub(super) state: Mutex<State<S, K::Item, K::Error>>,
    pub(super) cancel_requested: AtomicBool,
    /// Why the stream is to end, once a cancel is requested.
    reason: Mutex<Option<EndReason>>,
    wakers: Mutex<Wakers>,
    /// Lives as long as the store's data.
    store: Mutex<Option<Weak<()>>>,
    pub(super) signals: Mutex<Signals>,
    /// [`PIPING`] while the host pipes the stream.
    piping: AtomicU8,
    pub(super) pin: PinFn<S>,
    kind: PhantomData<fn(K)>,
}

const PIPING: u8 = 1;
const DROPPED_WHILE_PIPING: u8 = 2;

/// What a cancel handle needs, whatever the stream is of.
pub(crate) trait Cancel: Send + Sync {
    fn cut(&self, reason: EndReason);
}

/// What a completion needs, whatever the stream is of.
pub(crate) trait Completing<S, E>: Cancel {
    fn poll_ended(&self, cx: &mut Context<'_>) -> Poll<bool>;
    fn poll_close(&self, cx: &mut Context<'_>, cut: Option<EndReason>) -> Poll<()>;
    fn take(&self) -> Option<Ended<S, E>>;
    fn watch(&self, store: Weak<()>);
    fn poll_signals(&self, cx: &mut Context<'_>) -> Poll<EndReason>;
    fn begin_piping(&self);
    fn piped(&self, ok: bool);
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic in a poll leaves the object where it is; nothing else is half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) type Guard<'a, K, S> =
    MutexGuard<'a, State<S, <K as Kind<S>>::Item, <K as Kind<S>>::Error>>;

impl<K: Kind<S>, S: Send> Slot<K, S> {
    pub(crate) fn new(object: S, beside: Beside<K::Item, K::Error>, pin: PinFn<S>) -> Self {
        let mut signals = Signals::default();
        beside.layers.share(&mut signals);
        Self {
            signals: Mutex::new(signals),
            state: Mutex::new(State { object: Some((object, beside)), end: None }),
            cancel_requested: AtomicBool::new(false),
            reason: Mutex::new(None),
            wakers: Mutex::default(),
            store: Mutex::new(None),
            piping: AtomicU8::new(0),
            pin,
            kind: PhantomData,
        }
    }

    fn try_lock(&self) -> Option<Guard<'_, K, S>> {
        match self.state.try_lock() {
            Ok(state) => Some(state),
            Err(TryLockError::Poisoned(state)) => Some(state.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Unlocks, and does what was asked for meanwhile: invariant 3.
    #[inline]
    fn unlock(&self, state: Guard<'_, K, S>) {
        drop(state);
        fence(Ordering::SeqCst);
        if self.cancel_requested.load(Ordering::Relaxed) {
            self.cancel_now();
        }
    }

    /// Ends the stream as was requested, unless somebody else has the lock, and so will do it.
    #[cold]
    fn cancel_now(&self) {
        if let (Some(reason), Some(state)) = (self.requested(), self.try_lock()) {
            self.finish(state, reason.into(), 0);
        }
    }

    fn wake(&self) {
        let Wakers { parked, waiting } = mem::take(&mut *locked(&self.wakers));
        wake_both(parked, waiting);
    }

    fn requested(&self) -> Option<EndReason> {
        if self.is_requested() { *locked(&self.reason) } else { None }
    }

    #[inline]
    fn is_requested(&self) -> bool {
        self.cancel_requested.load(Ordering::Acquire)
    }

    fn store_is_gone(&self) -> bool {
        locked(&self.store).as_ref().is_some_and(|store| store.strong_count() == 0)
    }

    /// Wasmtime has dropped the stream. Within a `pipe` it is not known yet whether by the guest.
    pub(super) fn dropped(&self) {
        let (from, to) = (PIPING, DROPPED_WHILE_PIPING);
        if self.piping.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            self.end_dropped();
        }
    }

    fn end_dropped(&self) {
        // A cancel that came in the instant before comes first.
        let reason = match self.requested() {
            Some(reason) => reason,
            None if self.store_is_gone() => EndReason::Abandoned,
            None => dropped::<K, S>(),
        };
        self.finish(locked(&self.state), reason.into(), 0);
    }

    pub(super) fn forget_wakers(&mut self) {
        self.wakers = Mutex::default();
    }

    /// For a poll of the object; `None` if the stream has ended.
    #[inline]
    pub(super) fn before_poll(&self) -> Option<Guard<'_, K, S>> {
        let state = locked(&self.state);
        if state.end.is_none() && !self.is_requested() {
            return Some(state);
        }
        self.unlock(state);
        None
    }

    #[inline]
    pub(super) fn after_poll(&self, state: Guard<'_, K, S>, cx: &Context<'_>, pending: bool) {
        if pending && state.end.is_none() {
            self.park(state, cx);
        } else {
            self.unlock(state);
        }
    }

    /// Unlocks; whoever ends the stream wakes the operation.
    fn park(&self, state: Guard<'_, K, S>, cx: &Context<'_>) {
        let waker = cx.waker().clone();
        let stale = locked(&self.wakers).parked.replace(waker);
        self.unlock(state);
        // Outside of the lock: it may own a task that holds the stream, which takes the lock when it is dropped.
        drop(stale);
    }

    /// Lets the object do something that cannot wait, if the stream has not ended.
    pub(super) fn with(&self, act: impl FnOnce(Pin<&mut S>)) {
        let mut state = locked(&self.state);
        if let State { end: None, object: Some((object, _)) } = &mut *state {
            act((self.pin)(object));
        }
        self.unlock(state);
    }

    /// Ends the stream, unless it has ended.
    pub(super) fn finish(&self, mut state: Guard<'_, K, S>, end: End<K::Error>, lost: usize) {
        if state.end.is_some() {
            return drop(state);
        }
        let Some(object) = state.object.take() else {
            state.end = Some(end);
            drop(state);
            return self.wake();
        };
        // Closes the slot to everybody else while the object is told.
        state.end = Some(End::Finished);
        drop(state);
        let mut back = Back { slot: self, object: Some(object), end: Some(end) };
        if let Back { object: Some((object, beside)), end: Some(end), .. } = &mut back {
            beside.tell::<K, S>((self.pin)(object), end, lost);
        }
    }

    /// Registers the host's completion.
    fn wait(&self, cx: &Context<'_>) {
        let waker = cx.waker().clone();
        let stale = locked(&self.wakers).waiting.replace(waker);
        drop(stale);
    }
}

/// An object that is away from its slot; it comes back as this is dropped, with the end.
struct Back<'a, K: Kind<S>, S: Send> {
    slot: &'a Slot<K, S>,
    object: Option<(S, Beside<K::Item, K::Error>)>,
    end: Option<End<K::Error>>,
}

impl<K: Kind<S>, S: Send> Drop for Back<'_, K, S> {
    fn drop(&mut self) {
        let mut state = locked(&self.slot.state);
        state.object = self.object.take();
        let stale = mem::replace(&mut state.end, self.end.take());
        drop(state);
        drop(stale);
        self.slot.wake();
    }
}

impl<K: Kind<S>, S: Send> Cancel for Slot<K, S> {
    fn cut(&self, reason: EndReason) {
        locked(&self.reason).get_or_insert(reason);
        // The first request is not lost, so another one changes nothing; a completion whose deadline has passed asks again
        // at each of its polls.
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
        // A close that is under way is given up.
        self.wake();
    }
}

impl<K: Kind<S>, S: Send> Completing<S, K::Error> for Slot<K, S> {
    /// Ready once the stream has ended; `true` if a sink is to be closed then.
    fn poll_ended(&self, cx: &mut Context<'_>) -> Poll<bool> {
        self.wait(cx);
        // Invariant 4: if it is taken, whoever has it wakes this once the stream has ended.
        let Some(state) = self.try_lock() else { return Poll::Pending };
        let polled = match &*state {
            State { end: Some(end), object: Some(_) } => {
                Poll::Ready(matches!(end, End::Finished | End::LimitReached))
            }
            _ => Poll::Pending,
        };
        self.unlock(state);
        polled
    }

    /// After an end in order: flushes and closes a sink in its place. `cut`: what ends the stream from outside.
    fn poll_close(&self, cx: &mut Context<'_>, cut: Option<EndReason>) -> Poll<()> {
        self.wait(cx);
        // Polled outside of the lock: the stream may be dropped by it, which takes the lock.
        let Some((mut object, mut beside)) = locked(&self.state).object.take() else {
            return Poll::Ready(());
        };
        beside.layers.enter();
        let mut closed = K::poll_close((self.pin)(&mut object), cx);
        // A close that is done at once is not given up: the data had come to its end before.
        if closed.is_pending()
            && let Some(reason) = cut.or_else(|| self.requested())
        {
            closed = Poll::Ready(Err(reason.into()));
        }
        beside.layers.exit();
        let end = match closed {
            Poll::Pending => {
                locked(&self.state).object = Some((object, beside));
                return Poll::Pending;
            }
            Poll::Ready(Ok(())) => None,
            Poll::Ready(Err(halt)) => Some(halt),
        };
        if K::SINK {
            let finished = Outcome::Ended(EndReason::Finished);
            let outcome = end.as_ref().map_or(finished, |end| Outcome::of(end, 0));
            beside.layers.closed(&outcome, beside.moved);
        }
        let mut state = locked(&self.state);
        state.object = Some((object, beside));
        if end.is_some() {
            state.end = end;
        }
        Poll::Ready(())
    }

    fn take(&self) -> Option<Ended<S, K::Error>> {
        let mut state = locked(&self.state);
        let (object, beside) = state.object.take()?;
        // Ended for good: the stream must not find the slot open again.
        let end = state.end.replace(End::Finished).unwrap_or(End::Finished);
        drop(state);
        let Beside { layers, moved, ahead } = beside;
        drop(layers);
        let ahead = ahead.map(|ahead| Box::new(ahead.item) as _);
        Some(Ended { end, moved, object, ahead })
    }

    fn watch(&self, store: Weak<()>) {
        *locked(&self.store) = Some(store);
    }

    fn poll_signals(&self, cx: &mut Context<'_>) -> Poll<EndReason> {
        // Polled outside of the lock.
        let signals = locked(&self.signals).clone();
        signals.poll(cx)
    }

    fn begin_piping(&self) {
        self.piping.store(PIPING, Ordering::Relaxed);
    }

    fn piped(&self, ok: bool) {
        let dropped = self.piping.swap(0, Ordering::Relaxed) == DROPPED_WHILE_PIPING;
        match ok {
            true if dropped => self.end_dropped(),
            true => {}
            false => self.cut(EndReason::Abandoned),
        }
    }
}
