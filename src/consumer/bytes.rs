use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use wasmtime::component::{DirectSource, Source, StreamConsumer, StreamResult};
use wasmtime::{Error, Result, StoreContextMut};

use super::{Common, Polled, broken};
#[cfg(feature = "wasi")]
use crate::End;
use crate::completion::Completion;
use crate::layer::{ActiveLayers, Layers, Signal, at_most};
use crate::limits::BYTES_PER_OP;
use crate::place::{BytesInto, Place};
use crate::{
    ByteSink, EndReason, Flush, Meter,
    completion::{Holding, Owned, Shared},
};

pin_project! {
    /// Takes a guest's `stream<u8>` into a [`ByteSink`], for
    /// [`StreamReader::pipe`](wasmtime::component::StreamReader::pipe).
    ///
    /// The sink reads straight from the guest's memory; the consumer itself holds no bytes. Exactly the bytes that the
    /// sink accepts are marked as read.
    ///
    /// `C` is [`Owned`] without a completion and [`Shared`] with one.
    #[derive(Debug)]
    #[must_use = "a consumer does nothing until it is given to `StreamReader::pipe`"]
    pub struct ByteConsumer<S: ByteSink, C: Holding = Owned> {
        #[pin]
        sink: Place<BytesInto, S, C>,
        common: Common<S::Error>,
    }
}

impl<S: ByteSink> ByteConsumer<S> {
    /// A consumer over `sink`.
    pub fn new(sink: S) -> Self {
        Self { sink: Place::new(sink), common: Common::new() }
    }
}

impl<S: ByteSink, C: Holding> ByteConsumer<S, C> {
    /// Adds a layer.
    pub(crate) fn layer(mut self, add: impl FnOnce(&mut Layers<u8>)) -> Self {
        self.sink.layer(add);
        self
    }

    pub(crate) fn until_signal(mut self, signal: Signal) -> Self {
        self.sink.until(signal);
        self
    }

    /// Counts the bytes that the sink accepts, and the guest writes of which it accepts some.
    pub fn metered(mut self, meter: &Meter) -> Self {
        self.common.meter = Some(meter.clone());
        self
    }

    /// Sets when the sink is flushed: [`Flush::EachOp`] by default.
    pub fn flush(mut self, policy: Flush) -> Self {
        self.common.flush = policy;
        self
    }

    /// Ends the stream as `reason` instead of piping it, for a host that made a consumer and then cannot use it. The
    /// sink gets `reason` by [`ended`](ByteSink::ended), and a hand-over passes it on to its receiver. A consumer that
    /// is only dropped looks like a guest that wrote nothing.
    pub fn abort(self, reason: EndReason) {
        pin!(self.sink).end(reason.into(), 0);
    }
}

impl<S: ByteSink> ByteConsumer<S> {
    /// Turns an error of the sink into a trap.
    ///
    /// A trap fails everything that runs in the store. Without this an error ends the stream, and only a
    /// [completion](Self::with_completion) gets it.
    pub fn trap_on_error(mut self) -> Self
    where
        S::Error: Into<Error>,
    {
        self.common.on_error = Some(Into::into);
        self
    }

    /// Adds a [`Completion`]: how the stream ended, how many bytes moved, and the sink itself, flushed and shut down.
    ///
    /// Errors go to the completion, and [`trap_on_error`](Self::trap_on_error) has no effect.
    ///
    /// A sink that is not `Unpin` is boxed first: `Box::pin(object)`, before it is given to its adapter.
    pub fn with_completion(self) -> (ByteConsumer<S, Shared>, Completion<S, S::Error>)
    where
        S: Unpin,
    {
        let Self { sink, mut common } = self;
        let (sink, completion) = sink.share();
        common.on_error = None;
        (ByteConsumer { sink, common }, completion)
    }

    /// A reference to the sink.
    pub fn get_ref(&self) -> &S {
        self.sink.get_ref()
    }

    /// A mutable reference to the sink, to configure it before the stream starts.
    pub fn get_mut(&mut self) -> &mut S {
        self.sink.get_mut()
    }

    /// Gives the sink back, of a stream that never started.
    pub fn into_inner(self) -> S {
        self.sink.into_inner()
    }
}

/// The bytes of one operation.
pub(crate) trait Incoming {
    fn remaining(&mut self) -> &[u8];

    fn mark_read(&mut self, n: usize);
}

