//! Advances and cuts the host object of a script.

use std::fmt;
use std::future::Future;
use std::pin::pin;

use futures::future::{Either, select};

use super::executor;
use super::session::Log;

/// Advances the host object; `false` if nothing is left to advance.
pub(super) type Step = Box<dyn FnMut() -> bool>;

#[derive(Default)]
pub(super) struct HostControl {
    pub(super) step: Option<Step>,
    pub(super) cut: Option<Box<dyn FnMut()>>,
    pub(super) taken: Option<Box<dyn FnMut() -> usize>>,
    /// How often the host object has advanced.
    pub(super) steps: usize,
    pub(super) log: Log,
}

impl fmt::Debug for HostControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostControl").field("steps", &self.steps).finish_non_exhaustive()
    }
}

impl HostControl {
    /// Advances the host object.
    pub(super) fn step(&mut self) -> bool {
        let moved = self.step.as_mut().is_some_and(|step| step());
        if moved {
            self.steps += 1;
            self.log.trace("the host object advances".to_owned());
        }
        moved
    }

    /// Waits for `future`. Whenever nothing can run, the host object advances; `None` once it cannot.
    pub(super) async fn wait_for<F: Future + Unpin>(&mut self, mut future: F) -> Option<F::Output> {
        loop {
            match select(&mut future, pin!(executor::idle())).await {
                Either::Left((output, _)) => return Some(output),
                Either::Right(_) => {
                    if !self.step() {
                        return None;
                    }
                }
            }
        }
    }

    /// How many items were taken from the host object, if there is a hook for it.
    pub(super) fn taken(&mut self) -> Option<usize> {
        self.taken.as_mut().map(|taken| taken())
    }

    /// Drops the hooks, and with them the host objects that they hold.
    pub(super) fn release(&mut self) {
        (self.step, self.cut, self.taken) = (None, None, None);
    }
}
