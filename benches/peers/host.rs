//! The host objects of all rows. They are always ready, and both sides get the same.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Sink;
use futures::channel::oneshot;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// As long as the largest operation, so that the copying stays in the cache and the rows show what an operation costs.
const BLOCK: usize = 64 * 1024;

/// Reads `left` bytes out of one block, again and again.
pub(crate) struct Reader {
    block: Box<[u8]>,
    left: u64,
}

impl Reader {
    pub(crate) fn new(bytes: u64) -> Self {
        Self { block: vec![0x5a; BLOCK].into(), left: bytes }
    }
}

impl AsyncRead for Reader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let n = buf.remaining().min(BLOCK).min(left);
        buf.put_slice(&self.block[..n]);
        self.left -= n as u64;
        Poll::Ready(Ok(()))
    }
}

/// Says how much arrived when it is dropped: the one moment that a consumer of every kind has.
struct Count {
    arrived: u64,
    done: Option<oneshot::Sender<u64>>,
}

impl Count {
    fn new() -> (Self, oneshot::Receiver<u64>) {
        let (done, counted) = oneshot::channel();
        (Self { arrived: 0, done: Some(done) }, counted)
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            // Nobody waits for it when the run failed.
            _ = done.send(self.arrived);
        }
    }
}

/// Writes over one block, again and again.
pub(crate) struct Writer {
    block: Box<[u8]>,
    count: Count,
}

impl Writer {
    pub(crate) fn new() -> (Self, oneshot::Receiver<u64>) {
        let (count, counted) = Count::new();
        (Self { block: vec![0; BLOCK].into(), count }, counted)
    }
}

impl AsyncWrite for Writer {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let n = buf.len().min(BLOCK);
        self.block[..n].copy_from_slice(&buf[..n]);
        self.count.arrived += n as u64;
        Poll::Ready(Ok(n))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A sink that only counts.
pub(crate) struct Counter {
    count: Count,
}

impl Counter {
    pub(crate) fn new() -> (Self, oneshot::Receiver<u64>) {
        let (count, counted) = Count::new();
        (Self { count }, counted)
    }
}

impl Sink<u32> for Counter {
    type Error = std::convert::Infallible;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(mut self: Pin<&mut Self>, _: u32) -> Result<(), Self::Error> {
        self.count.arrived += 1;
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }
}