impl<D> Incoming for DirectSource<'_, D> {
    #[inline(always)]
    fn remaining(&mut self) -> &[u8] {
        DirectSource::remaining(self)
    }

    #[inline(always)]
    fn mark_read(&mut self, n: usize) {
        DirectSource::mark_read(self, n);
    }
}

#[cfg(feature = "wasi")]
impl<I: Incoming + ?Sized> Incoming for &mut I {
    fn remaining(&mut self) -> &[u8] {
        (**self).remaining()
    }

    fn mark_read(&mut self, n: usize) {
        (**self).mark_read(n);
    }
}

/// Rule "Exact partial writes": marks what the sink accepts, while it makes progress, then flushes.
///
/// `remaining` looks into the tables of the store, so it is not called only to find that nothing remains.
#[inline(always)]
fn drain<S: ByteSink, L: ActiveLayers<u8>>(
    mut sink: Pin<&mut S>,
    layers: &mut L,
    cx: &mut Context<'_>,
    common: &mut Common<S::Error>,
    direct: &mut impl Incoming,
    accepted: &mut usize,
) -> Poll<Polled<S::Error>> {
    if let Poll::Ready(reason) = layers.poll_end(cx) {
        return Poll::Ready(common.end_now(reason, cx, |cx| sink.poll_flush(cx)));
    }
    while !common.op.flushing {
        let bytes = direct.remaining();
        let len = bytes.len();
        let max = at_most(layers.allowance(), len);
        if len == 0 {
            // A zero-length write: the loop ends before an ordinary write has nothing left.
            let over = layers.allowance() == 0;
            let writable = if over { None } else { sink.poll_writable(cx) };
            return Common::writable(writable);
        }
        if max == 0 {
            common.op.end_after_flush = Some(EndReason::LimitReached);
            break;
        }
        match sink.as_mut().poll_write(cx, &bytes[..max]) {
            Poll::Pending if *accepted == 0 => return Poll::Pending,
            Poll::Pending => break,
            Poll::Ready(Err(end)) => return Poll::Ready(Polled::SinkEnded(end)),
            Poll::Ready(Ok(n)) if n == 0 || n > max => {
                return Poll::Ready(broken(format_args!(
                    "ByteSink::poll_write accepted {n} of {max} bytes: expected 1 to {max}"
                )));
            }
            Poll::Ready(Ok(n)) => {
                layers.passed(&bytes[..n]);
                direct.mark_read(n);
                *accepted += n;
                common.unflushed = true;
                if n == len || *accepted >= BYTES_PER_OP {
                    break;
                }
            }
        }
    }
    common.poll_flushed(cx, |cx| sink.poll_flush(cx))
}

impl<S: ByteSink, C: Holding> ByteConsumer<S, C> {
    /// One poll of one operation.
    #[inline(always)]
    pub(crate) fn poll_operation(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        direct: &mut impl Incoming,
    ) -> Poll<Result<StreamResult>> {
        let mut this = self.project();
        let common = this.common;
        if common.ended {
            return Poll::Ready(Ok(StreamResult::Dropped));
        }
        let mut accepted = 0;
        let polled = this.sink.as_mut().poll(cx, |sink, stream, cx| {
            let (direct, accepted) = (&mut *direct, &mut accepted);
            let polled = match stream.layers.entered() {
                None => drain(sink, &mut (), cx, common, direct, accepted),
                Some(mut set) => drain(sink, &mut set, cx, common, direct, accepted),
            };
            stream.moved += *accepted as u64;
            polled
        });
        if let Some(meter) = &common.meter {
            meter.count(accepted, true);
        }
        common.answer(this.sink, polled)
    }

    /// Gives up the operation: what the sink has accepted stays accepted.
    pub(crate) fn cancel_operation(self: Pin<&mut Self>) -> StreamResult {
        let this = self.project();
        if this.common.ended {
            return StreamResult::Dropped;
        }
        this.sink.with_object(|sink| sink.op_cancelled());
        this.common.cancelled()
    }
}

#[cfg(feature = "wasi")]
impl<S: ByteSink> ByteConsumer<S, Shared> {
    /// Reads how the stream ended, until the completion has resolved.
    pub(crate) fn with_end<T>(&mut self, read: impl FnOnce(&End<S::Error>) -> T) -> Option<T> {
        self.sink.with_end(read)
    }
}

impl<D: 'static, S: ByteSink, C: Holding> StreamConsumer<D> for ByteConsumer<S, C> {
    type Item = u8;

    fn poll_consume(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        if finish {
            return Poll::Ready(Ok(self.cancel_operation()));
        }
        self.poll_operation(cx, &mut source.as_direct(store))
    }
}
