//! The two traits for the guest-to-host direction: [`ByteSink`] and [`ItemSink`].

use std::pin::Pin;
use std::task::{Context, Poll};

use crate::{End, EndReason};

/// When a sink is flushed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flush {
    /// A guest's write completes only when what it wrote has been flushed. The default: the guest can rely on it, and
    /// nothing stays in a buffer that nobody drives.
    #[default]
    EachOp,
    /// A guest's write completes as soon as the sink has accepted it. The [completion](crate::Completion) flushes when
    /// the stream ends. Faster into buffered writers, but without an awaited completion the contents of the buffer are
    /// lost at the end.
    OnClose,
}

/// A sink for the bytes that a guest writes.
///
/// [`ByteConsumer`](crate::ByteConsumer) turns a `ByteSink` into Wasmtime's
/// [`StreamConsumer`](wasmtime::component::StreamConsumer) and keeps the [contract](crate::contract). An implementation
/// adds only what its inner object alone can know:
///
/// | method | called | |
/// |---|---|---|
/// | [`poll_write`](Self::poll_write) | in each guest write, in a loop while it makes progress | required |
/// | [`poll_flush`](Self::poll_flush) | after the writes of an operation, as [`Flush`] says | required |
/// | [`poll_writable`](Self::poll_writable) | in each zero-length write | the default is right for a sink that cannot tell, and loses nothing |
/// | [`op_cancelled`](Self::op_cancelled) | when the guest cancels a write | the default is right for a sink that reserves nothing, and loses nothing |
/// | [`ended`](Self::ended) | once, at the end | required |
/// | [`poll_close`](Self::poll_close) | after `ended`, by the [completion](crate::Completion) alone, at the end of the data and at a limit | required |
///
/// Wasmtime polls a consumer only while the guest writes, so without an awaited completion nobody calls `poll_close`,
/// and a flush that is pending goes on with the guest's next write. After an error only `ended` is called, and
/// `poll_close` if the error was [`End::Finished`] or [`End::LimitReached`]. Only one method is called at a time.
///
/// # Wrappers
///
/// A sink around another sink forwards all six. Without `poll_writable`, zero-length writes complete without waiting.
/// Without `op_cancelled`, the inner sink keeps the room that it reserved until the next write. Without `ended`, the
/// drop of the inner sink counts as a cut, also after the end of the data. An example of a wrapper, in the other
/// direction, is at [`ByteSource`](crate::ByteSource#wrappers).
pub trait ByteSink: Send + 'static {
    /// Why the sink failed. The [completion](crate::Completion) reports it to the host.
    type Error: Send + 'static;

    /// Accepts bytes from the front of `buf`, and returns how many: at least 1.
    ///
    /// `buf` is never empty. It may be the guest's own memory, and the guest chooses its length: never allocate by
    /// that.
    ///
    /// `Pending` means that nothing of `buf` was accepted, and that the waker of *this* `cx` is registered: the first
    /// poll of each operation carries a waker that does nothing. The guest can cancel then, and `buf` may differ at the
    /// next call.
    ///
    /// # Errors
    ///
    /// An [`End`] ends the stream with that end: [`End::Failed`] with an error, [`End::ReceiverDropped`] if nobody
    /// takes the data any more. Bytes that were accepted before it count as written. A writer that accepts 0 bytes has
    /// failed; the implementation reports that as [`WriteZero`](std::io::ErrorKind::WriteZero).
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize, End<Self::Error>>>;

    /// Answers a zero-length write: whether `poll_write` would accept something.
    ///
    /// - `None`, the default: the sink cannot tell. The operation completes at once, and the next write waits instead.
    /// - `Some(Pending)`: it would not. The operation waits, and the waker of this `cx` is registered.
    /// - `Some(Ready(Ok(())))`: it would.
    ///
    /// # Errors
    ///
    /// An [`End`] ends the stream with that end.
    fn poll_writable(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<(), End<Self::Error>>>> {
        let _ = cx;
        None
    }

    /// Brings what was accepted to its destination. A sink that buffers nothing is ready at once.
    ///
    /// `Pending` holds the guest's write. If the guest cancels it, the flush goes on with the next write, or in
    /// `poll_close`.
    ///
    /// # Errors
    ///
    /// An [`End`] ends the stream with that end.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>)
    -> Poll<Result<(), End<Self::Error>>>;

    /// Flushes and shuts down. Called by the [completion](crate::Completion), after `ended`, until it is ready.
    ///
    /// That is at the end of the data and at a limit. A sink that was cut short otherwise is not closed, and a close
    /// that hangs can be given up by a cancel.
    ///
    /// # Errors
    ///
    /// An [`End`] replaces the end of the stream: not all that was accepted has reached its destination.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>)
    -> Poll<Result<(), End<Self::Error>>>;

    /// Called when the guest cancels a write: release what was reserved for it. The default does nothing, and loses
    /// nothing.
    fn op_cancelled(self: Pin<&mut Self>) {}

    /// Called once when the stream has ended, with the reason, before the sink is closed: [`EndReason::Finished`] at
    /// the guest's end of the data, any other reason if the stream was cut short. It must not wait.
    ///
    /// It is called whatever ended the stream, with a [completion](crate::Completion) or without, and after an error of
    /// the sink itself. A sink that hands data on to another task tells that task here whether the data is complete:
    /// [truncated is never complete](crate::contract#truncated-is-never-complete). So treat a drop without this call as
    /// a cut. The [table of ends](EndReason) has all reasons.
    ///
    /// It has no default, so that no wrapper forgets to forward it.
    fn ended(self: Pin<&mut Self>, reason: EndReason);
}

