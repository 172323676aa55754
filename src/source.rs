//! The two traits for the host-to-guest direction: [`ByteSource`] and [`ItemSource`].

use std::pin::Pin;
use std::task::{Context, Poll};

use crate::EndReason;

/// What comes after the bytes or items that a source has just given.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The source does not know whether more is in memory: the operation completes with what it has.
    ///
    /// A raw reader answers this after every read, because to poll it again could start a blocking read, or read ahead
    /// of what the guest wants.
    Stop,
    /// More may be in memory: the source is polled again until the operation is full, its budget is spent, or the
    /// source is pending.
    More,
    /// The stream ends with what was just given, for this reason. The source is not polled again.
    ///
    /// [`EndReason::Finished`] is the end of the data. A source that learns of a cut from whoever feeds it answers that
    /// reason.
    End(EndReason),
}

/// A source of bytes for a guest to read.
///
/// [`ByteProducer`](crate::ByteProducer) turns a `ByteSource` into Wasmtime's
/// [`StreamProducer`](wasmtime::component::StreamProducer) and keeps the [contract](crate::contract). An implementation
/// adds only what its inner object alone can know:
///
/// | method | called | |
/// |---|---|---|
/// | [`poll_read`](Self::poll_read) | in each guest read, in a loop while it answers [`Then::More`] | required |
/// | [`poll_readable`](Self::poll_readable) | in each zero-length read | the default is right for a source that cannot tell, and loses nothing |
/// | [`ended`](Self::ended) | once, at the end | required |
///
/// A source is not polled while the guest cancels an operation, nor after it has ended or failed. It may be polled
/// again with another waker at any time, and moved to another thread between two polls. Only one method is called at a
/// time.
///
/// # Example
///
/// ```
/// use std::{convert::Infallible, pin::Pin, task::{Context, Poll}};
/// use wasmtime_streams::{ByteProducer, ByteSource, EndReason, Then};
///
/// /// Counts down: `n`, `n - 1`, …, 1.
/// struct Countdown(u8);
///
/// impl ByteSource for Countdown {
///     type Error = Infallible;
///
///     fn poll_read(
///         mut self: Pin<&mut Self>,
///         _cx: &mut Context<'_>,
///         buf: &mut [u8],
///     ) -> Poll<Result<(usize, Then), Infallible>> {
///         if self.0 == 0 {
///             return Poll::Ready(Ok((0, Then::End(EndReason::Finished))));
///         }
///         buf[0] = self.0;
///         self.0 -= 1;
///         Poll::Ready(Ok((1, Then::More)))
///     }
///
///     // Nobody else has to be told.
///     fn ended(self: Pin<&mut Self>, _: EndReason) {}
/// }
///
/// let producer = ByteProducer::new(Countdown(3));
/// # let _ = producer;
/// ```
///
/// # Wrappers
///
/// A source around another source forwards `poll_read`, `poll_readable` and `ended`. Without `poll_readable`,
/// zero-length reads complete without waiting. Without `ended`, whoever feeds the inner source learns of the end only
/// when that is dropped, and never its reason. The answers of `poll_read` are passed on as they are, [`Then`] included:
/// it carries the end.
///
/// ```
/// use std::{pin::Pin, task::{Context, Poll}};
/// use wasmtime::{Engine, Store, component::StreamReader};
/// use wasmtime_streams::{ByteProducer, ByteSource, EndReason, Then, iterators};
///
/// /// Gives the bytes of another source in upper case.
/// struct Upper<S>(S);
///
/// impl<S: ByteSource + Unpin> ByteSource for Upper<S> {
///     type Error = S::Error;
///
///     fn poll_read(
///         mut self: Pin<&mut Self>,
///         cx: &mut Context<'_>,
///         buf: &mut [u8],
///     ) -> Poll<Result<(usize, Then), S::Error>> {
///         let answer = Pin::new(&mut self.0).poll_read(cx, buf);
///         if let Poll::Ready(Ok((n, _))) = &answer {
///             buf[..*n].make_ascii_uppercase();
///         }
///         answer
///     }
///
///     fn poll_readable(
///         mut self: Pin<&mut Self>,
///         cx: &mut Context<'_>,
///     ) -> Option<Poll<Result<Then, S::Error>>> {
///         Pin::new(&mut self.0).poll_readable(cx)
///     }
///
///     fn ended(mut self: Pin<&mut Self>, reason: EndReason) {
///         Pin::new(&mut self.0).ended(reason);
///     }
/// }
///
/// # #[cfg(feature = "tokio")]
/// # fn main() -> wasmtime::Result<()> {
/// let hello = wasmtime_streams::tokio_io::read(&b"hello"[..]).into_inner();
/// let mut store = Store::new(&Engine::default(), ());
/// let stream = StreamReader::new(&mut store, ByteProducer::new(Upper(hello)))?;
/// # let (sink, done) = iterators::collect_bytes(9).with_completion();
/// # stream.pipe(&mut store, sink)?; // here a guest would get it
/// # let done = futures::executor::block_on(store.run_concurrent(async |_| done.await))?;
/// # assert_eq!(done.inner.into_inner(), b"HELLO");
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "tokio"))] fn main() {}
/// ```
pub trait ByteSource: Send + 'static {
    /// Why the source failed. The [completion](crate::Completion) reports it to the host.
    type Error: Send + 'static;

    /// Writes bytes to the front of `buf`, and returns how many and what comes next.
    ///
    /// `buf` is never empty. It may be the guest's own memory: its contents are unspecified, and the guest chooses its
    /// length, up to 2<sup>28</sup> - 1. Never allocate by that length.
    ///
    /// - `Ready(Ok((n, then)))`: `n` bytes were written, at most `buf.len()`. `(0, Then::More)` and `(0, Then::Stop)`
    ///   mean that this step gave nothing (an empty chunk, say): the source is polled again. At the end answer
    ///   [`Then::End`], with the last bytes if the end is known by then.
    /// - `Pending`: nothing was taken, and the waker of *this* `cx` is registered. The first poll of each operation
    ///   carries a waker that does nothing, so to rely on the waker of an earlier poll is a hang.
    ///
    /// A guest can cancel a read after any `Pending`. The source is not told: the next read goes on.
    ///
    /// # Errors
    ///
    /// An error ends the stream, after the bytes that were given before it.
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<(usize, Then), Self::Error>>;

    /// Answers a zero-length read: whether bytes, the end or an error are ready. It must not take anything.
    ///
    /// - `None`, the default: the source cannot tell without taking something. The operation completes at once.
    /// - `Some(Pending)`: nothing is ready; the operation waits. The waker of this `cx` is registered.
    /// - `Some(Ready(Ok(then)))`: [`Then::More`] if there are bytes, [`Then::End`] if the end has come, [`Then::Stop`]
    ///   if something is ready that may be the end.
    ///
    /// After `None` or `Stop` a second zero-length read in a row calls `poll_read` with a buffer of one byte. That byte
    /// goes first into the next read: see [zero-length reads](crate::contract#zero-length-reads). So the default loses
    /// nothing.
    ///
    /// # Errors
    ///
    /// An error ends the stream.
    fn poll_readable(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<Then, Self::Error>>> {
        let _ = cx;
        None
    }

    /// Called once when the stream has ended, with the reason: the source's own end or failure, the guest that dropped
    /// its end ([`EndReason::PeerDropped`]), the host, or the store that was dropped. It must not wait.
    ///
    /// It is called whatever ended the stream, with a [completion](crate::Completion) or without. Nothing is polled
    /// after it. A source that is fed by another task tells that task here; a source that owns all its data has nothing
    /// to do. A source that is dropped without this call was never given to a stream. The [table of ends](EndReason)
    /// has all reasons.
    ///
    /// It has no default, so that no wrapper forgets to forward it.
    fn ended(self: Pin<&mut Self>, reason: EndReason);
}

