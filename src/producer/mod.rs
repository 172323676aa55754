//! The host's write end: Wasmtime's [`StreamProducer`](wasmtime::component::StreamProducer) over a source.
//!
//! Every rule of the [contract](crate::contract) that concerns producing is kept here, once.

mod bytes;
mod collect;
mod items;

use std::any::{Any, TypeId};
use std::pin::Pin;
use std::task::{Context, Poll};

use wasmtime::component::StreamResult;
use wasmtime::{Error, Result};

pub use self::bytes::ByteProducer;
pub use self::items::ItemProducer;
use crate::layer::Ask;
use crate::place::{Ahead, Kind, Place};
use crate::{End, EndReason, Then, completion::Holding};

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
/// ([splice](crate::contract#splice)) without a loss.
pub trait Splice {}

/// Whether a producer has more to say.
#[derive(Debug)]
pub(crate) enum State {
    Open,
    /// A zero-length read was answered without knowing whether something is ready, and no other read came since.
    Asked,
    /// The items before the error are out; the trap that the host asked for comes with the next operation.
    Failing(Error),
    Ended,
}

impl State {
    /// The answer that needs no look at the source, if there is one.
    #[inline]
    fn early(&mut self, finish: bool) -> Option<Result<StreamResult>> {
        match self {
            State::Ended => Some(Ok(StreamResult::Dropped)),
            // Rule "Cancellation keeps the stream": nothing new is taken, and all that was taken went out with its poll.
            _ if finish => Some(Ok(StreamResult::Cancelled)),
            State::Open | State::Asked => None,
            State::Failing(_) => match std::mem::replace(self, State::Ended) {
                State::Failing(error) => Some(Err(error)),
                _ => None,
            },
        }
    }

    /// Nothing stands between a read and the source.
    #[inline]
    fn is_plain(&self) -> bool {
        matches!(self, State::Open)
    }

    /// Of a stream that can be taken apart without a loss, as far as the producer knows.
    fn is_open(&self) -> bool {
        matches!(self, State::Open | State::Asked)
    }

    fn end(&mut self) -> StreamResult {
        *self = State::Ended;
        StreamResult::Dropped
    }

    /// Rule "Zero-length reads": wait where the source can tell. Where it cannot, complete, and look ahead by one if the guest
    /// asks again: nothing else ends a guest that reads nothing until there is nothing more.
    fn ask<T, E>(
        &mut self,
        ahead: &mut Option<Box<Ahead<T, E>>>,
        readable: Option<Poll<Result<Then, E>>>,
        look: impl FnOnce() -> Result<Ahead<T, E>, Seen<E>>,
    ) -> Seen<E> {
        match readable {
            Some(Poll::Pending) => return Seen::Pending,
            Some(Poll::Ready(Err(error))) => return Seen::Failed(error),
            Some(Poll::Ready(Ok(Then::End(reason)))) => return Seen::End(reason),
            Some(Poll::Ready(Ok(Then::More))) => return Seen::Some,
            None | Some(Poll::Ready(Ok(Then::Stop))) => {}
        }
        if matches!(self, State::Asked) {
            match look() {
                Ok(item) => *ahead = Some(Box::new(item)),
                Err(seen) => return seen,
            }
        }
        *self = State::Asked;
        Seen::Some
    }

    /// What the guest is told of the last that was seen. Rule "Items before the error": what was produced in this poll
    /// goes first.
    #[cold]
    #[inline(never)]
    fn ended<K: Kind<S>, S: Send, C: Holding>(
        &mut self,
        source: Pin<&mut Place<K, S, C>>,
        seen: Seen<K::Error>,
        on_error: OnError<K::Error>,
        produced: bool,
    ) -> Result<StreamResult> {
        let (end, lost) = match seen {
            Seen::Pending | Seen::Some => return Ok(StreamResult::Completed),
            Seen::End(reason) => (reason.into(), 0),
            Seen::Failed(error) => (End::Failed(error), 0),
            Seen::Undeliverable(error, lost) => (End::Undeliverable(error), lost),
            Seen::Broken(error) => {
                // The host and whoever is on the other side are told as well.
                source.end(End::Undeliverable(Error::msg(error.to_string())), 0);
                *self = State::Ended;
                return Err(error);
            }
        };
        let end = source.end(end, lost);
        *self = State::Ended;
        let trap = match (end, on_error) {
            (Some(End::Failed(error)), Some(trap)) => trap(error),
            (Some(End::Undeliverable(error)), Some(_)) => error,
            _ => return Ok(StreamResult::Dropped),
        };
        if produced {
            *self = State::Failing(trap);
            return Ok(StreamResult::Completed);
        }
        Err(trap)
    }
}

/// What one look at a source came to, after what it gave.
pub(crate) enum Seen<E> {
    Pending,
    Some,
    /// The source ended, or a layer ended it.
    End(EndReason),
    Failed(E),
    /// An item could not be delivered; with it so many are lost.
    Undeliverable(Error, usize),
    /// The source broke its trait.
    Broken(Error),
}

impl<E> Seen<E> {
    /// Whether the operation is pending. What is rare is left in `last`, so that it is not copied around by every operation.
    #[inline(always)]
    fn split(self, some: bool, last: &mut Option<Self>) -> Poll<()> {
        match self {
            Seen::Pending if !some => return Poll::Pending,
            Seen::Pending | Seen::Some => {}
            seen => *last = Some(seen),
        }
        Poll::Ready(())
    }
}

/// What every operation begins with: whether something outside of the source ends the stream.
#[inline(always)]
fn over<T, L: Ask<T>>(layers: &mut L, cx: &mut Context<'_>) -> Option<EndReason> {
    match layers.poll_end(cx) {
        Poll::Ready(reason) => Some(reason),
        Poll::Pending if layers.allowance() == 0 => Some(EndReason::LimitReached),
        Poll::Pending => None,
    }
}
