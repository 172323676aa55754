//! The jobs of blocking objects (`adapters/blocking/job.rs`).

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use loom::thread;

use crate::job::{Blocking, Job, Work};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::task::{Owning, Task, block_on};

super::models!(job:
    UNBOUNDED(
        a_job_that_runs_wakes_the_stream,
        a_job_that_is_dropped_wakes_the_stream,
        a_job_that_is_over_leaves_the_next_one_alone,
        a_job_wakes_the_waker_of_the_last_poll,
        the_work_may_wait_for_a_lock_of_the_streams,
        a_waker_may_look_at_the_work,
        a_flush_that_is_requested_before_the_work_is_seen,
    )
);

/// Counts its runs, and does what the model wants in each.
#[derive(Default)]
struct Count {
    runs: usize,
    flushed: bool,
    act: Option<Box<dyn FnMut() + Send>>,
}

impl Work for Count {
    fn work(&mut self, flush: &AtomicBool) {
        self.runs += 1;
        if let Some(act) = &mut self.act {
            act();
        }
        self.flushed = flush.load(Ordering::Acquire);
    }
}

/// The stream's side, and where its jobs go.
fn blocking(work: Count) -> (Blocking<Count>, impl Fn() -> Job) {
    let jobs = Arc::new(Mutex::new(Vec::new()));
    let spawned = jobs.clone();
    let blocking = Blocking::new(work, move |job| spawned.lock().unwrap().push(job));
    (blocking, move || jobs.lock().unwrap().pop().unwrap())
}

fn finished(blocking: &mut Blocking<Count>) -> Option<usize> {
    block_on(|cx| blocking.poll_work(cx).map(|work| work.ok().map(|work| work.runs)))
}

/// Job, invariants 1, 2 and 5.
fn a_job_that_runs_wakes_the_stream() {
    let (mut blocking, next) = blocking(Count::default());
    blocking.start(false);
    let job = next();
    let thread = thread::spawn(move || job.run());
    assert_eq!(finished(&mut blocking), Some(1));
    thread.join().unwrap();
    assert!(blocking.into_inner().is_some());
}

/// Job, invariants 1 and 5: the work comes back with an error.
fn a_job_that_is_dropped_wakes_the_stream() {
    let (mut blocking, next) = blocking(Count::default());
    blocking.start(false);
    let job = next();
    let thread = thread::spawn(move || drop(job));
    assert_eq!(finished(&mut blocking), None);
    thread.join().unwrap();
    assert_eq!(blocking.into_inner().map(|work| work.runs), Some(0));
}

/// Job, invariant 4: the first job has set `Done`, and the second is queued before the first is dropped.
fn a_job_that_is_over_leaves_the_next_one_alone() {
    let (mut blocking, next) = blocking(Count::default());
    blocking.start(false);
    let first = next();
    let thread = thread::spawn(move || first.run());
    assert_eq!(finished(&mut blocking), Some(1));
    blocking.start(false);
    thread.join().unwrap();
    let polled = blocking.poll_work(&mut Context::from_waker(Waker::noop())).is_pending();
    assert!(polled, "the second job has not run");
    next().run();
    assert_eq!(finished(&mut blocking), Some(2));
}

/// Job, invariant 5: a task with another waker polls meanwhile.
fn a_job_wakes_the_waker_of_the_last_poll() {
    let (mut blocking, next) = blocking(Count::default());
    blocking.start(false);
    let job = next();
    let thread = thread::spawn(move || job.run());
    let first = Task::new();
    let _ = first.poll(|cx| blocking.poll_work(cx).is_ready());
    assert_eq!(finished(&mut blocking), Some(1));
    thread.join().unwrap();
    assert_eq!(first.wakers(), 0);
}

/// Job, invariant 3: the work runs without the lock.
fn the_work_may_wait_for_a_lock_of_the_streams() {
    let lock = Arc::new(loom::sync::Mutex::new(()));
    let held = lock.clone();
    let act: Box<dyn FnMut() + Send> = Box::new(move || drop(held.lock()));
    let (mut blocking, next) = blocking(Count { act: Some(act), ..Count::default() });
    blocking.start(false);
    let job = next();
    let thread = thread::spawn(move || job.run());
    let held = lock.lock();
    let _ = blocking.get_mut();
    drop(held);
    assert_eq!(finished(&mut blocking), Some(1));
    thread.join().unwrap();
}

/// Looks at the work when it is dropped, as a task does that is run by its waker.
struct Looks(Blocking<Count>);

impl Drop for Looks {
    fn drop(&mut self) {
        assert_eq!(self.0.get_mut().map(|work| work.runs), Some(1));
    }
}

/// Job, invariant 3: the waker is called without the lock.
fn a_waker_may_look_at_the_work() {
    let (mut blocking, next) = blocking(Count::default());
    blocking.start(false);
    let owner = Owning::empty();
    let polled = blocking.poll_work(&mut Context::from_waker(&owner.waker())).is_pending();
    assert!(polled);
    owner.own(Looks(blocking));
    let job = next();
    let thread = thread::spawn(move || job.run());
    thread.join().unwrap();
}

/// Job, the atomic `flush`: a job that has not begun sees it, and the next job begins without.
fn a_flush_that_is_requested_before_the_work_is_seen() {
    let (mut blocking, next) = blocking(Count::default());
    blocking.start(false);
    let job = next();
    let requested = Arc::new(AtomicBool::new(false));
    let begins = requested.clone();
    let thread = thread::spawn(move || {
        let requested = begins.load(Ordering::Acquire);
        job.run();
        requested
    });
    blocking.request_flush();
    requested.store(true, Ordering::Release);
    assert_eq!(finished(&mut blocking), Some(1));
    let requested = thread.join().unwrap();
    let flushed = blocking.get_mut().unwrap().flushed;
    assert!(flushed || !requested);
    blocking.start(false);
    next().run();
    assert_eq!(finished(&mut blocking), Some(2));
    assert!(!blocking.get_mut().unwrap().flushed);
}
