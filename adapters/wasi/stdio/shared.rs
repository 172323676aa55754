//! One host object for all streams that a guest opens over it.
//!
//! A guest opens stdout anew for each line it prints, so a stream that is dropped ends nothing: the object is closed by
//! [`Stdio::closing`](super::Stdio::closing). Operations of several streams come one after the other.
//!
//! # The lock `Shared.0`
//!
//! It guards the object and the queue. All streams of one `Shared` belong to one store, which polls them one at a time;
//! `closing` can come from another thread and waits for the poll of an operation.
//!
//! 1. `turn` is the stream whose operation is under way. It is cleared by whatever ends the operation: an answer, a
//!    cancel, the drop of the stream. *Test:* `a_stream_waits_for_the_operation_of_another` in
//!    `tests/wasi/stdio/shared.rs`.
//! 2. Each stream with an operation that waits has its current waker in `waiting`. Whoever clears `turn` or takes the
//!    object wakes all of them, after the unlock. *Tests:* the same, and `closing_ends_an_operation_that_is_under_way`
//!    in `tests/wasi/stdio/ends.rs`.
//! 3. The object is dropped after the unlock.

use std::mem;
use std::task::{Context, Poll, Waker};

use wasmtime::component::StreamResult;

use super::StdioError;
use super::object::Object;
use crate::oneshot;
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};

struct State<O: ?Sized> {
    /// How many streams were opened.
    opened: u64,
    turn: Option<u64>,
    waiting: Vec<(u64, Waker)>,
    /// `None` after the host has closed it.
    object: Option<Box<O>>,
}

impl<O: ?Sized> State<O> {
    /// Keeps the newest waker of a stream. The caller drops what this returns after the unlock.
    fn register(&mut self, number: u64, cx: &Context<'_>) -> Option<Waker> {
        let waker = cx.waker().clone();
        match self.waiting.iter_mut().find(|(waiting, _)| *waiting == number) {
            Some((_, registered)) => Some(mem::replace(registered, waker)),
            None => {
                self.waiting.push((number, waker));
                None
            }
        }
    }

    /// Gives up the turn. The caller wakes what this returns after the unlock.
    fn release(&mut self) -> Vec<(u64, Waker)> {
        self.turn = None;
        mem::take(&mut self.waiting)
    }
}

fn wake(waiting: Vec<(u64, Waker)>) {
    waiting.into_iter().for_each(|(_, waker)| waker.wake());
}

pub(super) struct Shared<O: ?Sized>(Mutex<State<O>>);

impl<O: Object + ?Sized> Shared<O> {
    pub(super) fn new(object: Box<O>) -> Arc<Self> {
        let (opened, turn, waiting) = (0, None, Vec::new());
        Arc::new(Self(Mutex::new(State { opened, turn, waiting, object: Some(object) })))
    }

    fn lock(&self) -> MutexGuard<'_, State<O>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stream over the object, and the value of its result future.
    pub(super) fn open(self: &Arc<Self>) -> (Opened<O>, oneshot::Receiver<Outcome>) {
        let (result, outcome) = oneshot::oneshot();
        let mut state = self.lock();
        state.opened += 1;
        let (shared, number) = (self.clone(), state.opened);
        (Opened { shared, number, result: Some(result) }, outcome)
    }

    /// How many streams the guest has opened.
    pub(super) fn opened(&self) -> u64 {
        self.lock().opened
    }

    /// Drops the object, which ends its stream. Streams that the guest still has end with their next operation.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        let object = state.object.take();
        let waiting = state.release();
        drop(state);
        drop(object);
        wake(waiting);
    }
}

pub(super) type Outcome = Result<(), StdioError>;

/// One stream of a guest over a shared object.
pub(super) struct Opened<O: Object + ?Sized> {
    shared: Arc<Shared<O>>,
    number: u64,
    result: Option<oneshot::Sender<Outcome>>,
}

impl<O: Object + ?Sized> Opened<O> {
    /// Polls an operation, once it is this stream's turn.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut O, &mut Context<'_>) -> Poll<wasmtime::Result<StreamResult>>,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let mut state = self.shared.lock();
        if state.turn.is_some_and(|turn| turn != self.number) {
            let stale = state.register(self.number, cx);
            drop(state);
            drop(stale);
            return Poll::Pending;
        }
        let Some(object) = &mut state.object else {
            drop(state);
            self.finish(Err(StdioError::Pipe));
            return Poll::Ready(Ok(StreamResult::Dropped));
        };
        let answer = poll(object, cx);
        if answer.is_pending() {
            state.turn = Some(self.number);
            let stale = state.register(self.number, cx);
            drop(state);
            drop(stale);
            return Poll::Pending;
        }
        let ended = matches!(answer, Poll::Ready(Ok(StreamResult::Dropped)));
        let outcome = if ended { object.outcome() } else { None };
        let waiting = state.release();
        drop(state);
        wake(waiting);
        if ended {
            self.finish(outcome.unwrap_or(Err(StdioError::Io)));
        }
        answer
    }

    /// Gives up the operation that is under way, if there is one.
    pub(super) fn cancel(&mut self) {
        let mut state = self.shared.lock();
        if state.turn == Some(self.number) {
            if let Some(object) = &mut state.object {
                object.cancel();
            }
            let waiting = state.release();
            drop(state);
            wake(waiting);
        } else if let Some(at) = state.waiting.iter().position(|(n, _)| *n == self.number) {
            let stale = state.waiting.swap_remove(at);
            drop(state);
            drop(stale);
        }
    }

    fn finish(&mut self, outcome: Outcome) {
        if let Some(result) = self.result.take() {
            // Fails if the guest has dropped the future.
            let _ = result.send(outcome);
        }
    }
}

/// The guest has dropped its end, or its store is gone.
impl<O: Object + ?Sized> Drop for Opened<O> {
    fn drop(&mut self) {
        self.cancel();
        self.finish(Ok(()));
    }
}
