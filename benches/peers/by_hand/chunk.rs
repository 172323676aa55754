//! Chunks of bytes, one an operation, and a consumer that collects everything.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use futures::Stream;
use tokio::io::AsyncWrite;
use wasmtime::component::{
    Destination, Source, StreamConsumer, StreamProducer, StreamResult, VecBuffer,
};
use wasmtime::{AsContextMut, Result, StoreContextMut};

/// Passes each chunk to Wasmtime in the producer's buffer.
pub(crate) struct HandOver<S>(pub(crate) S);

impl<D: 'static, S> StreamProducer<D> for HandOver<S>
where
    S: Stream<Item = Bytes> + Unpin + Send + 'static,
{
    type Item = u8;
    type Buffer = VecBuffer<u8>;

    fn poll_produce<'a>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _: StoreContextMut<'a, D>,
        mut destination: Destination<'a, u8, VecBuffer<u8>>,
        _: bool,
    ) -> Poll<Result<StreamResult>> {
        Poll::Ready(Ok(match ready!(Pin::new(&mut self.get_mut().0).poll_next(cx)) {
            Some(chunk) => {
                destination.set_buffer(Vec::from(chunk).into());
                StreamResult::Completed
            }
            None => StreamResult::Dropped,
        }))
    }
}

/// Copies one chunk into the guest's memory, and keeps its rest.
pub(crate) struct ChunkRead<S> {
    stream: S,
    rest: Bytes,
}

impl<S> ChunkRead<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, rest: Bytes::new() }
    }
}

impl<D: 'static, S> StreamProducer<D> for ChunkRead<S>
where
    S: Stream<Item = Bytes> + Unpin + Send + 'static,
{
    type Item = u8;
    type Buffer = VecBuffer<u8>;

    fn poll_produce<'a>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'a, D>,
        destination: Destination<'a, u8, VecBuffer<u8>>,
        _: bool,
    ) -> Poll<Result<StreamResult>> {
        let me = self.get_mut();
        if me.rest.is_empty() {
            match ready!(Pin::new(&mut me.stream).poll_next(cx)) {
                Some(chunk) => me.rest = chunk,
                None => return Poll::Ready(Ok(StreamResult::Dropped)),
            }
        }
        let mut direct = destination.as_direct(store, 64 * 1024);
        let n = me.rest.len().min(direct.remaining().len());
        me.rest.copy_to_slice(&mut direct.remaining()[..n]);
        direct.mark_written(n);
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

/// Collects all that the guest writes, and writes it out when it is dropped at the end of the stream. So the writer
/// must not wait.
pub(crate) struct Collect<W: AsyncWrite + Unpin> {
    bytes: Vec<u8>,
    writer: W,
}

impl<W: AsyncWrite + Unpin> Collect<W> {
    pub(crate) fn new(writer: W) -> Self {
        Self { bytes: Vec::new(), writer }
    }
}

impl<D: 'static, W: AsyncWrite + Unpin + Send + 'static> StreamConsumer<D> for Collect<W> {
    type Item = u8;

    fn poll_consume(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut store: StoreContextMut<'_, D>,
        mut source: Source<'_, u8>,
        _: bool,
    ) -> Poll<Result<StreamResult>> {
        let me = self.get_mut();
        me.bytes.reserve(source.remaining(store.as_context_mut()));
        source.read(store, &mut me.bytes)?;
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

impl<W: AsyncWrite + Unpin> Drop for Collect<W> {
    fn drop(&mut self) {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut rest = &self.bytes[..];
        while let Poll::Ready(Ok(n @ 1..)) = Pin::new(&mut self.writer).poll_write(&mut cx, rest) {
            rest = &rest[n..];
        }
    }
}
