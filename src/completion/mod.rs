//! How a stream ended, how much moved, and the host object back.
//!
//! A completion is a combinator over the core's traits: it costs nothing where it is not used. The source or sink stands
//! in a slot that the stream and the host's [`Completion`] share, so that a cancel hands it back at once, also while the
//! guest has no operation under way. It is polled in there, under a lock that nobody else ever waits for: its code may
//! itself cancel.

mod completing;
mod drive;
mod slot;
mod token;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

pub use self::completing::Completing;
pub use self::drive::{Drive, DriveError, Driven};
use self::slot::{Ended, Over, Slot};
pub use self::token::StoreToken;
use crate::{End, Flush, Halt, Signals, Why};

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
    slot: Arc<Slot<S, E>>,
    close: Option<Close<S, E>>,
    closing: Option<Ended<S, E>>,
    signals: Signals,
}

/// A sink's `poll_close`, captured where it is known which of the two sink traits it has.
type Close<S, E> = fn(Pin<&mut S>, &mut Context<'_>) -> Poll<Result<(), Halt<E>>>;

impl<S, E> Completion<S, E> {
    /// Ends the stream: see [`CancelHandle::cancel`].
    pub fn cancel(&self) {
        self.slot.cut(Why::Cancelled);
    }

    /// Tells a store that was dropped with the stream in it from a guest that dropped its end: the end is then
    /// [`End::Abandoned`], and a sink is not closed. `token` is one that the store's data holds; see [`StoreToken`].
    pub fn watch_store(self, token: &StoreToken) -> Self {
        self.slot.watch(token.downgrade());
        self
    }

    /// A handle that can cancel while the completion is awaited elsewhere.
    pub fn cancel_handle(&self) -> CancelHandle
    where
        S: Send + 'static,
        E: Send + 'static,
    {
        let slot: Arc<dyn slot::Cancel> = self.slot.clone();
        CancelHandle { slot: Arc::downgrade(&slot) }
    }
}

impl<S: Unpin, E> Future for Completion<S, E> {
    type Output = Completed<S, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.closing.is_none() {
            if let Poll::Ready(why) = this.signals.poll(cx) {
                this.slot.cut(why);
            }
            this.closing = Some(ready!(this.slot.poll_ended(cx)));
        }
        let Some(ended) = &mut this.closing else { return Poll::Pending };
        let in_order = matches!(ended.end, End::Finished | End::LimitReached);
        if let (Some(close), true) = (this.close, in_order) {
            match close(Pin::new(&mut ended.object), cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(Halt::Failed(error))) => ended.end = End::Failed(error),
                Poll::Ready(Err(Halt::Ended(why))) => ended.end = why.into(),
                Poll::Pending => ended.end = ready!(this.slot.poll_wanted(cx)).into(),
            }
        }
        match this.closing.take() {
            Some(Ended { end, moved, object }) => {
                Poll::Ready(Completed { end, moved, inner: object })
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
    slot: Weak<dyn slot::Cancel>,
}

impl CancelHandle {
    /// Ends the stream as [`End::Cancelled`], unless it has ended and nothing is left to be done for it.
    ///
    /// The completion resolves at once and hands the source or sink back; nothing that it holds is lost, and a sink is
    /// not closed. A guest's operation that is parked is woken and sees the other end dropped, with what had moved; else
    /// the guest learns it at its next operation. A sink whose stream has ended and whose close hangs is handed back too.
    pub fn cancel(&self) {
        if let Some(slot) = self.slot.upgrade() {
            slot.cancel();
        }
    }
}

impl fmt::Debug for CancelHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelHandle").finish_non_exhaustive()
    }
}

/// A source's or sink's `signals`, captured where it is known which trait it has.
type Share<S> = fn(&S, &mut Signals);

/// Shares a source between its stream and a completion.
pub(crate) fn of_source<S, E>(
    source: S,
    over: Over<S>,
    share: Share<S>,
) -> (Completing<S, E>, Completion<S, E>) {
    pair(source, || End::PeerDropped, Flush::default(), None, over, share)
}

/// Shares a sink between its stream and a completion, which will close it by `close`.
pub(crate) fn of_sink<S, E>(
    sink: S,
    flush: Flush,
    close: Close<S, E>,
    over: Over<S>,
    share: Share<S>,
) -> (Completing<S, E>, Completion<S, E>) {
    pair(sink, || Why::Finished.into(), flush, Some(close), over, share)
}

fn pair<S, E>(
    object: S,
    dropped: fn() -> End<E>,
    flush: Flush,
    close: Option<Close<S, E>>,
    over: Over<S>,
    share: Share<S>,
) -> (Completing<S, E>, Completion<S, E>) {
    let mut signals = Signals::default();
    share(&object, &mut signals);
    let slot = Arc::new(Slot::new(object, over));
    let completing = Completing::new(slot.clone(), dropped, flush);
    (completing, Completion { slot, close, closing: None, signals })
}
