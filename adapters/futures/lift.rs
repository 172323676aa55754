//! The traits of the futures crate for a guest's streams as host objects.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::futures::io::{AsyncBufRead, AsyncRead, AsyncWrite};
use ::futures::sink::Sink;
use ::futures::stream::{FusedStream, Stream};

use crate::lift::{GuestItems, GuestReader};
use crate::lower::{HostSink, HostWriter, PeerDropped};

impl AsyncRead for GuestReader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        GuestReader::poll_read(self.get_mut(), cx, buf).map_err(Into::into)
    }
}

impl AsyncBufRead for GuestReader {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        GuestReader::poll_fill_buf(self.get_mut(), cx).map_err(Into::into)
    }

    fn consume(self: Pin<&mut Self>, bytes: usize) {
        GuestReader::consume(self.get_mut(), bytes);
    }
}

/// To flush does not wait for the guest to read; to close is the end of the data.
impl AsyncWrite for HostWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        HostWriter::poll_write(self.get_mut(), cx, buf).map_err(Into::into)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().close();
        Poll::Ready(Ok(()))
    }
}

/// Once it has ended, it stays so; [`GuestItems::cut`] says whether the guest ended it.
impl<T> Stream for GuestItems<T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.get_mut().poll_item(cx)
    }
}

impl<T> FusedStream for GuestItems<T> {
    fn is_terminated(&self) -> bool {
        self.is_at_end()
    }
}

/// To flush does not wait for the guest to read; to close is the end of the data.
impl<T> Sink<T> for HostSink<T> {
    type Error = PeerDropped;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), PeerDropped>> {
        self.get_mut().poll_room(cx)
    }

    fn start_send(self: Pin<&mut Self>, item: T) -> Result<(), PeerDropped> {
        // With the room that `poll_ready` has waited for, it fails only if the guest is gone.
        self.get_mut().try_send(item).map_err(|_| PeerDropped)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), PeerDropped>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), PeerDropped>> {
        self.get_mut().close();
        Poll::Ready(Ok(()))
    }
}
