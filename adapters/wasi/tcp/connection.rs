//! An open connection, of the operating system or of the host's.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use ::tokio::io::{AsyncRead, AsyncWrite};
use ::tokio::net::TcpStream;
use ::tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use rustix::fd::{AsFd as _, BorrowedFd};

use super::error::SocketError;
use crate::sockets::{SocketRead as _, SocketWrite as _};
use crate::tokio_io::{poll_read, poll_write};
use crate::{ByteSink, ByteSource, End, EndReason, Then};

pub(super) type BoxReader = Pin<Box<dyn AsyncRead + Send>>;
pub(super) type BoxWriter = Pin<Box<dyn AsyncWrite + Send>>;

/// What a connected socket holds until the guest takes the streams.
pub(super) struct Connection {
    peer: Peer,
    reader: Option<Reader>,
    writer: Option<Writer>,
}

/// What stays with the socket.
enum Peer {
    System(Arc<System>),
    Host { local: SocketAddr, remote: SocketAddr },
}

/// A connection of the operating system. The socket and both of its streams own it together: it is closed with the last
/// of them.
///
/// The halves, and not a shared `TcpStream`: only a half's own `poll_read` notices from a short read that the socket is
/// empty, which saves one system call an operation. No lock is held while anybody waits.
pub(super) struct System {
    read: Mutex<OwnedReadHalf>,
    /// `None` once the connection is to be reset.
    write: Mutex<Option<OwnedWriteHalf>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl System {
    fn stream<R>(&self, f: impl FnOnce(&TcpStream) -> R) -> R {
        f(locked(&self.read).as_ref())
    }

    /// Shuts one direction down. An error says that the connection is closed already.
    fn shutdown(&self, direction: Shutdown) {
        let how = match direction {
            Shutdown::Read => rustix::net::Shutdown::Read,
            Shutdown::Write => rustix::net::Shutdown::Write,
            Shutdown::Both => rustix::net::Shutdown::Both,
        };
        let _ = self.stream(|stream| rustix::net::shutdown(stream, how));
    }

    /// Resets the connection when it is closed.
    fn reset(&self) {
        if self.stream(TcpStream::set_zero_linger).is_ok()
            && let Some(half) = locked(&self.write).take()
        {
            // Without the shutdown of its drop, which the peer would take for the end of the data.
            half.forget();
        }
    }
}

impl Connection {
    pub(super) fn system(stream: TcpStream) -> Self {
        let (read, write) = stream.into_split();
        let system = Arc::new(System { read: Mutex::new(read), write: Mutex::new(Some(write)) });
        Self {
            reader: Some(Reader::System(system.clone())),
            writer: Some(Writer::System(system.clone())),
            peer: Peer::System(system),
        }
    }

