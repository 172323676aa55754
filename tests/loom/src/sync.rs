//! Loom's types in the place of the library's `sync`.
//!
//! What differs from loom's own:
//!
//! - `Mutex` can be tried exactly: see [`mutex`].
//! - A plain store is a swap: loom lets a swap on another thread read past a store, and reports a deadlock that cannot
//!   be.
//! - `Arc` and `Weak` are std's, because a waker and an unsized type need them. Their counts are no steps to loom, so
//!   [`strong_count`] is one, and [`step`] before a drop that matters.

#[path = "mutex.rs"]
mod mutex;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
pub(crate) use std::sync::{Arc, PoisonError, TryLockError, Weak};

pub(crate) use self::mutex::{Mutex, MutexGuard};

pub(crate) mod atomic {
    pub(crate) use loom::sync::atomic::{Ordering, fence};

    macro_rules! atomics {
        ($($name:ident: $of:ty;)*) => { $(
            #[derive(Debug)]
            pub(crate) struct $name(loom::sync::atomic::$name);

            impl $name {
                pub(crate) fn new(value: $of) -> Self {
                    Self(loom::sync::atomic::$name::new(value))
                }

                pub(crate) fn load(&self, order: Ordering) -> $of {
                    self.0.load(order)
                }

                pub(crate) fn store(&self, value: $of, order: Ordering) {
                    self.0.swap(value, order);
                }

                pub(crate) fn swap(&self, value: $of, order: Ordering) -> $of {
                    self.0.swap(value, order)
                }

                pub(crate) fn compare_exchange(
                    &self,
                    from: $of,
                    to: $of,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$of, $of> {
                    self.0.compare_exchange(from, to, success, failure)
                }
            }
        )* };
    }

    atomics! {
        AtomicBool: bool;
        AtomicU8: u8;
        AtomicU32: u32;
    }
}

/// One look before a side of a hand-over parks: loom tries what happens between two looks.
pub(crate) const SPINS: (u16, u16) = (1, 1);

/// A number for this thread: loom's threads share one of the system.
pub(crate) fn thread_id() -> usize {
    let mut hasher = DefaultHasher::new();
    loom::thread::current().id().hash(&mut hasher);
    hasher.finish() as usize | 1
}

loom::lazy_static! {
    static ref STEPS: loom::sync::atomic::AtomicUsize = loom::sync::atomic::AtomicUsize::new(0);
}

/// A step at which loom can switch, ordered with all others.
pub(crate) fn step() {
    STEPS.fetch_add(1, atomic::Ordering::AcqRel);
}

pub(crate) fn strong_count<T: ?Sized>(shared: &Arc<T>) -> usize {
    step();
    Arc::strong_count(shared)
}
