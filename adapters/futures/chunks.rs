use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::futures::stream::{Stream, TryStream};
use bytes::Buf;
use pin_project_lite::pin_project;

use crate::adapters::split;
use crate::{ByteProducer, ByteSource, Splice, Then, Why};

/// A `stream<u8>` of the bytes of a futures [`Stream`] of chunks: anything that is [`Buf`], such as `Bytes`.
///
/// The inverse is [`chunk_sink`](crate::chunk_sink). For chunks that can fail there is [`try_chunks`].
///
/// # Partial writes
/// A guest read is filled from as many chunks as are ready, or takes a part of one; the rest is kept for the next read.
/// Empty chunks are skipped.
///
/// # Cancellation
/// Answered at once. The rest of a chunk stays in the adapter, so nothing is lost.
///
/// # Zero-length operations
/// They complete at once: there is the rest of a chunk, or the stream cannot tell whether it has another one.
///
/// # Errors
/// There are none.
///
/// # Drop
/// The stream is dropped with the guest's end. The completion hands it back together with the rest of a chunk:
/// [`Chunks::into_parts`].
///
/// ```
/// use bytes::Bytes;
/// use futures::stream;
/// use wasmtime::{Engine, Store, component::StreamReader};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let body = stream::iter([Bytes::from("hello "), Bytes::new(), Bytes::from("world")]);
/// let reader = StreamReader::new(&mut store, wasmtime_streams::chunks(body))?;
///
/// # #[cfg(feature = "tokio")] {
/// let (writer, done) = wasmtime_streams::tokio_write(Vec::new()).with_completion();
/// reader.pipe(&mut store, writer)?;
/// let done = store.run_concurrent(async |_| done.await).await?;
/// assert_eq!(done.inner.into_inner(), b"hello world");
/// # }
/// # Ok(())
/// # }
/// ```
pub fn chunks<S>(stream: S) -> ByteProducer<Chunks<S, S::Item>>
where
    S: Stream + Send + 'static,
    S::Item: Buf + Send + 'static,
{
    ByteProducer::new(Chunks { stream, rest: None })
}

/// A `stream<u8>` of the bytes of a futures [`TryStream`] of chunks: like [`chunks()`], with chunks that can fail.
///
/// # Partial writes
/// As for [`chunks()`].
///
/// # Cancellation
/// As for [`chunks()`].
///
/// # Zero-length operations
/// As for [`chunks()`].
///
/// # Errors
/// The first error ends the stream, after the bytes before it, and is [`End::Failed`](crate::End::Failed) in the
/// completion.
///
/// # Drop
/// As for [`chunks()`].
///
/// ```
/// use bytes::Bytes;
/// use futures::stream;
/// use wasmtime::{Engine, Store, component::StreamReader};
/// use wasmtime_streams::End;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let body = stream::iter([Ok(Bytes::from("hello")), Err("reset")]);
/// let (body, done) = wasmtime_streams::try_chunks(body).with_completion();
/// let reader = StreamReader::new(&mut store, body)?;
///
/// let (tx, _rx) = futures::channel::mpsc::unbounded();
/// reader.pipe(&mut store, wasmtime_streams::chunk_sink(tx))?;
/// let done = store.run_concurrent(async |_| done.await).await?;
/// assert!(matches!(done.end, End::Failed("reset")));
/// assert_eq!(done.moved, 5);
/// # Ok(())
/// # }
/// ```
pub fn try_chunks<S>(stream: S) -> ByteProducer<TryChunks<S, S::Ok>>
where
    S: TryStream + Send + 'static,
    S::Ok: Buf + Send + 'static,
    S::Error: Send + 'static,
{
    ByteProducer::new(TryChunks { stream, rest: None })
}

/// How many bytes of chunks are taken in one look.
const AT_ONCE: usize = 64 * 1024;

pin_project! {
    /// The source of [`chunks()`].
    #[derive(Debug)]
    pub struct Chunks<S, B> {
        #[pin]
        stream: S,
        rest: Option<B>,
    }
}

impl<S, B> Chunks<S, B> {
    accessors!(stream: S);

    /// The stream, and the rest of the chunk that the guest has read a part of.
    pub fn into_parts(self) -> (S, Option<B>) {
        (self.stream, self.rest)
    }
}

impl<S, B> Splice for Chunks<S, B> {}

impl<S, B> ByteSource for Chunks<S, B>
where
    S: Stream<Item = B> + Send + 'static,
    B: Buf + Send + 'static,
{
    type Error = Infallible;

    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<(usize, Then), Infallible>> {
        let mut this = self.project();
        let mut filled = 0;
        if let Some(chunk) = this.rest.take() {
            (filled, _) = split(chunk, buf, this.rest);
        }
        // All that is there in one look, up to a bound after which the core is asked whether to go on.
        while filled < buf.len().min(AT_ONCE) {
            match this.stream.as_mut().poll_next(cx) {
                Poll::Ready(Some(mut chunk)) => {
                    let (n, room) = (chunk.remaining(), buf.len() - filled);
                    if n <= room {
                        chunk.copy_to_slice(&mut buf[filled..filled + n]);
                        filled += n;
                        if n == 0 {
                            break;
                        }
                    } else {
                        filled += split(chunk, &mut buf[filled..], this.rest).0;
                    }
                }
                Poll::Ready(None) => return Poll::Ready(Ok((filled, Then::End(Why::Finished)))),
                Poll::Pending if filled == 0 => return Poll::Pending,
                Poll::Pending => return Poll::Ready(Ok((filled, Then::Stop))),
            }
        }
        Poll::Ready(Ok((filled, Then::More)))
    }
}

pin_project! {
    /// The source of [`try_chunks`].
    #[derive(Debug)]
    pub struct TryChunks<S, B> {
        #[pin]
        stream: S,
        rest: Option<B>,
    }
}

impl<S, B> TryChunks<S, B> {
    accessors!(stream: S);

    /// The stream, and the rest of the chunk that the guest has read a part of.
    pub fn into_parts(self) -> (S, Option<B>) {
        (self.stream, self.rest)
    }
}

impl<S, B> Splice for TryChunks<S, B> {}

impl<S, B> ByteSource for TryChunks<S, B>
where
    S: TryStream<Ok = B> + Send + 'static,
    S::Error: Send + 'static,
    B: Buf + Send + 'static,
{
    type Error = S::Error;

    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<(usize, Then), S::Error>> {
        let this = self.project();
        if let Some(chunk) = this.rest.take() {
            return Poll::Ready(Ok(split(chunk, buf, this.rest)));
        }
        this.stream.try_poll_next(cx).map(|next| match next {
            Some(chunk) => Ok(split(chunk?, buf, this.rest)),
            None => Ok((0, Then::End(Why::Finished))),
        })
    }
}
