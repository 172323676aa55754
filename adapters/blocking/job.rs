//! Passes a blocking object between a stream and the threads that a user supplies.

use std::fmt;
use std::io;
use std::mem;
use std::task::{Context, Poll, Waker, ready};

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One blocking read or write of [`read_on`](crate::blocking::read_on()) or
/// [`write_on`](crate::blocking::write_on()), for a thread that may block.
///
/// The stream waits for it. A job that is dropped without being run, or that panics, ends the stream with an error.
#[must_use = "a job that is dropped without being run ends its stream"]
pub struct Job {
    task: Option<Arc<dyn Task>>,
}

impl Job {
    /// Reads or writes, for as long as the reader or writer blocks.
    pub fn run(mut self) {
        if let Some(task) = &self.task {
            task.run();
        }
        // Invariant 4: the drop below must not touch the next job's state.
        self.task = None;
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.job_dropped();
        }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").finish_non_exhaustive()
    }
}

/// The job's view of [`Shared`], without its type.
trait Task: Send + Sync {
    fn run(&self);
    fn job_dropped(&self);
}

/// The inner object, and what a job needs to use it.
pub(crate) trait Work: Send + 'static {
    /// Blocks. `flush` can become true meanwhile.
    fn work(&mut self, flush: &AtomicBool);
}

/// Where the inner object is, and what became of its last job.
enum Place<T> {
    /// The stream has it.
    WithStream,
    /// In a job that has not started.
    Queued(T),
    /// In a job that is running, on its thread.
    Running,
    /// Its job has finished.
    Done(T),
    /// Its job was dropped without being run.
    NotRun(T),
    /// Its job panicked: it is lost.
    Panicked,
}

struct State<T> {
    place: Place<T>,
    waker: Option<Waker>,
}

/// Shared by a stream and its current job.
///
/// Invariants of `state`, checked by `tests/streams/blocking.rs`:
/// 1. `place` changes from `WithStream` to `Queued`, `Running` and `Done`, or from `Queued` to `NotRun`, or from
///    `Running` to `Panicked`. From `Done` and `NotRun` the stream takes it back to `WithStream`.
/// 2. The stream queues and takes back; the job does the rest. There is at most one job that has not finished.
/// 3. No user code (the inner object, a waker, `spawn`) runs while the lock is held.
/// 4. A job that has set `Done` does not change `place` again: it can be the next job's already.
/// 5. Each poll of the stream that finds its job unfinished registers its waker; whatever finishes the job wakes it.
struct Shared<T> {
    state: Mutex<State<T>>,
    flush: AtomicBool,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Invariant 3: no panic can leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finishes a job, and wakes the stream after releasing the lock.
    fn finish(mut state: MutexGuard<'_, State<T>>, place: Place<T>) {
        state.place = place;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The result of the job, if it has finished.
    fn take_finished(state: &mut State<T>) -> Option<Place<T>> {
        match &state.place {
            Place::Done(_) | Place::NotRun(_) => {
                Some(mem::replace(&mut state.place, Place::WithStream))
            }
            Place::Panicked => Some(Place::Panicked),
            Place::WithStream | Place::Queued(_) | Place::Running => None,
        }
    }

    /// Waits for the job. Rule "Register the current waker".
    fn poll_finished(&self, cx: &mut Context<'_>) -> Poll<Place<T>> {
        let waker = cx.waker().clone();
        let mut state = self.lock();
        if let Some(place) = Self::take_finished(&mut state) {
            return Poll::Ready(place);
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
                Self::finish(self.lock(), Place::Done(work));
            }
            // Not this job's.
            other => state.place = other,
        }
    }

    fn job_dropped(&self) {
        let mut state = self.lock();
        match mem::replace(&mut state.place, Place::Panicked) {
            Place::Queued(work) => Self::finish(state, Place::NotRun(work)),
            Place::Running => Self::finish(state, Place::Panicked),
            other => state.place = other,
        }
    }
}

/// The stream's side.
pub(crate) struct Blocking<T> {
    /// `None` while a job is pending.
    work: Option<T>,
    shared: Arc<Shared<T>>,
    spawn: Box<dyn FnMut(Job) + Send>,
}

impl<T> Blocking<T> {
    pub(crate) fn new(work: T, spawn: impl FnMut(Job) + Send + 'static) -> Self {
        let state = Mutex::new(State { place: Place::WithStream, waker: None });
        Self {
            work: Some(work),
            shared: Arc::new(Shared { state, flush: AtomicBool::new(false) }),
            spawn: Box::new(spawn),
        }
    }

    /// Waits until no job is pending.
    pub(crate) fn poll_work(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&mut T>> {
        let work = match self.work.take() {
            Some(work) => work,
            None => match ready!(self.shared.poll_finished(cx)) {
                Place::Done(work) => work,
                Place::NotRun(work) => {
                    self.work = Some(work);
                    return Poll::Ready(Err(not_run()));
                }
                _ => return Poll::Ready(Err(panicked())),
            },
        };
        Poll::Ready(Ok(self.work.insert(work)))
    }

    /// Has a pending job flush too, if it has not finished writing.
    pub(crate) fn request_flush(&self) {
        self.shared.flush.store(true, Ordering::Release);
    }

    /// Hands the work to a job, unless one is pending.
    pub(crate) fn start(&mut self, flush: bool)
    where
        T: Work,
    {
        let Some(work) = self.work.take() else { return };
        self.shared.flush.store(flush, Ordering::Release);
        self.shared.lock().place = Place::Queued(work);
        (self.spawn)(Job { task: Some(self.shared.clone()) });
    }

    pub(crate) fn get_ref(&self) -> Option<&T> {
        self.work.as_ref()
    }

    /// The work, unless a job is pending.
    pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
        if self.work.is_none()
            && let Some(Place::Done(work) | Place::NotRun(work)) =
                Shared::take_finished(&mut self.shared.lock())
        {
            self.work = Some(work);
        }
        self.work.as_mut()
    }

    pub(crate) fn into_inner(mut self) -> Option<T> {
        self.get_mut();
        self.work
    }
}

fn not_run() -> io::Error {
    io::Error::other("the job of a blocking stream was dropped without being run")
}

fn panicked() -> io::Error {
    io::Error::other("the job of a blocking stream panicked, and its reader or writer is lost")
}
