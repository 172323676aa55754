use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};
use bytes::Bytes;
use futures::Stream;

use super::script::failure;
use super::{Script, Step};

/// A reader, buffered or not, that gives a part of each [`Step::Data`] as it is asked for.
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

impl AsyncBufRead for Reader {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        while this.buffer.is_empty() && !this.script.is_over() {
            match ready!(this.script.poll_step(cx)) {
                Some(Step::Data(bytes)) => this.buffer = bytes.into(),
                Some(Step::Fail) => return Poll::Ready(Err(failure())),
                _ => {}
            }
        }
        Poll::Ready(Ok(&this.buffer))
    }

    fn consume(self: Pin<&mut Self>, n: usize) {
        let _ = self.get_mut().buffer.split_to(n);
    }
}

impl AsyncRead for Reader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        assert!(buf.remaining() > 0, "read into an empty buffer");
        let bytes = ready!(self.as_mut().poll_fill_buf(cx))?;
        let n = bytes.len().min(buf.remaining());
        buf.put_slice(&bytes[..n]);
        self.consume(n);
        Poll::Ready(Ok(()))
    }
}

/// A stream of chunks, one for each [`Step::Data`] and [`Step::Empty`].
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
    /// A stream of what `make` makes of the bytes in `script`.
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
