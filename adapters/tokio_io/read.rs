use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tokio::io::{AsyncRead, ReadBuf};
use pin_project_lite::pin_project;

use crate::shared::io::filled;
use crate::{ByteProducer, ByteSource, EndReason, Then, relay::Splice};

/// Reads a `stream<u8>` from a tokio [`AsyncRead`].
///
/// The inverse is [`write`](crate::tokio_io::write()). Give a reader that has a buffer of its own to
/// [`buf_read`](crate::tokio_io::buf_read()), a socket or pipe to [`sockets::read`](crate::sockets::read()): their
/// zero-length reads wait for readiness.
///
/// A tokio `File` never blocks the executor: it reads on a thread of the runtime's pool, at most what one guest read
/// asks for and at most 2 MiB. If the guest cancels the read meanwhile, the bytes stay in the `File` for the next read.
/// The store must then be polled inside the runtime.
///
/// # Partial writes
/// Each guest read is one read of the inner reader, straight into guest memory; a short read completes it. A second
/// read could block, or read ahead of what the guest wants.
///
/// # Cancellation
/// A cancelled read returns at once. The adapter holds nothing between reads, so nothing is lost.
///
/// # Zero-length operations
/// A zero-length read completes at once: an `AsyncRead` cannot report readiness without reading.
///
/// # Errors
/// An error ends the stream and is [`End::Failed`](crate::End::Failed) in the completion.
///
/// # Drop
/// The reader is dropped with the stream, or the completion hands it back. An input that is cut short (a pipe's writer
/// dies, a connection closes) looks like the end of the data: if that matters, put a length or an end marker into the
/// data ([How streams end](crate::ends)).
///
/// ```
/// use wasmtime::{Engine, Store, component::StreamReader};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let reader = StreamReader::new(&mut store, wasmtime_streams::tokio_io::read(&b"hello"[..]))?;
///
/// // Here a host writer reads the stream; it could as well be a guest's argument.
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

/// Reads once. A short read completes the operation.
pub(crate) fn poll_read<R: AsyncRead>(
    reader: Pin<&mut R>,
    cx: &mut Context<'_>,
    buf: &mut [u8],
) -> Poll<io::Result<(usize, Then)>> {
    let mut buf = ReadBuf::new(buf);
    ready!(reader.poll_read(cx, &mut buf))?;
    Poll::Ready(Ok(filled(buf.filled().len())))
}
