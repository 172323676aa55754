use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::futures::io::AsyncBufRead;
use pin_project_lite::pin_project;

use crate::shared::io::filled;
use crate::{ByteProducer, ByteSource, EndReason, Then, relay::Splice};

/// A `stream<u8>` that reads from a futures [`AsyncBufRead`], such as a `BufReader`.
///
/// The inverse is [`write`](crate::futures_io::write). Unlike [`read`](crate::futures_io::read) it answers
/// zero-length reads truly.
///
/// # Partial writes
/// Each guest read is one read of the inner reader, straight into the guest's memory; a short read completes it.
///
/// # Cancellation
/// Answered at once. What the reader has buffered stays in it, so nothing is lost.
///
/// # Zero-length operations
/// They wait until the reader has bytes in its buffer, is at its end, or fails. Nothing leaves the reader.
///
/// # Errors
/// An error ends the stream and is [`End::Failed`](crate::End::Failed) in the completion.
///
/// # Drop
/// The reader is dropped with the stream, or handed back by the completion, its buffer included. A reader that was cut
/// short before the guest (the writer of a pipe has died, a connection was closed) looks like the end of the data:
/// where that matters the data tells its length, or its last part says that it is the last
/// ([How streams end](crate::ends)).
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
