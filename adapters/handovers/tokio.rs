//! tokio's I/O traits for `GuestReader` and `HostWriter`.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::from_guest::GuestReader;
use crate::to_guest::HostWriter;
use ::tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};
use ::tokio::task::coop;

/// Uses tokio's cooperative budget, as tokio's own in-memory pipes do: other tasks of the thread run even if the guest
/// always has bytes ready.
impl AsyncRead for GuestReader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let coop = ready!(coop::poll_proceed(cx));
        let this = self.get_mut();
        let bytes = ready!(this.poll_fill_buf(cx))?;
        let n = bytes.len().min(buf.remaining());
        buf.put_slice(&bytes[..n]);
        this.consume(n);
        coop.made_progress();
        Poll::Ready(Ok(()))
    }
}

impl AsyncBufRead for GuestReader {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let coop = ready!(coop::poll_proceed(cx));
        let bytes = ready!(GuestReader::poll_fill_buf(self.get_mut(), cx));
        coop.made_progress();
        Poll::Ready(bytes.map_err(Into::into))
    }

    fn consume(self: Pin<&mut Self>, bytes: usize) {
        GuestReader::consume(self.get_mut(), bytes);
    }
}

/// A flush does not wait for the guest to read. A shutdown ends the data.
impl AsyncWrite for HostWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let coop = ready!(coop::poll_proceed(cx));
        let written = ready!(HostWriter::poll_write(self.get_mut(), cx, buf));
        coop.made_progress();
        Poll::Ready(written.map_err(Into::into))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().close();
        Poll::Ready(Ok(()))
    }
}
