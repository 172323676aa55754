//! Where bytes and items come from: the two traits that an adapter for the host-to-guest direction implements.

use std::pin::Pin;
use std::task::{Context, Poll};

use crate::{Signals, Why};

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
    End(Why),
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
/// use wasmtime_streams::{ByteProducer, ByteSource, Then, Why};
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
///             return Poll::Ready(Ok((0, Then::End(Why::Finished))));
///         }
///         buf[0] = self.0;
///         self.0 -= 1;
///         Poll::Ready(Ok((1, Then::More)))
///     }
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
    fn poll_readable(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<(), Self::Error>>> {
        let _ = cx;
        None
    }

    /// Says, once, that nobody reads the stream any more though the source has not ended: the guest has dropped its end
    /// (`None`), or the host has cut it short. It must not wait.
    ///
    /// It is said where a [completion](crate::Completion) or another combinator knows it, and keeps the source; without them
    /// a source is only dropped. It is for what takes data over from another task. A combinator hands it on.
    fn stream_ended(self: Pin<&mut Self>, cut: Option<Why>) {
        let _ = cut;
    }

    /// Names what can end the stream while no operation is under way, for a [completion](crate::Completion) to wait for.
    ///
    /// Adapters need nothing here. A combinator hands it on.
    fn signals(&self, signals: &mut Signals) {
        let _ = signals;
    }
}

/// Where items come from: anything that Wasmtime can lower, or that a [delivery step](crate::Deliver) makes into it.
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
    ) -> Option<Poll<Result<(), Self::Error>>> {
        let _ = cx;
        None
    }

    /// Says, once, that the stream has ended by this source's own end or error, or by a delivery step that failed, and
    /// whether all that the source gave was delivered before that.
    ///
    /// Adapters need nothing here. A combinator hands it on; the [`Completion`](crate::Completion) waits for it, so as to
    /// report a failure of the last items too.
    fn ended(self: Pin<&mut Self>, delivered: Result<(), Undelivered>) {
        let _ = delivered;
    }

    /// Says, once, that nobody reads the stream any more though the source has not ended: the guest has dropped its end
    /// (`None`), or the host has cut it short. It must not wait.
    ///
    /// It is said where a [completion](crate::Completion) or another combinator knows it, and keeps the source; without them
    /// a source is only dropped. It is for what takes data over from another task. A combinator hands it on.
    fn stream_ended(self: Pin<&mut Self>, cut: Option<Why>) {
        let _ = cut;
    }

    /// Names what can end the stream while no operation is under way, for a [completion](crate::Completion) to wait for.
    ///
    /// Adapters need nothing here. A combinator hands it on.
    fn signals(&self, signals: &mut Signals) {
        let _ = signals;
    }
}

/// Items that an [`ItemSource`] gave but that did not reach the guest, since the [delivery step](crate::Deliver) failed.
#[non_exhaustive]
#[derive(Debug)]
pub struct Undelivered {
    /// Why the step failed.
    pub error: wasmtime::Error,
    /// How many items were given and not delivered, the one that failed among them.
    pub lost: usize,
}
