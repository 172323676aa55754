//! How a stream ended, how much moved, and the host object back.
//!
//! A completion is a combinator over the core's traits: it costs nothing where it is not used. The source or sink stands
//! in a slot that the stream and the host's [`Completion`] share, so that a cancel hands it back at once, also while the
//! guest has no operation under way. It is polled in there, under a lock that nobody else ever waits for: its code may
//! itself cancel.

mod drive;
mod shared;
mod slot;
mod token;

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

pub use self::drive::{Drive, Driven};
pub(crate) use self::shared::SharedPlace;
pub(crate) use self::slot::Slot;
use self::slot::{Cancel, Completing, Ended};
pub use self::token::StoreToken;
pub use crate::place::{Holding, Owned, Shared};
use crate::{End, EndReason};

/// What a [`Completion`] resolves with.
#[non_exhaustive]
#[derive(Debug)]
pub struct Completed<S, E> {
    /// How the stream ended.
    pub end: End<E>,
    /// How many bytes or items the source gave or the sink accepted. Items that were given but could not be delivered
    /// ([`End::Undeliverable`]) do not count.
    pub moved: u64,
    /// The adapter: from it come the inner object, and what it still holds.
    pub inner: S,
    ahead: Option<Box<dyn Any + Send>>,
}

impl<S, E> Completed<S, E> {
    /// The byte or item that the source gave for a [zero-length read](crate::contract#zero-length-reads) and that the guest
    /// then did not read; `T` is `u8`, or the source's item. It comes before all that is left in the source, and is not
    /// counted in `moved`.
    pub fn take_ahead<T: 'static>(&mut self) -> Option<T> {
        let ahead = self.ahead.take_if(|ahead| ahead.is::<T>())?;
        ahead.downcast().ok().map(|ahead| *ahead)
    }

    /// The same without the adapter, which is dropped.
    pub(crate) fn without_inner(self) -> Completed<(), E> {
        let Self { end, moved, .. } = self;
        Completed { end, moved, inner: (), ahead: None }
    }
}

/// Resolves once, as soon as it is known how a stream ended.
///
/// Made by `with_completion` of each producer and consumer. It may be awaited on any task and any executor, but streams
/// move only while someone polls their store: inside of [`run_concurrent`] await it in the closure; outside of it, see
/// that the store runs meanwhile, or the wait never ends.
///
/// **A sink is closed by its completion, and by nothing else**: Wasmtime only drops a consumer when the stream ends, and
/// a drop can neither flush nor shut down asynchronously. When the guest has dropped its end, awaiting the completion
/// flushes the sink and shuts it down, then resolves; if closing fails that is the [`End::Failed`]. Who does not want to
/// wait hands it to an executor (`tokio::spawn(completion)`). If neither is done, the sink is dropped as it is: what its
/// own buffer holds is lost, which is nothing under [`Flush::EachOp`](crate::Flush::EachOp), and no shutdown is sent.
///
/// A sink is closed at the guest's end of the data and at a limit. One that was cut short otherwise (cancelled, timed out,
/// failed, abandoned) is handed back as it is, without closing it: closing may be just what hangs.
///
/// What ends a stream from outside (a deadline, an idle timeout, a token) does so at once, also while the guest has no
/// operation under way, as long as the completion is awaited.
///
/// Dropping a `Completion` does not disturb the stream, which then does without the lock that they shared. Once it has resolved it must not be polled again.
///
/// [`run_concurrent`]: wasmtime::Store::run_concurrent
#[must_use = "a sink is flushed and shut down only when its completion is awaited or spawned"]
pub struct Completion<S, E> {
    stream: Arc<dyn Completing<S, E>>,
    /// The stream has ended in order: a sink is being closed.
    closing: bool,
}

impl<S, E> Completion<S, E> {
    pub(crate) fn new(stream: Arc<dyn Completing<S, E>>) -> Self {
        Self { stream, closing: false }
    }

    /// Ends the stream: see [`CancelHandle::cancel`].
    pub fn cancel(&self) {
        self.stream.cut(EndReason::Cancelled);
    }

    /// Tells a store that was dropped with the stream in it from a guest that dropped its end: the end is then
    /// [`End::Abandoned`], and a sink is not closed. `token` is one that the store's data holds; see [`StoreToken`].
    pub fn watch_store(self, token: &StoreToken) -> Self {
        self.stream.watch(token.downgrade());
        self
    }

    /// Pipes the consumer of this stream. If that fails the stream is cut short: Wasmtime drops the consumer then, as it does
    /// when the guest has nothing to write.
    pub(crate) fn pipe(&self, pipe: impl FnOnce() -> wasmtime::Result<()>) -> wasmtime::Result<()> {
        self.stream.begin_piping();
        let piped = pipe();
        self.stream.piped(piped.is_ok());
        piped
    }

    /// Cuts the stream short, and drops the object; nothing of that after the end.
    fn abandon(&self) {
        self.stream.cut(EndReason::Abandoned);
        drop(self.stream.take());
    }

    /// A handle that can cancel while the completion is awaited elsewhere.
    pub fn cancel_handle(&self) -> CancelHandle
    where
        S: 'static,
        E: 'static,
    {
        let stream: Arc<dyn Cancel> = self.stream.clone();
        CancelHandle { stream: Arc::downgrade(&stream) }
    }
}

impl<S, E> Future for Completion<S, E> {
    type Output = Completed<S, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let cut = match this.stream.poll_signals(cx) {
            Poll::Ready(reason) => Some(reason),
            Poll::Pending => None,
        };
        if !this.closing {
            if let Some(reason) = cut {
                this.stream.cut(reason);
            }
            this.closing = ready!(this.stream.poll_ended(cx));
        }
        if this.closing {
            ready!(this.stream.poll_close(cx, cut));
        }
        match this.stream.take() {
            Some(Ended { end, moved, object, ahead }) => {
                Poll::Ready(Completed { end, moved, inner: object, ahead })
            }
            None => Poll::Pending,
        }
    }
}

impl<S, E> Unpin for Completion<S, E> {}

impl<S, E> fmt::Debug for Completion<S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion").finish_non_exhaustive()
    }
}

/// Cancels a stream from anywhere. It keeps nothing of the stream alive.
#[derive(Clone)]
pub struct CancelHandle {
    stream: Weak<dyn Cancel>,
}

impl CancelHandle {
    /// Ends the stream as [`End::Cancelled`], unless it has ended and nothing is left to be done for it.
    ///
    /// The completion resolves at once and hands the source or sink back; nothing that it holds is lost, and a sink is
    /// not closed. A guest's operation that is parked is woken and sees the other end dropped, with what had moved; else
    /// the guest learns it at its next operation. A sink whose stream has ended and whose close hangs is handed back too.
    pub fn cancel(&self) {
        if let Some(stream) = self.stream.upgrade() {
            stream.cut(EndReason::Cancelled);
        }
    }
}

impl fmt::Debug for CancelHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelHandle").finish_non_exhaustive()
    }
}
