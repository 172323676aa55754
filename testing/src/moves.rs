//! What the kit does to the host object of a script.

use std::fmt;
use std::future::Future;
use std::pin::pin;

use futures::future::{Either, select};

use super::executor;
use super::session::Log;

/// Moves the host object on; `false` if there is nothing to move any more.
pub(super) type Step = Box<dyn FnMut() -> bool>;

#[derive(Default)]
pub(super) struct Moves {
    pub(super) step: Option<Step>,
    pub(super) cut: Option<Box<dyn FnMut()>>,
    pub(super) taken: Option<Box<dyn FnMut() -> usize>>,
    /// How often the host object was moved on.
    pub(super) steps: usize,
    pub(super) log: Log,
}

impl fmt::Debug for Moves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Moves").field("steps", &self.steps).finish_non_exhaustive()
    }
}

impl Moves {
    /// The host object moves on.
    pub(super) fn step(&mut self) -> bool {
        let moved = self.step.as_mut().is_some_and(|step| step());
        if moved {
            self.steps += 1;
            self.log.trace("the host object moves on".to_owned());
        }
        moved
    }

    /// Waits for `future`; if nothing can run the host object moves on, as long as it can.
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

    /// How much has left the host object, if a hook says so.
    pub(super) fn taken(&mut self) -> Option<usize> {
        self.taken.as_mut().map(|taken| taken())
    }

    /// Lets the host objects that the hooks hold go.
    pub(super) fn release(&mut self) {
        (self.step, self.cut, self.taken) = (None, None, None);
    }
}
