use std::any::{Any, TypeId};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use wasmtime::component::{Destination, StreamProducer, StreamResult, VecBuffer};
use wasmtime::{Error, Result, StoreContextMut, format_err};

use super::{OnError, Polled, Splice, SpliceFn, State, layers_end, splice};
#[cfg(feature = "wasi")]
use crate::End;
use crate::completion::Completion;
use crate::layer::{ActiveLayers, Layers, Signal, at_most};
use crate::limits::{BYTES_PER_OP, EMPTY_STEPS, HOST_CAPACITY};
use crate::place::{BytesFrom, LookAhead, Place, StreamState};
use crate::{
    ByteSource, EndReason, Meter, Then,
    completion::{Holding, Owned, Shared},
};

pin_project! {
    /// A `stream<u8>` from a [`ByteSource`], for [`StreamReader::new`](wasmtime::component::StreamReader::new).
    ///
    /// The source writes straight into the guest's memory; the producer itself holds no bytes.
    ///
    /// `C` is [`Owned`] without a completion and [`Shared`] with one.
    #[derive(Debug)]
    #[must_use = "a producer does nothing until it is given to `StreamReader::new`"]
    pub struct ByteProducer<S: ByteSource, C: Holding = Owned> {
        #[pin]
        source: Place<BytesFrom, S, C>,
        capacity: usize,
        on_error: OnError<S::Error>,
        splice: Option<SpliceFn<ByteProducer<S, C>>>,
        meter: Option<Meter>,
        state: State,
    }
}

impl<S: ByteSource> ByteProducer<S> {
    /// A producer over `source`.
    pub fn new(source: S) -> Self {
        Self {
            source: Place::new(source),
            capacity: HOST_CAPACITY,
            on_error: None,
            splice: None,
            meter: None,
            state: State::Open,
        }
    }
}

impl<S: ByteSource, C: Holding> ByteProducer<S, C> {
    /// Adds a layer.
    pub(crate) fn layer(mut self, add: impl FnOnce(&mut Layers<u8>)) -> Self {
        self.source.layer(add);
        self
    }

    pub(crate) fn until_signal(mut self, signal: Signal) -> Self {
        self.source.until(signal);
        self
    }

    /// Whether a splice would lose nothing.
    fn is_spliceable(&self) -> bool {
        let plain = self.meter.is_none() && self.on_error.is_none();
        plain && self.state.is_live() && self.source.is_spliceable()
    }

    /// Counts the bytes that the guest reads, and its reads that get some.
    pub fn metered(mut self, meter: &Meter) -> Self {
        self.meter = Some(meter.clone());
        self
    }

    /// Sets the buffer that the source is offered when the reader is the host itself, in bytes: 64 KiB by default; 0
    /// counts as 1. A guest read has its own length.
    pub fn capacity(mut self, bytes: usize) -> Self {
        self.capacity = bytes.max(1);
        self
    }
}

impl<S: ByteSource> ByteProducer<S> {
    /// Turns an error of the source into a trap, after the bytes before it.
    ///
    /// A trap fails everything that runs in the store. Without this an error ends the stream, and only a
    /// [completion](Self::with_completion) gets it.
    pub fn trap_on_error(mut self) -> Self
    where
        S::Error: Into<Error>,
    {
        self.on_error = Some(Into::into);
        self
    }

    /// Lets the host take the source back from a stream that the guest has only passed along, by
    /// [`StreamReader::try_into`](wasmtime::component::StreamReader::try_into) with the type `S`.
    ///
    /// `try_into` refuses a stream that has ended or failed, or that has a limit or another layer, a meter,
    /// `trap_on_error`, a completion, or a byte that was looked ahead. `capacity` is lost.
    pub fn spliceable(mut self) -> Self
    where
        S: Splice + Unpin,
    {
        self.splice = Some(|me, ty| splice(me, ty, Self::into_inner));
        self
    }

