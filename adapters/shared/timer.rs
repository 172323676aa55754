use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

/// The timer's runtime was shut down, or has time disabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoTimer;

pin_project! {
    /// A future that waits for a tokio timer, and returns an error where the timer panics.
    ///
    /// A stream can outlive the runtime in which its deadline was made. tokio's timers then panic when polled, and
    /// there is no way to check beforehand.
    #[derive(Debug)]
    pub(crate) struct Timed<F> {
        #[pin]
        future: F,
    }
}

impl<F> Timed<F> {
    pub(crate) fn new(future: F) -> Self {
        Self { future }
    }
}

impl<F: Future> Future for Timed<F> {
    type Output = Result<F::Output, NoTimer>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // The future is not polled again after a panic.
        let polled = catch_unwind(AssertUnwindSafe(|| self.project().future.poll(cx)));
        polled.map_or(Poll::Ready(Err(NoTimer)), |polled| polled.map(Ok))
    }
}
