//! Bytes directly to and from the guest's memory.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wasmtime::component::{
    Destination, Source, StreamConsumer, StreamProducer, StreamResult, VecBuffer,
};
use wasmtime::{Result, StoreContextMut};

/// The fastest way to the guest: the reader reads directly into the guest's memory.
pub(crate) struct DirectRead<R>(pub(crate) R);

impl<D: 'static, R: AsyncRead + Unpin + Send + 'static> StreamProducer<D> for DirectRead<R> {
    type Item = u8;
    type Buffer = VecBuffer<u8>;

    fn poll_produce<'a>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'a, D>,
        destination: Destination<'a, u8, VecBuffer<u8>>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        if finish {
            return Poll::Ready(Ok(StreamResult::Cancelled));
        }
        let mut direct = destination.as_direct(store, 64 * 1024);
        let mut buf = ReadBuf::new(direct.remaining());
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        ready!(Pin::new(&mut self.get_mut().0).poll_read(cx, &mut buf))?;
        let n = buf.filled().len();
        if n == 0 {
            return Poll::Ready(Ok(StreamResult::Dropped));
        }
        direct.mark_written(n);
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

/// The fastest way from the guest: the writer copies directly from the guest's memory. Each operation is flushed.
pub(crate) struct DirectWrite<W> {
    writer: W,
    flushing: bool,
}

impl<W> DirectWrite<W> {
    pub(crate) fn new(writer: W) -> Self {
        Self { writer, flushing: false }
    }
}

impl<D: 'static, W: AsyncWrite + Unpin + Send + 'static> StreamConsumer<D> for DirectWrite<W> {
    type Item = u8;

    fn poll_consume(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let me = self.get_mut();
        if finish {
            me.flushing = false;
            return Poll::Ready(Ok(StreamResult::Cancelled));
        }
        if !me.flushing {
            let mut direct = source.as_direct(store);
            let mut accepted = 0;
            loop {
                let bytes = direct.remaining();
                let len = bytes.len();
                if len == 0 {
                    return Poll::Ready(Ok(StreamResult::Completed));
                }
                match Pin::new(&mut me.writer).poll_write(cx, bytes)? {
                    Poll::Ready(0) => {
                        return Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero).into()));
                    }
                    Poll::Ready(n) => {
                        direct.mark_read(n);
                        accepted += n;
                        if n == len {
                            break;
                        }
                    }
                    Poll::Pending if accepted == 0 => return Poll::Pending,
                    Poll::Pending => break,
                }
            }
            me.flushing = true;
        }
        ready!(Pin::new(&mut me.writer).poll_flush(cx))?;
        me.flushing = false;
        Poll::Ready(Ok(StreamResult::Completed))
    }
}
