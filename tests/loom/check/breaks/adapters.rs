//! The adapters' own protocols, broken.

use super::{Break, DEADLOCK, broken};

const JOB: &str = "adapters/blocking/job.rs";
const STDIO: &str = "adapters/wasi/stdio/shared.rs";

pub(super) const JOBS: &[Break] = &[
    // The work of a job that did not run is lost.
    broken(
        "job 1",
        JOB,
        &[(
            "            Place::Queued(work) => Self::finish(state, Place::NotRun(work)),",
            "            Place::Queued(_) => Self::finish(state, Place::Panicked),",
        )],
        "job::a_job_that_is_dropped_wakes_the_stream",
        "left: None",
    ),
    // The stream takes a job back that has not finished.
    broken(
        "job 2",
        JOB,
        &[(
            "            Place::Done(_) | Place::NotRun(_) => {",
            "            Place::Done(_) | Place::NotRun(_) | Place::Queued(_) => {",
        )],
        "job::a_job_that_runs_wakes_the_stream",
        "left: None",
    ),
    // The work runs under the lock.
    broken(
        "job 3a",
        JOB,
        &[(
            "                drop(state);\n                work.work(&self.flush);\n                Self::finish(self.lock(), Place::Done(work));",
            "                work.work(&self.flush);\n                Self::finish(state, Place::Done(work));",
        )],
        "job::the_work_may_wait_for_a_lock_of_the_streams",
        DEADLOCK,
    ),
    // The stream is woken under the lock.
    broken(
        "job 3b",
        JOB,
        &[(
            "        drop(state);\n        if let Some(waker) = waker {\n            waker.wake();\n        }\n",
            "        if let Some(waker) = waker {\n            waker.wake();\n        }\n        drop(state);\n",
        )],
        "job::a_waker_may_look_at_the_work",
        DEADLOCK,
    ),
    // A job that has run finishes again when it is dropped.
    broken(
        "job 4",
        JOB,
        &[("        self.task = None;\n", "        let _ = &mut self.task;\n")],
        "job::a_job_that_is_over_leaves_the_next_one_alone",
        "the second job has not run",
    ),
    // Nobody is woken.
    broken(
        "job 5a",
        JOB,
        &[("            waker.wake();\n", "            drop(waker);\n")],
        "job::a_job_that_runs_wakes_the_stream",
        DEADLOCK,
    ),
    // The first waker stays.
    broken(
        "job 5b",
        JOB,
        &[(
            "        let stale = state.waker.replace(waker);\n",
            "        let stale = Some(state.waker.get_or_insert(waker).clone());\n",
        )],
        "job::a_job_wakes_the_waker_of_the_last_poll",
        DEADLOCK,
    ),
    // A job begins with the flush that the last one was asked for.
    broken(
        "job 0",
        JOB,
        &[(
            "        self.shared.flush.store(flush, Ordering::Release);\n",
            "        let _ = flush;\n",
        )],
        "job::a_flush_that_is_requested_before_the_work_is_seen",
        "!blocking.get_mut().unwrap().flushed",
    ),
];

pub(super) const STDIOS: &[Break] = &[
    // No stream waits for its turn.
    broken(
        "stdio 1a",
        STDIO,
        &[("state.turn.is_some_and(|turn| turn != self.number)", "false")],
        "stdio::an_operation_waits_for_the_operation_of_another",
        "two operations are under way",
    ),
    // A stream that is dropped keeps its turn.
    broken(
        "stdio 1b",
        STDIO,
        &[("        self.cancel();\n        self.finish(Ok(()));", "        self.finish(Ok(()));")],
        "stdio::a_stream_that_is_dropped_gives_up_its_turn",
        DEADLOCK,
    ),
    // An answer keeps the turn.
    broken(
        "stdio 1c",
        STDIO,
        &[(
            "        let waiting = state.release();\n        drop(state);\n        wake(waiting);\n        if ended",
            "        let waiting = mem::take(&mut state.waiting);\n        drop(state);\n        wake(waiting);\n        if ended",
        )],
        "stdio::an_operation_waits_for_the_operation_of_another",
        DEADLOCK,
    ),
    // An answer wakes nobody.
    broken(
        "stdio 2a",
        STDIO,
        &[(
            "        let waiting = state.release();\n        drop(state);\n        wake(waiting);\n        if ended",
            "        let waiting = state.release();\n        drop(state);\n        drop(waiting);\n        if ended",
        )],
        "stdio::an_operation_waits_for_the_operation_of_another",
        DEADLOCK,
    ),
    // Closing wakes nobody.
    broken(
        "stdio 2b",
        STDIO,
        &[(
            "        drop(object);\n        wake(waiting);\n",
            "        drop(object);\n        drop(waiting);\n",
        )],
        "stdio::closing_ends_an_operation_that_is_under_way",
        DEADLOCK,
    ),
    // Closing wakes under the lock.
    broken(
        "stdio 2c",
        STDIO,
        &[(
            "        drop(state);\n        drop(object);\n        wake(waiting);\n",
            "        wake(waiting);\n        drop(state);\n        drop(object);\n",
        )],
        "stdio::a_waker_may_own_a_stream",
        DEADLOCK,
    ),
    // The first waker stays.
    broken(
        "stdio 2d",
        STDIO,
        &[(
            "            Some((_, registered)) => Some(mem::replace(registered, waker)),",
            "            Some(_) => Some(waker),",
        )],
        "stdio::an_operation_wakes_the_waker_of_its_last_poll",
        DEADLOCK,
    ),
    // The object is dropped under the lock.
    broken(
        "stdio 3",
        STDIO,
        &[(
            "        drop(state);\n        drop(object);\n        wake(waiting);\n",
            "        drop(object);\n        drop(state);\n        wake(waiting);\n",
        )],
        "stdio::the_object_may_look_at_what_it_belongs_to_when_it_is_dropped",
        DEADLOCK,
    ),
];
