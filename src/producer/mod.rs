//! The host's write end: Wasmtime's [`StreamProducer`](wasmtime::component::StreamProducer) over a source.
//!
//! Every rule of the [contract](crate::contract) that concerns producing is kept here, once.

mod bytes;
mod items;

use std::any::{Any, TypeId};
use std::pin::Pin;
use std::task::{Poll, ready};

use wasmtime::component::StreamResult;
use wasmtime::{Error, Result};

pub use self::bytes::ByteProducer;
pub use self::items::ItemProducer;

/// What happens with an error: nothing in the core (a completion has seen it), or, by the host's choice, a trap.
pub(crate) type OnError<E> = Option<fn(E) -> Error>;

/// `StreamProducer::try_into`, captured where `S: Unpin` is known.
pub(crate) type SpliceFn<P> = fn(Pin<Box<P>>, TypeId) -> Result<Box<dyn Any>, Pin<Box<P>>>;

/// Gives out the source of a producer, if that is what is asked for.
fn splice<P: Unpin, S: 'static>(
    me: Pin<Box<P>>,
    ty: TypeId,
    into_inner: fn(P) -> S,
) -> Result<Box<dyn Any>, Pin<Box<P>>> {
    if ty == TypeId::of::<S>() { Ok(Box::new(into_inner(*Pin::into_inner(me)))) } else { Err(me) }
}

/// Marks a source whose whole state stands in itself, so that Wasmtime can give it back in the middle of a stream
/// ([splice](crate::contract#splice)) without a loss. Combinators that change what flows are not marked.
pub trait Splice {}

/// Whether a producer has more to say.
#[derive(Debug)]
pub(crate) enum State {
    Open,
    /// The items before the error are out; the trap that the host asked for comes with the next operation.
    Failing(Error),
    Ended,
}

impl State {
    /// The answer that needs no look at the source, if there is one.
    fn early(&mut self, finish: bool) -> Option<Result<StreamResult>> {
        match self {
            State::Ended => Some(Ok(StreamResult::Dropped)),
            // Rule "finish is not the end": nothing new is taken, and all that was taken went out with its poll.
            _ if finish => Some(Ok(StreamResult::Cancelled)),
            State::Open => None,
            State::Failing(_) => match std::mem::replace(self, State::Ended) {
                State::Failing(error) => Some(Err(error)),
                _ => None,
            },
        }
    }

    fn end(&mut self) -> StreamResult {
        *self = State::Ended;
        StreamResult::Dropped
    }

    /// Rule "items before the error": what was produced in this poll goes first, then the end.
    fn fail<E>(&mut self, error: E, on_error: OnError<E>, produced: bool) -> Result<StreamResult> {
        match on_error {
            None => Ok(self.end()),
            Some(trap) if produced => {
                *self = State::Failing(trap(error));
                Ok(StreamResult::Completed)
            }
            Some(trap) => {
                *self = State::Ended;
                Err(trap(error))
            }
        }
    }

    /// Rule "zero-length reads": wait where the source can tell, else complete at once; nothing moves.
    fn readable<E>(
        &mut self,
        answer: Option<Poll<Result<(), E>>>,
        on_error: OnError<E>,
    ) -> Poll<Result<StreamResult>> {
        Poll::Ready(match answer {
            None => Ok(StreamResult::Completed),
            Some(poll) => match ready!(poll) {
                Ok(()) => Ok(StreamResult::Completed),
                Err(error) => self.fail(error, on_error, false),
            },
        })
    }
}
