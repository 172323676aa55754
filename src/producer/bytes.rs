use std::any::{Any, TypeId};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use wasmtime::component::{Destination, StreamProducer, StreamResult, VecBuffer};
use wasmtime::{Error, Result, StoreContextMut, format_err};

use super::{OnError, Seen, Splice, SpliceFn, State, over, splice};
use crate::completion::Completion;
use crate::layer::{Ask, Layers, Signal, at_most};
use crate::limits::{BYTES_PER_OP, EMPTY_STEPS, HOST_CAPACITY};
use crate::place::{Ahead, Beside, BytesFrom, Place};
use crate::{
    ByteSource, EndReason, Meter, Then,
    completion::{Holding, Owned, Shared},
};

pin_project! {
    /// A `stream<u8>` from a [`ByteSource`], for [`StreamReader::new`](wasmtime::component::StreamReader::new).
    ///
    /// Bytes go straight into the guest's memory; the producer itself holds none.
    ///
    /// `C` says whether there is a completion: [`Owned`] without, [`Shared`] with one.
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

    /// Whether nothing would be lost if the stream were taken apart now.
    fn is_spliceable(&self) -> bool {
        let plain = self.meter.is_none() && self.on_error.is_none();
        plain && self.state.is_open() && self.source.is_spliceable()
    }

    /// Counts the bytes that the guest gets, and its reads that got some.
    pub fn metered(mut self, meter: &Meter) -> Self {
        self.meter = Some(meter.clone());
        self
    }

    /// How many bytes are offered at a time when the reader is the host itself, and no guest says how many it wants.
    /// 64 KiB by default; 0 counts as 1. A guest's reads are filled to their own length.
    pub fn capacity(mut self, bytes: usize) -> Self {
        self.capacity = bytes.max(1);
        self
    }
}

impl<S: ByteSource> ByteProducer<S> {
    /// Makes an error of the source a trap, after the bytes before it.
    ///
    /// That fails everything that runs in the store. Without it an error ends the stream, and is seen by a
    /// [completion](Self::with_completion) alone.
    pub fn trap_on_error(mut self) -> Self
    where
        S::Error: Into<Error>,
    {
        self.on_error = Some(Into::into);
        self
    }

    /// Lets the host take the source back out of a stream that the guest has only passed along: `S` is what
    /// [`StreamReader::try_into`](wasmtime::component::StreamReader::try_into) can then give.
    ///
    /// It is decided when it is asked for: a stream that has ended or failed, or that has limits or other layers, a meter,
    /// `trap_on_error`, a completion, or a byte that was looked ahead, is not taken apart. `capacity` stays behind.
    pub fn spliceable(mut self) -> Self
    where
        S: Splice + Unpin,
    {
        self.splice = Some(|me, ty| splice(me, ty, Self::into_inner));
        self
    }

    /// Adds a [`Completion`]: how the stream ended, how many bytes moved, and the source itself.
    ///
    /// Errors go to it from then on, and [`trap_on_error`](Self::trap_on_error) has no effect. The source can no longer be
    /// spliced: it has two owners.
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

    /// The source.
    pub fn get_ref(&self) -> &S {
        self.source.get_ref()
    }

    /// The source, to configure it before the stream starts.
    pub fn get_mut(&mut self) -> &mut S {
        self.source.get_mut()
    }

    /// The source, of a producer that was never given away.
    pub fn into_inner(self) -> S {
        self.source.into_inner()
    }
}

