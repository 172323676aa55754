use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use super::job::{Blocking, Job, Work};
use super::read::BUFFER;
use crate::{ByteConsumer, ByteSink, End, EndReason};

/// Writes a guest's `stream<u8>` to a blocking [`std::io::Write`], on a thread that `spawn` supplies.
///
/// The inverse is [`read_on`](crate::blocking::read_on()). With the feature `tokio` there is `write`, which uses
/// tokio's threads. The adapter calls `spawn` for each write; it must not block, but hand the [`Job`] to a thread, or
/// start one.
///
/// # Partial writes
/// If no write is pending, the adapter accepts as many bytes as the [buffer](ByteConsumer::buffer) has room for, 64 KiB
/// by default, and writes them all. The buffer exists until that is done; between two writes a stream holds none.
///
/// # Cancellation
/// A cancelled write returns at once with what was accepted. A pending write of the inner writer continues, and the
/// guest's next write waits for it.
///
/// # Zero-length operations
/// A zero-length write waits until no write is pending.
///
/// # Errors
/// An error ends the stream for the guest and is [`End::Failed`](crate::End::Failed) in the completion;
/// [`Interrupted`](ErrorKind::Interrupted) is retried. A writer that writes 0 bytes fails with
/// [`WriteZero`](ErrorKind::WriteZero). A job that is dropped without being run, or that panics, is an error too. The
/// completion counts the bytes that were accepted; [`Write::into_parts`] returns those of them that were not written.
///
/// # Drop
/// The writer is flushed after each guest write ([`Flush`](crate::Flush) changes that) and by the
/// [completion](crate::Completion), which hands it back: `std::io::Write` has no shutdown. During a write the job's
/// thread has the writer: [`Write::settled`] waits for the write. Without a completion the accepted bytes are still
/// written, and then the writer is dropped on its thread. A reader of the output cannot tell a truncated stream from a
/// complete one: send a length or a checksum, write to a temporary file name and rename it at
/// [`End::Finished`](crate::End::Finished), or finish an encoder only then ([How streams end](crate::ends)).
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
    /// Sets how many bytes one write accepts at most, 64 KiB by default; 0 counts as 1.
    pub fn buffer(mut self, bytes: usize) -> Self {
        self.get_mut().set_buffer(bytes);
        self
    }
}

/// The sink of [`write_on`].
pub struct Write<W> {
    blocking: Blocking<Writing<W>>,
    buffer: usize,
}

impl<W> Write<W> {
    pub(crate) fn set_buffer(&mut self, bytes: usize) {
        self.buffer = bytes.max(1);
    }

    /// The inner object; `None` during a write.
    pub fn get_ref(&self) -> Option<&W> {
        self.blocking.get_ref().map(|work| &work.writer)
    }

    /// The inner object; `None` during a write. Its other side sees data that is written to it directly as extra data.
    pub fn get_mut(&mut self) -> Option<&mut W> {
        self.blocking.get_mut().map(|work| &mut work.writer)
    }

    /// The inner object, without the bytes that were not written; `None` during a write.
    pub fn into_inner(self) -> Option<W> {
        self.into_parts().0
    }

    /// The inner object (`None` during a write), and the bytes that were accepted but not written.
    pub fn into_parts(self) -> (Option<W>, Vec<u8>) {
        match self.blocking.into_inner() {
            None => (None, Vec::new()),
            Some(mut work) => {
                work.bytes.drain(..work.written);
                (Some(work.writer), work.bytes)
            }
        }
    }

    /// Waits for a pending write. After that the accessors return the inner object, unless its job panicked.
    pub async fn settled(&mut self) {
        poll_fn(|cx| self.blocking.poll_work(cx).map(drop)).await
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

/// A writer, and the bytes to write.
struct Writing<W> {
    writer: W,
    bytes: Vec<u8>,
    /// How many of `bytes` are written.
    written: usize,
    /// Bytes were accepted since the last flush.
    dirty: bool,
    error: Option<io::Error>,
}

impl<W: io::Write + Send + 'static> Work for Writing<W> {
    fn work(&mut self, flush: &AtomicBool) {
        self.error = self.write_all(flush).err();
    }
}

impl<W: io::Write> Writing<W> {
    /// Like `Write::write_all`, but on failure `written` says how much was written.
    fn write_all(&mut self, flush: &AtomicBool) -> io::Result<()> {
        while self.written < self.bytes.len() {
            match self.writer.write(&self.bytes[self.written..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => self.written = self.bytes.len().min(self.written.saturating_add(n)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        // Rule "Bounded memory": an idle stream holds no buffer.
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
    /// Waits until no write is pending. Fails if the last one failed.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<Result<&mut Writing<W>, End<io::Error>>> {
        let work = ready!(self.blocking.poll_work(cx)).map_err(End::Failed)?;
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
        // Saves a job: one that is still writing then flushes too.
        this.blocking.request_flush();
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
