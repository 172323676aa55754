//! Where bytes and items go: the two traits that an adapter for the guest-to-host direction implements.

use std::pin::Pin;
use std::task::{Context, Poll};

use crate::{End, EndReason};

/// When a sink is flushed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flush {
    /// A guest's write completes only when what it wrote has been flushed. The default: the guest can rely on it, and
    /// nothing is left behind in a buffer that nobody drives.
    #[default]
    EachOp,
    /// Writes complete as soon as the sink has accepted them; the [completion](crate::Completion) flushes when the
    /// stream ends. Faster into buffered writers; who takes this and does not await the completion loses what the
    /// buffer holds at the end.
    OnClose,
}

/// Where bytes go.
///
/// [`ByteConsumer`](crate::ByteConsumer) turns a `ByteSink` into Wasmtime's
/// [`StreamConsumer`](wasmtime::component::StreamConsumer) and keeps the [contract](crate::contract). It calls
/// `poll_write` while progress is made, then `poll_flush` (as [`Flush`] says). `poll_close` is called by the
/// [completion](crate::Completion) alone, for Wasmtime offers no moment at the end of a stream in which a sink could be
/// polled. After an error nothing but `poll_close` is called.
pub trait ByteSink: Send + 'static {
    /// Why the sink failed. It reaches the host through the [completion](crate::Completion).
    type Error: Send + 'static;

    /// Accepts bytes from the front of `buf`, which is never empty, and says how many: at least 1.
    ///
    /// `buf` may be the guest's own memory, and as long as the guest chose: never allocate by its length. `Pending` means
    /// that nothing of `buf` was accepted and that the waker of *this* `cx` is registered.
    ///
    /// # Errors
    ///
    /// An error ends the stream for the guest, as the end that it is; bytes accepted before it count as written. A writer that accepts 0
    /// bytes is an error that the implementation reports ([`WriteZero`](std::io::ErrorKind::WriteZero)).
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize, End<Self::Error>>>;

    /// Answers a zero-length write: would `poll_write` accept something?
    ///
    /// `None`, the default, says that this sink cannot tell; the operation then completes at once.
    fn poll_writable(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<(), End<Self::Error>>>> {
        let _ = cx;
        None
    }

    /// Brings to its destination what was accepted. A sink that buffers nothing is ready at once.
    ///
    /// # Errors
    ///
    /// An error ends the stream, as the end that it is.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>)
    -> Poll<Result<(), End<Self::Error>>>;

    /// Flushes and shuts down, polled until it is ready, once the stream has ended.
    ///
    /// # Errors
    ///
    /// What was accepted but could not be brought to its destination.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>)
    -> Poll<Result<(), End<Self::Error>>>;

    /// Says that the guest cancelled the operation that is under way: give back what was reserved for it.
    fn op_cancelled(self: Pin<&mut Self>) {}

    /// Says, once, that the stream is over, and why, before the sink is flushed or closed: [`EndReason::Finished`] at the guest's
    /// end of the data, and else that it was cut short. It must not wait.
    ///
    /// It is called whatever ended the stream, with a [completion](crate::Completion) or without, after an error of the
    /// sink's own, too. A sink that hands data on to another task tells it here that the data is complete, or that it is not:
    /// [truncated is never complete](crate::contract#truncated-is-never-complete). So treat a drop without it as a cut.
    fn ended(self: Pin<&mut Self>, reason: EndReason);
}

/// The items of one guest write, for an [`ItemSink`] to take from.
pub trait Take<I> {
    /// How many items can still be taken in this operation. Large writes are offered in parts.
    fn remaining(&self) -> usize;

    /// How many items were taken in this operation, in earlier polls of it too.
    fn taken(&self) -> usize;

    /// Appends up to `max` items to `out` and returns how many.
    ///
    /// One call gives at most the consumer's [batch](crate::ItemConsumer::batch); it gives 0 only when `remaining` is 0.
    /// It never fails: if an item cannot be lifted nothing more can be taken, and the core reports why.
    fn take(&mut self, max: usize, out: &mut Vec<I>) -> usize;

    /// Takes one item, without an allocation.
    fn take_one(&mut self) -> Option<I>;
}

/// Where items go: anything that Wasmtime can lift, or that a [receiving step](crate::items::Receive) makes from it.
///
/// [`ItemConsumer`](crate::ItemConsumer) turns an `ItemSink` into Wasmtime's
/// [`StreamConsumer`](wasmtime::component::StreamConsumer) and keeps the [contract](crate::contract).
pub trait ItemSink: Send + 'static {
    /// What flows on the host's side.
    type Item: Send + 'static;
    /// Why the sink failed. It reaches the host through the [completion](crate::Completion).
    type Error: Send + 'static;

    /// Takes items and sends them on. What is taken is the sink's responsibility from then on.
    ///
    /// The sink is handed the items' owner, not a number: it can reserve room first and then take just that many, in one
    /// call, while other senders compete for the room.
    ///
    /// - `Ready(Ok(()))` completes the operation with what was taken: at least one item.
    /// - `Pending` holds the operation, whether or not items were taken; they count as written if the guest cancels.
    ///   The waker of this `cx` must be registered. When polled again, [`Take::taken`] tells what is under way.
    ///
    /// # Errors
    ///
    /// An error ends the stream for the guest, as the end that it is. Items that were taken but not sent stay in the sink, for the host to
    /// take back through the [completion](crate::Completion).
    fn poll_accept(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        items: &mut dyn Take<Self::Item>,
    ) -> Poll<Result<(), End<Self::Error>>>;

    /// Answers a zero-length write, like [`ByteSink::poll_writable`].
    fn poll_writable(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<(), End<Self::Error>>>> {
        let _ = cx;
        None
    }

    /// Like [`ByteSink::poll_flush`]. A channel, whose flush would wait for its receiver, is ready at once.
    ///
    /// # Errors
    ///
    /// An error ends the stream, as the end that it is.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>)
    -> Poll<Result<(), End<Self::Error>>>;

    /// Sends what is still held, flushes and shuts down, polled until it is ready, once the stream has ended.
    ///
    /// # Errors
    ///
    /// What was taken but could not be sent.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>)
    -> Poll<Result<(), End<Self::Error>>>;

    /// Says that the guest cancelled the operation that is under way: give back what was reserved for it. Items that
    /// were taken stay taken; send them before those of the next operation.
    fn op_cancelled(self: Pin<&mut Self>) {}

    /// Says, once, that the stream is over, and why, before the sink is flushed or closed: see [`ByteSink::ended`].
    fn ended(self: Pin<&mut Self>, reason: EndReason);
}
