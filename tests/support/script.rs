//! Inner objects that do what a script says, step by step, and fail when they are used wrongly.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use futures::{Sink, Stream};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};

/// One step of an inner object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// These bytes: for a reader in as many parts as it is asked for, for a stream one chunk, or that many items.
    Data(Vec<u8>),
    /// Room for so many bytes, or for one item or chunk.
    Accept(usize),
    /// An empty chunk, where there are chunks.
    Empty,
    /// Not ready; wakes at once.
    Pending,
    /// Not ready until the test releases it.
    Hold,
    /// Fails.
    Fail,
}

/// What `Step::Fail` fails with.
pub const FAILURE: &str = "scripted failure";

fn failure() -> io::Error {
    io::Error::other(FAILURE)
}

#[derive(Default)]
struct Held {
    released: usize,
    waker: Option<Waker>,
    steps: usize,
}

/// Releases what is held.
#[derive(Clone, Default)]
pub struct Control(Arc<Mutex<Held>>);

impl Control {
    pub fn release(&self) {
        let mut held = self.0.lock().unwrap();
        held.released += 1;
        if let Some(waker) = held.waker.take() {
            drop(held);
            waker.wake();
        }
    }

    /// How many steps were taken.
    pub fn steps(&self) -> usize {
        self.0.lock().unwrap().steps
    }
}

/// A list of steps. It keeps only the newest waker, as every I/O object does, and it panics if it is polled after its end.
pub struct Script {
    steps: VecDeque<Step>,
    control: Control,
    over: bool,
}

impl Script {
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect(), control: Control::default(), over: false }
    }

    pub fn control(&self) -> Control {
        self.control.clone()
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Option<Step>> {
        assert!(!self.over, "polled after its end");
        let mut held = self.control.0.lock().unwrap();
        match self.steps.front() {
            Some(Step::Pending) => {
                self.steps.pop_front();
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Some(Step::Hold) if held.released == 0 => {
                held.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            Some(Step::Hold) => {
                held.released -= 1;
                self.steps.pop_front();
                drop(held);
                return self.poll_step(cx);
            }
            _ => {}
        }
        held.steps += 1;
        let step = self.steps.pop_front();
        self.over = matches!(step, None | Some(Step::Fail));
        Poll::Ready(step)
    }
}

/// A reader, buffered or not.
pub struct Reader {
    script: Script,
    buffer: Bytes,
}

impl Reader {
    pub fn new(script: Script) -> Self {
        Self { script, buffer: Bytes::new() }
    }
}

impl AsyncBufRead for Reader {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        while this.buffer.is_empty() && !this.script.over {
            match ready!(this.script.poll_step(cx)) {
                Some(Step::Data(bytes)) => this.buffer = bytes.into(),
                Some(Step::Fail) => return Poll::Ready(Err(failure())),
                _ => {}
            }
        }
        Poll::Ready(Ok(&this.buffer))
    }

    fn consume(self: Pin<&mut Self>, n: usize) {
        let _ = self.get_mut().buffer.split_to(n);
    }
}

impl AsyncRead for Reader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        assert!(buf.remaining() > 0, "read into an empty buffer");
        let bytes = ready!(self.as_mut().poll_fill_buf(cx))?;
        let n = bytes.len().min(buf.remaining());
        buf.put_slice(&bytes[..n]);
        self.consume(n);
        Poll::Ready(Ok(()))
    }
}

/// A stream of chunks.
pub struct ChunkStream(pub Script);

impl Stream for ChunkStream {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().0.poll_step(cx).map(|step| match step? {
            Step::Data(bytes) => Some(Ok(bytes.into())),
            Step::Fail => Some(Err(failure())),
            _ => Some(Ok(Bytes::new())),
        })
    }
}

/// A stream of items, made from bytes.
pub struct ItemStream<T> {
    script: Script,
    ready: VecDeque<u8>,
    make: fn(u8) -> T,
}

impl<T> ItemStream<T> {
    pub fn new(script: Script, make: fn(u8) -> T) -> Self {
        Self { script, ready: VecDeque::new(), make }
    }
}

impl<T> Unpin for ItemStream<T> {}

impl<T> Stream for ItemStream<T> {
    type Item = io::Result<T>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(byte) = this.ready.pop_front() {
                return Poll::Ready(Some(Ok((this.make)(byte))));
            }
            match ready!(this.script.poll_step(cx)) {
                Some(Step::Data(bytes)) => this.ready.extend(bytes),
                Some(Step::Fail) => return Poll::Ready(Some(Err(failure()))),
                Some(_) => {}
                None => return Poll::Ready(None),
            }
        }
    }
}

/// What a writer or sink was given.
#[derive(Debug)]
pub struct Written<T> {
    /// Accepted, in its own buffer.
    pub accepted: Vec<T>,
    /// How many of them were brought to their destination.
    pub flushed: usize,
    pub closed: bool,
    pub dropped: bool,
    /// How many write operations it took.
    pub writes: usize,
}

/// Where a test looks at what was written.
pub struct Log<T>(Arc<Mutex<Written<T>>>);

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Log<T> {
    pub fn look<R>(&self, f: impl FnOnce(&mut Written<T>) -> R) -> R {
        f(&mut self.0.lock().unwrap())
    }
}

impl<T: Clone> Log<T> {
    pub fn accepted(&self) -> Vec<T> {
        self.look(|written| written.accepted.clone())
    }
}

/// A buffered writer or sink. After its scripts it accepts and flushes everything.
pub struct Writer<T> {
    writes: Script,
    flushes: Script,
    log: Log<T>,
    /// Room that was given out by `poll_ready` and not used yet.
    slot: bool,
}

impl<T> Unpin for Writer<T> {}

impl<T> Writer<T> {
    pub fn new(writes: Script) -> Self {
        Self::with_flush(writes, Script::new([]))
    }

    /// `flushes` is what flushing and closing do.
    pub fn with_flush(writes: Script, flushes: Script) -> Self {
        let written =
            Written { accepted: Vec::new(), flushed: 0, closed: false, dropped: false, writes: 0 };
        Self { writes, flushes, log: Log(Arc::new(Mutex::new(written))), slot: false }
    }

    pub fn log(&self) -> Log<T> {
        self.log.clone()
    }

    /// Room for how many? 0 only where the script says so.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        assert!(!self.log.look(|written| written.closed), "written after it was closed");
        if self.writes.steps.is_empty() && !self.writes.over {
            return Poll::Ready(Ok(usize::MAX));
        }
        match ready!(self.writes.poll_step(cx)) {
            Some(Step::Accept(n)) => Poll::Ready(Ok(n)),
            Some(Step::Fail) => Poll::Ready(Err(failure())),
            // The script ended with a `Hold`: from here on there is room for everything.
            None => {
                self.writes.over = false;
                Poll::Ready(Ok(usize::MAX))
            }
            step => panic!("{step:?} is no step of a writer"),
        }
    }

    fn poll_flushed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if (self.flushes.over || !self.flushes.steps.is_empty())
            && ready!(self.flushes.poll_step(cx)) == Some(Step::Fail)
        {
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
        assert!(!buf.is_empty(), "written from an empty buffer");
        let this = self.get_mut();
        let n = ready!(this.poll_room(cx))?.min(buf.len());
        this.log.look(|written| {
            written.accepted.extend_from_slice(&buf[..n]);
            written.writes += 1;
        });
        Poll::Ready(Ok(n))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_flushed(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
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

/// The same room, for chunks, checked to be no empty ones.
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
