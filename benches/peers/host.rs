//! The host objects of the rows. They are always ready, and the same for both sides.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::channel::oneshot;
use futures::{Sink, Stream, stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wasmtime_streams::{CancelHandle, Completion};

use crate::guest::{Load, Record};

const PAGE: usize = 4096;

/// Bytes that start at a page, like the guest's buffer. A copy takes up to a third longer if its destination starts a
/// little after its source, modulo the page size: that must not depend on the allocator.
pub(crate) struct Block {
    bytes: Vec<u8>,
    start: usize,
}

impl Block {
    pub(crate) fn new(len: usize) -> Self {
        let bytes = vec![0x5a; len + PAGE];
        let start = bytes.as_ptr().addr().wrapping_neg() % PAGE;
        let mut block = Self { bytes, start };
        block.bytes.truncate(start + len);
        block
    }
}

impl Deref for Block {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

impl DerefMut for Block {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }
}

/// Reads `left` bytes, repeatedly from one block. The block is as long as an operation, so that the copies stay in the
/// cache and the rows show the cost of an operation.
pub(crate) struct Reader {
    block: Block,
    left: u64,
}

impl Reader {
    pub(crate) fn new(per_op: u32, bytes: u64) -> Self {
        Self { block: Block::new(per_op as usize), left: bytes }
    }
}

impl AsyncRead for Reader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let n = buf.remaining().min(self.block.len()).min(left);
        buf.put_slice(&self.block[..n]);
        self.left -= n as u64;
        Poll::Ready(Ok(()))
    }
}

/// Reports how much arrived when it is dropped, which happens to every kind of consumer.
pub(crate) struct Count {
    arrived: u64,
    done: Option<oneshot::Sender<u64>>,
}

impl Count {
    pub(crate) fn new() -> (Self, oneshot::Receiver<u64>) {
        let (done, counted) = oneshot::channel();
        (Self { arrived: 0, done: Some(done) }, counted)
    }

    pub(crate) fn add(&mut self, n: usize) {
        self.arrived += n as u64;
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            // Fails if the run failed.
            _ = done.send(self.arrived);
        }
    }
}

/// Writes repeatedly into one block.
pub(crate) struct Writer {
    block: Block,
    count: Count,
}

impl Writer {
    pub(crate) fn new(per_op: u32) -> (Self, oneshot::Receiver<u64>) {
        let (count, counted) = Count::new();
        (Self { block: Block::new(per_op as usize), count }, counted)
    }
}

impl AsyncWrite for Writer {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let n = buf.len().min(self.block.len());
        self.block[..n].copy_from_slice(&buf[..n]);
        self.count.add(n);
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
pub(crate) struct Counter(Count);

impl Counter {
    pub(crate) fn new() -> (Self, oneshot::Receiver<u64>) {
        let (count, counted) = Count::new();
        (Self(count), counted)
    }
}

impl<T> Sink<T> for Counter {
    type Error = Infallible;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(mut self: Pin<&mut Self>, _: T) -> Result<(), Infallible> {
        self.0.add(1);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
}

/// Keeps a handle to a stream while it runs, since a stream that cannot be cancelled costs less. Unlike the completion,
/// the handle does not keep the sink, which reports its count when it is dropped.
pub(crate) fn keep<P, S: Send + 'static, E: Send + 'static>(
    handle: &RefCell<Option<CancelHandle>>,
    (stream, completion): (P, Completion<S, E>),
) -> P {
    handle.replace(Some(completion.cancel_handle()));
    stream
}

/// A stream of `items` numbers.
pub(crate) fn numbers(items: u64) -> impl Stream<Item = u32> + Unpin + Send + 'static {
    stream::iter((0..items).map(|n| n as u32))
}

/// A stream of `items` records, each with its own string.
pub(crate) fn records(items: u64) -> impl Stream<Item = Record> + Unpin + Send + 'static {
    stream::iter((0..items).map(|n| (n as u32, "a name of twenty-four by".to_owned())))
}

/// A stream of `bytes` bytes in chunks of one length, which are not allocated.
pub(crate) fn chunks(
    length: usize,
    bytes: u64,
) -> impl Stream<Item = Bytes> + Unpin + Send + 'static {
    /// Its alignment must not depend on the build.
    #[repr(align(64))]
    struct Aligned([u8; 64 << 10]);
    static BYTES: Aligned = Aligned([0x5a; 64 << 10]);
    let chunk = Bytes::from_static(&BYTES.0[..length]);
    stream::iter((0..bytes / length as u64).map(move |_| chunk.clone()))
}

/// Copies the bytes of each operation between two buffers, and nothing else.
pub(crate) fn copy(load: Load) {
    let from = Block::new(load.per_op as usize);
    let mut to = Block::new(load.per_op as usize);
    for _ in 0..load.total / u64::from(load.per_op) {
        std::hint::black_box(&mut to[..]).copy_from_slice(std::hint::black_box(&from));
    }
}
