//! tokio's cooperative budget: a task that never has to wait yields now and then to the other tasks of its thread.

use std::task::{Context, Poll};

/// Polls as one step of tokio's budget; outside of tokio, without a bound.
#[cfg(feature = "tokio")]
#[inline]
pub(crate) fn poll_step<R>(
    cx: &mut Context<'_>,
    poll: impl FnOnce(&mut Context<'_>) -> Poll<R>,
) -> Poll<R> {
    let coop = std::task::ready!(::tokio::task::coop::poll_proceed(cx));
    let answer = poll(cx);
    if answer.is_ready() {
        coop.made_progress();
    }
    answer
}

#[cfg(not(feature = "tokio"))]
#[inline]
pub(crate) fn poll_step<R>(
    cx: &mut Context<'_>,
    poll: impl FnOnce(&mut Context<'_>) -> Poll<R>,
) -> Poll<R> {
    poll(cx)
}
