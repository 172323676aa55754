//! The writing side: when its reader goes away, and what has really arrived.

use std::future;
use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncWrite, Interest, copy, sink};
use tokio::net::unix::pipe;
use tokio::net::{TcpStream, UnixStream};

pub(crate) struct Output {
    pub(crate) writer: Confirmed<Box<dyn AsyncWrite + Send + Unpin>>,
    pub(crate) watch: ReaderWatch,
    pub(crate) is_connection: bool,
    pub(crate) is_terminal: bool,
}

impl Output {
    /// A file or a pipe.
    pub(crate) fn file(file: File, is_terminal: bool) -> io::Result<Self> {
        let watch = ReaderWatch::new(&file)?;
        let writer = Confirmed::new(Box::new(file) as _);
        Ok(Self { writer, watch, is_connection: false, is_terminal })
    }

    pub(crate) fn tcp(stream: TcpStream) -> io::Result<Self> {
        // What the guest writes is sent at once.
        stream.set_nodelay(true)?;
        let watch = ReaderWatch::new(&stream)?;
        let (reader, writer) = stream.into_split();
        Ok(Self::connection(reader, writer, watch))
    }

    pub(crate) fn unix(stream: UnixStream) -> io::Result<Self> {
        let watch = ReaderWatch::new(&stream)?;
        let (reader, writer) = stream.into_split();
        Ok(Self::connection(reader, writer, watch))
    }

    fn connection(
        mut reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
        watch: ReaderWatch,
    ) -> Self {
        // What the peer says is read and dropped. Left unread it could block the peer; and to close a TCP connection
        // with unread data resets it, which loses what is still on its way out.
        tokio::spawn(async move { copy(&mut reader, &mut sink()).await });
        let writer = Confirmed::new(Box::new(writer) as _);
        Self { writer, watch, is_connection: true, is_terminal: false }
    }
}

/// Notices that nobody is left to read, also while nothing is written.
pub(crate) struct ReaderWatch {
    // Never written to. tokio's type for pipes can watch sockets and terminals just as well; regular files cannot be
    // watched, and have no reader to lose.
    watched: Option<pipe::Sender>,
}

impl ReaderWatch {
    fn new(writer: &impl AsFd) -> io::Result<Self> {
        let fd = writer.as_fd().try_clone_to_owned()?;
        Ok(Self { watched: pipe::Sender::from_owned_fd_unchecked(fd).ok() })
    }

    /// Waits for it, for ever if need be.
    pub(crate) async fn reader_gone(self) -> io::Error {
        let Some(watched) = self.watched else { return future::pending().await };
        loop {
            // The system was only asked to report when it is writable, and adds errors and hang-ups unasked: so
            // "readable" is a hang-up. A peer that has merely ended its own sending has not hung up.
            match watched.ready(Interest::READABLE | Interest::ERROR).await {
                Ok(ready) if ready.is_empty() => {}
                Ok(_) => return io::Error::new(io::ErrorKind::BrokenPipe, "the reader is gone"),
                Err(error) => return error,
            }
        }
    }
}

/// Counts the bytes that are flushed. A `File` accepts bytes before it has written them.
pub(crate) struct Confirmed<W> {
    writer: W,
    accepted: u64,
    confirmed: u64,
}

impl<W> Confirmed<W> {
    fn new(writer: W) -> Self {
        Self { writer, accepted: 0, confirmed: 0 }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.confirmed
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Confirmed<W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.writer).poll_write(cx, buf))?;
        self.accepted += written as u64;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.writer).poll_flush(cx))?;
        self.confirmed = self.accepted;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.writer).poll_shutdown(cx))?;
        self.confirmed = self.accepted;
        Poll::Ready(Ok(()))
    }
}
