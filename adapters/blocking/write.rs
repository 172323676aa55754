use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use super::job::{Blocking, Job, Work};
use super::read::BUFFER;
use crate::{ByteConsumer, ByteSink, End, EndReason};

/// Writes a guest's `stream<u8>` into a blocking [`std::io::Write`], on a thread that `spawn` supplies.
///
/// The inverse is [`read_on`](crate::blocking::read_on). With the feature `tokio` there is `write`, which uses
/// tokio's threads. `spawn` is called for each write, and must not block: it hands the [`Job`] to a thread of yours, or
/// starts one.
///
/// # Partial writes
/// While no write is under way as many bytes are accepted as the [buffer](ByteConsumer::buffer) has room for, 64 KiB by
/// default, and written as a whole. The buffer is there until that is done; a stream between two writes holds none.
///
/// # Cancellation
/// Answered at once with what was accepted. What is under way goes on, and the next write waits for it.
///
/// # Zero-length operations
/// They wait until no write is under way.
///
/// # Errors
/// An error ends the stream for the guest and is [`End::Failed`](crate::End::Failed) in the completion;
/// [`Interrupted`](ErrorKind::Interrupted) is not one, but tried again. A writer that writes 0 bytes fails with
/// [`WriteZero`](ErrorKind::WriteZero), and a job that is dropped without being run, or that panics, is an error too. What
/// the completion counts as moved is what was accepted; what was not written of it is handed back:
/// [`Write::into_parts`].
///
/// # Drop
/// The writer is flushed after each guest write ([`Flush`](crate::Flush) changes that) and by the
/// [completion](crate::Completion), which hands it back: `std::io::Write` knows no shutdown. While a write is under way it is
/// away: [`Write::settled`] waits for it. Without a completion what was accepted is still written, and then the
/// writer dropped, on its thread. Whoever reads what it wrote cannot tell a writer that was dropped at a cut from one
/// that came to the end of the data: give a length or a checksum along, write a file under another name and rename it
/// at [`End::Finished`](crate::End::Finished), or finish an encoder only then ([How streams end](crate::ends)).
///
/// ```
/// use std::thread;
/// use wasmtime::{Engine, Store, component::StreamReader};
///
/// # fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let reader = StreamReader::new(&mut store, wasmtime_streams::iterators::items(*b"hello"))?;
///
/// // A thread for each write.
/// let file = Vec::new();
/// let file = wasmtime_streams::blocking::write_on(file, |job| {
///     let _ = thread::Builder::new().spawn(|| job.run()); // if there is none, the stream fails
/// });
/// let (writer, done) = file.with_completion();
/// reader.pipe(&mut store, writer)?;
/// let done = futures::executor::block_on(store.run_concurrent(async |_| done.await))?;
/// assert_eq!(done.inner.into_inner().unwrap(), b"hello");
/// # Ok(())
/// # }
/// ```
pub fn write_on<W>(writer: W, spawn: impl FnMut(Job) + Send + 'static) -> ByteConsumer<Write<W>>
where
    W: io::Write + Send + 'static,
{
    let writing = Writing { writer, bytes: Vec::new(), written: 0, dirty: false, error: None };
    ByteConsumer::new(Write { blocking: Blocking::new(writing, spawn), buffer: BUFFER })
}

impl<W: io::Write + Send + 'static> ByteConsumer<Write<W>> {
    /// How many bytes are accepted at most at a time, 64 KiB by default; 0 counts as 1.
    pub fn buffer(mut self, bytes: usize) -> Self {
        self.get_mut().buffer = bytes.max(1);
        self
    }
}

/// The sink of [`write_on`].
pub struct Write<W> {
    blocking: Blocking<Writing<W>>,
    buffer: usize,
}

impl<W> Write<W> {
    /// The inner object; `None` while a write is under way.
    pub fn get_ref(&self) -> Option<&W> {
        self.blocking.get_ref().map(|work| &work.writer)
    }

    /// The inner object; `None` while a write is under way. Moving data through it directly is seen as extra data.
    pub fn get_mut(&mut self) -> Option<&mut W> {
        self.blocking.get_mut().map(|work| &mut work.writer)
    }

    /// The inner object, without the bytes that were not written; `None` while a write is under way.
    pub fn into_inner(self) -> Option<W> {
        self.into_parts().0
    }

    /// The inner object, `None` while a write is under way, and the bytes that were accepted and could not be written.
    pub fn into_parts(self) -> (Option<W>, Vec<u8>) {
        match self.blocking.into_inner() {
            None => (None, Vec::new()),
            Some(mut work) => {
                work.bytes.drain(..work.written);
                (Some(work.writer), work.bytes)
            }
        }
    }

    /// Waits until no write is under way. Then the accessors give the inner object, unless its job panicked.
    pub async fn settled(&mut self) {
        poll_fn(|cx| self.blocking.poll_here(cx).map(drop)).await
    }
}

// The writer is never pinned.
impl<W> Unpin for Write<W> {}

impl<W: fmt::Debug> fmt::Debug for Write<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Write")
            .field("writer", &self.get_ref())
            .field("buffer", &self.buffer)
            .finish_non_exhaustive()
    }
}

/// A writer, and what it is to write.
struct Writing<W> {
    writer: W,
    bytes: Vec<u8>,
    /// So many of `bytes` are with the writer.
    written: usize,
    /// Something was accepted since the last flush.
    dirty: bool,
    error: Option<io::Error>,
}

impl<W: io::Write + Send + 'static> Work for Writing<W> {
    fn work(&mut self, flush: &AtomicBool) {
        self.error = self.write_all(flush).err();
    }
}

impl<W: io::Write> Writing<W> {
    /// Like `Write::write_all`, but knows what was written when it fails.
    fn write_all(&mut self, flush: &AtomicBool) -> io::Result<()> {
        while self.written < self.bytes.len() {
            match self.writer.write(&self.bytes[self.written..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => self.written = self.bytes.len().min(self.written.saturating_add(n)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        // An idle stream holds no buffer.
        self.bytes = Vec::new();
        self.written = 0;
        while flush.load(Ordering::Acquire) && self.dirty {
            match self.writer.flush() {
                Ok(()) => self.dirty = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl<W: io::Write + Send + 'static> Write<W> {
    /// Waits until no write is under way, and tells how the last one went.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<Result<&mut Writing<W>, End<io::Error>>> {
        let work = ready!(self.blocking.poll_here(cx)).map_err(End::Failed)?;
        Poll::Ready(match work.error.take() {
            Some(error) => Err(End::Failed(error)),
            None => Ok(work),
        })
    }
}

impl<W: io::Write + Send + 'static> ByteSink for Write<W> {
    type Error = io::Error;

    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize, End<io::Error>>> {
        let this = self.get_mut();
        let n = buf.len().min(this.buffer);
        let work = ready!(this.poll_idle(cx))?;
        work.bytes = buf[..n].to_vec();
        work.dirty = true;
        this.blocking.start(false);
        Poll::Ready(Ok(n))
    }

    fn poll_writable(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<(), End<io::Error>>>> {
        Some(self.get_mut().poll_idle(cx).map_ok(drop))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), End<io::Error>>> {
        let this = self.get_mut();
        // It spares a job: one that is still writing flushes as well.
        this.blocking.flush();
        loop {
            let work = ready!(this.poll_idle(cx))?;
            if !work.dirty {
                return Poll::Ready(Ok(()));
            }
            this.blocking.start(true);
        }
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), End<io::Error>>> {
        self.poll_flush(cx)
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}
