//! Where bytes and items come from: the two traits that an adapter for the host-to-guest direction implements.

use std::pin::Pin;
use std::task::{Context, Poll};

use crate::EndReason;

/// What a source says about its future along with what it has just given.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Nothing more is known to be in memory: the operation completes with what it has.
    ///
    /// A raw reader answers this after every read, since asking it again could start a blocking read, or read ahead of
    /// what the guest wants.
    Stop,
    /// More may be in memory: the operation asks again until it is full, its budget is spent, or the source is pending.
    More,
    /// What was just given was the last; the source is not polled again.
    End(EndReason),
}

/// Where bytes come from.
///
/// [`ByteProducer`](crate::ByteProducer) turns a `ByteSource` into Wasmtime's
/// [`StreamProducer`](wasmtime::component::StreamProducer) and keeps the [contract](crate::contract); what is left for
/// an implementation is only what its inner object knows. The core never polls a source after it ended or failed, and
/// never while the guest cancels an operation.
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
///     // It hands nothing on to anybody who would have to be told.
///     fn ended(self: Pin<&mut Self>, _: EndReason) {}
/// }
///
/// let producer = ByteProducer::new(Countdown(3));
/// # let _ = producer;
/// ```
pub trait ByteSource: Send + 'static {
    /// Why the source failed. It reaches the host through the [completion](crate::Completion).
    type Error: Send + 'static;

    /// Writes bytes to the front of `buf`, which is never empty, and says how many and what comes next.
    ///
    /// `buf` may be the guest's own memory: its contents are unspecified, and its length is what the guest chose, up to
    /// 2<sup>28</sup> - 1; never allocate by it. `(0, Then::More)` says that this step gave nothing (an empty chunk),
    /// and the source is asked again. At the end answer [`Then::End`], with the last bytes if it is known by then.
    ///
    /// `Pending` must mean that nothing was taken and that the waker of *this* `cx` is registered: the first poll of each
    /// operation carries a waker that does nothing, and a waker kept from an earlier poll is a hang.
    ///
    /// # Errors
    ///
    /// An error ends the stream. Bytes given before it are delivered first.
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<(usize, Then), Self::Error>>;

    /// Answers a zero-length read: is something ready (bytes, the end or an error)?
    ///
    /// `None`, the default, says that this source cannot tell without taking something; the operation then completes at
    /// once. `Some(Pending)` waits, under the same rule about wakers. Nothing may be lost by asking.
    ///
    /// [`Then::More`] says that there are bytes, [`Then::End`] that the end has come. [`Then::Stop`] says that something is
    /// ready, and that it may be the end. After `None` or `Stop` a guest that asks again without having read is answered by a
    /// look ahead: see the [contract](crate::contract#zero-length-reads).
    fn poll_readable(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<Then, Self::Error>>> {
        let _ = cx;
        None
    }

    /// Says, once, that the stream is over, and why: by the source's own end or failure, by the guest that dropped its end
    /// ([`EndReason::PeerDropped`]), by the host, by a store that was dropped. It must not wait.
    ///
    /// It is called whatever ended the stream, with a [completion](crate::Completion) or without, and nothing is polled
    /// after it. A source that stands between the guest and another task tells that task here; one that owns all that it
    /// needs has nothing to do. A source that is dropped without it was never given to a stream.
    fn ended(self: Pin<&mut Self>, reason: EndReason);
}

/// Where items come from: anything that Wasmtime can lower, or that a [delivery step](crate::items::Deliver) makes into it.
///
/// [`ItemProducer`](crate::ItemProducer) turns an `ItemSource` into Wasmtime's
/// [`StreamProducer`](wasmtime::component::StreamProducer) and keeps the [contract](crate::contract).
pub trait ItemSource: Send + 'static {
    /// What flows on the host's side.
    type Item: Send + 'static;
    /// Why the source failed. It reaches the host through the [completion](crate::Completion).
    type Error: Send + 'static;

    /// Appends at most `max` items to `out` (`max` is at least 1) and says what comes next.
    ///
    /// Whatever was appended is delivered, whatever the answer: items beside an error go before it, and `Pending` beside
    /// items completes the operation with them. Take all that is in memory in one call where that is cheap. What exceeds
    /// `max` is delivered by later operations, but is lost to a [splice](crate::contract#splice).
    ///
    /// `Pending` without items must have registered the waker of this `cx`, as in [`ByteSource::poll_read`].
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

    /// Answers a zero-length read, like [`ByteSource::poll_readable`]. No item is created or taken for it.
    fn poll_readable(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<Then, Self::Error>>> {
        let _ = cx;
        None
    }

    /// Says, once, that the stream is over, and why: see [`ByteSource::ended`].
    fn ended(self: Pin<&mut Self>, reason: EndReason);
}
