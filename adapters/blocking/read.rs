use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll, ready};

use super::buffered::Buffered;
use super::job::{Blocking, Job, Work};
use crate::{ByteProducer, ByteSource, EndReason, Then, relay::Splice};

/// The default of how many bytes a job reads at most.
pub(super) const BUFFER: usize = 64 * 1024;

/// Reads a `stream<u8>` from a blocking [`std::io::Read`], on a thread that `spawn` supplies.
///
/// The inverse is [`write_on`](crate::blocking::write_on()). With the feature `tokio` there is `read`, which uses
/// tokio's threads. The adapter calls `spawn` for each read; it must not block, but hand the [`Job`] to a thread, or
/// start one.
///
/// # Partial writes
/// Each guest read is one read of the inner reader, for as many bytes as the guest asks for and the
/// [buffer](ByteProducer::buffer) has room for, 64 KiB by default; a short read completes it. Nothing is read ahead.
/// The buffer exists while a read is pending or has bytes that the guest has not taken; between two reads a stream
/// holds none.
///
/// # Cancellation
/// A cancelled read returns at once. A pending read of the inner reader continues, and the guest's next read gets its
/// bytes: nothing is lost, and nothing is read twice.
///
/// # Zero-length operations
/// A zero-length read waits for the pending read of an earlier operation, and completes while bytes of it are left.
/// Otherwise it completes at once: a reader cannot report whether it would block.
///
/// # Errors
/// An error ends the stream and is [`End::Failed`](crate::End::Failed) in the completion;
/// [`Interrupted`](io::ErrorKind::Interrupted) is retried. A job that is dropped without being run, or that panics, is an
/// error too.
///
/// # Drop
/// The reader is dropped with the stream, or the completion hands it back with the bytes that the guest has not taken:
/// [`Read::into_parts`]. During a read the job's thread has the reader: [`Read::settled`] waits for the read. Without
/// that the reader is dropped on its thread after the read. An input that is cut short (a pipe's writer dies, a
/// connection closes) looks like the end of the data: if that matters, put a length or an end marker into the data
/// ([How streams end](crate::ends)).
///
/// ```
/// use std::sync::mpsc;
/// use std::thread;
/// use wasmtime::{Engine, Store, component::StreamReader};
/// use wasmtime_streams::blocking::Job;
///
/// # fn main() -> wasmtime::Result<()> {
/// // A thread for all blocking reads; it ends with the last stream that uses it.
/// let (jobs, queue) = mpsc::channel::<Job>();
/// thread::spawn(move || queue.into_iter().for_each(Job::run));
///
/// let mut store = Store::new(&Engine::default(), ());
/// # let file = &b"hello"[..];
/// let file = wasmtime_streams::blocking::read_on(file, move |job| {
///     let _ = jobs.send(job); // if the thread is gone, the stream fails
/// });
/// let reader = StreamReader::new(&mut store, file)?;
///
/// let (sink, done) = wasmtime_streams::iterators::collect_bytes(100).with_completion();
/// reader.pipe(&mut store, sink)?;
/// let done = futures::executor::block_on(store.run_concurrent(async |_| done.await))?;
/// assert_eq!(done.inner.into_inner(), b"hello");
/// # Ok(())
/// # }
/// ```
pub fn read_on<R>(reader: R, spawn: impl FnMut(Job) + Send + 'static) -> ByteProducer<Read<R>>
where
    R: io::Read + Send + 'static,
{
    let reading = Reading { reader, want: 0, buffered: Buffered::default() };
    ByteProducer::new(Read { blocking: Blocking::new(reading, spawn), buffer: BUFFER })
}

impl<R: io::Read + Send + 'static> ByteProducer<Read<R>> {
    /// Sets how many bytes one read takes at most, 64 KiB by default; 0 counts as 1.
    pub fn buffer(mut self, bytes: usize) -> Self {
        self.get_mut().buffer = bytes.max(1);
        self
    }
}

/// The source of [`read_on`].
pub struct Read<R> {
    blocking: Blocking<Reading<R>>,
    buffer: usize,
}

impl<R> Read<R> {
    /// The inner object; `None` during a read.
    pub fn get_ref(&self) -> Option<&R> {
        self.blocking.get_ref().map(|work| &work.reader)
    }

    /// The inner object; `None` during a read. The guest sees data that is read from it directly as a gap.
    pub fn get_mut(&mut self) -> Option<&mut R> {
        self.blocking.get_mut().map(|work| &mut work.reader)
    }

    /// The inner object, without the bytes that the guest has not taken; `None` during a read.
    pub fn into_inner(self) -> Option<R> {
        self.into_parts().0
    }

    /// The inner object (`None` during a read), and the bytes that were read but that the guest has not taken.
    pub fn into_parts(self) -> (Option<R>, Vec<u8>) {
        match self.blocking.into_inner() {
            None => (None, Vec::new()),
            Some(work) => (Some(work.reader), work.buffered.into_rest()),
        }
    }

    /// Waits for a pending read. After that the accessors return the inner object, unless its job panicked.
    pub async fn settled(&mut self) {
        poll_fn(|cx| self.blocking.poll_work(cx).map(drop)).await
    }
}

// The reader is never pinned.
impl<R> Unpin for Read<R> {}

impl<R> Splice for Read<R> {}

impl<R: fmt::Debug> fmt::Debug for Read<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Read")
            .field("reader", &self.get_ref())
            .field("buffer", &self.buffer)
            .finish_non_exhaustive()
    }
}

/// A reader, and the result of its last read.
struct Reading<R> {
    reader: R,
    want: usize,
    buffered: Buffered,
}

impl<R: io::Read + Send + 'static> Work for Reading<R> {
    fn work(&mut self, _: &AtomicBool) {
        let Self { reader, want, buffered } = self;
        buffered.fill(vec![0; *want], 0, |bytes| reader.read(bytes));
    }
}

impl<R: io::Read + Send + 'static> ByteSource for Read<R> {
    type Error = io::Error;

    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<(usize, Then)>> {
        let Self { blocking, buffer } = self.get_mut();
        loop {
            let work = ready!(blocking.poll_work(cx))?;
            if let Some(taken) = work.buffered.take(buf) {
                return Poll::Ready(taken);
            }
            work.want = buf.len().min(*buffer);
            blocking.start(false);
        }
    }

    fn poll_readable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Option<Poll<io::Result<Then>>> {
        let work = self.get_mut().blocking.poll_work(cx);
        match work.map_ok(|work| work.buffered.readable()) {
            Poll::Ready(readable) => readable.transpose().map(Poll::Ready),
            Poll::Pending => Some(Poll::Pending),
        }
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}
