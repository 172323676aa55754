//! How a stream ended, how much moved, and the host object back.
//!
//! `with_completion` of a producer or consumer gives a second value, a [`Completion`]: a future that resolves once,
//! when the stream has ended.
//!
//! | you want to | use |
//! |---|---|
//! | know how a stream ended and how much moved, and get the object back | await the [`Completion`]; it resolves with a [`Completed`] |
//! | flush and shut down a sink | the same: nothing else closes it |
//! | end a stream from anywhere | [`Completion::cancel`], or a [`CancelHandle`] |
//! | have a sink closed, whether or not anybody awaits it | [`Completion::driven_by`]: an executor runs the [`Drive`], and the [`Driven`] says how it ended |
//! | tell a guest that traps from one that drops its end | a [`StoreToken`] in the store's data, and [`Completion::watch_store`] |
//! | answer a guest with a `future<result>` | [`into_wit`](crate::ByteProducer::into_wit) and [`pipe_wit`](crate::ByteConsumer::pipe_wit), which use a completion |
//! | name the type of a producer or consumer | [`Owned`] without a completion, which is the default, [`Shared`] with one; [`Holding`] is the bound of code that takes both |
//!
//! A completion can be awaited on any task and any executor, but streams move only while someone polls their store. It
//! costs one allocation a stream and one lock an operation; a stream without a completion pays nothing.
//!
//! # Cancel, and get the object back
//!
//! ```
//! use wasmtime::{Engine, Store, component::StreamReader};
//! use wasmtime_streams::{End, iterators};
//!
//! # fn main() -> wasmtime::Result<()> {
//! let mut store = Store::new(&Engine::default(), ());
//! let (numbers, done) = iterators::items(1_u32..).with_completion();
//! let stream = StreamReader::new(&mut store, numbers)?; // for a guest
//!
//! // From any thread, also while the guest has no operation under way.
//! done.cancel_handle().cancel();
//!
//! let done = futures::executor::block_on(done);
//! assert!(matches!(done.end, End::Cancelled));
//! assert_eq!(done.moved, 0);
//! assert_eq!(done.inner.into_inner().next(), Some(1));
//! # let _ = stream;
//! # Ok(())
//! # }
//! ```
//!
//! # Close a sink in any case
//!
//! ```
//! use wasmtime::{Engine, Store, component::StreamReader};
//!
//! # #[cfg(feature = "tokio")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> wasmtime::Result<()> {
//! use wasmtime_streams::tokio_io;
//!
//! let mut store = Store::new(&Engine::default(), ());
//! let stream = StreamReader::new(&mut store, tokio_io::read(&b"hello"[..]))?; // here a guest's
//!
//! let (consumer, done) = tokio_io::write(tokio::io::sink()).with_completion();
//! stream.pipe(&mut store, consumer)?;
//! // tokio closes the writer at the end of the stream. `driven` need not be awaited.
//! let driven = done.driven_by(|task| drop(tokio::spawn(task)));
//!
//! let done = store.run_concurrent(async |_| driven.await).await??;
//! assert!(done.end.is_finished());
//! assert_eq!(done.moved, 5);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "tokio"))] fn main() {}
//! ```

mod drive;
mod ending;
mod shared;
mod slot;
mod token;

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pub use self::drive::{Drive, Driven};
use self::ending::{Cancel, Completing, Ended};
pub(crate) use self::shared::SharedPlace;
pub(crate) use self::slot::Slot;
pub use self::token::StoreToken;
pub use crate::place::{Holding, Owned, Shared};
use crate::sync::{Arc, Weak};
use crate::{End, EndReason};

/// What a [`Completion`] resolves with.
#[non_exhaustive]
#[derive(Debug)]
pub struct Completed<S, E> {
    /// How the stream ended.
    pub end: End<E>,
    /// The number of bytes or items that the source gave or the sink accepted. Items that could not be delivered
    /// ([`End::Undeliverable`]) do not count.
    pub moved: u64,
    /// The adapter. It gives the inner object, and what it still holds.
    pub inner: S,
    ahead: Option<Box<dyn Any + Send>>,
}

impl<S, E> Completed<S, E> {
    /// The byte or item that was looked ahead for a [zero-length read](crate::contract#zero-length-reads) and that the
    /// guest did not read. `T` is `u8`, or the source's item. It precedes all that is left in the source, and is not
    /// counted in `moved`.
    pub fn take_ahead<T: 'static>(&mut self) -> Option<T> {
        let ahead = self.ahead.take_if(|ahead| ahead.is::<T>())?;
        ahead.downcast().ok().map(|ahead| *ahead)
    }

    /// Drops the adapter.
    pub(crate) fn without_inner(self) -> Completed<(), E> {
        let Self { end, moved, .. } = self;
        Completed { end, moved, inner: (), ahead: None }
    }
}

