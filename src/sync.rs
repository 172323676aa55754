//! What threads share state with: std's own types.
//!
//! The pieces with a protocol of their own name them through this module only. The crate in `tests/loom` compiles the
//! same pieces with another module in its place, which has loom's types, and so tries every order of their steps.

pub(crate) use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};

pub(crate) mod atomic {
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering, fence};
}

/// How often a side of a hand-over looks again before it parks: at least, and at most.
pub(crate) const SPINS: (u16, u16) = (32, 256);

/// A number for this thread; never 0.
#[inline]
pub(crate) fn thread_id() -> usize {
    thread_local!(static ADDRESS: u8 = const { 0 });
    ADDRESS.with(|address| std::ptr::from_ref(address).addr())
}

/// The number of owners, which can be out of date.
#[inline]
pub(crate) fn strong_count<T: ?Sized>(shared: &Arc<T>) -> usize {
    Arc::strong_count(shared)
}
