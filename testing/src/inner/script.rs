use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// One step of a host object.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// These bytes: a reader returns them in one or more reads, a stream as one chunk, or as one item per byte.
    Data(Vec<u8>),
    /// Accepts this many bytes, or one item or chunk.
    Accept(usize),
    /// An empty chunk, in a stream of chunks.
    Empty,
    /// Pending; wakes at once.
    Pending,
    /// Pending until the test releases it.
    Hold,
    /// Fails.
    Fail,
}

/// The message of the error of [`Step::Fail`].
pub const FAILURE: &str = "scripted failure";

pub(super) fn failure() -> io::Error {
    io::Error::other(FAILURE)
}

#[derive(Debug, Default)]
struct Held {
    released: usize,
    waker: Option<Waker>,
    steps: usize,
}

/// Releases a script at its [`Step::Hold`]s.
#[derive(Clone, Debug, Default)]
pub struct Control(Arc<Mutex<Held>>);

impl Control {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Releases one [`Step::Hold`], the current or the next one, and wakes the task that waits at it.
    pub fn release(&self) {
        let mut held = self.held();
        held.released += 1;
        if let Some(waker) = held.waker.take() {
            drop(held);
            waker.wake();
        }
    }

    /// How many steps were taken.
    pub fn steps(&self) -> usize {
        self.held().steps
    }
}

/// A list of steps. Keeps only the latest waker, as I/O objects do, and panics if it is polled after its end.
#[derive(Debug)]
pub struct Script {
    steps: VecDeque<Step>,
    control: Control,
    ended: bool,
}

impl Script {
    /// A script of these steps, followed by the end.
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect(), control: Control::default(), ended: false }
    }

    /// A handle that releases its [`Step::Hold`]s.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Whether the end, or a failure, was reached.
    pub(super) fn is_ended(&self) -> bool {
        self.ended
    }

    /// Whether no steps are left, and the end was not reached yet.
    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty() && !self.ended
    }

    /// Makes the script pollable after its end.
    pub(super) fn reopen(&mut self) {
        self.ended = false;
    }

    /// The next step that is neither `Pending` nor `Hold`; `None` at the end.
    ///
    /// # Panics
    ///
    /// If it is polled after its end.
    pub fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Option<Step>> {
        assert!(!self.ended, "polled after its end");
        let mut held = self.control.held();
        match self.steps.front() {
            Some(Step::Pending) => {
                self.steps.pop_front();
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Some(Step::Hold) if held.released == 0 => {
                held.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            Some(Step::Hold) => {
                held.released -= 1;
                self.steps.pop_front();
                drop(held);
                return self.poll_step(cx);
            }
            _ => {}
        }
        held.steps += 1;
        let step = self.steps.pop_front();
        self.ended = matches!(step, None | Some(Step::Fail));
        Poll::Ready(step)
    }
}