/// Rule "Fill each operation": as far as is free, up to the buffer or the budget, after what was put in there before.
#[inline(always)]
fn fill<S: ByteSource, L: Ask<u8>>(
    mut source: Pin<&mut S>,
    layers: &mut L,
    cx: &mut Context<'_>,
    buf: &mut [u8],
    filled: &mut usize,
) -> Seen<S::Error> {
    let mut empty = 0;
    loop {
        let free = &mut buf[*filled..];
        let room = at_most(layers.allowance(), free.len());
        match source.as_mut().poll_read(cx, &mut free[..room]) {
            Poll::Pending => return Seen::Pending,
            Poll::Ready(Err(error)) => return Seen::Failed(error),
            Poll::Ready(Ok((n, _))) if n > room => return too_many(n, room),
            Poll::Ready(Ok((n, then))) => {
                layers.passed(&free[..n]);
                *filled += n;
                if let Then::End(reason) = then {
                    return Seen::End(reason);
                }
                if layers.allowance() == 0 {
                    return Seen::End(EndReason::LimitReached);
                }
                if *filled == buf.len() || *filled >= BYTES_PER_OP {
                    return Seen::Some;
                }
                if then == Then::Stop && *filled > 0 {
                    return Seen::Some;
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
            return Seen::Pending;
        }
    }
}

#[cold]
fn too_many<E>(n: usize, room: usize) -> Seen<E> {
    Seen::Broken(format_err!("ByteSource::poll_read reported {n} bytes in a buffer of {room}"))
}

/// A zero-length read, or the first read after one.
#[cold]
#[inline(never)]
fn ask<S: ByteSource>(
    state: &mut State,
    mut source: Pin<&mut S>,
    beside: &mut Beside<u8, S::Error>,
    cx: &mut Context<'_>,
    buf: &mut [u8],
    filled: &mut usize,
) -> Seen<S::Error> {
    let Beside { layers, ahead, .. } = beside;
    let layers = &mut layers.within();
    if let Some(reason) = over(layers, cx) {
        return Seen::End(reason);
    }
    if buf.is_empty() {
        if ahead.is_some() {
            return Seen::Some;
        }
        let readable = source.as_mut().poll_readable(cx);
        return state.ask(ahead, readable, || look_ahead(source, cx));
    }
    *state = State::Open;
    if let Some(Ahead { item, then }) = ahead.take().map(|ahead| *ahead) {
        buf[0] = item;
        *filled = 1;
        layers.passed(&buf[..1]);
        match then {
            Err(error) => return Seen::Failed(error),
            Ok(Then::End(reason)) => return Seen::End(reason),
            _ if layers.allowance() == 0 => return Seen::End(EndReason::LimitReached),
            Ok(Then::More) if buf.len() > 1 => {}
            _ => return Seen::Some,
        }
    }
    fill(source, layers, cx, buf, filled)
}

/// The next byte.
fn look_ahead<S: ByteSource>(
    mut source: Pin<&mut S>,
    cx: &mut Context<'_>,
) -> Result<Ahead<u8, S::Error>, Seen<S::Error>> {
    let mut byte = [0];
    for _ in 0..EMPTY_STEPS {
        match source.as_mut().poll_read(cx, &mut byte) {
            Poll::Pending => return Err(Seen::Pending),
            Poll::Ready(Err(error)) => return Err(Seen::Failed(error)),
            Poll::Ready(Ok((0, Then::End(reason)))) => return Err(Seen::End(reason)),
            Poll::Ready(Ok((0, _))) => {}
            Poll::Ready(Ok((1, then))) => return Ok(Ahead { item: byte[0], then: Ok(then) }),
            Poll::Ready(Ok((n, _))) => return Err(too_many(n, 1)),
        }
    }
    cx.waker().wake_by_ref();
    Err(Seen::Pending)
}

impl<D: 'static, S: ByteSource, C: Holding> StreamProducer<D> for ByteProducer<S, C> {
    type Item = u8;
    type Buffer = VecBuffer<u8>;

    fn poll_produce<'a>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'a, D>,
        destination: Destination<'a, u8, Self::Buffer>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let mut this = self.project();
        if let Some(answer) = this.state.early(finish) {
            return Poll::Ready(answer);
        }

        // Rule "Straight into guest memory". A host reader's buffer is shown whole however much of it is marked, so it
        // is marked once, after filling. It is never empty, so an empty buffer is a guest's zero-length read.
        let mut direct = destination.as_direct(store, *this.capacity);
        let buf = direct.remaining();
        let state = &mut *this.state;
        let plain = state.is_plain() && !buf.is_empty();
        let (mut produced, mut last) = (0, None);
        let polled = this.source.as_mut().poll(cx, |source, beside, cx| {
            let filled = &mut produced;
            let seen = if !plain {
                ask(state, source, beside, cx, buf, filled)
            } else {
                match beside.layers.within() {
                    None => fill(source, &mut (), cx, buf, filled),
                    Some(mut set) => match over(&mut set, cx) {
                        Some(reason) => Seen::End(reason),
                        None => fill(source, &mut set, cx, buf, filled),
                    },
                }
            };
            beside.moved += *filled as u64;
            seen.split(*filled > 0, &mut last)
        });
        match polled {
            None => return Poll::Ready(Ok(this.state.end())),
            Some(Poll::Pending) => return Poll::Pending,
            Some(Poll::Ready(())) => {}
        }
        if produced > 0 {
            direct.mark_written(produced);
            if let Some(meter) = this.meter {
                meter.count(produced, true);
            }
        }
        let Some(last) = last else { return Poll::Ready(Ok(StreamResult::Completed)) };
        Poll::Ready(this.state.ended(this.source, last, *this.on_error, produced > 0))
    }

    fn try_into(me: Pin<Box<Self>>, ty: TypeId) -> Result<Box<dyn Any>, Pin<Box<Self>>> {
        match me.splice {
            Some(splice) if me.is_spliceable() => splice(me, ty),
            _ => Err(me),
        }
    }
}
