use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::tokio::io::AsyncWrite;
use pin_project_lite::pin_project;

use crate::shared::io::written;
use crate::{ByteConsumer, ByteSink, End, EndReason};

/// Writes a guest's `stream<u8>` into a tokio [`AsyncWrite`].
///
/// The inverse is [`read`](crate::tokio_io::read). A socket or pipe is better given to
/// [`sockets::write`](crate::sockets::write), which can answer zero-length writes truly.
///
/// A tokio `File` never blocks the executor: it writes on a thread of the runtime's pool. The store has to be polled
/// within the runtime then.
///
/// # Partial writes
/// The guest is told exactly how many bytes the writer accepted; the writer is asked again while it makes progress.
///
/// # Cancellation
/// Answered at once with what was accepted. A flush that is under way goes on with the next write, or with the
/// completion.
///
/// # Zero-length operations
/// A writer cannot tell whether it would accept bytes: they complete at once.
///
/// # Errors
/// An error ends the stream for the guest and is [`End::Failed`](crate::End::Failed) in the completion. A writer that
/// accepts 0 bytes fails with [`WriteZero`](io::ErrorKind::WriteZero). What the completion counts as moved is what the
/// writer accepted; a tokio `File` accepts bytes before it has written them, and tells of a failure only by its flush.
///
/// # Drop
/// The writer is flushed after each guest write ([`Flush`](crate::Flush) changes that). It is shut down by the
/// [completion](crate::Completion) only; without one it is dropped as it is. Whoever reads a file or a pipe cannot tell
/// a writer that was dropped at a cut from one that came to the end of the data: give a length or a checksum along,
/// write a file under another name and rename it at [`End::Finished`](crate::End::Finished), or use the protocol's own
/// abort on the writer that the completion hands back ([How streams end](crate::ends)).
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
        // A shutdown implies a flush, by the contract of `AsyncWrite`.
        self.project().writer.poll_shutdown(cx).map_err(End::Failed)
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}

/// One write; none of the bytes accepted is an error.
pub(crate) fn poll_write<W: AsyncWrite>(
    writer: Pin<&mut W>,
    cx: &mut Context<'_>,
    buf: &[u8],
) -> Poll<Result<usize, End<io::Error>>> {
    writer.poll_write(cx, buf).map(written)
}
