//! A pipe as Wasmtime's host takes it: many streams of the guest share it.

use std::{
    io, mem,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Wake, Waker},
};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use wasmtime_wasi::cli::{IsTerminal, StdinStream, StdoutStream};

/// A pipe that many tasks share.
#[derive(Clone, Debug)]
pub(crate) struct Shared(Arc<Mutex<DuplexStream>>, Arc<Waiting>);

/// Whoever waits for the pipe, which remembers only the last waker itself.
#[derive(Debug, Default)]
struct Waiting(Mutex<Vec<Waker>>);

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        let wakers = mem::take(&mut *self.0.lock().unwrap());
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Shared {
    pub(crate) fn new(pipe: DuplexStream) -> Self {
        Self(Arc::new(Mutex::new(pipe)), Arc::default())
    }

    fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut DuplexStream>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let mut waiting = self.1.0.lock().unwrap();
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        drop(waiting);
        let waker = Waker::from(Arc::clone(&self.1));
        poll(Pin::new(&mut *self.0.lock().unwrap()), &mut Context::from_waker(&waker))
    }
}

impl AsyncRead for Shared {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll(cx, |pipe, cx| pipe.poll_read(cx, buf))
    }
}

impl AsyncWrite for Shared {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll(cx, |pipe, cx| pipe.poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(cx, |pipe, cx| pipe.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(cx, |pipe, cx| pipe.poll_shutdown(cx))
    }
}

impl IsTerminal for Shared {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdinStream for Shared {
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        Box::new(self.clone())
    }
}

impl StdoutStream for Shared {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}
