//! The futures crate's traits for a guest's streams as host objects. On tokio they use its cooperative budget, as the
//! tokio traits do.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::futures::io::{AsyncBufRead, AsyncRead, AsyncWrite};
use ::futures::sink::Sink;
use ::futures::stream::{FusedStream, Stream};

use crate::Cut;
use crate::from_guest::{GuestItems, GuestReader, TryGuestItems};
use crate::shared::coop::poll_step;
use crate::to_guest::{HostSink, HostWriter};

impl AsyncRead for GuestReader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        poll_step(cx, |cx| GuestReader::poll_read(this, cx, buf)).map_err(Into::into)
    }
}

impl AsyncBufRead for GuestReader {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        poll_step(cx, |cx| GuestReader::poll_fill_buf(this, cx)).map_err(Into::into)
    }

    fn consume(self: Pin<&mut Self>, bytes: usize) {
        GuestReader::consume(self.get_mut(), bytes);
    }
}

/// A flush does not wait for the guest to read. A close ends the data.
impl AsyncWrite for HostWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        poll_step(cx, |cx| HostWriter::poll_write(this, cx, buf)).map_err(Into::into)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().close();
        Poll::Ready(Ok(()))
    }
}

/// Fused. After the end [`GuestItems::cut`] says whether the guest ended the stream.
impl<T> Stream for GuestItems<T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let this = self.get_mut();
        poll_step(cx, |cx| this.poll_item(cx))
    }
}

/// Terminated once `None` was returned, not before.
impl<T> FusedStream for GuestItems<T> {
    fn is_terminated(&self) -> bool {
        self.is_ended()
    }
}

/// Fused.
impl<T> Stream for TryGuestItems<T> {
    type Item = Result<T, Cut>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<T, Cut>>> {
        let items = self.get_mut().get_mut();
        poll_step(cx, |cx| items.poll_try_item(cx)).map(Result::transpose)
    }
}

/// Terminated once `None` was returned, not before.
impl<T> FusedStream for TryGuestItems<T> {
    fn is_terminated(&self) -> bool {
        self.get_ref().is_ended()
    }
}

/// A flush does not wait for the guest to read. A close ends the data.
impl<T> Sink<T> for HostSink<T> {
    type Error = Cut;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Cut>> {
        let this = self.get_mut();
        poll_step(cx, |cx| this.poll_room(cx))
    }

    fn start_send(self: Pin<&mut Self>, item: T) -> Result<(), Cut> {
        // `poll_ready` has waited for room, so this fails only if the guest has dropped its end.
        self.get_mut().try_send(item).map_err(|_| Cut::PEER_DROPPED)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Cut>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Cut>> {
        self.get_mut().close();
        Poll::Ready(Ok(()))
    }
}
