//! The host objects of the adapters, each with its other side.

pub mod blocking;
pub mod channels;
pub mod futures;
pub mod handoff;
pub mod http;
pub mod iter;
pub mod line;
pub mod listeners;
pub mod sockets;
pub mod stored;
#[cfg(unix)]
pub mod unix;
pub mod wires;

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use ::futures::Sink;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::made::{Peer, Sees};

/// A host object without another side.
pub struct Nobody;

impl Peer for Nobody {
    fn sees(&mut self) -> Option<Sees> {
        None
    }
}

/// Makes an object fail.
#[derive(Clone, Default)]
pub struct Switch(Arc<Mutex<(bool, Option<Waker>)>>);

impl Switch {
    pub fn fail(&self) {
        let mut state = self.0.lock().unwrap();
        state.0 = true;
        let waker = state.1.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    fn check(&self, cx: &Context<'_>) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.1 = Some(cx.waker().clone());
        if state.0 { Err(io::Error::other("scripted failure")) } else { Ok(()) }
    }
}

/// An object that fails once its switch is set.
pub struct Fallible<T> {
    inner: T,
    switch: Switch,
}

impl<T> Fallible<T> {
    pub fn new(inner: T) -> (Self, Switch) {
        let switch = Switch::default();
        (Self { inner, switch: switch.clone() }, switch)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Fallible<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.switch.check(cx)?;
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Fallible<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.switch.check(cx)?;
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.switch.check(cx)?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.switch.check(cx)?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<I, T: Sink<I, Error: std::error::Error + Send + Sync + 'static> + Unpin> Sink<I>
    for Fallible<T>
{
    type Error = io::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.switch.check(cx)?;
        Pin::new(&mut self.inner).poll_ready(cx).map_err(io::Error::other)
    }

    fn start_send(mut self: Pin<&mut Self>, item: I) -> io::Result<()> {
        Pin::new(&mut self.inner).start_send(item).map_err(io::Error::other)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.switch.check(cx)?;
        Pin::new(&mut self.inner).poll_flush(cx).map_err(io::Error::other)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.switch.check(cx)?;
        Pin::new(&mut self.inner).poll_close(cx).map_err(io::Error::other)
    }
}
