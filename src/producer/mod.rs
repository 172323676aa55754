//! Producing: Wasmtime's [`StreamProducer`](wasmtime::component::StreamProducer) over a source.
//!
//! The rules of the [contract](crate::contract) that concern producing are kept here.

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
use crate::layer::ActiveLayers;
use crate::place::{Kind, LookAhead, Place};
use crate::{End, EndReason, Then, completion::Holding};

/// Turns an error into a trap, if the host has chosen that.
pub(crate) type OnError<E> = Option<fn(E) -> Error>;

/// `StreamProducer::try_into`, captured where `S: Unpin` is known.
pub(crate) type SpliceFn<P> = fn(Pin<Box<P>>, TypeId) -> Result<Box<dyn Any>, Pin<Box<P>>>;

/// Gives the source of a producer, if `ty` is its type.
fn splice<P: Unpin, S: 'static>(
    me: Pin<Box<P>>,
    ty: TypeId,
    into_inner: fn(P) -> S,
) -> Result<Box<dyn Any>, Pin<Box<P>>> {
    if ty == TypeId::of::<S>() { Ok(Box::new(into_inner(*Pin::into_inner(me)))) } else { Err(me) }
}

/// Marks a source that holds its whole state itself. So it can be given back in the middle of a stream
/// ([splice](crate::contract#splice)) without a loss.
pub trait Splice {}

/// The state of a producer.
#[derive(Debug)]
pub(crate) enum State {
    Open,
    /// A zero-length read was completed without knowing whether something is ready, and no other read came since.
    ReadinessAnswered,
    /// The items before the error were delivered; the next operation traps.
    Failing(Error),
    Ended,
}

impl State {
    /// The answer of an operation that does not poll the source, if it is one.
    #[inline]
    fn answer_without_source(&mut self, finish: bool) -> Option<Result<StreamResult>> {
        match self {
            State::Ended => Some(Ok(StreamResult::Dropped)),
            // Rule "Cancellation keeps the stream": nothing new is taken, and each poll delivers all that it takes.
            _ if finish => Some(Ok(StreamResult::Cancelled)),
            State::Open | State::ReadinessAnswered => None,
            State::Failing(_) => match std::mem::replace(self, State::Ended) {
                State::Failing(error) => Some(Err(error)),
                _ => None,
            },
        }
    }

    /// Whether a read goes directly to the source: no zero-length read came before, and nothing was looked ahead.
    #[inline]
    fn allows_fast_path(&self) -> bool {
        matches!(self, State::Open)
    }

    /// Whether the stream has neither ended nor failed.
    fn is_live(&self) -> bool {
        matches!(self, State::Open | State::ReadinessAnswered)
    }

    fn end(&mut self) -> StreamResult {
        *self = State::Ended;
        StreamResult::Dropped
    }

    /// Rule "Zero-length reads": waits if the source can tell. Otherwise completes, and at the second one in a row
    /// looks ahead by one: a guest that reads nothing until the end would never see it.
    fn zero_length_read<T, E>(
        &mut self,
        ahead: &mut Option<Box<LookAhead<T, E>>>,
        readable: Option<Poll<Result<Then, E>>>,
        look_ahead: impl FnOnce() -> Result<LookAhead<T, E>, Polled<E>>,
    ) -> Polled<E> {
        match readable {
            Some(Poll::Pending) => return Polled::Pending,
            Some(Poll::Ready(Err(error))) => return Polled::Failed(error),
            Some(Poll::Ready(Ok(Then::End(reason)))) => return Polled::End(reason),
            Some(Poll::Ready(Ok(Then::More))) => return Polled::Some,
            None | Some(Poll::Ready(Ok(Then::Stop))) => {}
        }
        if matches!(self, State::ReadinessAnswered) {
            match look_ahead() {
                Ok(item) => *ahead = Some(Box::new(item)),
                Err(polled) => return polled,
            }
        }
        *self = State::ReadinessAnswered;
        Polled::Some
    }

    /// Ends the stream by `last`, and answers the guest. Rule "Items before the error": what was produced in this poll
    /// goes first.
    #[cold]
    #[inline(never)]
    fn ended<K: Kind<S>, S: Send, C: Holding>(
        &mut self,
        source: Pin<&mut Place<K, S, C>>,
        last: Polled<K::Error>,
        on_error: OnError<K::Error>,
        produced: bool,
    ) -> Result<StreamResult> {
        let (end, lost) = match last {
            Polled::Pending | Polled::Some => return Ok(StreamResult::Completed),
            Polled::End(reason) => (reason.into(), 0),
            Polled::Failed(error) => (End::Failed(error), 0),
            Polled::Undeliverable(error, lost) => (End::Undeliverable(error), lost),
            Polled::Broken(error) => {
                // The trap stops the guest. The host and the source learn it here.
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

/// The result of polling a source, besides what it gave.
pub(crate) enum Polled<E> {
    /// Nothing more is ready.
    Pending,
    /// The operation completes.
    Some,
    /// The source ended, or a layer ended it.
    End(EndReason),
    Failed(E),
    /// An item could not be delivered; so many are lost with it.
    Undeliverable(Error, usize),
    /// The source broke its trait.
    Broken(Error),
}

impl<E> Polled<E> {
    /// Whether the operation is pending. An end goes to `last`, so that ordinary operations do not copy it around.
    #[inline(always)]
    fn into_poll(self, some: bool, last: &mut Option<Self>) -> Poll<()> {
        match self {
            Polled::Pending if !some => return Poll::Pending,
            Polled::Pending | Polled::Some => {}
            end => *last = Some(end),
        }
        Poll::Ready(())
    }
}

/// Whether a layer ends the stream before the source is polled.
#[inline(always)]
fn layers_end<T, L: ActiveLayers<T>>(layers: &mut L, cx: &mut Context<'_>) -> Option<EndReason> {
    match layers.poll_end(cx) {
        Poll::Ready(reason) => Some(reason),
        Poll::Pending if layers.allowance() == 0 => Some(EndReason::LimitReached),
        Poll::Pending => None,
    }
}
