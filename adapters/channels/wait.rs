use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Waits for a change of a channel whose receiver can only be awaited.
///
/// What is awaited is a second receiver, so that the one that was handed in stays where it is: it can be looked at and
/// handed back meanwhile, and nothing is taken from it. The second one is there only while somebody waits.
#[derive(Default)]
pub(super) struct Wait(Option<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Wait {
    /// Begins to wait, unless a wait is under way; whether it has begun.
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

    /// Ready once, then the wait is over.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(wait) = &mut self.0 else { return Poll::Ready(()) };
        let answer = wait.as_mut().poll(cx);
        if answer.is_ready() {
            self.0 = None;
        }
        answer
    }

    /// Nobody waits any more.
    pub(super) fn stop(&mut self) {
        self.0 = None;
    }
}

impl fmt::Debug for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wait").field(&self.0.is_some()).finish()
    }
}
