//! Waking two tasks.

use std::task::Waker;

/// Wakes when it is dropped, during an unwinding as well.
struct WakeOnDrop(Option<Waker>);

impl Drop for WakeOnDrop {
    fn drop(&mut self) {
        if let Some(waker) = self.0.take() {
            waker.wake();
        }
    }
}

/// Wakes both, also if waking the first one panics. Call it without a lock.
pub(crate) fn wake_both(first: Option<Waker>, second: Option<Waker>) {
    let _second = WakeOnDrop(second);
    drop(WakeOnDrop(first));
}
