use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll, ready};

use super::place;
use super::threads::{BUFFER, blocking_threads};
use super::{FileError, ReadAt};
use crate::blocking::buffered::Buffered;
use crate::blocking::job::{Blocking, Work};
use crate::shared::coop;
use crate::shared::io::filled;
use crate::{ByteProducer, ByteSource, EndReason, Then, relay::Splice};

/// Reads a `stream<u8>` from a [`File`](std::fs::File), or anything that [is read at an offset](ReadAt), from `offset`
/// on.
///
/// The inverse is [`write_at`](crate::wasi::write_at()). Streams of the same object do not interfere with each other.
/// On Linux, what the page cache has of a file goes straight into guest memory, without a thread; everything else is
/// read on tokio's blocking threads, by the runtime in which the stream was made or is polled. With
/// [`file_end`](crate::wasi::file_end()) it is a `tuple<stream<u8>, future<result<_, error-code>>>`.
///
/// # Partial writes
/// Each guest read is one read of the object, for as many bytes as the guest asks for and the
/// [buffer](ByteProducer::buffer) has room for, 256 KiB by default; a short read completes it. Nothing is read ahead.
/// The buffer exists only while a thread reads or bytes of it are left.
///
/// # Cancellation
/// A cancelled read returns at once. The thread's read continues, and the guest's next read gets its bytes.
///
/// # Zero-length operations
/// A zero-length read waits for the thread's read of an earlier operation, and completes while bytes of it are left.
/// Otherwise it completes at once: a file is always readable, and only a read finds its end.
///
/// # Errors
/// An error ends the stream and is [`End::Failed`](crate::End::Failed) in the completion. Outside of a tokio runtime,
/// the first read that needs a thread fails.
///
/// # Drop
/// The object is dropped with the stream, or the completion hands it back with the offset of the first byte that the
/// guest has not taken: [`OffsetRead::into_parts`]. During a read the thread has it: [`OffsetRead::settled`] waits.
///
/// ```
/// use wasmtime::{Engine, Store};
/// use wasmtime_streams::wasi;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let file = std::fs::File::open("Cargo.toml")?;
/// let (stream, ended) = wasi::read_at(file, 1).into_wit(&mut store, wasi::file_end)?;
///
/// # let (sink, done) = wasmtime_streams::iterators::collect_bytes(8).with_completion();
/// # stream.pipe(&mut store, sink)?; // a guest would get both
/// # let ended = wasmtime_streams::from_guest::value(&mut store, ended)?;
/// # let (done, ended) = store.run_concurrent(async |_| (done.await, ended.await)).await?;
/// # assert_eq!(done.inner.into_inner(), b"workspac");
/// # assert_eq!(ended, Ok(Ok(())));
/// # Ok(())
/// # }
/// ```
pub fn read_at<O: ReadAt>(object: O, offset: u64) -> ByteProducer<OffsetRead<O>> {
    let reading = Reading { object, offset, direct: true, want: 0, buffered: Buffered::default() };
    ByteProducer::new(OffsetRead {
        blocking: Blocking::new(reading, blocking_threads()),
        buffer: BUFFER,
    })
}

impl<O: ReadAt> ByteProducer<OffsetRead<O>> {
    /// Sets how many bytes one read takes at most, 256 KiB by default; 0 counts as 1.
    pub fn buffer(mut self, bytes: usize) -> Self {
        self.get_mut().buffer = bytes.max(1);
        self
    }
}

/// The source of [`read_at`].
pub struct OffsetRead<O> {
    blocking: Blocking<Reading<O>>,
    buffer: usize,
}

impl<O> OffsetRead<O> {
    /// The object; `None` while a thread reads.
    pub fn get_ref(&self) -> Option<&O> {
        self.blocking.get_ref().map(|work| &work.object)
    }

    /// The object; `None` while a thread reads.
    pub fn into_inner(self) -> Option<O> {
        self.into_parts().map(|(object, _)| object)
    }

    /// The object and the offset of the first byte that the guest has not taken; `None` while a thread reads.
    pub fn into_parts(self) -> Option<(O, u64)> {
        self.blocking.into_inner().map(|work| (work.object, work.offset))
    }

    /// Waits for a pending read. After that the accessors return the object, unless its read panicked.
    pub async fn settled(&mut self) {
        poll_fn(|cx| self.blocking.poll_work(cx).map(drop)).await
    }
}

// The object is never pinned.
impl<O> Unpin for OffsetRead<O> {}

impl<O> Splice for OffsetRead<O> {}

impl<O: fmt::Debug> fmt::Debug for OffsetRead<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OffsetRead")
            .field("object", &self.get_ref())
            .field("buffer", &self.buffer)
            .finish_non_exhaustive()
    }
}

/// An object, and what its last read on a thread gave.
struct Reading<O> {
    object: O,
    /// Of the first byte that the guest has not taken.
    offset: u64,
    /// `try_read_at` is worth a try.
    direct: bool,
    want: usize,
    buffered: Buffered,
}

impl<O: ReadAt> Work for Reading<O> {
    fn work(&mut self, _: &AtomicBool) {
        let Self { object, offset, buffered, .. } = self;
        let (bytes, from) = place::buffer(self.want, *offset);
        buffered.fill(bytes, from, |bytes| object.read_at(bytes, *offset));
    }
}

impl<O: ReadAt> Reading<O> {
    /// Reads without a thread: `None` if that is not possible.
    fn try_read(&mut self, buf: &mut [u8]) -> Option<io::Result<(usize, Then)>> {
        match self.object.try_read_at(buf, self.offset) {
            Ok(n) => {
                self.advance(n);
                Some(Ok(filled(n)))
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::Interrupted => None,
                ErrorKind::Unsupported => {
                    self.direct = false;
                    None
                }
                _ => Some(Err(error)),
            },
        }
    }

    /// The guest has taken `n` bytes. No bytes follow those at the largest offset.
    fn advance(&mut self, n: usize) {
        match self.offset.checked_add(n as u64) {
            Some(offset) => self.offset = offset,
            None => self.buffered.fail(FileError::Overflow.into_io()),
        }
    }
}

impl<O: ReadAt> ByteSource for OffsetRead<O> {
    type Error = io::Error;

    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<(usize, Then)>> {
        let Self { blocking, buffer } = self.get_mut();
        let want = buf.len().min(*buffer);
        loop {
            let work = ready!(blocking.poll_work(cx))?;
            if let Some(taken) = work.buffered.take(buf) {
                if let Ok((n, _)) = taken {
                    work.advance(n);
                }
                return Poll::Ready(taken);
            }
            if work.direct {
                // It never waits, so it takes part in tokio's budget.
                let read = ready!(coop::poll_step(cx, |_| {
                    Poll::Ready(work.try_read(&mut buf[..want]))
                }));
                if let Some(read) = read {
                    return Poll::Ready(read);
                }
            }
            work.want = want;
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
