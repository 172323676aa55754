use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tokio::io::{AsyncRead, ReadBuf};
use pin_project_lite::pin_project;

use crate::shared::io::filled;
use crate::{ByteProducer, ByteSource, EndReason, Then, relay::Splice};

/// A `stream<u8>` that reads from a tokio [`AsyncRead`].
///
/// The inverse is [`write`](crate::tokio_io::write). A reader with a buffer of its own is better given to
/// [`buf_read`](crate::tokio_io::buf_read), a socket or pipe to [`sockets::read`](crate::sockets::read): both
/// can answer zero-length reads truly.
///
/// A tokio `File` never blocks the executor: it reads on a thread of the runtime's pool, at most what one guest read asks
/// for, and at most 2 MiB. What it reads for a guest that has cancelled meanwhile stays in it, for the next read. The
/// store has to be polled within the runtime then.
///
/// # Partial writes
/// Each guest read is one read of the inner reader, straight into the guest's memory; a short read completes it. Asking
/// again could block, or read ahead of what the guest wants.
///
/// # Cancellation
/// Answered at once. Nothing is held between reads, so nothing is lost.
///
/// # Zero-length operations
/// A raw reader cannot tell whether it is readable without reading: they complete at once.
///
/// # Errors
/// An error ends the stream and is [`End::Failed`](crate::End::Failed) in the completion.
///
/// # Drop
/// The reader is dropped with the stream, or handed back by the completion. A reader that was cut short before the
/// guest (the writer of a pipe has died, a connection was closed) looks like the end of the data: where that matters
/// the data tells its length, or its last part says that it is the last ([How streams end](crate::ends)).
///
/// ```
/// use wasmtime::{Engine, Store, component::StreamReader};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let reader = StreamReader::new(&mut store, wasmtime_streams::tokio_io::read(&b"hello"[..]))?;
///
/// // Here the stream goes to a writer of the host's; it could as well be a guest's argument.
/// let (writer, done) = wasmtime_streams::tokio_io::write(Vec::new()).with_completion();
/// reader.pipe(&mut store, writer)?;
/// let done = store.run_concurrent(async |_| done.await).await?;
/// assert_eq!(done.inner.into_inner(), b"hello");
/// # Ok(())
/// # }
/// ```
pub fn read<R>(reader: R) -> ByteProducer<Read<R>>
where
    R: AsyncRead + Send + 'static,
{
    ByteProducer::new(Read { reader })
}

pin_project! {
    /// The source of [`read`].
    #[derive(Debug)]
    pub struct Read<R> {
        #[pin]
        reader: R,
    }
}

impl<R> Read<R> {
    accessors!(reader: R);
}

impl<R> Splice for Read<R> {}

impl<R: AsyncRead + Send + 'static> ByteSource for Read<R> {
    type Error = io::Error;

    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<(usize, Then)>> {
        poll_read(self.project().reader, cx, buf)
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}

/// One read.
pub(crate) fn poll_read<R: AsyncRead>(
    reader: Pin<&mut R>,
    cx: &mut Context<'_>,
    buf: &mut [u8],
) -> Poll<io::Result<(usize, Then)>> {
    let mut buf = ReadBuf::new(buf);
    ready!(reader.poll_read(cx, &mut buf))?;
    Poll::Ready(Ok(filled(buf.filled().len())))
}
