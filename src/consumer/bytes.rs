use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use wasmtime::component::{DirectSource, Source, StreamConsumer, StreamResult};
use wasmtime::{Error, Result, StoreContextMut};

use super::{Common, broken};
use crate::completion::{self, Completing, Completion};
use crate::limits::BYTES_PER_OP;
use crate::{ByteSink, Flush, Halt, Meter};

pin_project! {
    /// Takes a guest's `stream<u8>` into a [`ByteSink`], for
    /// [`StreamReader::pipe`](wasmtime::component::StreamReader::pipe).
    ///
    /// The sink reads straight from the guest's memory; the consumer itself holds no bytes. Exactly what the sink
    /// accepted is marked as read.
    #[derive(Debug)]
    #[must_use = "a consumer does nothing until it is given to `StreamReader::pipe`"]
    pub struct ByteConsumer<S: ByteSink> {
        #[pin]
        sink: S,
        common: Common<S::Error>,
    }
}

impl<S: ByteSink> ByteConsumer<S> {
    /// A consumer over `sink`.
    pub fn new(sink: S) -> Self {
        Self { sink, common: Common::new() }
    }

    /// Puts a combinator around the sink.
    pub(crate) fn map<T: ByteSink<Error = S::Error>>(
        self,
        wrap: impl FnOnce(S) -> T,
    ) -> ByteConsumer<T> {
        let mut sink = wrap(self.sink);
        sink.flush_policy(self.common.flush);
        ByteConsumer { sink, common: self.common }
    }

    /// Counts the bytes that the sink accepts, and the guest's writes of which it accepted some.
    pub fn metered(mut self, meter: &Meter) -> Self {
        self.common.meter = Some(meter.clone());
        self
    }

    /// When the sink is flushed; [`Flush::EachOp`] by default.
    pub fn flush(mut self, policy: Flush) -> Self {
        self.common.flush = policy;
        self.sink.flush_policy(policy);
        self
    }

    /// Makes an error of the sink a trap in the guest.
    ///
    /// That fails everything that runs in the store. Without it an error ends the stream, and is seen by a
    /// [completion](Self::with_completion) alone.
    pub fn trap_on_error(mut self) -> Self
    where
        S::Error: Into<Error>,
    {
        self.common.on_error = Some(Into::into);
        self
    }

    /// Adds a [`Completion`]: how the stream ended, how many bytes moved, and the sink itself, flushed and shut down.
    ///
    /// Errors go to it from then on, instead of a trap.
    pub fn with_completion(self) -> (ByteConsumer<Completing<S, S::Error>>, Completion<S, S::Error>)
    where
        S: Unpin,
    {
        let (sink, completion) = completion::of_sink(
            self.sink,
            self.common.flush,
            |sink, cx| sink.poll_close(cx),
            |sink, cut| Pin::new(sink).stream_ended(cut),
            |sink, signals| sink.signals(signals),
        );
        (ByteConsumer { sink, common: self.common.for_completion() }, completion)
    }

    /// The sink.
    pub fn get_ref(&self) -> &S {
        &self.sink
    }

    /// The sink, to configure it before the stream starts.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.sink
    }

    /// The sink, of a consumer that was never given away.
    pub fn into_inner(self) -> S {
        self.sink
    }
}

/// What one look at the sink came to.
enum Drained<E> {
    /// There was nothing to write: the guest's write is a zero-length one.
    Nothing,
    Pending,
    Some,
    Halted(Halt<E>),
}

/// Rule "exact count": marks what the sink accepted, while it makes progress.
///
/// Each look at what remains goes through the tables of the store, so none is made only to find that nothing does.
fn drain<D, S: ByteSink>(
    mut sink: Pin<&mut S>,
    cx: &mut Context<'_>,
    direct: &mut DirectSource<'_, D>,
    accepted: &mut usize,
) -> Result<Drained<S::Error>> {
    loop {
        let bytes = direct.remaining();
        let len = bytes.len();
        if len == 0 {
            return Ok(Drained::Nothing);
        }
        match sink.as_mut().poll_write(cx, bytes) {
            Poll::Pending if *accepted == 0 => return Ok(Drained::Pending),
            Poll::Pending => return Ok(Drained::Some),
            Poll::Ready(Err(halt)) => return Ok(Drained::Halted(halt)),
            Poll::Ready(Ok(n)) if n == 0 || n > len => {
                return Err(broken(format_args!(
                    "ByteSink::poll_write accepted {n} of {len} bytes: expected 1 to {len}"
                )));
            }
            Poll::Ready(Ok(n)) => {
                direct.mark_read(n);
                *accepted += n;
                if n == len || *accepted >= BYTES_PER_OP {
                    return Ok(Drained::Some);
                }
            }
        }
    }
}

impl<D: 'static, S: ByteSink> StreamConsumer<D> for ByteConsumer<S> {
    type Item = u8;

    fn poll_consume(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let mut this = self.project();
        let common = this.common;
        if common.ended {
            return Poll::Ready(Ok(StreamResult::Dropped));
        }
        if finish {
            this.sink.op_cancelled();
            return Poll::Ready(Ok(common.cancelled()));
        }
        if !common.op.flushing {
            let mut accepted = 0;
            let drained =
                drain(this.sink.as_mut(), cx, &mut source.as_direct(store), &mut accepted)?;
            if let Some(meter) = &common.meter {
                meter.count(accepted, true);
            }
            match drained {
                Drained::Nothing => return common.writable(this.sink.poll_writable(cx)),
                Drained::Pending => return Poll::Pending,
                Drained::Some => {}
                Drained::Halted(halt) => return Poll::Ready(common.halt(halt)),
            }
        }
        common.complete(|| this.sink.poll_flush(cx))
    }
}
