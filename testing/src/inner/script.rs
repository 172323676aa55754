use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// One step of an inner object.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// These bytes: for a reader in as many parts as it is asked for, for a stream one chunk, or that many items.
    Data(Vec<u8>),
    /// Room for so many bytes, or for one item or chunk.
    Accept(usize),
    /// An empty chunk, where there are chunks.
    Empty,
    /// Not ready; wakes at once.
    Pending,
    /// Not ready until the test releases it.
    Hold,
    /// Fails.
    Fail,
}

/// What [`Step::Fail`] fails with.
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

/// Releases what is held.
#[derive(Clone, Debug, Default)]
pub struct Control(Arc<Mutex<Held>>);

impl Control {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets one [`Step::Hold`] pass, this one or the next, and wakes who waits at it.
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

/// A list of steps. It keeps only the newest waker, as every I/O object does, and it panics if it is polled after its end.
#[derive(Debug)]
pub struct Script {
    steps: VecDeque<Step>,
    control: Control,
    over: bool,
}

impl Script {
    /// These steps, and then the end.
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect(), control: Control::default(), over: false }
    }

    /// What releases its [`Step::Hold`]s.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// The end, or a failure, was reached.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Nothing is left of it, not even its end.
    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty() && !self.over
    }

    /// Goes on after its end.
    pub(super) fn reopen(&mut self) {
        self.over = false;
    }

    /// The next step that is neither `Pending` nor `Hold`; `None` at the end.
    ///
    /// # Panics
    ///
    /// If it is polled after its end.
    pub fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Option<Step>> {
        assert!(!self.over, "polled after its end");
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
        self.over = matches!(step, None | Some(Step::Fail));
        Poll::Ready(step)
    }
}
