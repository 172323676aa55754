use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::futures::io::AsyncWrite;
use pin_project_lite::pin_project;

use crate::shared::io::written;
use crate::{ByteConsumer, ByteSink, End, EndReason};

/// Writes a guest's `stream<u8>` to a futures [`AsyncWrite`].
///
/// The inverse is [`read`](crate::futures_io::read()).
///
/// # Partial writes
/// A guest write returns exactly the number of bytes that the writer accepted. The adapter calls the writer again while
/// it makes progress.
///
/// # Cancellation
/// A cancelled write returns at once with what was accepted. A pending flush continues with the next write, or in the
/// completion.
///
/// # Zero-length operations
/// A zero-length write completes at once: an `AsyncWrite` cannot report readiness.
///
/// # Errors
/// An error ends the stream for the guest and is [`End::Failed`](crate::End::Failed) in the completion. A writer that
/// accepts 0 bytes fails with [`WriteZero`](io::ErrorKind::WriteZero).
///
/// # Drop
/// The writer is flushed after each guest write ([`Flush`](crate::Flush) changes that). Only the
/// [completion](crate::Completion) closes it; without one the writer is dropped as it is. A reader of the file or pipe
/// cannot tell a truncated stream from a complete one: send a length or a checksum, write to a temporary file name and
/// rename it at [`End::Finished`](crate::End::Finished), or use the protocol's own abort on the writer that the
/// completion hands back ([How streams end](crate::ends)).
///
/// ```
/// use futures::io::{AllowStdIo, Cursor};
/// use wasmtime::{Engine, Store, component::StreamReader};
///
/// # fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let reader = StreamReader::new(&mut store, wasmtime_streams::futures_io::read(Cursor::new("hello")))?;
///
/// let writer = AllowStdIo::new(Vec::new());
/// let (writer, done) = wasmtime_streams::futures_io::write(writer).with_completion();
/// reader.pipe(&mut store, writer)?;
/// let done = futures::executor::block_on(store.run_concurrent(async |_| done.await))?;
/// assert!(done.end.is_finished());
/// assert_eq!((done.moved, done.inner.into_inner().into_inner()), (5, b"hello".to_vec()));
/// # Ok(())
/// # }
/// ```
pub fn write<W>(writer: W) -> ByteConsumer<Write<W>>
where
    W: AsyncWrite + Send + 'static,
{
    ByteConsumer::new(Write { writer })
}

pin_project! {
    /// The sink of [`write`].
    #[derive(Debug)]
    pub struct Write<W> {
        #[pin]
        writer: W,
    }
}

impl<W> Write<W> {
    accessors!(writer: W);
}

impl<W: AsyncWrite + Send + 'static> ByteSink for Write<W> {
    type Error = io::Error;

    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize, End<io::Error>>> {
        self.project().writer.poll_write(cx, buf).map(written)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), End<io::Error>>> {
        self.project().writer.poll_flush(cx).map_err(End::Failed)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), End<io::Error>>> {
        // Every writer of the futures crate flushes when it closes.
        self.project().writer.poll_close(cx).map_err(End::Failed)
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}
