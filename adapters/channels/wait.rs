use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Waits for a change of a channel whose receiver can only be awaited.
///
/// It awaits a second receiver, so that the first one stays free to be looked at and handed back, and nothing is taken
/// from it. The second one exists only during the wait.
#[derive(Default)]
pub(super) struct Wait(Option<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Wait {
    /// Begins to wait, unless a wait is under way; returns whether this call began it.
    pub(super) fn begin<F>(&mut self, wait: impl FnOnce() -> F) -> bool
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let begins = self.0.is_none();
        if begins {
            self.0 = Some(Box::pin(wait()));
        }
        begins
    }

    /// Ready once, when the wait is over; ready at once without a wait.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(wait) = &mut self.0 else { return Poll::Ready(()) };
        let answer = wait.as_mut().poll(cx);
        if answer.is_ready() {
            self.0 = None;
        }
        answer
    }

    /// Ends the wait.
    pub(super) fn stop(&mut self) {
        self.0 = None;
    }
}

impl fmt::Debug for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wait").field(&self.0.is_some()).finish()
    }
}
