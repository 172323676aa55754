//! The host objects: always ready, and the same for both hosts.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wasmtime_wasi::cli::{IsTerminal, StdinStream, StdoutStream};

/// The byte at a position. The guest has the same.
pub(crate) fn byte(position: u32) -> u8 {
    (position.wrapping_mul(0x9e37_79b1) >> 24) as u8
}

/// The bytes from the first position on.
pub(crate) fn bytes(len: usize) -> Vec<u8> {
    (0..len as u32).map(byte).collect()
}

const PAGE: usize = 4096;

/// Memory that begins at a page, like the guest's buffer: how fast a copy is must not depend on the allocator.
struct Block {
    bytes: Vec<u8>,
    start: usize,
}

impl Block {
    fn new(len: usize) -> Self {
        let bytes = vec![0x5a; len + PAGE];
        let start = bytes.as_ptr().addr().wrapping_neg() % PAGE;
        Self { bytes, start }
    }

    fn get(&self) -> &[u8] {
        &self.bytes[self.start..][..self.len()]
    }

    fn get_mut(&mut self) -> &mut [u8] {
        let len = self.len();
        &mut self.bytes[self.start..][..len]
    }

    fn len(&self) -> usize {
        self.bytes.len() - PAGE
    }
}

/// At a page, too.
impl Clone for Block {
    fn clone(&self) -> Self {
        Self::new(self.len())
    }
}

/// Whether the bytes are only moved, or checked as well.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bytes {
    /// Always the same ones, as many at a time as the rows have in an operation, so that they stay in the cache.
    Timed,
    /// Those of their position.
    Checked,
}

/// Has no end.
#[derive(Clone)]
pub(crate) struct Reader {
    block: Arc<Block>,
    bytes: Bytes,
    at: u32,
}

impl Reader {
    pub(crate) fn new(per_op: u32, bytes: Bytes) -> Self {
        Self { block: Arc::new(Block::new(per_op as usize)), bytes, at: 0 }
    }
}

impl AsyncRead for Reader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let len = buf.remaining().min(self.block.len());
        match self.bytes {
            Bytes::Timed => buf.put_slice(&self.block.get()[..len]),
            Bytes::Checked => {
                let from = self.at;
                self.at = from.wrapping_add(len as u32);
                (0..len as u32).for_each(|i| buf.put_slice(&[byte(from.wrapping_add(i))]));
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Counts what arrives.
#[derive(Clone)]
pub(crate) struct Writer {
    block: Block,
    bytes: Bytes,
    arrived: Arc<AtomicU64>,
}

impl Writer {
    pub(crate) fn new(per_op: u32, bytes: Bytes) -> Self {
        Self { block: Block::new(per_op as usize), bytes, arrived: Arc::default() }
    }

    /// How many bytes have arrived, in this writer and in its clones.
    pub(crate) fn arrived(&self) -> Arc<AtomicU64> {
        self.arrived.clone()
    }
}

impl AsyncWrite for Writer {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let len = buf.len().min(self.block.len());
        let at = self.arrived.fetch_add(len as u64, Ordering::Relaxed) as u32;
        match self.bytes {
            Bytes::Timed => self.block.get_mut()[..len].copy_from_slice(&buf[..len]),
            Bytes::Checked => {
                let right = buf[..len].iter().zip(0_u32..).all(|(&b, i)| b == byte(at + i));
                if !right {
                    return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
                }
            }
        }
        Poll::Ready(Ok(len))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A plain object by Wasmtime's door for stdio: a copy of it for each stream.
pub(crate) struct Plain<O>(pub(crate) O);

impl<O> IsTerminal for Plain<O> {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdinStream for Plain<Reader> {
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        Box::new(self.0.clone())
    }
}

impl StdoutStream for Plain<Writer> {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.0.clone())
    }
}
