//! The connections of a socket that listens.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use ::tokio::net::{TcpListener, TcpStream};
use ::tokio::sync::mpsc;
use wasmtime_wasi::runtime::with_ambient_tokio_runtime;
use wasmtime_wasi::sockets::SocketAddrUse;

use super::address::Family;
use super::settings::{Check, Settings};
use super::socket::TcpSocket;
use crate::sockets::{Accept, SocketAccept, accept};
use crate::{EndReason, ItemSource, Then};

/// A listener that the socket and its stream own together: it is closed with the last of them.
pub(super) struct Shared(pub(super) Arc<TcpListener>);

impl SocketAccept for Shared {
    type Connection = (TcpStream, SocketAddr);

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Self::Connection>> {
        self.0.poll_accept(cx)
    }
}

enum From {
    System(Accept<Shared>),
    Host(mpsc::Receiver<TcpSocket>),
    Closed,
}

/// The source of a socket's `listen`: connections that the check has allowed, in the order in which they came.
///
/// Holds at most one connection beside the batch that is delivered: while it is checked, or after a zero-length read,
/// which waits for one.
pub(super) struct Incoming {
    from: From,
    family: Family,
    settings: Settings,
    checking: Option<(TcpSocket, Check)>,
    held: Option<TcpSocket>,
}

enum Next {
    Connection(TcpSocket),
    /// Ask again. The core bounds how often it does in one poll.
    Nothing,
    End,
}

impl Incoming {
    pub(super) fn system(listener: Arc<TcpListener>, family: Family, settings: Settings) -> Self {
        // The adapter keeps the runtime in which it is made.
        let accept = with_ambient_tokio_runtime(|| accept(Shared(listener)).into_inner());
        Self { from: From::System(accept), family, settings, checking: None, held: None }
    }

    pub(super) fn host(
        connections: mpsc::Receiver<TcpSocket>,
        family: Family,
        settings: Settings,
    ) -> Self {
        Self { from: From::Host(connections), family, settings, checking: None, held: None }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Next>> {
        if let Some(socket) = self.held.take() {
            return Poll::Ready(Ok(Next::Connection(socket)));
        }
        if self.checking.is_none() {
            let Some((socket, remote)) = ready!(self.poll_accept(cx))? else {
                let closed = matches!(self.from, From::Closed);
                return Poll::Ready(Ok(if closed { Next::End } else { Next::Nothing }));
            };
            let check = self.settings.check(remote, SocketAddrUse::TcpAccept);
            self.checking = Some((socket, check));
        }
        let Some((_, check)) = &mut self.checking else { return Poll::Ready(Ok(Next::Nothing)) };
        let allowed = ready!(with_ambient_tokio_runtime(|| check.as_mut().poll(cx)));
        Poll::Ready(Ok(match self.checking.take() {
            Some((socket, _)) if allowed => Next::Connection(socket),
            Some((socket, _)) => {
                socket.reset();
                Next::Nothing
            }
            None => Next::Nothing,
        }))
    }

    /// A connection and its peer's address, which a connection of the operating system no longer has once it is closed.
    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<(TcpSocket, SocketAddr)>>> {
        match &mut self.from {
            From::System(accept) => {
                let mut accepted = Vec::with_capacity(1);
                let polled = Pin::new(accept).poll_items(cx, 1, &mut accepted);
                match accepted.pop() {
                    Some((stream, remote)) => {
                        Poll::Ready(Ok(Some((TcpSocket::accepted(stream, self.family), remote))))
                    }
                    None => polled.map_ok(|_| None),
                }
            }
            From::Host(connections) => {
                let Some(socket) = ready!(connections.poll_recv(cx)) else {
                    self.from = From::Closed;
                    return Poll::Ready(Ok(None));
                };
                // The host may have handed over one that is closed already.
                let remote = socket.remote_addr();
                Poll::Ready(Ok(remote.ok().map(|remote| (socket, remote))))
            }
            From::Closed => Poll::Ready(Ok(None)),
        }
    }
}

impl ItemSource for Incoming {
    type Item = TcpSocket;
    type Error = io::Error;

    fn poll_items(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        max: usize,
        out: &mut Vec<TcpSocket>,
    ) -> Poll<io::Result<Then>> {
        let this = self.get_mut();
        for _ in 0..max {
            match ready!(this.poll_next(cx))? {
                Next::Connection(socket) => out.push(socket),
                Next::Nothing => break,
                Next::End => return Poll::Ready(Ok(Then::End(EndReason::Finished))),
            }
        }
        Poll::Ready(Ok(Then::More))
    }

    fn poll_readable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Option<Poll<io::Result<Then>>> {
        let this = self.get_mut();
        Some(match this.poll_next(cx) {
            Poll::Ready(Ok(Next::Connection(socket))) => {
                this.held = Some(socket);
                Poll::Ready(Ok(Then::Stop))
            }
            Poll::Ready(Ok(Next::Nothing)) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(Ok(Next::End)) => Poll::Ready(Ok(Then::End(EndReason::Finished))),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        })
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {
        let this = self.get_mut();
        this.from = From::Closed;
        // Nobody will serve them: their peers get an error, as those in the backlog do.
        let held = this.held.take().into_iter();
        held.chain(this.checking.take().map(|(socket, _)| socket)).for_each(TcpSocket::reset);
    }
}
