//! Adaptive spinning: a cross-thread wake-up costs more than the typical wait.

use std::hint::spin_loop;

use crate::sync::SPINS;
use crate::sync::atomic::{AtomicU32, Ordering};

/// How often a side looks again before it parks. Doubles when spinning has helped, halves when it has not.
#[derive(Debug)]
pub(super) struct SpinBudget(u16);

impl SpinBudget {
    const MAX: u16 = SPINS.1;
    const MIN: u16 = SPINS.0;

    pub(super) fn new() -> Self {
        Self(Self::MAX)
    }

    /// Waits until `epoch` differs from `seen`, for a few microseconds at most. Called without a lock.
    pub(super) fn wait(&mut self, epoch: &AtomicU32, seen: u32) {
        for _ in 0..self.0 {
            if epoch.load(Ordering::Acquire) != seen {
                self.0 = (self.0 * 2).min(Self::MAX);
                return;
            }
            spin_loop();
        }
        self.0 = (self.0 / 2).max(Self::MIN);
    }
}
