use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};
use bytes::Bytes;
use futures::Stream;

use super::script::failure;
use super::{Script, Step};

/// A reader, buffered and unbuffered, of the bytes of each [`Step::Data`]. One read returns bytes of one step only.
#[derive(Debug)]
pub struct Reader {
    script: Script,
    buffer: Bytes,
}

impl Reader {
    /// A reader of the bytes in `script`.
    pub fn new(script: Script) -> Self {
        Self { script, buffer: Bytes::new() }
    }
}

impl Reader {
    fn poll_buffer(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        while self.buffer.is_empty() && !self.script.is_ended() {
            match ready!(self.script.poll_step(cx)) {
                Some(Step::Data(bytes)) => self.buffer = bytes.into(),
                Some(Step::Fail) => return Poll::Ready(Err(failure())),
                _ => {}
            }
        }
        Poll::Ready(Ok(&self.buffer))
    }

    /// Takes at most `max` bytes out of the buffer.
    fn poll_part(&mut self, cx: &mut Context<'_>, max: usize) -> Poll<io::Result<Bytes>> {
        assert!(max > 0, "read into an empty buffer");
        let n = ready!(self.poll_buffer(cx))?.len().min(max);
        Poll::Ready(Ok(self.buffer.split_to(n)))
    }
}

impl AsyncBufRead for Reader {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.get_mut().poll_buffer(cx)
    }

    fn consume(self: Pin<&mut Self>, n: usize) {
        let _ = self.get_mut().buffer.split_to(n);
    }
}

impl AsyncRead for Reader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.get_mut().poll_part(cx, buf.remaining()).map_ok(|part| buf.put_slice(&part))
    }
}

impl futures::io::AsyncBufRead for Reader {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.get_mut().poll_buffer(cx)
    }

    fn consume(self: Pin<&mut Self>, n: usize) {
        let _ = self.get_mut().buffer.split_to(n);
    }
}

impl futures::io::AsyncRead for Reader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_part(cx, buf.len()).map_ok(|part| {
            buf[..part.len()].copy_from_slice(&part);
            part.len()
        })
    }
}

/// A stream of chunks: one for each [`Step::Data`], and an empty one for each [`Step::Empty`].
#[derive(Debug)]
pub struct ChunkStream(pub Script);

impl Stream for ChunkStream {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().0.poll_step(cx).map(|step| match step? {
            Step::Data(bytes) => Some(Ok(bytes.into())),
            Step::Fail => Some(Err(failure())),
            _ => Some(Ok(Bytes::new())),
        })
    }
}

/// A stream of items, one for each byte of each [`Step::Data`].
#[derive(Debug)]
pub struct ItemStream<T> {
    script: Script,
    ready: VecDeque<u8>,
    make: fn(u8) -> T,
}

impl<T> ItemStream<T> {
    /// A stream of the items that `make` makes of the bytes in `script`.
    pub fn new(script: Script, make: fn(u8) -> T) -> Self {
        Self { script, ready: VecDeque::new(), make }
    }
}

impl<T> Unpin for ItemStream<T> {}

impl<T> Stream for ItemStream<T> {
    type Item = io::Result<T>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(byte) = this.ready.pop_front() {
                return Poll::Ready(Some(Ok((this.make)(byte))));
            }
            match ready!(this.script.poll_step(cx)) {
                Some(Step::Data(bytes)) => this.ready.extend(bytes),
                Some(Step::Fail) => return Poll::Ready(Some(Err(failure()))),
                Some(_) => {}
                None => return Poll::Ready(None),
            }
        }
    }
}
