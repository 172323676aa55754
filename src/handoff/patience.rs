//! To be woken on another thread takes longer than what is waited for.

use std::hint::spin_loop;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

/// A number for this thread; never 0.
#[inline]
pub(super) fn here() -> usize {
    thread_local!(static HERE: u8 = const { 0 });
    HERE.with(|here| ptr::from_ref(here).addr())
}

/// How often to look again before sleeping, as a lock does: more often where that has helped.
#[derive(Debug)]
pub(super) struct Patience(u16);

impl Patience {
    const MOST: u16 = 256;
    const LEAST: u16 = 32;

    pub(super) fn new() -> Self {
        Self(Self::MOST)
    }

    /// Waits until `turn` is no longer what it was, for a few microseconds at the most.
    pub(super) fn wait(&mut self, turn: &AtomicU32, was: u32) {
        for _ in 0..self.0 {
            if turn.load(Ordering::Acquire) != was {
                self.0 = (self.0 * 2).min(Self::MOST);
                return;
            }
            spin_loop();
        }
        self.0 = (self.0 / 2).max(Self::LEAST);
    }
}
