//! The host's read end: Wasmtime's [`StreamConsumer`](wasmtime::component::StreamConsumer) over a sink.
//!
//! Every rule of the [contract](crate::contract) that concerns consuming is kept here, once.

mod bytes;
mod items;
mod lifting;

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use wasmtime::component::StreamResult;
use wasmtime::{Error, Result};

pub use self::bytes::ByteConsumer;
pub use self::items::ItemConsumer;
use crate::place::{Kind, Place};
use crate::producer::OnError;
use crate::{End, EndReason, Flush, Meter, completion::Holding};

/// Where a consumer stands in the guest's current write. Wasmtime does not say when one begins: it begins after the
/// last one was answered.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Op {
    /// Items taken in this operation, earlier polls included.
    taken: usize,
    /// Nothing more is taken: the operation waits for its flush.
    flushing: bool,
    /// More came than a layer allows, or one ends the stream: after the flush.
    over: Option<EndReason>,
}

/// What a readiness or flush method of the two sink traits answers.
type Answer<E> = Poll<Result<(), End<E>>>;

/// What one look at a sink came to.
enum Seen<E> {
    Completed,
    /// The sink takes no more.
    Halted(End<E>),
    /// A layer ends the stream.
    Over(EndReason),
    /// The receiving step refused an item.
    Undeliverable(Error),
    /// What the guest wrote is no valid item: it traps. Or the sink broke its trait, which is answered like that.
    Trap(Error),
}

/// What both consumers keep besides their sink.
#[derive(Debug)]
pub(crate) struct Common<E> {
    flush: Flush,
    on_error: OnError<E>,
    op: Op,
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
            op: Op::default(),
            unflushed: false,
            meter: None,
            ended: false,
        }
    }

    /// What the guest is told of an end, with what was marked before.
    #[cold]
    #[inline(never)]
    fn end<K: Kind<S, Error = E>, S: Send, C: Holding>(
        &mut self,
        sink: Pin<&mut Place<K, S, C>>,
        seen: Seen<E>,
    ) -> Result<StreamResult> {
        let (end, trap) = match seen {
            Seen::Completed => return Ok(StreamResult::Completed),
            Seen::Halted(halt) => (halt, None),
            Seen::Over(reason) => (reason.into(), None),
            Seen::Undeliverable(error) => (End::Undeliverable(error), None),
            Seen::Trap(error) => {
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

    /// What the guest is told of what was seen; nothing is seen of what a completion has ended.
    #[inline]
    fn answer<K: Kind<S, Error = E>, S: Send, C: Holding>(
        &mut self,
        sink: Pin<&mut Place<K, S, C>>,
        seen: Option<Poll<Seen<E>>>,
    ) -> Poll<Result<StreamResult>> {
        match seen {
            Some(Poll::Pending) => return Poll::Pending,
            Some(Poll::Ready(Seen::Completed)) => {
                self.op = Op::default();
                return Poll::Ready(Ok(StreamResult::Completed));
            }
            _ => {}
        }
        Poll::Ready(match seen {
            Some(Poll::Ready(seen)) => self.end(sink, seen),
            _ => {
                self.ended = true;
                Ok(StreamResult::Dropped)
            }
        })
    }

    /// Rule "Cancellation keeps the stream": nothing new is taken; Wasmtime tells the guest what was marked before.
    fn cancelled(&mut self) -> StreamResult {
        self.op = Op::default();
        StreamResult::Cancelled
    }

    /// Rule "Zero-length writes": wait where the sink can tell, else complete at once.
    fn writable(answer: Option<Answer<E>>) -> Poll<Seen<E>> {
        answer.unwrap_or(Poll::Ready(Ok(()))).map(|answer| match answer {
            Ok(()) => Seen::Completed,
            Err(halt) => Seen::Halted(halt),
        })
    }

    /// Rule "Flush policy": an operation that has taken what it can is held until it is flushed, where that is asked for.
    #[inline]
    fn flushed(
        &mut self,
        cx: &mut Context<'_>,
        flush: impl FnOnce(&mut Context<'_>) -> Answer<E>,
    ) -> Poll<Seen<E>> {
        if self.flush == Flush::EachOp && self.unflushed {
            self.op.flushing = true;
            if let Err(halt) = ready!(flush(cx)) {
                return Poll::Ready(Seen::Halted(halt));
            }
            self.unflushed = false;
        }
        Poll::Ready(self.op.over.map_or(Seen::Completed, Seen::Over))
    }

    /// A layer ends the stream. What was accepted in this operation is flushed as far as that does not wait: a flush that
    /// waits may be just what the layer is to end.
    #[cold]
    fn cut(
        &mut self,
        reason: EndReason,
        cx: &mut Context<'_>,
        flush: impl FnOnce(&mut Context<'_>) -> Answer<E>,
    ) -> Seen<E> {
        self.op.over = Some(reason);
        match self.flushed(cx, flush) {
            Poll::Ready(seen) => seen,
            Poll::Pending => Seen::Over(reason),
        }
    }
}

/// What an adapter did that its trait forbids; said to the host instead of letting the guest spin.
#[cold]
fn broken<E>(what: std::fmt::Arguments<'_>) -> Seen<E> {
    Seen::Trap(Error::msg(what.to_string()))
}
