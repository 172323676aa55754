//! The hand-over of an object that blocks, between a stream and the threads that a user supplies.

use std::fmt;
use std::io;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

/// One blocking read or write of [`read_on`](crate::blocking::read_on) or [`write_on`](crate::blocking::write_on), to be run on a thread
/// that may block.
///
/// The stream waits for it. A job that is dropped without being run, and one that panics, ends the stream with an error.
#[must_use = "a job that is dropped without being run ends its stream"]
pub struct Job {
    task: Option<Arc<dyn Task>>,
}

impl Job {
    /// Does it, which takes as long as the reader or writer blocks.
    pub fn run(mut self) {
        if let Some(task) = &self.task {
            task.run();
        }
        // The object is back where it was: the next job is none of this one's.
        self.task = None;
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.give_up();
        }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").finish_non_exhaustive()
    }
}

/// Type-erased, for the job.
trait Task: Send + Sync {
    fn run(&self);
    fn give_up(&self);
}

/// What a job works on, the inner object in it.
pub(super) trait Work: Send + 'static {
    /// Blocks. `flush` may become true meanwhile.
    fn work(&mut self, flush: &AtomicBool);
}

/// Where the work is.
enum Place<T> {
    /// With the stream.
    Away,
    /// In a job that does not run yet.
    Queued(T),
    /// In a job that runs, on its thread.
    Running,
    Done(T),
    /// Its job was dropped without being run.
    Refused(T),
    /// Its job panicked, and it is gone.
    Lost,
}

struct State<T> {
    place: Place<T>,
    waker: Option<Waker>,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    flush: AtomicBool,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing is run under the lock that could leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the stream, outside of the lock.
    fn settle(mut state: MutexGuard<'_, State<T>>, place: Place<T>) {
        state.place = place;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// What came of the job, if it is over.
    fn take(state: &mut State<T>) -> Option<Place<T>> {
        match &state.place {
            Place::Done(_) | Place::Refused(_) => Some(mem::replace(&mut state.place, Place::Away)),
            Place::Lost => Some(Place::Lost),
            Place::Away | Place::Queued(_) | Place::Running => None,
        }
    }

    /// Waits for the job; each poll registers its own waker.
    fn poll_over(&self, cx: &mut Context<'_>) -> Poll<Place<T>> {
        let waker = cx.waker().clone();
        let mut state = self.lock();
        if let Some(over) = Self::take(&mut state) {
            return Poll::Ready(over);
        }
        let stale = state.waker.replace(waker);
        drop(state);
        drop(stale);
        Poll::Pending
    }
}

impl<T: Work> Task for Shared<T> {
    fn run(&self) {
        let mut state = self.lock();
        match mem::replace(&mut state.place, Place::Running) {
            Place::Queued(mut work) => {
                drop(state);
                work.work(&self.flush);
                Self::settle(self.lock(), Place::Done(work));
            }
            // Not for a job to touch.
            other => state.place = other,
        }
    }

    fn give_up(&self) {
        let mut state = self.lock();
        match mem::replace(&mut state.place, Place::Lost) {
            Place::Queued(work) => Self::settle(state, Place::Refused(work)),
            Place::Running => Self::settle(state, Place::Lost),
            other => state.place = other,
        }
    }
}

/// The stream's side.
pub(super) struct Blocking<T> {
    /// `None` while a job is under way.
    here: Option<T>,
    shared: Arc<Shared<T>>,
    spawn: Box<dyn FnMut(Job) + Send>,
}

impl<T> Blocking<T> {
    pub(super) fn new(work: T, spawn: impl FnMut(Job) + Send + 'static) -> Self {
        let state = Mutex::new(State { place: Place::Away, waker: None });
        Self {
            here: Some(work),
            shared: Arc::new(Shared { state, flush: AtomicBool::new(false) }),
            spawn: Box::new(spawn),
        }
    }

    /// Waits until no job is under way.
    pub(super) fn poll_here(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&mut T>> {
        let work = match self.here.take() {
            Some(work) => work,
            None => match ready!(self.shared.poll_over(cx)) {
                Place::Done(work) => work,
                Place::Refused(work) => {
                    self.here = Some(work);
                    return Poll::Ready(Err(refused()));
                }
                _ => return Poll::Ready(Err(lost())),
            },
        };
        Poll::Ready(Ok(self.here.insert(work)))
    }

    /// A job that is under way may flush as well.
    pub(super) fn flush(&self) {
        self.shared.flush.store(true, Ordering::Release);
    }

    /// Hands the work to a job, if it is here.
    pub(super) fn start(&mut self, flush: bool)
    where
        T: Work,
    {
        let Some(work) = self.here.take() else { return };
        self.shared.flush.store(flush, Ordering::Release);
        self.shared.lock().place = Place::Queued(work);
        (self.spawn)(Job { task: Some(self.shared.clone()) });
    }

    pub(super) fn get_ref(&self) -> Option<&T> {
        self.here.as_ref()
    }

    /// The work, unless a job is under way.
    pub(super) fn get_mut(&mut self) -> Option<&mut T> {
        if self.here.is_none()
            && let Some(Place::Done(work) | Place::Refused(work)) =
                Shared::take(&mut self.shared.lock())
        {
            self.here = Some(work);
        }
        self.here.as_mut()
    }

    pub(super) fn into_inner(mut self) -> Option<T> {
        self.get_mut();
        self.here
    }
}

fn refused() -> io::Error {
    io::Error::other("the job of a blocking stream was dropped without being run")
}

fn lost() -> io::Error {
    io::Error::other("the job of a blocking stream panicked, and its reader or writer is lost")
}
