//! The slot in which a stream and its completion share the source or sink.
//!
//! The object is polled in place, under the lock `state`: one lock an operation. A cancel hands it back at once, also
//! while the guest has no operation under way, because it never leaves the slot while the stream is idle.
//!
//! # The lock `state`
//!
//! It guards the object, the [`StreamState`] kept with it, and the end.
//!
//! - *Who takes it:* the stream for each operation, for a cancelled operation, at its end and when it is dropped;
//!   `cut`, which is every cancel and every deadline; the completion to see whether the stream has ended, to close a
//!   sink and to take the object out.
//! - *What runs under it:* the `poll_*` methods and `op_cancelled` of the object, the layers around such a poll, and
//!   `clone` of the operation's waker. All of that is the user's code, and may take as long as it likes.
//! - *Who waits for it:* while the stream is open, the stream alone. `cut` and `Completion::poll` only `try_lock`. Once
//!   `end` is set no user code runs under the lock, a holder does a few steps, and everybody may wait.
//! - *Why:* the object may cancel its own stream, or poll its own completion, from within its poll: a wait would
//!   deadlock on one thread. It may wait for a lock that the canceller holds: a wait would deadlock two threads.
//! - *What is done outside of it:* `ended` and `poll_close` of the object, wakers, and the drop of whatever is replaced
//!   (a waker, an end, the layers). The object is out of the slot meanwhile.
//! - *Contention:* whoever cancels sets `cancel_requested` before it tries the lock, and the holder reads that after
//!   its unlock.
//!
//! # Invariants
//!
//! 1. While the stream is open (`end` is `None`) only the stream waits for `state`. `take` is called once `end` is set.
//!    *Tests:* `tests/streams/reentrancy.rs`
//!    (`a_canceller_may_hold_a_lock_that_the_poll_waits_for`, `a_source_may_poll_and_cancel_its_own_completion`, and
//!    `a_source_...` and `a_sink_may_cancel_its_own_stream_wherever_it_is_asked`).
//! 2. `reason` is set before `cancel_requested`, and neither is reset. So whoever sees the flag finds a reason, and
//!    only the request that set the flag acts; later ones change nothing. *Tests:* `the_first_of_several_counts` in
//!    `tests/streams/until.rs`, `tests/streams/races.rs`.
//! 3. No cancel is lost. `unlock` releases `state`, passes a fence and reads `cancel_requested`; `cut` sets it, passes
//!    a fence and tries `state`. In any order of the two, the flag is seen or the lock is free. So when the later one
//!    has returned, the stream has ended with the requested reason. *Tests:* `tests/streams/lost_cancels.rs`,
//!    `tests/streams/races.rs`.
//! 4. `Completion::poll` registers its waker before it tries the lock, and whoever else sets `end`, or has the lock while
//!    it is set, wakes it after the unlock. So after a failed `try_lock` it is pending without asking again: it neither
//!    spins nor misses the end. It does not wake itself either while another thread notifies the object.
//!    *Tests:* `tests/streams/cancelled_polls.rs`, `whoever_awaits_a_completion_is_woken_by_every_end` in
//!    `tests/streams/completion.rs`.
//! 5. A parked operation is registered under `state`, and whoever sets `end` wakes it as well. *Tests:*
//!    `a_cancel_wakes_a_parked_read_and_hands_the_source_back` in `tests/streams/completion.rs`, `At::PollPending` in
//!    `tests/streams/reentrancy.rs`.
//! 6. The stream ends once: `finish` does nothing where `end` is set. Afterwards only `poll_close` changes `end`, if
//!    the close fails, and `take` leaves `Finished` in it, so that the stream never finds the slot open again. *Tests:*
//!    `tests/streams/races.rs` (`told == 1`), `a_sink_is_notified_once_of_its_end` in `tests/streams/reentrancy.rs`.
//! 7. The object is notified of the end outside of every lock, with `end` set and `object` empty; it comes back, with
//!    the real end, when [`PutBack`] is dropped, after a panic too. So `ended` may cancel and may panic, and the
//!    completion resolves. *Tests:* `a_completion_resolves_though_its_object_panics_when_notified_of_the_end` in
//!    `tests/streams/panics.rs`, `At::StreamEnded` in `tests/streams/reentrancy.rs`.
//! 8. No waker is called or dropped under a lock: it may own the store, and the drop of the store takes `state`. Both
//!    wakers are called though the first one panics. *Tests:* `tests/streams/wakers.rs`,
//!    `a_waker_that_panics_does_not_keep_the_other_from_being_woken` in `tests/streams/panics.rs`.
//! 9. Once the completion and its handles are gone nobody else can reach the slot. The stream then moves the state out
//!    and polls the object without a lock (`shared.rs`). `Arc::get_mut` proves it; the count that is read first is only
//!    a hint. *Tests:* `tests/streams/completion_dropped.rs`.
//! 10. An object that nobody takes out is dropped once the stream has ended, also while the guest keeps its end. `orphaned`
//!     is set, then a fence is passed and the lock tried; whoever has it unlocks, passes a fence and reads `orphaned`.
//!     *Tests:* `tests/streams/dropped_drives.rs`.
//!
//! # Models
//!
//! Each invariant has models in `tests/loom/src/models/slot*.rs`, which try every order of the steps, and a variant in
//! `tests/loom/check/breaks/slot.rs` that breaks it and is found. The panics of 7 and 8 have tests only.
//!
//! # The other locks
//!
//! `reason`, `wakers`, `store` and `signals` are held for a copy or a replacement; nothing is locked and no user code
//! runs under them, so anybody may wait for them, also under `state` (`park` does for `wakers`). Wakers and
//! signals are moved or cloned out before they are called or polled.
//!
//! # The atomic `piping`
//!
//! Wasmtime drops a consumer in `pipe` if that fails, and also if the guest had dropped its end before. It looks the
//! same until `pipe` returns, so `stream_dropped` leaves `DROPPED_WHILE_PIPING` and `piped` decides. Each of them is
//! one read-modify-write of one atomic, so exactly one of the two ends the stream in either order. `piped` requests the
//! cut of a pipe that has failed before its swap (`AcqRel`), so a drop that comes after (`Acquire`) ends as that says.

