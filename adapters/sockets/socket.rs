//! The traits of sockets that know whether they are ready, for tokio's sockets and pipes.

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

/// A socket or pipe that can truly tell whether it is readable, for [`read`](crate::sockets::read).
///
/// Here for [`TcpStream`], and on Unix for `UnixStream`, for the owned read half of each, and for the receiver of a pipe.
pub trait SocketRead: AsyncRead {
    /// Waits until a read would give something: bytes, the end or an error. Takes nothing.
    ///
    /// `Pending` must have registered the waker of this `cx`, and must not be answered while a read would give something.
    ///
    /// # Errors
    ///
    /// If nothing can be waited for: tokio's runtime is gone.
    fn poll_readable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// A socket or pipe that can truly tell whether it is writable, for [`write`](crate::sockets::write).
///
/// Here for [`TcpStream`], and on Unix for `UnixStream`, for the owned write half of each, and for the sender of a pipe.
pub trait SocketWrite: AsyncWrite {
    /// Waits until a write would be answered: by taking bytes or by an error.
    ///
    /// `Pending` must have registered the waker of this `cx`.
    ///
    /// # Errors
    ///
    /// If nothing can be waited for: tokio's runtime is gone.
    fn poll_writable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// A socket that others connect to, for [`accept`](crate::sockets::accept).
///
/// Here for [`TcpListener`], and on Unix for `UnixListener`.
pub trait SocketAccept {
    /// What it accepts.
    type Connection;

    /// Accepts the next connection. `Pending` must have registered the waker of this `cx`.
    ///
    /// # Errors
    ///
    /// As those of tokio's listeners.
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Self::Connection>>;
}

/// Where a socket is asked for: in itself; in a half by `AsRef`.
fn whole<T>(socket: &T) -> &T {
    socket
}

#[cfg(unix)]
macro_rules! sockets {
    ($trait:ident::$method:ident by $ready:ident, $events:ident: $($type:ty, $get:expr, ($($interest:expr)?);)*) => {$(
        impl $trait for $type {
            fn $method(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                let socket = $get(&*self);
                // The end and an error are answers as well.
                let is_ready = || check(socket, PollFlags::$events, PollFlags::all());
                let check = || socket.try_io($($interest,)? is_ready);
                poll_checked(cx, |cx| socket.$ready(cx), check)
            }
        }
    )*};
}

// A pipe has one direction only, so its `try_io` is not told which.
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

// Elsewhere there is no `poll`: to peek is as true for reading; of writing, tokio's word is all there is.
#[cfg(not(unix))]
macro_rules! sockets {
    ($read:ty; $write:ty, $get:expr) => {
        impl SocketRead for $read {
            fn poll_readable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                let mut byte = [0];
                let mut peeked = ::tokio::io::ReadBuf::new(&mut byte);
                // An error is an answer as well, which the next read gives again.
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