/// The items of one guest write, for an [`ItemSink`] to take from.
pub trait Take<I> {
    /// How many items can still be taken in this operation. A large write is offered in parts.
    fn remaining(&self) -> usize;

    /// How many items were taken in this operation, including its earlier polls.
    fn taken(&self) -> usize;

    /// Appends up to `max` items to `out`, and returns how many.
    ///
    /// One call gives at most a [batch](crate::ItemConsumer::batch), and 0 only if `remaining` is 0. It never fails: if
    /// an item cannot be lifted or received, nothing more can be taken, and the core ends the stream.
    fn take(&mut self, max: usize, out: &mut Vec<I>) -> usize;

    /// Takes one item, without an allocation. `None` if `remaining` is 0.
    fn take_one(&mut self) -> Option<I>;
}

/// A sink for the items that a guest writes: of a type that Wasmtime can lift, or that a [receiving
/// step](crate::items::Receive) makes.
///
/// [`ItemConsumer`](crate::ItemConsumer) turns an `ItemSink` into Wasmtime's
/// [`StreamConsumer`](wasmtime::component::StreamConsumer) and keeps the [contract](crate::contract). The methods are
/// those of [`ByteSink`], with [`poll_accept`](Self::poll_accept) in place of `poll_write`, and a wrapper forwards the
/// same six.
pub trait ItemSink: Send + 'static {
    /// The item type on the host's side.
    type Item: Send + 'static;
    /// Why the sink failed. The [completion](crate::Completion) reports it to the host.
    type Error: Send + 'static;

    /// Takes items from the guest's write and sends them on. Items that were taken are the sink's: to send, or to hand
    /// back.
    ///
    /// `items` is the write itself, not a copy: a sink can reserve room first and then take that many, in one call,
    /// while other senders compete for the room.
    ///
    /// - `Ready(Ok(()))` completes the operation with what was taken: at least one item, in this poll or an earlier
    ///   one.
    /// - `Pending` holds the operation, whether or not items were taken; they count as written if the guest cancels.
    ///   The waker of this `cx` must be registered.
    ///
    /// A held operation is polled again with what remains, possibly with [`Take::remaining`] 0; [`Take::taken`] is the
    /// number of items taken so far. At a limit `remaining` can be 0 with nothing taken: send what an earlier operation
    /// left, and answer `Ready(Ok(()))`.
    ///
    /// # Errors
    ///
    /// An [`End`] ends the stream with that end. Items that were taken but not sent stay in the sink, which the
    /// [completion](crate::Completion) hands back.
    fn poll_accept(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        items: &mut dyn Take<Self::Item>,
    ) -> Poll<Result<(), End<Self::Error>>>;

    /// Answers a zero-length write, like [`ByteSink::poll_writable`]. The default, `None`, loses nothing.
    ///
    /// # Errors
    ///
    /// An [`End`] ends the stream with that end.
    fn poll_writable(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<(), End<Self::Error>>>> {
        let _ = cx;
        None
    }

    /// Brings what was taken to its destination, like [`ByteSink::poll_flush`]. A channel whose flush would wait for
    /// its receiver is ready at once.
    ///
    /// # Errors
    ///
    /// An [`End`] ends the stream with that end.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>)
    -> Poll<Result<(), End<Self::Error>>>;

    /// Sends what is still held, flushes and shuts down, like [`ByteSink::poll_close`].
    ///
    /// # Errors
    ///
    /// An [`End`] replaces the end of the stream: not all that was taken was sent.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>)
    -> Poll<Result<(), End<Self::Error>>>;

    /// Called when the guest cancels a write: release what was reserved for it. Items that were taken stay taken; send
    /// them before those of the next operation. The default does nothing, and loses nothing.
    fn op_cancelled(self: Pin<&mut Self>) {}

    /// Called once when the stream has ended, with the reason: see [`ByteSink::ended`].
    fn ended(self: Pin<&mut Self>, reason: EndReason);
}
