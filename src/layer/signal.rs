//! A signal: a future that ends a stream from outside (a deadline, a token), awaited by the stream and by its
//! completion.
//!
//! # The lock `Shared::state`
//!
//! It guards the future, its result and the wakers of both sides.
//!
//! - *Who takes it:* the stream in each operation, the completion in each poll, whoever wakes the future (any thread),
//!   and the drop of the stream's [`Signal`]. All of them wait for it.
//! - *What is done outside of it:* the future is moved out to be polled and to be dropped; wakers are called and
//!   dropped after the unlock. Only `clone` and `will_wake` of a waker run under it.
//! - *Why:* the future is the user's code. It may wake itself, cancel the stream, or own what waits for this lock.
//!
//! # Invariants
//!
//! 1. Only `clone` and `will_wake` of a waker run under the lock, so nobody waits for it longer than a few steps.
//!    *Tests:* `tests/streams/wakers.rs` (a waker that owns the store is replaced), and `tests/streams/panics.rs` with
//!    `By::Signal`.
//! 2. The future needs a poll only if `woken` is set. A waker sets `woken` before it takes the wakers under the lock; a
//!    side registers its waker under the lock before it clears `woken`. So either the side sees `woken`, or the waker
//!    sees the side. *Tests:* `a_token_wakes_a_parked_read_at_once` in `tests/streams/until.rs`, the tokens in
//!    `tests/streams/races.rs`.
//! 3. One side polls the future at a time. A side that finds it moved out sets `woken` again, under the lock. The side
//!    that polls puts the future back, then reads `woken`, and wakes itself if it is set. *Tests:* `By::Token` in
//!    `tests/streams/cancelled_polls.rs`, `tests/streams/races.rs`.
//! 4. Each side has a waker of its own, so that the side that polled last does not replace the waker of the other. A
//!    wake-up and the result wake both, also if the first waker panics. *Tests:* `tests/streams/timeouts.rs`,
//!    `a_waker_that_panics_does_not_keep_the_other_from_being_woken` in `tests/streams/panics.rs`.
//! 5. `why` is set once, and both sides get it. The future is dropped then. *Tests:* `the_first_of_several_counts` in
//!    `tests/streams/until.rs`.
//! 6. The future is dropped with the stream's `Signal`: it may hold the waker that holds `Shared`, which else would
//!    keep both alive. *Test:* `the_future_goes_with_the_stream` in `tests/streams/until.rs`.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Wake, Waker};

use crate::EndReason;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};
use crate::wake::wake_both;

type SignalFuture = Pin<Box<dyn Future<Output = EndReason> + Send>>;

struct State {
    /// `None` while it is polled, and after it has resolved: invariants 1 and 3.
    future: Option<SignalFuture>,
    why: Option<EndReason>,
    /// Of the guest's parked operation ([`STREAM`]) and of the completion ([`COMPLETION`]): invariant 4.
    wakers: [Option<Waker>; 2],
}

/// The indexes of the two sides.
const STREAM: usize = 0;
const COMPLETION: usize = 1;

struct Shared {
    state: Mutex<State>,
    /// The future was woken, or was never polled: invariant 2. Else an operation does not poll it, and costs no timer.
    woken: AtomicBool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that could panic leaves the state half changed: invariant 1.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll(self: &Arc<Self>, side: usize, cx: &mut Context<'_>) -> Poll<EndReason> {
        let mut state = self.lock();
        if let Some(why) = state.why {
            return Poll::Ready(why);
        }
        let registered = state.wakers[side].as_ref().is_some_and(|w| w.will_wake(cx.waker()));
        let stale = if registered { None } else { state.wakers[side].replace(cx.waker().clone()) };
        if !self.woken.swap(false, Ordering::AcqRel) {
            drop(state);
            drop(stale);
            return Poll::Pending;
        }
        // Invariant 3: the other side polls it, and handles the wake-up.
        let Some(mut future) = state.future.take() else {
            self.woken.store(true, Ordering::Release);
            drop(state);
            drop(stale);
            return Poll::Pending;
        };
        drop(state);
        drop(stale);
        let waker = Waker::from(self.clone());
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        let mut state = self.lock();
        match polled {
            Poll::Pending => {
                state.future = Some(future);
                drop(state);
                // Invariant 3: the other side saw a wake-up while the future was moved out.
                if self.woken.load(Ordering::Acquire) {
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            }
            Poll::Ready(why) => {
                state.why = Some(why);
                let [stream, completion] = std::mem::take(&mut state.wakers);
                drop(state);
                drop(future);
                wake_both(stream, completion);
                Poll::Ready(why)
            }
        }
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        let [stream, completion] = std::mem::take(&mut self.lock().wakers);
        wake_both(stream, completion);
    }
}

/// The signal as the stream holds it. Dropping it drops the future: invariant 6.
#[allow(unreachable_pub)] // in a sealed trait
pub struct Signal(Arc<Shared>);

impl Signal {
    pub(crate) fn new(future: impl Future<Output = EndReason> + Send + 'static) -> Self {
        let future: SignalFuture = Box::pin(future);
        let state = State { future: Some(future), why: None, wakers: [None, None] };
        Self(Arc::new(Shared { state: Mutex::new(state), woken: AtomicBool::new(true) }))
    }

    /// Waits in an operation of the guest.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<EndReason> {
        self.0.poll(STREAM, cx)
    }

    /// Lets the completion poll it as well.
    pub(crate) fn share(&self, signals: &mut Signals) {
        signals.0.push(self.0.clone());
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        let future = state.future.take();
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        drop((future, wakers));
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal").finish_non_exhaustive()
    }
}

/// The signals of a stream as its [`Completion`](crate::Completion) polls them, also while no operation is under way.
#[derive(Clone, Default)]
pub(crate) struct Signals(Vec<Arc<Shared>>);

impl Signals {
    /// Waits for the first of them.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<EndReason> {
        self.0
            .iter()
            .map(|signal| signal.poll(COMPLETION, cx))
            .find(Poll::is_ready)
            .unwrap_or(Poll::Pending)
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signals").finish_non_exhaustive()
    }
}