    /// Adds a [`Completion`]: how the stream ended, how many bytes moved, and the source itself.
    ///
    /// Errors go to the completion, and [`trap_on_error`](Self::trap_on_error) has no effect. The stream can no longer
    /// be spliced.
    ///
    /// A source that is not `Unpin` is boxed first: `Box::pin(object)`, before it is given to its adapter.
    pub fn with_completion(self) -> (ByteProducer<S, Shared>, Completion<S, S::Error>)
    where
        S: Unpin,
    {
        let Self { source, capacity, meter, state, .. } = self;
        let (source, completion) = source.share();
        let producer =
            ByteProducer { source, capacity, on_error: None, splice: None, meter, state };
        (producer, completion)
    }

    /// A reference to the source.
    pub fn get_ref(&self) -> &S {
        self.source.get_ref()
    }

    /// A mutable reference to the source, to configure it before the stream starts.
    pub fn get_mut(&mut self) -> &mut S {
        self.source.get_mut()
    }

    /// Gives the source back, of a stream that never started.
    pub fn into_inner(self) -> S {
        self.source.into_inner()
    }
}

/// Rule "Fill each operation": appends to the first `filled` bytes of `buf`, up to its end or the budget.
#[inline(always)]
fn fill<S: ByteSource, L: ActiveLayers<u8>>(
    mut source: Pin<&mut S>,
    layers: &mut L,
    cx: &mut Context<'_>,
    buf: &mut [u8],
    filled: &mut usize,
) -> Polled<S::Error> {
    let mut empty = 0;
    loop {
        let free = &mut buf[*filled..];
        let room = at_most(layers.allowance(), free.len());
        match source.as_mut().poll_read(cx, &mut free[..room]) {
            Poll::Pending => return Polled::Pending,
            Poll::Ready(Err(error)) => return Polled::Failed(error),
            Poll::Ready(Ok((n, _))) if n > room => return too_many(n, room),
            Poll::Ready(Ok((n, then))) => {
                layers.passed(&free[..n]);
                *filled += n;
                if let Then::End(reason) = then {
                    return Polled::End(reason);
                }
                if layers.allowance() == 0 {
                    return Polled::End(EndReason::LimitReached);
                }
                if *filled == buf.len() || *filled >= BYTES_PER_OP {
                    return Polled::Some;
                }
                if then == Then::Stop && *filled > 0 {
                    return Polled::Some;
                }
                if n == 0 {
                    empty += 1;
                }
            }
        }
        if empty == EMPTY_STEPS {
            if *filled == 0 {
                cx.waker().wake_by_ref();
            }
            return Polled::Pending;
        }
    }
}

#[cold]
fn too_many<E>(n: usize, room: usize) -> Polled<E> {
    Polled::Broken(format_err!("ByteSource::poll_read reported {n} bytes in a buffer of {room}"))
}

/// A zero-length read, or the first other read after one.
#[cold]
#[inline(never)]
fn poll_slow<S: ByteSource>(
    state: &mut State,
    mut source: Pin<&mut S>,
    stream: &mut StreamState<u8, S::Error>,
    cx: &mut Context<'_>,
    buf: &mut [u8],
    filled: &mut usize,
) -> Polled<S::Error> {
    let StreamState { layers, ahead, .. } = stream;
    let layers = &mut layers.entered();
    if let Some(reason) = layers_end(layers, cx) {
        return Polled::End(reason);
    }
    if buf.is_empty() {
        if ahead.is_some() {
            return Polled::Some;
        }
        let readable = source.as_mut().poll_readable(cx);
        return state.zero_length_read(ahead, readable, || look_ahead(source, cx));
    }
    *state = State::Open;
    if let Some(LookAhead { item, then }) = ahead.take().map(|ahead| *ahead) {
        buf[0] = item;
        *filled = 1;
        layers.passed(&buf[..1]);
        match then {
            Err(error) => return Polled::Failed(error),
            Ok(Then::End(reason)) => return Polled::End(reason),
            _ if layers.allowance() == 0 => return Polled::End(EndReason::LimitReached),
            Ok(Then::More) if buf.len() > 1 => {}
            _ => return Polled::Some,
        }
    }
    fill(source, layers, cx, buf, filled)
}

