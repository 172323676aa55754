use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::futures::stream::{Stream, TryStream};
use bytes::Buf;
use pin_project_lite::pin_project;

use crate::shared::fill::{end_known, fill};
use crate::{ByteProducer, ByteSource, EndReason, Then, relay::Splice};

/// A `stream<u8>` of the bytes of a futures [`Stream`] of chunks: anything that is [`Buf`], such as `Bytes`.
///
/// The inverse is [`sinks::chunks`](crate::sinks::chunks()). For chunks that can fail, use
/// [`try_chunks`](try_chunks()).
///
/// # Partial writes
/// A guest read is filled from all chunks that are ready, or takes part of one; the rest of a chunk is kept for the
/// next read. Empty chunks are skipped.
///
/// # Cancellation
/// Answered at once. The rest of a chunk stays in the adapter, so nothing is lost.
///
/// # Zero-length operations
/// They complete at once: either the rest of a chunk is there, or the stream cannot tell whether it has another one.
///
/// # Errors
/// There are none.
///
/// # Drop
/// The stream is dropped with the guest's end. The completion hands it back with the rest of a chunk:
/// [`Chunks::into_parts`]. A stream that ends early, such as a channel whose sender a panicking task has dropped, looks
/// like the end of the data: [`try_chunks`](try_chunks()) can report a failure ([How streams end](crate::ends)).
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
/// let reader = StreamReader::new(&mut store, wasmtime_streams::streams::chunks(body))?;
///
/// # #[cfg(feature = "tokio")] {
/// let (writer, done) = wasmtime_streams::tokio_io::write(Vec::new()).with_completion();
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

/// A `stream<u8>` of the bytes of a futures [`TryStream`] of chunks: like [`chunks`](chunks()), with chunks that can
/// fail.
///
/// The inverse is [`sinks::chunks`](crate::sinks::chunks()).
///
/// # Partial writes
/// As for [`chunks`](chunks()).
///
/// # Cancellation
/// As for [`chunks`](chunks()).
///
/// # Zero-length operations
/// As for [`chunks`](chunks()).
///
/// # Errors
/// The first error ends the stream, after the bytes before it, and is [`End::Failed`](crate::End::Failed) in the
/// completion.
///
/// # Drop
/// As for [`chunks`](chunks()). The completion also hands back an error that the guest's reads did not reach:
/// [`TryChunks::into_parts`].
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
/// let (body, done) = wasmtime_streams::streams::try_chunks(body).with_completion();
/// let reader = StreamReader::new(&mut store, body)?;
///
/// let (tx, _rx) = futures::channel::mpsc::unbounded();
/// reader.pipe(&mut store, wasmtime_streams::sinks::chunks(tx))?;
/// let done = store.run_concurrent(async |_| done.await).await?;
/// assert!(matches!(done.end, End::Failed("reset")));
/// assert_eq!(done.moved, 5);
/// # Ok(())
/// # }
/// ```
pub fn try_chunks<S>(stream: S) -> ByteProducer<TryChunks<S, S::Ok, S::Error>>
where
    S: TryStream + Send + 'static,
    S::Ok: Buf + Send + 'static,
    S::Error: Send + 'static,
{
    ByteProducer::new(TryChunks { stream, rest: None })
}

pin_project! {
    /// The source of [`chunks`](chunks()).
    #[derive(Debug)]
    pub struct Chunks<S, B> {
        #[pin]
        stream: S,
        rest: Option<Result<B, Infallible>>,
    }
}

impl<S, B> Chunks<S, B> {
    accessors!(stream: S);

    /// The stream, and the rest of a chunk that the guest has read in part.
    pub fn into_parts(self) -> (S, Option<B>) {
        (self.stream, self.rest.map(|Ok(rest)| rest))
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
        let filled =
            fill(buf, this.rest, || this.stream.as_mut().poll_next(cx).map(|next| next.map(Ok)));
        end_known(filled, || this.rest.is_none() && this.stream.size_hint() == (0, Some(0)))
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}

pin_project! {
    /// The source of [`try_chunks`](try_chunks()).
    #[derive(Debug)]
    pub struct TryChunks<S, B, E> {
        #[pin]
        stream: S,
        rest: Option<Result<B, E>>,
    }
}

impl<S, B, E> TryChunks<S, B, E> {
    accessors!(stream: S);

    /// The stream, and what was taken from it but did not reach the guest: the rest of a chunk that the guest has read
    /// in part, or the error that would have ended the next read.
    pub fn into_parts(self) -> (S, Option<Result<B, E>>) {
        (self.stream, self.rest)
    }
}

impl<S, B, E> Splice for TryChunks<S, B, E> {}

impl<S, B, E> ByteSource for TryChunks<S, B, E>
where
    S: TryStream<Ok = B, Error = E> + Send + 'static,
    B: Buf + Send + 'static,
    E: Send + 'static,
{
    type Error = E;

    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<(usize, Then), E>> {
        let mut this = self.project();
        let filled = fill(buf, this.rest, || this.stream.as_mut().try_poll_next(cx));
        end_known(filled, || this.rest.is_none() && this.stream.size_hint() == (0, Some(0)))
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}
