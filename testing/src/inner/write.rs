use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use ::tokio::io::AsyncWrite;
use bytes::Bytes;
use futures::Sink;

use super::script::failure;
use super::{Script, Step};

/// What a writer or sink has received.
#[derive(Debug)]
pub struct Written<T> {
    /// All that it accepted, in its buffer.
    pub accepted: Vec<T>,
    /// How many of them were flushed.
    pub flushed: usize,
    /// Whether it was shut down.
    pub closed: bool,
    /// Whether the writer was dropped.
    pub dropped: bool,
    /// How many write operations it took.
    pub writes: usize,
}

/// A handle to inspect what was written.
#[derive(Debug)]
pub struct Log<T>(Arc<Mutex<Written<T>>>);

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Log<T> {
    /// Calls `f` with what was written.
    pub fn look<R>(&self, f: impl FnOnce(&mut Written<T>) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T: Clone> Log<T> {
    /// All that it accepted so far.
    pub fn accepted(&self) -> Vec<T> {
        self.look(|written| written.accepted.clone())
    }
}

/// A buffered writer or sink. After its scripts it accepts and flushes everything.
///
/// Panics on a write from an empty buffer, a `start_send` without a `poll_ready`, and a write after it was closed.
#[derive(Debug)]
pub struct Writer<T> {
    writes: Script,
    flushes: Script,
    log: Log<T>,
    /// `poll_ready` has reported room that is not used yet.
    slot: bool,
}

impl<T> Unpin for Writer<T> {}

impl<T> Writer<T> {
    /// A writer that accepts by the [`Step::Accept`]s of `writes`.
    pub fn new(writes: Script) -> Self {
        Self::with_flush(writes, Script::new([]))
    }

    /// Like [`new`](Self::new); flushing and closing follow `flushes`.
    pub fn with_flush(writes: Script, flushes: Script) -> Self {
        let written =
            Written { accepted: Vec::new(), flushed: 0, closed: false, dropped: false, writes: 0 };
        Self { writes, flushes, log: Log(Arc::new(Mutex::new(written))), slot: false }
    }

    /// A handle to inspect it after it has been moved.
    pub fn log(&self) -> Log<T> {
        self.log.clone()
    }

    /// How many it accepts; 0 only if the script says so.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        assert!(!self.log.look(|written| written.closed), "written after it was closed");
        if self.writes.is_empty() {
            return Poll::Ready(Ok(usize::MAX));
        }
        match ready!(self.writes.poll_step(cx)) {
            Some(Step::Accept(n)) => Poll::Ready(Ok(n)),
            Some(Step::Fail) => Poll::Ready(Err(failure())),
            // The script ended with a `Hold`: from here on everything is accepted.
            None => {
                self.writes.reopen();
                Poll::Ready(Ok(usize::MAX))
            }
            step => panic!("{step:?} is no step of a writer"),
        }
    }

    fn poll_accepted(&mut self, cx: &mut Context<'_>, items: &[T]) -> Poll<io::Result<usize>>
    where
        T: Clone,
    {
        assert!(!items.is_empty(), "written from an empty buffer");
        let n = ready!(self.poll_room(cx))?.min(items.len());
        self.log.look(|written| {
            written.accepted.extend_from_slice(&items[..n]);
            written.writes += 1;
        });
        Poll::Ready(Ok(n))
    }

    fn poll_flushed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.flushes.is_empty() && ready!(self.flushes.poll_step(cx)) == Some(Step::Fail) {
            return Poll::Ready(Err(failure()));
        }
        self.log.look(|written| written.flushed = written.accepted.len());
        Poll::Ready(Ok(()))
    }

    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_flushed(cx))?;
        self.log.look(|written| written.closed = true);
        Poll::Ready(Ok(()))
    }
}

impl<T> Drop for Writer<T> {
    fn drop(&mut self) {
        self.log.look(|written| written.dropped = true);
    }
}

impl AsyncWrite for Writer<u8> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_accepted(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_flushed(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_closed(cx)
    }
}

impl futures::io::AsyncWrite for Writer<u8> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_accepted(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_flushed(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_closed(cx)
    }
}

impl<T> Sink<T> for Writer<T> {
    type Error = io::Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.slot {
            ready!(this.poll_room(cx))?;
            this.slot = true;
        }
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, item: T) -> io::Result<()> {
        let this = self.get_mut();
        assert!(std::mem::take(&mut this.slot), "sent without room");
        this.log.look(|written| {
            written.accepted.push(item);
            written.writes += 1;
        });
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_flushed(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_closed(cx)
    }
}

/// A [`Writer`] as a sink of chunks. Panics on an empty chunk.
#[derive(Debug)]
pub struct ChunkWriter(pub Writer<u8>);

impl Sink<Bytes> for ChunkWriter {
    type Error = io::Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Sink::poll_ready(Pin::new(&mut self.get_mut().0), cx)
    }

    fn start_send(self: Pin<&mut Self>, chunk: Bytes) -> io::Result<()> {
        assert!(!chunk.is_empty(), "an empty chunk was sent");
        let this = &mut self.get_mut().0;
        assert!(std::mem::take(&mut this.slot), "sent without room");
        this.log.look(|written| {
            written.accepted.extend_from_slice(&chunk);
            written.writes += 1;
        });
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().0.poll_flushed(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().0.poll_closed(cx)
    }
}
