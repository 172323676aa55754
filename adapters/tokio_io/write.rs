use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::tokio::io::AsyncWrite;
use pin_project_lite::pin_project;

use crate::shared::io::written;
use crate::{ByteConsumer, ByteSink, End, EndReason};

/// Writes a guest's `stream<u8>` to a tokio [`AsyncWrite`].
///
/// The inverse is [`read`](crate::tokio_io::read()). Give a socket or pipe to
/// [`sockets::write`](crate::sockets::write()), whose zero-length writes wait for readiness.
///
/// A tokio `File` never blocks the executor: it writes on a thread of the runtime's pool. The store must then be polled
/// inside the runtime.
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
/// accepts 0 bytes fails with [`WriteZero`](io::ErrorKind::WriteZero). The completion counts the bytes that the writer
/// accepted; a tokio `File` accepts bytes before it has written them, and reports a failure only from its flush.
///
/// # Drop
/// The writer is flushed after each guest write ([`Flush`](crate::Flush) changes that). Only the
/// [completion](crate::Completion) shuts it down; without one the writer is dropped as it is. A reader of the file or
/// pipe cannot tell a truncated stream from a complete one: send a length or a checksum, write to a temporary file name
/// and rename it at [`End::Finished`](crate::End::Finished), or use the protocol's own abort on the writer that the
/// completion hands back ([How streams end](crate::ends)).
///
/// ```
/// use wasmtime::{Engine, Store, component::StreamReader};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let reader = StreamReader::new(&mut store, wasmtime_streams::tokio_io::read(&b"hello"[..]))?;
///
/// let (writer, done) = wasmtime_streams::tokio_io::write(Vec::new()).with_completion();
/// reader.pipe(&mut store, writer)?;
/// let done = store.run_concurrent(async |_| done.await).await?;
/// assert!(done.end.is_finished());
/// assert_eq!((done.moved, done.inner.into_inner()), (5, b"hello".to_vec()));
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
        poll_write(self.project().writer, cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), End<io::Error>>> {
        self.project().writer.poll_flush(cx).map_err(End::Failed)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), End<io::Error>>> {
        // `AsyncWrite` requires that a shutdown flushes.
        self.project().writer.poll_shutdown(cx).map_err(End::Failed)
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}

/// Writes once. Accepting 0 bytes is an error.
pub(crate) fn poll_write<W: AsyncWrite>(
    writer: Pin<&mut W>,
    cx: &mut Context<'_>,
    buf: &[u8],
) -> Poll<Result<usize, End<io::Error>>> {
    writer.poll_write(cx, buf).map(written)
}