/// Looks ahead by one byte.
fn look_ahead<S: ByteSource>(
    mut source: Pin<&mut S>,
    cx: &mut Context<'_>,
) -> Result<LookAhead<u8, S::Error>, Polled<S::Error>> {
    let mut byte = [0];
    for _ in 0..EMPTY_STEPS {
        match source.as_mut().poll_read(cx, &mut byte) {
            Poll::Pending => return Err(Polled::Pending),
            Poll::Ready(Err(error)) => return Err(Polled::Failed(error)),
            Poll::Ready(Ok((0, Then::End(reason)))) => return Err(Polled::End(reason)),
            Poll::Ready(Ok((0, _))) => {}
            Poll::Ready(Ok((1, then))) => return Ok(LookAhead { item: byte[0], then: Ok(then) }),
            Poll::Ready(Ok((n, _))) => return Err(too_many(n, 1)),
        }
    }
    cx.waker().wake_by_ref();
    Err(Polled::Pending)
}

impl<S: ByteSource, C: Holding> ByteProducer<S, C> {
    /// One poll of one operation. `produced` is set once, and only with an answer.
    #[inline(always)]
    pub(crate) fn poll_operation(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
        produced: &mut usize,
    ) -> Poll<Result<StreamResult>> {
        let mut this = self.project();
        let state = &mut *this.state;
        let plain = state.allows_fast_path() && !buf.is_empty();
        let mut last = None;
        let polled = this.source.as_mut().poll(cx, |source, stream, cx| {
            let filled = &mut *produced;
            let result = if !plain {
                poll_slow(state, source, stream, cx, buf, filled)
            } else {
                match stream.layers.entered() {
                    None => fill(source, &mut (), cx, buf, filled),
                    Some(mut set) => match layers_end(&mut set, cx) {
                        Some(reason) => Polled::End(reason),
                        None => fill(source, &mut set, cx, buf, filled),
                    },
                }
            };
            stream.moved += *filled as u64;
            result.into_poll(*filled > 0, &mut last)
        });
        match polled {
            None => return Poll::Ready(Ok(this.state.end())),
            Some(Poll::Pending) => return Poll::Pending,
            Some(Poll::Ready(())) => {}
        }
        if *produced > 0
            && let Some(meter) = this.meter
        {
            meter.count(*produced, true);
        }
        let Some(last) = last else { return Poll::Ready(Ok(StreamResult::Completed)) };
        Poll::Ready(this.state.ended(this.source, last, *this.on_error, *produced > 0))
    }
}

#[cfg(feature = "wasi")]
impl<S: ByteSource> ByteProducer<S, Shared> {
    /// The answer of an operation that does not poll the source, if it is one.
    pub(crate) fn answer_without_source(&mut self, finish: bool) -> Option<Result<StreamResult>> {
        self.state.answer_without_source(finish)
    }

    /// Reads how the stream ended, until the completion has resolved.
    pub(crate) fn with_end<T>(&mut self, read: impl FnOnce(&End<S::Error>) -> T) -> Option<T> {
        self.source.with_end(read)
    }
}

impl<D: 'static, S: ByteSource, C: Holding> StreamProducer<D> for ByteProducer<S, C> {
    type Item = u8;
    type Buffer = VecBuffer<u8>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'a, D>,
        destination: Destination<'a, u8, Self::Buffer>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let this = self.as_mut().project();
        if let Some(answer) = this.state.answer_without_source(finish) {
            return Poll::Ready(answer);
        }

        // Rule "Straight into guest memory". `remaining` is the whole buffer of a host reader however much of it is
        // marked as written, so it is marked once, after filling. That buffer is never empty: an empty one is a
        // zero-length read.
        let mut direct = destination.as_direct(store, *this.capacity);
        let mut produced = 0;
        let answer = self.poll_operation(cx, direct.remaining(), &mut produced);
        if produced > 0 {
            direct.mark_written(produced);
        }
        answer
    }

    fn try_into(me: Pin<Box<Self>>, ty: TypeId) -> Result<Box<dyn Any>, Pin<Box<Self>>> {
        match me.splice {
            Some(splice) if me.is_spliceable() => splice(me, ty),
            _ => Err(me),
        }
    }
}
