use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::threads::{BUFFER, blocking_threads};
use super::{At, FileError, WriteAt};
use crate::blocking::{Write, write_on};
use crate::{ByteConsumer, ByteSink, End, EndReason};

/// Writes a guest's `stream<u8>` to a [`File`](std::fs::File), or anything that [is written at an offset](WriteAt), on
/// tokio's blocking threads.
///
/// The inverse is [`read_at`](crate::wasi::read_at()). The threads are those of the runtime in which the stream was made
/// or is polled. With [`file_end`](crate::wasi::file_end()) and [`pipe_wit`](ByteConsumer::pipe_wit) the guest gets a
/// `future<result<_, error-code>>`.
///
/// # Partial writes
/// If no write is pending, the adapter accepts as many bytes as the [buffer](ByteConsumer::buffer) has room for, 256 KiB
/// by default, and writes them all: a short write continues on the thread. The buffer exists until that is done.
///
/// # Cancellation
/// A cancelled write returns at once with what was accepted. The thread writes it, and the guest's next write waits for
/// that.
///
/// # Zero-length operations
/// A zero-length write waits until no write is pending.
///
/// # Errors
/// An error ends the stream for the guest and is [`End::Failed`] in the completion. The bytes that were accepted before
/// it count as moved. Outside of a tokio runtime, the first write fails.
///
/// # Drop
/// What was accepted is written, with a completion or without: an operation completes only then ([`Flush`](crate::Flush)
/// changes that). The object is dropped after it, or the completion hands it back. A file has no shutdown, so a stream
/// that was cut short looks complete to whoever reads it: write to a temporary name, and rename it at
/// [`End::Finished`] ([How streams end](crate::ends)).
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use wasmtime::{Engine, Store, component::StreamReader};
/// use wasmtime_streams::wasi::{self, At, WriteAt};
///
/// /// A log in memory, of at most 1,000 bytes.
/// #[derive(Default)]
/// struct Log(Mutex<Vec<u8>>);
///
/// impl WriteAt for Log {
///     fn write_at(&self, buf: &[u8], at: At) -> std::io::Result<usize> {
///         let mut log = self.0.lock().unwrap();
///         let n = buf.len().min(1000 - log.len());
///         match at {
///             At::End if n > 0 => log.extend_from_slice(&buf[..n]),
///             At::End => return Err(std::io::Error::other(wasi::FileError::Quota)),
///             _ => return Err(std::io::Error::other(wasi::FileError::InvalidSeek)),
///         }
///         Ok(n)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// # let output = StreamReader::new(&mut store, wasmtime_streams::iterators::items(*b"hello"))?;
/// let log = Arc::new(Log::default());
/// let ended = wasi::write_at(log.clone(), At::End).pipe_wit(&mut store, output, wasi::file_end)?;
/// # let ended = wasmtime_streams::from_guest::value(&mut store, ended)?;
/// # assert_eq!(store.run_concurrent(async |_| ended.await).await?, Ok(Ok(())));
/// # assert_eq!(*log.0.lock().unwrap(), b"hello");
/// # Ok(())
/// # }
/// ```
pub fn write_at<O: WriteAt>(object: O, at: At) -> ByteConsumer<OffsetWrite<O>> {
    let inner = write_on(Cursor { object, at }, blocking_threads()).buffer(BUFFER).into_inner();
    ByteConsumer::new(OffsetWrite { inner })
}

impl<O: WriteAt> ByteConsumer<OffsetWrite<O>> {
    /// Sets how many bytes one write accepts at most, 256 KiB by default; 0 counts as 1.
    pub fn buffer(mut self, bytes: usize) -> Self {
        self.get_mut().inner.set_buffer(bytes);
        self
    }
}

/// The sink of [`write_at`].
pub struct OffsetWrite<O> {
    inner: Write<Cursor<O>>,
}

impl<O> OffsetWrite<O> {
    /// The object; `None` while a thread writes.
    pub fn get_ref(&self) -> Option<&O> {
        self.inner.get_ref().map(|cursor| &cursor.object)
    }

    /// The object, without the bytes that were not written; `None` while a thread writes.
    pub fn into_inner(self) -> Option<O> {
        self.into_parts().map(|(object, _, _)| object)
    }

    /// The object, where the next byte would have gone, and the bytes that were accepted but not written; `None` while
    /// a thread writes.
    pub fn into_parts(self) -> Option<(O, At, Vec<u8>)> {
        let (cursor, bytes) = self.inner.into_parts();
        cursor.map(|Cursor { object, at }| (object, at, bytes))
    }

    /// Waits for a pending write. After that the accessors return the object, unless its write panicked.
    pub async fn settled(&mut self) {
        self.inner.settled().await
    }
}

// The object is never pinned.
impl<O> Unpin for OffsetWrite<O> {}

impl<O: fmt::Debug> fmt::Debug for OffsetWrite<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OffsetWrite").field("object", &self.get_ref()).finish_non_exhaustive()
    }
}

/// An object as a `Write` of the standard library.
struct Cursor<O> {
    object: O,
    at: At,
}

impl<O: WriteAt> io::Write for Cursor<O> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = self.object.write_at(buf, self.at)?.min(buf.len());
        if let At::Offset(offset) = &mut self.at {
            // No bytes follow those at the largest offset.
            let next = offset.checked_add(n as u64);
            *offset = next.ok_or_else(|| FileError::Overflow.into_io())?;
        }
        Ok(n)
    }

    // Nothing is kept here, and a guest asks for a sync by a function of its own.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<O: WriteAt> ByteSink for OffsetWrite<O> {
    type Error = io::Error;

    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize, End<io::Error>>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, buf)
    }

    fn poll_writable(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<(), End<io::Error>>>> {
        Pin::new(&mut self.get_mut().inner).poll_writable(cx)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), End<io::Error>>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), End<io::Error>>> {
        Pin::new(&mut self.get_mut().inner).poll_close(cx)
    }

    fn op_cancelled(self: Pin<&mut Self>) {
        Pin::new(&mut self.get_mut().inner).op_cancelled();
    }

    fn ended(self: Pin<&mut Self>, reason: EndReason) {
        Pin::new(&mut self.get_mut().inner).ended(reason);
    }
}
