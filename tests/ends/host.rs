//! A runtime whose clock and reactor move only when a test moves them, beside the kit's executor.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::runtime::{Builder, EnterGuard, Runtime};
use tokio::task::yield_now;

/// The deadline and the idle timeout, by that clock.
pub const TIME: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub struct Host(pub Rc<Runtime>);

impl Host {
    /// With one thread for blocking work, so that jobs run in the order in which they were given.
    pub fn new() -> Self {
        let mut builder = Builder::new_current_thread();
        Self(Rc::new(
            builder.enable_all().start_paused(true).max_blocking_threads(1).build().unwrap(),
        ))
    }

    pub fn enter(&self) -> EnterGuard<'_> {
        self.0.enter()
    }

    /// Lets tokio see what the kernel shows.
    pub fn turn(&self) {
        self.0.block_on(yield_now());
    }

    /// Lets a deadline and an idle timeout expire.
    pub fn pass(&self) {
        self.0.block_on(tokio::time::advance(TIME + Duration::from_millis(1)));
        self.turn();
    }
}

/// Polls once, with a waker that does nothing.
pub fn now<T>(poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls a future once, with a waker that does nothing.
pub fn now_or_never<T>(future: impl Future<Output = T>) -> Option<T> {
    match now(|cx| pin!(future).poll(cx)) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Polls once, with the waker of the current task.
pub async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    poll_fn(|cx| {
        Poll::Ready(match std::pin::Pin::new(&mut *future).poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}
