use std::any::{Any, TypeId};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use wasmtime::component::{Destination, StreamProducer, StreamResult, VecBuffer};
use wasmtime::{Error, Result, StoreContextMut, bail};

use super::{OnError, Splice, SpliceFn, State, splice};
use crate::completion::{self, Completing, Completion};
use crate::limits::{BYTES_PER_OP, EMPTY_STEPS, HOST_CAPACITY};
use crate::{ByteSource, Meter, Then};

pin_project! {
    /// A `stream<u8>` from a [`ByteSource`], for [`StreamReader::new`](wasmtime::component::StreamReader::new).
    ///
    /// Bytes go straight into the guest's memory; the producer itself holds none.
    #[derive(Debug)]
    #[must_use = "a producer does nothing until it is given to `StreamReader::new`"]
    pub struct ByteProducer<S: ByteSource> {
        #[pin]
        source: S,
        capacity: usize,
        on_error: OnError<S::Error>,
        splice: Option<SpliceFn<ByteProducer<S>>>,
        meter: Option<Meter>,
        state: State,
    }
}

impl<S: ByteSource> ByteProducer<S> {
    /// A producer over `source`.
    pub fn new(source: S) -> Self {
        Self {
            source,
            capacity: HOST_CAPACITY,
            on_error: None,
            splice: None,
            meter: None,
            state: State::Open,
        }
    }

    /// Puts a combinator around the source. It ends spliceability: what flows may be changed.
    pub(crate) fn map<T: ByteSource<Error = S::Error>>(
        self,
        wrap: impl FnOnce(S) -> T,
    ) -> ByteProducer<T> {
        ByteProducer {
            source: wrap(self.source),
            capacity: self.capacity,
            on_error: self.on_error,
            splice: None,
            meter: self.meter,
            state: self.state,
        }
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
    pub fn spliceable(mut self) -> Self
    where
        S: Splice + Unpin,
    {
        self.splice = Some(|me, ty| splice(me, ty, Self::into_inner));
        self
    }

    /// Adds a [`Completion`]: how the stream ended, how many bytes moved, and the source itself.
    ///
    /// Errors go to it from then on, instead of a trap, and the source can no longer be spliced: it has two owners.
    pub fn with_completion(self) -> (ByteProducer<Completing<S, S::Error>>, Completion<S, S::Error>)
    where
        S: Unpin,
    {
        let (source, completion) = completion::of_source(
            self.source,
            |source, cut| Pin::new(source).stream_ended(cut),
            |source, signals| source.signals(signals),
        );
        let mut producer = ByteProducer::new(source).capacity(self.capacity);
        producer.meter = self.meter;
        (producer, completion)
    }

    /// The source.
    pub fn get_ref(&self) -> &S {
        &self.source
    }

    /// The source, to configure it before the stream starts.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.source
    }

    /// The source, of a producer that was never given away.
    pub fn into_inner(self) -> S {
        self.source
    }
}

/// What one look at the source came to, after the bytes it gave.
enum Filled<E> {
    Pending,
    Some,
    End,
    Failed(E),
}

/// Rule "fill the operation": as far as is free, up to the buffer or the budget.
fn fill<S: ByteSource>(
    mut source: Pin<&mut S>,
    cx: &mut Context<'_>,
    buf: &mut [u8],
) -> Result<(usize, Filled<S::Error>)> {
    let mut filled = 0;
    let mut empty = 0;
    loop {
        let free = &mut buf[filled..];
        let room = free.len();
        match source.as_mut().poll_read(cx, free) {
            Poll::Pending => return Ok((filled, Filled::Pending)),
            Poll::Ready(Err(error)) => return Ok((filled, Filled::Failed(error))),
            Poll::Ready(Ok((n, _))) if n > room => {
                bail!("ByteSource::poll_read reported {n} bytes in a buffer of {room}")
            }
            Poll::Ready(Ok((n, Then::End(_)))) => return Ok((filled + n, Filled::End)),
            Poll::Ready(Ok((n, then))) => {
                filled += n;
                if filled == buf.len() || filled >= BYTES_PER_OP {
                    return Ok((filled, Filled::Some));
                }
                if then == Then::Stop && filled > 0 {
                    return Ok((filled, Filled::Some));
                }
                if n == 0 {
                    empty += 1;
                }
            }
        }
        if empty == EMPTY_STEPS {
            if filled == 0 {
                cx.waker().wake_by_ref();
            }
            return Ok((filled, Filled::Pending));
        }
    }
}

impl<D: 'static, S: ByteSource> StreamProducer<D> for ByteProducer<S> {
    type Item = u8;
    type Buffer = VecBuffer<u8>;

    fn poll_produce<'a>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'a, D>,
        destination: Destination<'a, u8, Self::Buffer>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let this = self.project();
        if let Some(answer) = this.state.early(finish) {
            return Poll::Ready(answer);
        }

        // Rule "straight into guest memory". A host reader's buffer is shown whole however much of it is marked, so it
        // is marked once, after filling. It is never empty, so an empty buffer is a guest's zero-length read.
        let mut direct = destination.as_direct(store, *this.capacity);
        let buf = direct.remaining();
        if buf.is_empty() {
            return this.state.readable(this.source.poll_readable(cx), *this.on_error);
        }
        let (produced, filled) = fill(this.source, cx, buf)?;
        if produced > 0 {
            direct.mark_written(produced);
            if let Some(meter) = this.meter {
                meter.count(produced, true);
            }
        }
        Poll::Ready(match filled {
            Filled::Pending if produced == 0 => return Poll::Pending,
            Filled::Pending | Filled::Some => Ok(StreamResult::Completed),
            Filled::End => Ok(this.state.end()),
            Filled::Failed(error) => this.state.fail(error, *this.on_error, produced > 0),
        })
    }

    fn try_into(me: Pin<Box<Self>>, ty: TypeId) -> Result<Box<dyn Any>, Pin<Box<Self>>> {
        match me.splice {
            Some(splice) => splice(me, ty),
            None => Err(me),
        }
    }
}
