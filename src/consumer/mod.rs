//! Consuming: Wasmtime's [`StreamConsumer`](wasmtime::component::StreamConsumer) over a sink.
//!
//! The rules of the [contract](crate::contract) that concern consuming are kept here.

mod bytes;
mod items;
mod lifting;

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use wasmtime::component::StreamResult;
use wasmtime::{Error, Result};

pub use self::bytes::ByteConsumer;
#[cfg(feature = "wasi")]
pub(crate) use self::bytes::Incoming;
pub use self::items::ItemConsumer;
use crate::place::{Kind, Place};
use crate::producer::OnError;
use crate::{End, EndReason, Flush, Meter, completion::Holding};

/// The state of the guest's current write. Wasmtime does not say when a write begins: it begins after the last one was
/// answered.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Operation {
    /// Items taken in this operation, earlier polls included.
    taken: usize,
    /// Nothing more is taken: the operation waits for its flush.
    flushing: bool,
    /// A limit or a signal ends the stream, once the operation is flushed.
    end_after_flush: Option<EndReason>,
}

/// What a readiness or flush method of the two sink traits answers.
type Answer<E> = Poll<Result<(), End<E>>>;

/// The result of polling a sink.
enum Polled<E> {
    Completed,
    /// The sink takes no more.
    SinkEnded(End<E>),
    /// A layer ends the stream.
    LayerEnded(EndReason),
    /// The receiving step refused an item.
    Undeliverable(Error),
    /// What the guest wrote is no valid item, or the sink broke its trait: the guest traps.
    Trap(Error),
}

/// What both consumers keep beside their sink.
#[derive(Debug)]
pub(crate) struct Common<E> {
    flush: Flush,
    on_error: OnError<E>,
    op: Operation,
    /// Something was taken since the last flush.
    unflushed: bool,
    meter: Option<Meter>,
    ended: bool,
}

impl<E> Common<E> {
    fn new() -> Self {
        Self {
            flush: Flush::default(),
            on_error: None,
            op: Operation::default(),
            unflushed: false,
            meter: None,
            ended: false,
        }
    }

    /// Ends the stream, and answers the guest. What was marked before counts as written.
    #[cold]
    #[inline(never)]
    fn end<K: Kind<S, Error = E>, S: Send, C: Holding>(
        &mut self,
        sink: Pin<&mut Place<K, S, C>>,
        polled: Polled<E>,
    ) -> Result<StreamResult> {
        let (end, trap) = match polled {
            Polled::Completed => return Ok(StreamResult::Completed),
            Polled::SinkEnded(end) => (end, None),
            Polled::LayerEnded(reason) => (reason.into(), None),
            Polled::Undeliverable(error) => (End::Undeliverable(error), None),
            Polled::Trap(error) => {
                (End::Undeliverable(Error::msg(format!("{error:?}"))), Some(error))
            }
        };
        self.ended = true;
        match (sink.end(end, 0), self.on_error, trap) {
            (_, _, Some(error)) | (Some(End::Undeliverable(error)), Some(_), _) => Err(error),
            (Some(End::Failed(error)), Some(trap), _) => Err(trap(error)),
            _ => Ok(StreamResult::Dropped),
        }
    }

    /// Answers the guest. `None`: the completion has ended the stream.
    #[inline]
    fn answer<K: Kind<S, Error = E>, S: Send, C: Holding>(
        &mut self,
        sink: Pin<&mut Place<K, S, C>>,
        polled: Option<Poll<Polled<E>>>,
    ) -> Poll<Result<StreamResult>> {
        match polled {
            Some(Poll::Pending) => return Poll::Pending,
            Some(Poll::Ready(Polled::Completed)) => {
                self.op = Operation::default();
                return Poll::Ready(Ok(StreamResult::Completed));
            }
            _ => {}
        }
        Poll::Ready(match polled {
            Some(Poll::Ready(polled)) => self.end(sink, polled),
            _ => {
                self.ended = true;
                Ok(StreamResult::Dropped)
            }
        })
    }

    /// Rule "Cancellation keeps the stream": nothing new is taken. Wasmtime reports what was marked before.
    fn cancelled(&mut self) -> StreamResult {
        self.op = Operation::default();
        StreamResult::Cancelled
    }

    /// Rule "Zero-length writes": waits if the sink can tell, otherwise completes at once.
    fn writable(answer: Option<Answer<E>>) -> Poll<Polled<E>> {
        answer.unwrap_or(Poll::Ready(Ok(()))).map(|answer| match answer {
            Ok(()) => Polled::Completed,
            Err(end) => Polled::SinkEnded(end),
        })
    }

    /// Rule "Flush policy": with `EachOp` an operation is held until what it took is flushed.
    #[inline]
    fn poll_flushed(
        &mut self,
        cx: &mut Context<'_>,
        flush: impl FnOnce(&mut Context<'_>) -> Answer<E>,
    ) -> Poll<Polled<E>> {
        if self.flush == Flush::EachOp && self.unflushed {
            self.op.flushing = true;
            if let Err(end) = ready!(flush(cx)) {
                return Poll::Ready(Polled::SinkEnded(end));
            }
            self.unflushed = false;
        }
        Poll::Ready(self.op.end_after_flush.map_or(Polled::Completed, Polled::LayerEnded))
    }

    /// A signal ends the stream. What this operation accepted is flushed only if that is ready: a flush that waits may
    /// be what the signal ends.
    #[cold]
    fn end_now(
        &mut self,
        reason: EndReason,
        cx: &mut Context<'_>,
        flush: impl FnOnce(&mut Context<'_>) -> Answer<E>,
    ) -> Polled<E> {
        self.op.end_after_flush = Some(reason);
        match self.poll_flushed(cx, flush) {
            Poll::Ready(polled) => polled,
            Poll::Pending => Polled::LayerEnded(reason),
        }
    }
}

/// A sink broke its trait. That is an error, for otherwise the guest would spin.
#[cold]
fn broken<E>(what: std::fmt::Arguments<'_>) -> Polled<E> {
    Polled::Trap(Error::msg(what.to_string()))
}
