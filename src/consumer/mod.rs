//! The host's read end: Wasmtime's [`StreamConsumer`](wasmtime::component::StreamConsumer) over a sink.
//!
//! Every rule of the [contract](crate::contract) that concerns consuming is kept here, once.

mod bytes;
mod items;
mod lift;

use std::task::{Poll, ready};

use wasmtime::component::StreamResult;
use wasmtime::{Error, Result};

pub use self::bytes::ByteConsumer;
pub use self::items::ItemConsumer;
use crate::producer::OnError;
use crate::{Flush, Halt, Meter};

/// Where a consumer stands in the guest's current write. Wasmtime does not say when one begins: it begins after the
/// last one was answered.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Op {
    /// Items taken in this operation, earlier polls included.
    taken: usize,
    /// Nothing more is taken: the operation waits for its flush.
    flushing: bool,
}

/// What the four methods of the two sink traits answer.
type Answer<E> = Poll<Result<(), Halt<E>>>;

/// What both consumers keep besides their sink.
#[derive(Debug)]
pub(crate) struct Common<E> {
    flush: Flush,
    on_error: OnError<E>,
    op: Op,
    meter: Option<Meter>,
    ended: bool,
}

impl<E> Common<E> {
    fn new() -> Self {
        Self {
            flush: Flush::default(),
            on_error: None,
            op: Op::default(),
            meter: None,
            ended: false,
        }
    }

    /// The same for a sink whose errors go to a completion.
    fn for_completion<F>(self) -> Common<F> {
        Common { flush: self.flush, meter: self.meter, ..Common::new() }
    }

    /// The sink takes no more: the guest sees its end dropped, with what was marked before.
    fn halt(&mut self, halt: Halt<E>) -> Result<StreamResult> {
        self.ended = true;
        match (halt, self.on_error) {
            (Halt::Failed(error), Some(trap)) => Err(trap(error)),
            _ => Ok(StreamResult::Dropped),
        }
    }

    /// Rule "finish is not the end": nothing new is taken; Wasmtime tells the guest what was marked before.
    fn cancelled(&mut self) -> StreamResult {
        self.op = Op::default();
        StreamResult::Cancelled
    }

    /// Rule "zero-length writes": wait where the sink can tell, else complete at once.
    fn writable(&mut self, answer: Option<Answer<E>>) -> Poll<Result<StreamResult>> {
        Poll::Ready(match answer {
            None => Ok(StreamResult::Completed),
            Some(poll) => match ready!(poll) {
                Ok(()) => Ok(StreamResult::Completed),
                Err(halt) => self.halt(halt),
            },
        })
    }

    /// Rule "flush policy": completes the operation, held until it is flushed where that is asked for.
    fn complete(&mut self, flush: impl FnOnce() -> Answer<E>) -> Poll<Result<StreamResult>> {
        if self.flush == Flush::EachOp {
            self.op.flushing = true;
            if let Err(halt) = ready!(flush()) {
                return Poll::Ready(self.halt(halt));
            }
        }
        self.op = Op::default();
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

/// What an adapter did that its trait forbids; said to the host instead of letting the guest spin.
fn broken(what: std::fmt::Arguments<'_>) -> Error {
    Error::msg(what.to_string())
}
