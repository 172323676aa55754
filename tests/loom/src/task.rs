//! Tasks: wakers that loom sees, and a thread that waits for one.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::{Condvar, Mutex};

#[derive(Default)]
struct State {
    wakes: usize,
    woken: bool,
    waiting: bool,
}

/// A task of one thread.
pub(crate) struct Task {
    state: Mutex<State>,
    wake: Condvar,
}

impl Task {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State::default()), wake: Condvar::new() })
    }

    pub(crate) fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(self.clone())
    }

    /// How many wakers of it there are.
    pub(crate) fn wakers(self: &Arc<Self>) -> usize {
        Arc::strong_count(self) - 1
    }

    pub(crate) fn is_woken(&self) -> bool {
        self.state.lock().unwrap().woken
    }

    /// How often it was woken.
    pub(crate) fn wakes(&self) -> usize {
        self.state.lock().unwrap().wakes
    }

    /// Waits until it is woken. Loom reports a deadlock if that never comes.
    pub(crate) fn wait(&self) {
        let mut state = self.state.lock().unwrap();
        while !state.woken {
            state.waiting = true;
            state = self.wake.wait(state).unwrap();
            state.waiting = false;
        }
        state.woken = false;
    }

    /// Polls once.
    pub(crate) fn poll<R>(self: &Arc<Self>, poll: impl FnOnce(&mut Context<'_>) -> R) -> R {
        poll(&mut Context::from_waker(&self.waker()))
    }

    /// Polls until that is ready.
    pub(crate) fn block_on<R>(
        self: &Arc<Self>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>,
    ) -> R {
        loop {
            if let Poll::Ready(value) = self.poll(&mut poll) {
                return value;
            }
            self.wait();
        }
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut state = self.state.lock().unwrap();
        state.wakes += 1;
        state.woken = true;
        if state.waiting {
            self.wake.notify_one();
        }
    }
}

/// Polls on a task of its own until that is ready.
pub(crate) fn block_on<R>(poll: impl FnMut(&mut Context<'_>) -> Poll<R>) -> R {
    Task::new().block_on(poll)
}

/// A waker that owns something, as the waker of a task owns the task's future. It drops that when it is woken, and when
/// the last clone goes.
pub(crate) struct Owning<T>(Mutex<Option<T>>);

impl<T: Send + 'static> Owning<T> {
    pub(crate) fn empty() -> Arc<Self> {
        Arc::new(Self(Mutex::new(None)))
    }

    pub(crate) fn own(&self, value: T) {
        *self.0.lock().unwrap() = Some(value);
    }

    pub(crate) fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(self.clone())
    }
}

impl<T: Send + 'static> Wake for Owning<T> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let value = self.0.lock().unwrap().take();
        drop(value);
    }
}
