use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::futures::io::AsyncBufRead;
use pin_project_lite::pin_project;

use crate::shared::io::filled;
use crate::{ByteProducer, ByteSource, EndReason, Then, relay::Splice};

/// Reads a `stream<u8>` from a futures [`AsyncBufRead`], such as a `BufReader`.
///
/// The inverse is [`write`](crate::futures_io::write()). Unlike those of [`read`](crate::futures_io::read()),
/// zero-length reads wait for readiness.
///
/// # Partial writes
/// Each guest read is one read of the inner reader, straight into guest memory; a short read completes it.
///
/// # Cancellation
/// A cancelled read returns at once. Buffered bytes stay in the reader, so nothing is lost.
///
/// # Zero-length operations
/// A zero-length read waits until the reader has buffered bytes, reaches its end, or fails. It consumes nothing.
///
/// # Errors
/// An error ends the stream and is [`End::Failed`](crate::End::Failed) in the completion.
///
/// # Drop
/// The reader is dropped with the stream, or the completion hands it back with its buffer. An input that is cut short
/// (a pipe's writer dies, a connection closes) looks like the end of the data: if that matters, put a length or an end
/// marker into the data ([How streams end](crate::ends)).
///
/// ```
/// use futures::io::{AllowStdIo, BufReader, Cursor};
/// use wasmtime::{Engine, Store, component::StreamReader};
///
/// # fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let file = BufReader::new(Cursor::new("hello"));
/// let reader = StreamReader::new(&mut store, wasmtime_streams::futures_io::buf_read(file))?;
///
/// let writer = AllowStdIo::new(Vec::new());
/// let (writer, done) = wasmtime_streams::futures_io::write(writer).with_completion();
/// reader.pipe(&mut store, writer)?;
/// let done = futures::executor::block_on(store.run_concurrent(async |_| done.await))?;
/// assert_eq!(done.inner.into_inner().into_inner(), b"hello");
/// # Ok(())
/// # }
/// ```
pub fn buf_read<R>(reader: R) -> ByteProducer<BufRead<R>>
where
    R: AsyncBufRead + Send + 'static,
{
    ByteProducer::new(BufRead { reader })
}

pin_project! {
    /// The source of [`buf_read`].
    #[derive(Debug)]
    pub struct BufRead<R> {
        #[pin]
        reader: R,
    }
}

impl<R> BufRead<R> {
    accessors!(reader: R);
}

impl<R> Splice for BufRead<R> {}

impl<R: AsyncBufRead + Send + 'static> ByteSource for BufRead<R> {
    type Error = io::Error;

    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<(usize, Then)>> {
        self.project().reader.poll_read(cx, buf).map_ok(filled)
    }

    fn poll_readable(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<Then, io::Error>>> {
        Some(self.project().reader.poll_fill_buf(cx).map_ok(|bytes| match bytes {
            [] => Then::End(EndReason::Finished),
            _ => Then::More,
        }))
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}
