//! One value from one task to another, without an ecosystem's channel.
//!
//! # The lock `Shared.0`
//!
//! It guards the one [`State`]. The sender takes it to send and when it is dropped, the receiver in each poll and when
//! it is dropped. Both wait for it, because nothing runs under it but a comparison and a replacement. The receiver
//! clones its waker before it takes the lock, and what is replaced (a waker, a value) is called or dropped after the
//! unlock: a waker may own the task that holds the other side, whose drop takes the lock.
//!
//! # Invariants
//!
//! 1. `set_final` changes only `Empty` and `Waiting`. So a value is either stored or given back, because the receiver
//!    is gone; and the drop of a sender that has sent changes nothing. The receiver replaces `Sent` when it takes the
//!    value, so it gets that once. *Tests:* `a_value_and_its_receiver_meet_or_miss_each_other_in_order` in
//!    `tests/peers/handoffs.rs`, `a_value_crosses_and_one_that_nobody_wants_comes_back` in
//!    `tests/streams/handed_over_values.rs`.
//! 2. Whoever replaces `Waiting` by a value or `SenderGone` wakes that waker. *Tests:*
//!    `a_task_that_the_executor_drops_is_reported` in `tests/streams/wit.rs`, `tests/peers/handoffs.rs`.
//! 3. Only the newest waker is kept. *Test:* `completions_and_values_that_are_polled_over_and_over_keep_one_waker` in
//!    `tests/streams/dropped_futures.rs`.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Default)]
enum State<T> {
    #[default]
    Empty,
    Waiting(Waker),
    Sent(T),
    SenderGone,
    ReceiverGone,
}

struct Shared<T>(Mutex<State<T>>);

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces `Empty` or `Waiting`, and wakes the receiver. Gives `next` back in any other state: invariant 1.
    fn set_final(&self, next: State<T>) -> Result<(), State<T>> {
        let mut state = self.lock();
        match &*state {
            State::Empty | State::Waiting(_) => {
                let before = mem::replace(&mut *state, next);
                drop(state);
                if let State::Waiting(waker) = before {
                    waker.wake();
                }
                Ok(())
            }
            _ => Err(next),
        }
    }
}

/// Both sides.
pub(crate) fn oneshot<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared(Mutex::new(State::Empty)));
    (Sender(shared.clone()), Receiver(shared))
}

pub(crate) struct Sender<T>(Arc<Shared<T>>);

impl<T> Sender<T> {
    /// Sends the value, or gives it back if the receiver was dropped.
    pub(crate) fn send(self, value: T) -> Result<(), T> {
        match self.0.set_final(State::Sent(value)) {
            Err(State::Sent(value)) => Err(value),
            _ => Ok(()),
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        // After a value this changes nothing.
        let _ = self.0.set_final(State::SenderGone);
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

/// Resolves with the value, or with `None` if the sender was dropped without one.
pub(crate) struct Receiver<T>(Arc<Shared<T>>);

impl<T> Future for Receiver<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let waker = cx.waker().clone();
        let mut state = self.0.lock();
        match mem::replace(&mut *state, State::SenderGone) {
            State::Sent(value) => Poll::Ready(Some(value)),
            State::SenderGone => Poll::Ready(None),
            before => {
                *state = State::Waiting(waker);
                drop(state);
                // Outside of the lock.
                drop(before);
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        let before = mem::replace(&mut *state, State::ReceiverGone);
        drop(state);
        drop(before);
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}