/// A future that resolves once, as soon as it is known how a stream ended.
///
/// `with_completion` of each producer and consumer makes it. It can be awaited on any task and any executor, but
/// streams move only while someone polls their store: await it inside [`run_concurrent`], or make sure that the store
/// runs meanwhile. Otherwise the wait never ends.
///
/// **Only its completion closes a sink.** Wasmtime drops a consumer when the stream ends, and a drop can neither flush
/// nor shut down asynchronously. When the guest has dropped its end, awaiting the completion flushes the sink, shuts it
/// down, and resolves; if the close fails, the end is [`End::Failed`]. To close it without waiting, hand the completion
/// to an executor (`tokio::spawn(completion)`). Without either, the sink is dropped as it is: the contents of its own
/// buffer are lost, which is nothing under [`Flush::EachOp`](crate::Flush::EachOp), and no shutdown is sent.
///
/// A sink is closed at the guest's end of the data and at a limit. After any other cut (cancelled, timed out, failed,
/// abandoned) it is handed back without being closed, because the close may be what hangs.
///
/// A deadline, an idle timeout and a token end the stream at once as long as the completion is awaited, also while the
/// guest has no operation under way.
///
/// Dropping a `Completion` does not disturb the stream, which then does without the lock that they shared. Once it has
/// resolved it must not be polled again.
///
/// [`run_concurrent`]: wasmtime::Store::run_concurrent
#[must_use = "a sink is flushed and shut down only when its completion is awaited or spawned; await it while the store is polled, as in `run_concurrent`"]
pub struct Completion<S, E> {
    stream: Arc<dyn Completing<S, E>>,
    /// The stream has ended, and a sink is being closed.
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

    /// Reports a store that is dropped with the stream in it as [`End::Abandoned`], and does not close a sink then.
    /// Without it that looks like a guest that drops its end. The store's data must hold `token`: see [`StoreToken`].
    pub fn watch_store(self, token: &StoreToken) -> Self {
        self.stream.watch(token.downgrade());
        self
    }

    /// Pipes the consumer of this stream. If that fails the stream is cut, as `Abandoned`: Wasmtime drops the consumer
    /// then, which else looks like a guest that wrote nothing.
    pub(crate) fn pipe(&self, pipe: impl FnOnce() -> wasmtime::Result<()>) -> wasmtime::Result<()> {
        let piping = self.piping();
        pipe()?;
        piping.done();
        Ok(())
    }

    /// The consumer of this stream is going to be piped: until that is done, dropping it cuts the stream short.
    pub(crate) fn piping(&self) -> Piping<S, E> {
        self.stream.begin_piping();
        Piping { stream: self.stream.clone(), ok: false }
    }

    /// Ends the stream as `Abandoned`, unless it has ended, and drops the object.
    fn abandon(&self) {
        self.stream.orphan();
    }

    /// A handle that cancels the stream while the completion is awaited elsewhere.
    pub fn cancel_handle(&self) -> CancelHandle
    where
        S: 'static,
        E: 'static,
    {
        let stream: Arc<dyn Cancel> = self.stream.clone();
        CancelHandle { stream: Arc::downgrade(&stream) }
    }
}

/// A consumer that is not piped yet. Dropping this without [`done`](Self::done) cuts the stream short.
pub(crate) struct Piping<S, E> {
    stream: Arc<dyn Completing<S, E>>,
    ok: bool,
}

impl<S, E> Piping<S, E> {
    pub(crate) fn done(mut self) {
        self.ok = true;
    }
}

impl<S, E> Drop for Piping<S, E> {
    fn drop(&mut self) {
        self.stream.piped(self.ok);
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

/// Cancels a stream from anywhere. It keeps neither the stream nor the object alive.
#[derive(Clone)]
pub struct CancelHandle {
    stream: Weak<dyn Cancel>,
}

impl CancelHandle {
    /// Ends the stream as [`End::Cancelled`], unless it has ended.
    ///
    /// The completion resolves at once and hands the source or sink back. Nothing that it holds is lost, and a sink is
    /// not closed. A parked guest operation is woken and returns `Dropped`, with what had moved; otherwise the guest's
    /// next operation does. A close that is under way after the end of the data is given up, and the sink is handed
    /// back.
    ///
    /// It never waits, and may be called from the object's own code.
    pub fn cancel(&self) {
        if let Some(stream) = self.stream.upgrade() {
            stream.cut(EndReason::Cancelled);
        }
    }

    /// Ends the stream as `reason`, as [`cancel`](Self::cancel) does.
    pub(crate) fn cut(&self, reason: EndReason) {
        if let Some(stream) = self.stream.upgrade() {
            stream.cut(reason);
        }
    }
}

impl fmt::Debug for CancelHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelHandle").finish_non_exhaustive()
    }
}
