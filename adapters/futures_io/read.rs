use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::futures::io::AsyncRead;
use pin_project_lite::pin_project;

use crate::shared::io::filled;
use crate::{ByteProducer, ByteSource, EndReason, Then, relay::Splice};

/// Reads a `stream<u8>` from a futures [`AsyncRead`].
///
/// The inverse is [`write`](crate::futures_io::write()). Give a reader that has a buffer of its own to
/// [`buf_read`](crate::futures_io::buf_read()), whose zero-length reads wait for readiness.
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
/// assert_eq!(done.inner.into_inner().into_inner(), b"hello");
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
        self.project().reader.poll_read(cx, buf).map_ok(filled)
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}
