//! Waking more than one task.

use std::task::Waker;

/// Wakes as it is dropped.
struct WakeOnDrop(Option<Waker>);

impl Drop for WakeOnDrop {
    fn drop(&mut self) {
        if let Some(waker) = self.0.take() {
            waker.wake();
        }
    }
}

/// Wakes both, also if the first one panics.
pub(crate) fn wake_both(first: Option<Waker>, second: Option<Waker>) {
    let _second = WakeOnDrop(second);
    drop(WakeOnDrop(first));
}