    pub(super) fn host(
        reader: BoxReader,
        writer: BoxWriter,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Self {
        Self {
            reader: Some(Reader::Host(reader)),
            writer: Some(Writer::Host(writer)),
            peer: Peer::Host { local, remote },
        }
    }

    /// The reader, once.
    pub(super) fn take_reader(&mut self) -> Result<Reader, SocketError> {
        self.reader.take().ok_or(SocketError::InvalidState)
    }

    /// The writer, once.
    pub(super) fn take_writer(&mut self) -> Result<Writer, SocketError> {
        self.writer.take().ok_or(SocketError::InvalidState)
    }

    pub(super) fn local_addr(&self) -> Result<SocketAddr, SocketError> {
        match &self.peer {
            Peer::System(system) => Ok(system.stream(TcpStream::local_addr)?),
            Peer::Host { local, .. } => Ok(*local),
        }
    }

    pub(super) fn remote_addr(&self) -> Result<SocketAddr, SocketError> {
        match &self.peer {
            Peer::System(system) => Ok(system.stream(TcpStream::peer_addr)?),
            Peer::Host { remote, .. } => Ok(*remote),
        }
    }

    pub(super) fn with_fd<R>(
        &self,
        f: impl FnOnce(BorrowedFd<'_>) -> Result<R, SocketError>,
    ) -> Result<R, SocketError> {
        match &self.peer {
            Peer::System(system) => system.stream(|stream| f(stream.as_fd())),
            Peer::Host { .. } => Err(SocketError::NotSupported),
        }
    }

    /// Closes the connection by a reset, if it is the operating system's.
    pub(super) fn reset(self) {
        if let Peer::System(system) = &self.peer {
            system.reset();
        }
    }
}

/// The source of a socket's `receive`.
///
/// Dropping the guest's stream shuts the connection down for reading. `ended` does it: the source itself may live as long
/// as the guest's future.
pub(super) enum Reader {
    System(Arc<System>),
    Host(BoxReader),
    Closed,
}

impl ByteSource for Reader {
    type Error = io::Error;

    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<(usize, Then)>> {
        match self.get_mut() {
            Reader::System(system) => poll_read(Pin::new(&mut *locked(&system.read)), cx, buf),
            Reader::Host(reader) => poll_read(Pin::new(reader), cx, buf),
            Reader::Closed => Poll::Ready(Ok((0, Then::End(EndReason::Finished)))),
        }
    }

    fn poll_readable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Option<Poll<io::Result<Then>>> {
        match self.get_mut() {
            Reader::System(system) => {
                let readable = Pin::new(&mut *locked(&system.read)).poll_readable(cx);
                Some(readable.map_ok(|()| Then::Stop))
            }
            // An `AsyncRead` cannot report readiness.
            Reader::Host(_) => None,
            Reader::Closed => Some(Poll::Ready(Ok(Then::End(EndReason::Finished)))),
        }
    }

    fn ended(mut self: Pin<&mut Self>, _: EndReason) {
        if let Reader::System(system) = &*self {
            system.shutdown(Shutdown::Read);
        }
        self.set(Reader::Closed);
    }
}

/// The sink of a socket's `send`.
///
/// The end of the guest's stream shuts a connection of the operating system down for writing, in `ended`: whether or not
/// the guest reads its future. A writer of the host's is shut down by the completion, on a task of its own.
pub(super) enum Writer {
    System(Arc<System>),
    Host(BoxWriter),
}

impl Writer {
    /// Whether a task is needed to close it.
    pub(super) fn must_be_driven(&self) -> bool {
        matches!(self, Writer::Host(_))
    }
}

impl ByteSink for Writer {
    type Error = io::Error;

    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize, End<io::Error>>> {
        match self.get_mut() {
            Writer::System(system) => match &mut *locked(&system.write) {
                Some(half) => poll_write(Pin::new(half), cx, buf),
                None => Poll::Ready(Err(End::Failed(io::ErrorKind::BrokenPipe.into()))),
            },
            Writer::Host(writer) => poll_write(Pin::new(writer), cx, buf),
        }
    }

    fn poll_writable(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<(), End<io::Error>>>> {
        match self.get_mut() {
            Writer::System(system) => {
                let mut half = locked(&system.write);
                let writable = Pin::new(half.as_mut()?).poll_writable(cx);
                Some(writable.map_err(End::Failed))
            }
            Writer::Host(_) => None,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), End<io::Error>>> {
        match self.get_mut() {
            Writer::System(_) => Poll::Ready(Ok(())),
            Writer::Host(writer) => writer.as_mut().poll_flush(cx).map_err(End::Failed),
        }
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), End<io::Error>>> {
        match self.get_mut() {
            // `ended` has shut it down.
            Writer::System(_) => Poll::Ready(Ok(())),
            Writer::Host(writer) => writer.as_mut().poll_shutdown(cx).map_err(End::Failed),
        }
    }

    fn ended(self: Pin<&mut Self>, reason: EndReason) {
        let Writer::System(system) = self.get_mut() else { return };
        match reason {
            EndReason::Finished | EndReason::Failed => system.shutdown(Shutdown::Write),
            // Rule "Truncated is never complete".
            _ => system.reset(),
        }
    }
}