/// A source of items for a guest to read: of a type that Wasmtime can lower, or that a [delivery
/// step](crate::items::Deliver) converts.
///
/// [`ItemProducer`](crate::ItemProducer) turns an `ItemSource` into Wasmtime's
/// [`StreamProducer`](wasmtime::component::StreamProducer) and keeps the [contract](crate::contract). The methods are
/// those of [`ByteSource`], with [`poll_items`](Self::poll_items) in place of `poll_read`, and a wrapper forwards the
/// same three.
///
/// ```
/// use std::{convert::Infallible, pin::Pin, task::{Context, Poll}};
/// use wasmtime_streams::{EndReason, ItemProducer, ItemSource, Then};
///
/// /// Counts down: `n`, `n - 1`, …, 1.
/// struct Countdown(u32);
///
/// impl ItemSource for Countdown {
///     type Item = u32;
///     type Error = Infallible;
///
///     fn poll_items(
///         mut self: Pin<&mut Self>,
///         _cx: &mut Context<'_>,
///         max: usize,
///         out: &mut Vec<u32>,
///     ) -> Poll<Result<Then, Infallible>> {
///         let n = self.0.min(u32::try_from(max).unwrap_or(u32::MAX));
///         out.extend((self.0 - n + 1..=self.0).rev());
///         self.0 -= n;
///         // The end goes with the last items.
///         Poll::Ready(Ok(if self.0 == 0 { Then::End(EndReason::Finished) } else { Then::More }))
///     }
///
///     fn ended(self: Pin<&mut Self>, _: EndReason) {}
/// }
///
/// let producer = ItemProducer::new(Countdown(3));
/// # let _ = producer;
/// ```
pub trait ItemSource: Send + 'static {
    /// The item type on the host's side.
    type Item: Send + 'static;
    /// Why the source failed. The [completion](crate::Completion) reports it to the host.
    type Error: Send + 'static;

    /// Appends at most `max` items to `out`, and returns what comes next. `max` is at least 1.
    ///
    /// `out` may hold items of earlier calls: only append to it. Everything that was appended is delivered, whatever
    /// the answer: items beside an error go before it, and `Pending` beside items completes the operation with them.
    /// Append all that is in memory in one call where that is cheap. Items beyond `max` are delivered by later
    /// operations, but are lost to a [splice](crate::contract#splice).
    ///
    /// `Pending` without items means that the waker of this `cx` is registered, as in [`ByteSource::poll_read`].
    ///
    /// # Errors
    ///
    /// An error ends the stream, after the items beside it.
    fn poll_items(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        max: usize,
        out: &mut Vec<Self::Item>,
    ) -> Poll<Result<Then, Self::Error>>;

    /// Answers a zero-length read, like [`ByteSource::poll_readable`]. No item is created or taken for it. The default,
    /// `None`, loses nothing.
    ///
    /// # Errors
    ///
    /// An error ends the stream.
    fn poll_readable(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<Then, Self::Error>>> {
        let _ = cx;
        None
    }

    /// Called once when the stream has ended, with the reason: see [`ByteSource::ended`].
    fn ended(self: Pin<&mut Self>, reason: EndReason);
}