use std::marker::PhantomData;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Waker};

use crate::layer::Signals;
use crate::place::{Kind, StreamState, drop_reason};
use crate::sync::atomic::{AtomicBool, AtomicU8, Ordering, fence};
use crate::sync::{Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use crate::wake::wake_both;
use crate::{End, EndReason};

/// What `state` guards.
pub(super) struct SlotState<S, T, E> {
    /// `None` while the object is notified of the end or closed, and after it was handed back.
    pub(super) object: Option<(S, StreamState<T, E>)>,
    /// `None` while the stream is open.
    pub(super) end: Option<End<E>>,
}

impl<S, T, E> SlotState<S, T, E> {
    pub(super) const EMPTY: Self = Self { object: None, end: None };
}

/// `Pin::new`, captured where `S: Unpin` is known.
pub(crate) type PinFn<S> = fn(&mut S) -> Pin<&mut S>;

#[derive(Default)]
struct Wakers {
    /// Of the guest's parked operation.
    operation: Option<Waker>,
    /// Of the task that awaits the completion.
    completion: Option<Waker>,
}

/// See the module documentation.
#[allow(unreachable_pub)] // sealed
pub struct Slot<K: Kind<S>, S: Send> {
    pub(super) state: Mutex<SlotState<S, K::Item, K::Error>>,
    /// The stream is to end: invariant 3.
    pub(super) cancel_requested: AtomicBool,
    /// Nobody takes the object out any more: it is dropped once the stream has ended. Set before `cancel_requested`.
    pub(super) orphaned: AtomicBool,
    /// Why the stream is to end: invariant 2.
    pub(super) reason: Mutex<Option<EndReason>>,
    wakers: Mutex<Wakers>,
    /// The store's token, if the completion watches one.
    pub(super) store: Mutex<Option<Weak<()>>>,
    pub(super) signals: Mutex<Signals>,
    /// 0, [`PIPING`] while the host pipes the stream, or [`DROPPED_WHILE_PIPING`].
    pub(super) piping: AtomicU8,
    pub(super) pin: PinFn<S>,
    kind: PhantomData<fn(K)>,
}

pub(super) const PIPING: u8 = 1;
pub(super) const DROPPED_WHILE_PIPING: u8 = 2;

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic in a poll poisons `state` and leaves the object where it is; nothing is half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) type Guard<'a, K, S> =
    MutexGuard<'a, SlotState<S, <K as Kind<S>>::Item, <K as Kind<S>>::Error>>;

