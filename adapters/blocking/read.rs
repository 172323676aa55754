use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::mem;
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll, ready};

use super::job::{Blocking, Job, Work};
use crate::{ByteProducer, ByteSource, EndReason, Then, relay::Splice};

/// How much a job reads at most, unless the user says otherwise.
pub(super) const BUFFER: usize = 64 * 1024;

/// A `stream<u8>` that reads from a blocking [`std::io::Read`], on a thread that `spawn` supplies.
///
/// The inverse is [`write_on`](crate::blocking::write_on). With the feature `tokio` there is `read`, which uses
/// tokio's threads. `spawn` is called for each read, and must not block: it hands the [`Job`] to a thread of yours, or
/// starts one.
///
/// # Partial writes
/// Each guest read is one read of the inner reader, for as many bytes as the guest wants and the
/// [buffer](ByteProducer::buffer) has room for, 64 KiB by default; a short read completes it. Nothing is read ahead. The
/// buffer is there while a read is under way, or has bytes that the guest has not taken; a stream between two reads
/// holds none.
///
/// # Cancellation
/// Answered at once. A read that is under way goes on, and what it reads is for the guest's next read: nothing is lost,
/// and nothing is read twice.
///
/// # Zero-length operations
/// While a read of an earlier operation is under way they wait for it, and while bytes of it are left they complete. Else
/// a reader cannot tell whether it would block: they complete at once.
///
/// # Errors
/// An error ends the stream and is [`End::Failed`](crate::End::Failed) in the completion;
/// [`Interrupted`](ErrorKind::Interrupted) is not one, but tried again. A job that is dropped without being run, or that
/// panics, is an error too.
///
/// # Drop
/// The reader is dropped with the stream, or handed back by the completion with the bytes that the guest has not taken:
/// [`Read::into_parts`]. While a read is under way it is away: [`Read::settled`] waits for it, and without that
/// it is dropped on its thread, when it comes back from the read. A reader that was cut short before the guest (the
/// writer of a pipe has died, a connection was closed) looks like the end of the data: where that matters the data
/// tells its length, or its last part says that it is the last ([How streams end](crate::ends)).
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
    let reading = Reading { reader, want: 0, bytes: Vec::new(), given: 0, end: None };
    ByteProducer::new(Read { blocking: Blocking::new(reading, spawn), buffer: BUFFER })
}

impl<R: io::Read + Send + 'static> ByteProducer<Read<R>> {
    /// How many bytes are read at most at a time, 64 KiB by default; 0 counts as 1.
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
    /// The inner object; `None` while a read is under way.
    pub fn get_ref(&self) -> Option<&R> {
        self.blocking.get_ref().map(|work| &work.reader)
    }

    /// The inner object; `None` while a read is under way. Moving data through it directly is seen by the guest as a gap.
    pub fn get_mut(&mut self) -> Option<&mut R> {
        self.blocking.get_mut().map(|work| &mut work.reader)
    }

    /// The inner object, without the bytes that the guest has not taken; `None` while a read is under way.
    pub fn into_inner(self) -> Option<R> {
        self.into_parts().0
    }

    /// The inner object, `None` while a read is under way, and the bytes that were read and that the guest has not taken.
    pub fn into_parts(self) -> (Option<R>, Vec<u8>) {
        match self.blocking.into_inner() {
            None => (None, Vec::new()),
            Some(mut work) => {
                work.bytes.drain(..work.given);
                (Some(work.reader), work.bytes)
            }
        }
    }

    /// Waits until no read is under way. Then the accessors give the inner object, unless its job panicked.
    pub async fn settled(&mut self) {
        poll_fn(|cx| self.blocking.poll_here(cx).map(drop)).await
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

/// A reader, and what came of its last read.
struct Reading<R> {
    reader: R,
    want: usize,
    bytes: Vec<u8>,
    /// So many of `bytes` are with the guest.
    given: usize,
    end: Option<io::Result<()>>,
}

impl<R: io::Read + Send + 'static> Work for Reading<R> {
    fn work(&mut self, _: &AtomicBool) {
        let mut bytes = vec![0; self.want];
        let read = loop {
            match self.reader.read(&mut bytes) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        match read {
            Ok(0) => self.end = Some(Ok(())),
            Err(error) => self.end = Some(Err(error)),
            Ok(n) => {
                bytes.truncate(n);
                self.bytes = bytes;
            }
        }
    }
}

impl<R> Reading<R> {
    /// What a read could be answered with, without the reader; an error is told by the read itself.
    fn readable(&self) -> Option<Then> {
        match &self.end {
            _ if !self.bytes.is_empty() => Some(Then::More),
            Some(Ok(())) => Some(Then::End(EndReason::Finished)),
            Some(Err(_)) => Some(Then::Stop),
            None => None,
        }
    }

    /// Gives bytes that are in memory.
    fn give(&mut self, buf: &mut [u8]) -> usize {
        let rest = &self.bytes[self.given..];
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        self.given += n;
        if self.given == self.bytes.len() {
            // An idle stream holds no buffer.
            self.bytes = Vec::new();
            self.given = 0;
        }
        n
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
            let work = ready!(blocking.poll_here(cx))?;
            let given = work.give(buf);
            if given > 0 {
                let rest = !work.bytes.is_empty();
                return Poll::Ready(Ok((given, if rest { Then::More } else { Then::Stop })));
            }
            if let Some(end) = mem::take(&mut work.end) {
                return Poll::Ready(end.map(|()| (0, Then::End(EndReason::Finished))));
            }
            work.want = buf.len().min(*buffer);
            blocking.start(false);
        }
    }

    fn poll_readable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Option<Poll<io::Result<Then>>> {
        let here = self.get_mut().blocking.poll_here(cx);
        match here.map_ok(|work| work.readable()) {
            Poll::Ready(readable) => readable.transpose().map(Poll::Ready),
            Poll::Pending => Some(Poll::Pending),
        }
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}
