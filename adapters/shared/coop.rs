//! A runtime's cooperative budget: a task that is never kept waiting lets others of its thread run now and then.

use std::task::{Context, Poll};

/// Polls, as a step of tokio's budget; elsewhere, and in a task of another runtime, without a bound.
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
