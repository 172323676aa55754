//! Blocking readers and writers, on the test's threads and on those of tokio.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::runtime::{Builder, Runtime};
use wasmtime_streams::{self as ws, Flush, blocking::Job};

use super::line::{End, Line, is_ready};
use crate::host::Host;
use crate::made::{Open, Peer, Plan, Sees, Shape, byte_sink, byte_source};

/// It takes a write before it is written, and nothing more until then.
const SHAPE: Shape = Shape { room: 0, flush: Flush::EachOp };

type Jobs = Arc<Mutex<VecDeque<Job>>>;

/// What runs the jobs.
enum Threads {
    /// The test, step by step. A job that would block stays in the queue.
    Queue(Jobs),
    /// A runtime with one thread, for this stream alone.
    Pool(Runtime),
}

/// The other side of a line.
struct Other {
    line: Line,
    reads: bool,
    threads: Threads,
}

impl Other {
    /// Lets all jobs run that do not block.
    fn settle(&self) {
        match &self.threads {
            Threads::Queue(jobs) => {
                while self.line.with(|state| is_ready(state, self.reads)) {
                    let Some(job) = jobs.lock().unwrap().pop_front() else { break };
                    job.run();
                }
            }
            Threads::Pool(runtime) => {
                let line = self.line.clone();
                let target = line.with(|state| state.done) + 1;
                runtime.spawn_blocking(move || line.with(|state| state.done = target));
                self.line.wait(|state| {
                    let blocked = state.blocked && !is_ready(state, self.reads);
                    (state.done >= target || blocked).then_some(())
                });
            }
        }
    }
}

impl Peer for Other {
    fn give(&mut self) {
        self.line.with(|state| state.bytes.push_back(7));
    }

    fn take(&mut self) {
        self.line.with(|state| state.shut = false);
        self.settle();
    }

    fn finish(&mut self) {
        self.line.with(|state| state.over = true);
    }

    fn fail(&mut self) {
        self.line.with(|state| state.failed = true);
    }

    fn leave(&mut self) {
        self.line.with(|state| (state.left, state.over) = (true, true));
    }

    fn step(&mut self) {
        self.settle();
    }

    fn sees(&mut self) -> Option<Sees> {
        // A pending read returns with the next data, a pending write when there is room.
        self.line.with(|state| {
            state.shut = false;
            if self.reads {
                state.bytes.push_back(7);
            }
        });
        self.settle();
        Some(match (self.line.with(|state| state.dropped), self.reads) {
            (false, _) => Sees::Open,
            (true, true) => Sees::Gone,
            (true, false) => Sees::End,
        })
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // No thread stays blocked in the line.
        self.line.with(|state| state.failed = true);
    }
}

/// A line, and a function that queues its jobs.
fn queue(reads: bool, shut: bool) -> (End, impl FnMut(Job) + Send + 'static, Other) {
    let (line, jobs) = (Line::default(), Jobs::default());
    line.with(|state| state.shut = shut);
    let spawned = jobs.clone();
    let spawn = move |job| spawned.lock().unwrap().push_back(job);
    (End(line.clone()), spawn, Other { line, reads, threads: Threads::Queue(jobs) })
}

/// The same, with jobs on a runtime of its own.
fn pool<R>(reads: bool, shut: bool, make: impl FnOnce(End) -> R) -> (R, Other) {
    let line = Line::default();
    line.with(|state| state.shut = shut);
    let runtime = Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    let entered = runtime.enter();
    let object = make(End(line.clone()));
    drop(entered);
    (object, Other { line, reads, threads: Threads::Pool(runtime) })
}

pub fn blocking_read_on(_: &Host, plan: &Plan) -> Open {
    let (object, spawn, peer) = queue(true, false);
    byte_source(plan, ws::blocking::read_on(object, spawn), peer)
}

pub fn blocking_read(_: &Host, plan: &Plan) -> Open {
    let (producer, peer) = pool(true, false, ws::blocking::read);
    byte_source(plan, producer, peer)
}

pub fn blocking_write_on(_: &Host, plan: &Plan) -> Open {
    let (object, spawn, peer) = queue(false, plan.parked);
    byte_sink(plan, ws::blocking::write_on(object, spawn), SHAPE, peer)
}

pub fn blocking_write(_: &Host, plan: &Plan) -> Open {
    let (consumer, peer) = pool(false, plan.parked, ws::blocking::write);
    byte_sink(plan, consumer, SHAPE, peer)
}
