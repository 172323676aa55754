//! Traits of sockets that can report readiness, implemented for tokio's sockets and pipes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

#[cfg(unix)]
use ::tokio::io::Interest;
use ::tokio::io::{AsyncRead, AsyncWrite};
use ::tokio::net::{TcpListener, TcpStream, tcp};
#[cfg(unix)]
use ::tokio::net::{UnixListener, UnixStream, unix};
#[cfg(unix)]
use rustix::event::PollFlags;

#[cfg(unix)]
use super::ready::{check, poll_checked};

/// A socket or pipe that can report whether it is readable, for [`read`](crate::sockets::read()).
///
/// Implemented for [`TcpStream`] and its owned read half, and on Unix for `UnixStream`, its owned read half, and
/// `pipe::Receiver`.
pub trait SocketRead: AsyncRead {
    /// Waits until a read would return bytes, the end or an error. Consumes nothing.
    ///
    /// An implementation that returns `Pending` must have registered the waker of this `cx`, and must not return it
    /// while a read would return something.
    ///
    /// # Errors
    ///
    /// If it cannot wait because tokio's runtime is gone.
    fn poll_readable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// A socket or pipe that can report whether it is writable, for [`write`](crate::sockets::write()).
///
/// Implemented for [`TcpStream`] and its owned write half, and on Unix for `UnixStream`, its owned write half, and
/// `pipe::Sender`.
pub trait SocketWrite: AsyncWrite {
    /// Waits until a write would accept bytes or return an error.
    ///
    /// An implementation that returns `Pending` must have registered the waker of this `cx`.
    ///
    /// # Errors
    ///
    /// If it cannot wait because tokio's runtime is gone.
    fn poll_writable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// A socket that accepts connections, for [`accept`](crate::sockets::accept()).
///
/// Implemented for [`TcpListener`], and on Unix for `UnixListener`.
pub trait SocketAccept {
    /// The accepted connection.
    type Connection;

    /// Accepts the next connection.
    ///
    /// An implementation that returns `Pending` must have registered the waker of this `cx`.
    ///
    /// # Errors
    ///
    /// Those of tokio's listeners.
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Self::Connection>>;
}

/// The socket to check: itself, or that of a half by `AsRef`.
fn whole<T>(socket: &T) -> &T {
    socket
}

#[cfg(unix)]
macro_rules! sockets {
    ($trait:ident::$method:ident by $ready:ident, $events:ident: $($type:ty, $get:expr, ($($interest:expr)?);)*) => {$(
        impl $trait for $type {
            fn $method(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                let socket = $get(&*self);
                // The end and errors count as ready.
                let is_ready = || check(socket, PollFlags::$events, PollFlags::all());
                let check = || socket.try_io($($interest,)? is_ready);
                poll_checked(cx, |cx| socket.$ready(cx), check)
            }
        }
    )*};
}

// A pipe has only one direction, so its `try_io` takes no `Interest`.
#[cfg(unix)]
sockets! {
    SocketRead::poll_readable by poll_read_ready, IN:
    TcpStream, whole, (Interest::READABLE);
    tcp::OwnedReadHalf, AsRef::<TcpStream>::as_ref, (Interest::READABLE);
    UnixStream, whole, (Interest::READABLE);
    unix::OwnedReadHalf, AsRef::<UnixStream>::as_ref, (Interest::READABLE);
    unix::pipe::Receiver, whole, ();
}

#[cfg(unix)]
sockets! {
    SocketWrite::poll_writable by poll_write_ready, OUT:
    TcpStream, whole, (Interest::WRITABLE);
    tcp::OwnedWriteHalf, AsRef::<TcpStream>::as_ref, (Interest::WRITABLE);
    UnixStream, whole, (Interest::WRITABLE);
    unix::OwnedWriteHalf, AsRef::<UnixStream>::as_ref, (Interest::WRITABLE);
    unix::pipe::Sender, whole, ();
}

// Elsewhere there is no `poll`: a peek is as exact for reading; for writing only tokio can be asked.
#[cfg(not(unix))]
macro_rules! sockets {
    ($read:ty; $write:ty, $get:expr) => {
        impl SocketRead for $read {
            fn poll_readable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                let mut byte = [0];
                let mut peeked = ::tokio::io::ReadBuf::new(&mut byte);
                // An error counts as ready: the next read returns it again.
                self.get_mut().poll_peek(cx, &mut peeked).map(|_| Ok(()))
            }
        }

        impl SocketWrite for $write {
            fn poll_writable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                $get(&*self).poll_write_ready(cx)
            }
        }
    };
}

#[cfg(not(unix))]
sockets!(TcpStream; TcpStream, whole);
#[cfg(not(unix))]
sockets!(tcp::OwnedReadHalf; tcp::OwnedWriteHalf, AsRef::<TcpStream>::as_ref);

impl SocketAccept for TcpListener {
    type Connection = TcpStream;

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
        TcpListener::poll_accept(self, cx).map_ok(|(connection, _)| connection)
    }
}

#[cfg(unix)]
impl SocketAccept for UnixListener {
    type Connection = UnixStream;

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<UnixStream>> {
        UnixListener::poll_accept(self, cx).map_ok(|(connection, _)| connection)
    }
}
