//! A mutex that can be tried exactly.
//!
//! With loom's own, the unlock is no step, and a thread that is about to try a mutex that is held is not scheduled: no
//! order is tried in which it fails. So this one is what std's is: a flag that is swapped, here under loom. A failed
//! try orders no memory, as with std's.

use std::any;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{self, LockResult, PoisonError, TryLockError, TryLockResult};

/// Types whose mutex may be tried. The lock and the unlock of any other are one step, as nothing happens between them
/// that another thread could see without the mutex.
const TRIED: &[&str] = &["SlotState"];

pub(crate) struct Mutex<T> {
    value: sync::Mutex<T>,
    /// Whether it may be tried: see [`TRIED`].
    tried: bool,
    held: loom::sync::atomic::AtomicBool,
    /// The same as `held`, no step: whether a thread that has found it held may still wait.
    still_held: AtomicBool,
    /// Threads that have found it held.
    waiting: AtomicUsize,
    queue: loom::sync::Mutex<()>,
    free: loom::sync::Condvar,
}

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            value: sync::Mutex::new(value),
            tried: TRIED.iter().any(|tried| any::type_name::<T>().contains(tried)),
            held: loom::sync::atomic::AtomicBool::new(false),
            still_held: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
            queue: loom::sync::Mutex::new(()),
            free: loom::sync::Condvar::new(),
        }
    }

    /// One step, if it succeeds.
    fn acquire(&self) -> bool {
        let free = self.held.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed);
        if free.is_ok() {
            self.still_held.store(true, Ordering::Relaxed);
        }
        free.is_ok()
    }

    fn guard<'a>(
        &'a self,
        queue: Option<loom::sync::MutexGuard<'a, ()>>,
    ) -> LockResult<MutexGuard<'a, T>> {
        match self.value.try_lock() {
            Ok(value) => Ok(MutexGuard { mutex: self, value: Some(value), queue }),
            Err(TryLockError::Poisoned(value)) => {
                let value = Some(value.into_inner());
                Err(PoisonError::new(MutexGuard { mutex: self, value, queue }))
            }
            Err(TryLockError::WouldBlock) => unreachable!("the flag excludes the others"),
        }
    }

    pub(crate) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        if !self.tried {
            return self.guard(Some(self.queue.lock().unwrap()));
        }
        while !self.acquire() {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            let mut queue = self.queue.lock().unwrap();
            while self.still_held.load(Ordering::Relaxed) {
                queue = self.free.wait(queue).unwrap();
            }
            drop(queue);
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        self.guard(None)
    }

    pub(crate) fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        assert!(self.tried, "the type is to be listed in `TRIED`");
        // A load first: one that fails may read an old value.
        if self.held.load(Ordering::Relaxed) || !self.acquire() {
            return Err(TryLockError::WouldBlock);
        }
        self.guard(None).map_err(TryLockError::Poisoned)
    }

    pub(crate) fn get_mut(&mut self) -> LockResult<&mut T> {
        self.value.get_mut()
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

pub(crate) struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    /// `None` only within the drop.
    value: Option<sync::MutexGuard<'a, T>>,
    /// Of a mutex that is never tried.
    queue: Option<loom::sync::MutexGuard<'a, ()>>,
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().unwrap()
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().unwrap()
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        let mutex = self.mutex;
        // The other threads see it free from the swap on.
        self.value = None;
        if self.queue.take().is_some() {
            return;
        }
        mutex.held.swap(false, Ordering::Release);
        mutex.still_held.store(false, Ordering::Relaxed);
        if mutex.waiting.load(Ordering::Relaxed) > 0 {
            let _queue = mutex.queue.lock().unwrap();
            mutex.free.notify_all();
        }
    }
}
