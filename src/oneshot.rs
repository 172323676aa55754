//! One value from one task to another, without an ecosystem's channel.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

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

    /// Sets the state, if nothing was sent and both ends are there; gives it back if not.
    fn settle(&self, next: State<T>) -> Result<(), State<T>> {
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

/// Both ends.
pub(crate) fn oneshot<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared(Mutex::new(State::Empty)));
    (Sender(shared.clone()), Receiver(shared))
}

pub(crate) struct Sender<T>(Arc<Shared<T>>);

impl<T> Sender<T> {
    /// Sends the value, or gives it back if nobody waits for it any more.
    pub(crate) fn send(self, value: T) -> Result<(), T> {
        match self.0.settle(State::Sent(value)) {
            Err(State::Sent(value)) => Err(value),
            _ => Ok(()),
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        // After a value this changes nothing.
        let _ = self.0.settle(State::SenderGone);
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
                // Outside of the lock: a waker may own the task that holds the other end.
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
