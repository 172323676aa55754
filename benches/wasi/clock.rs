//! CPU time and wall time.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Whose CPU time counts.
#[derive(Clone, Copy)]
pub(crate) enum Of {
    /// Of all threads: where a host has some of its own.
    Process,
    /// Of the calling thread: where the others are peers that are no part of the host.
    Thread,
}

/// What a run took.
#[derive(Clone, Copy, Default)]
pub(crate) struct Spent {
    pub(crate) cpu: Duration,
    pub(crate) wall: Duration,
}

impl std::ops::AddAssign for Spent {
    fn add_assign(&mut self, other: Self) {
        self.cpu += other.cpu;
        self.wall += other.wall;
    }
}

/// A run that has started.
pub(crate) struct Clock {
    id: ClockId,
    cpu: Duration,
    wall: Instant,
}

fn now(id: ClockId) -> Duration {
    let time = clock_gettime(id);
    // CPU time is never negative.
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

impl Clock {
    pub(crate) fn start(of: Of) -> Self {
        let id = match of {
            Of::Process => ClockId::ProcessCPUTime,
            Of::Thread => ClockId::ThreadCPUTime,
        };
        Self { id, cpu: now(id), wall: Instant::now() }
    }

    pub(crate) fn stop(&self) -> Spent {
        Spent { cpu: now(self.id).saturating_sub(self.cpu), wall: self.wall.elapsed() }
    }
}