impl<K: Kind<S>, S: Send> Slot<K, S> {
    pub(crate) fn new(object: S, stream: StreamState<K::Item, K::Error>, pin: PinFn<S>) -> Self {
        let mut signals = Signals::default();
        stream.layers.share(&mut signals);
        Self {
            signals: Mutex::new(signals),
            state: Mutex::new(SlotState { object: Some((object, stream)), end: None }),
            cancel_requested: AtomicBool::new(false),
            orphaned: AtomicBool::new(false),
            reason: Mutex::new(None),
            wakers: Mutex::default(),
            store: Mutex::new(None),
            piping: AtomicU8::new(0),
            pin,
            kind: PhantomData,
        }
    }

    pub(super) fn try_lock(&self) -> Option<Guard<'_, K, S>> {
        match self.state.try_lock() {
            Ok(state) => Some(state),
            Err(TryLockError::Poisoned(state)) => Some(state.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Drops the object of a stream that has ended, if nobody takes it out any more: invariant 10.
    #[cold]
    pub(super) fn drop_orphan(&self) {
        // After an unlock, or after `orphaned` is set. As in invariant 3: the flag is seen here, or the lock is free there.
        fence(Ordering::SeqCst);
        if !self.orphaned.load(Ordering::Relaxed) {
            return;
        }
        let Some(mut state) = self.try_lock() else { return };
        if state.end.is_none() {
            // Invariant 3: whoever wanted to end the stream meanwhile has found the lock taken.
            return self.unlock(state);
        }
        let object = state.object.take();
        drop(state);
        drop(object);
    }

    /// Unlocks, and ends the stream if that was requested meanwhile: invariant 3.
    #[inline]
    pub(super) fn unlock(&self, state: Guard<'_, K, S>) {
        drop(state);
        fence(Ordering::SeqCst);
        if self.cancel_requested.load(Ordering::Relaxed) {
            self.cancel_now();
        }
    }

    /// The same for a stream that may have ended.
    #[cold]
    pub(super) fn unlock_ended(&self, state: Guard<'_, K, S>) {
        if state.end.is_some() {
            drop(state);
            self.unlocked_ended();
        } else {
            self.unlock(state);
        }
    }

    /// Called by whoever has had the lock of a stream that has ended: the completion may have found it taken, and waits
    /// to be woken (invariant 4); so may whoever drops an orphan (invariant 10).
    #[cold]
    pub(super) fn unlocked_ended(&self) {
        self.wake();
        self.drop_orphan();
    }

    /// Ends the stream as requested. Whoever has the lock instead does it at its unlock.
    #[cold]
    fn cancel_now(&self) {
        if let (Some(reason), Some(state)) = (self.requested_reason(), self.try_lock()) {
            self.finish(state, reason.into(), 0);
        }
    }

    /// Wakes the parked operation and the completion. Called without a lock: invariant 8.
    pub(super) fn wake(&self) {
        let Wakers { operation, completion } = mem::take(&mut *locked(&self.wakers));
        wake_both(operation, completion);
    }

    pub(super) fn requested_reason(&self) -> Option<EndReason> {
        if self.is_requested() { *locked(&self.reason) } else { None }
    }

    #[inline]
    fn is_requested(&self) -> bool {
        self.cancel_requested.load(Ordering::Acquire)
    }

    fn store_is_gone(&self) -> bool {
        locked(&self.store).as_ref().is_some_and(|store| store.strong_count() == 0)
    }

    /// Wasmtime has dropped the stream. During a `pipe`, `piped` decides what that means.
    pub(super) fn stream_dropped(&self) {
        let (from, to) = (PIPING, DROPPED_WHILE_PIPING);
        if self.piping.compare_exchange(from, to, Ordering::Relaxed, Ordering::Acquire).is_err() {
            self.end_dropped();
        }
    }

    pub(super) fn end_dropped(&self) {
        // A cancel that was requested before the drop comes first.
        let reason = match self.requested_reason() {
            Some(reason) => reason,
            None if self.store_is_gone() => EndReason::Abandoned,
            None => drop_reason::<K, S>(),
        };
        self.finish(locked(&self.state), reason.into(), 0);
    }

    pub(super) fn clear_wakers(&mut self) {
        self.wakers = Mutex::default();
    }

    /// Locks for a poll of the object; `None` if the stream has ended.
    #[inline]
    pub(super) fn before_poll(&self) -> Option<Guard<'_, K, S>> {
        let state = locked(&self.state);
        if state.end.is_none() && !self.is_requested() {
            return Some(state);
        }
        self.unlock_ended(state);
        None
    }

    /// Unlocks after a poll of the object, and parks the operation if that was pending.
    #[inline]
    pub(super) fn after_poll(&self, state: Guard<'_, K, S>, cx: &Context<'_>, pending: bool) {
        if pending && state.end.is_none() {
            self.park(state, cx);
        } else {
            self.unlock(state);
        }
    }

    /// Registers the operation, then unlocks: invariant 5.
    fn park(&self, state: Guard<'_, K, S>, cx: &Context<'_>) {
        let waker = cx.waker().clone();
        let stale = locked(&self.wakers).operation.replace(waker);
        self.unlock(state);
        // Invariant 8.
        drop(stale);
    }

    /// Calls a method of the object that cannot wait, if the stream has not ended.
    pub(super) fn with_object(&self, act: impl FnOnce(Pin<&mut S>)) {
        let mut state = locked(&self.state);
        if let SlotState { end: None, object: Some((object, _)) } = &mut *state {
            act((self.pin)(object));
        }
        self.unlock_ended(state);
    }

    /// Ends the stream, unless it has ended: invariants 6 and 7.
    pub(super) fn finish(&self, mut state: Guard<'_, K, S>, end: End<K::Error>, lost: usize) {
        if state.end.is_some() {
            drop(state);
            return self.unlocked_ended();
        }
        let Some(object) = state.object.take() else {
            state.end = Some(end);
            drop(state);
            return self.unlocked_ended();
        };
        // A placeholder: everybody else sees a stream that has ended, and no object.
        state.end = Some(End::Finished);
        drop(state);
        let mut back = PutBack { slot: self, object: Some(object), end: Some(end) };
        if let PutBack { object: Some((object, stream)), end: Some(end), .. } = &mut back {
            stream.notify::<K, S>((self.pin)(object), end, lost);
        }
    }

    /// Registers the waker of the completion: invariant 4.
    pub(super) fn register_completion(&self, cx: &Context<'_>) {
        let waker = cx.waker().clone();
        let stale = locked(&self.wakers).completion.replace(waker);
        drop(stale);
    }
}

/// An object that is notified of the end. It returns to its slot, with the end, when this is dropped.
struct PutBack<'a, K: Kind<S>, S: Send> {
    slot: &'a Slot<K, S>,
    object: Option<(S, StreamState<K::Item, K::Error>)>,
    end: Option<End<K::Error>>,
}

impl<K: Kind<S>, S: Send> Drop for PutBack<'_, K, S> {
    fn drop(&mut self) {
        let mut state = locked(&self.slot.state);
        state.object = self.object.take();
        let stale = mem::replace(&mut state.end, self.end.take());
        drop(state);
        drop(stale);
        self.slot.unlocked_ended();
    }
}
