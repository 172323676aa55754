use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::futures::sink::Sink as _;
use ::tokio::io::AsyncWrite;
use pin_project_lite::pin_project;
use tokio_util::codec::{Encoder, FramedWrite};

use crate::{End, EndReason, ItemConsumer, ItemSink, Take};

/// Encodes the items of a guest's `stream<T>` as frames, into a [`FramedWrite`].
///
/// The inverse is [`read`](crate::codec::read). An encoder may take many types, so `T` may have to be named:
/// `codec::write::<_, _, String>(lines)`.
///
/// Frames that are no type of an interface are made of what the guest writes when it is received:
/// `write(frames).receive_with(|_, frame: Vec<u8>| Ok(Bytes::from(frame)))` takes a `stream<list<u8>>`.
///
/// # Partial writes
/// A [batch](crate::ItemConsumer::batch) is taken from the guest at a time and encoded into the write buffer. Whenever
/// that is full (`backpressure_boundary`, 8 KiB by default) it is written out first, and the guest's write is held
/// meanwhile. How large a frame can be is bounded by the encoder, if it has such a bound.
///
/// # Cancellation
/// Answered at once; the items that were taken count as written, encoded or not, and go before those of the next write.
///
/// # Zero-length operations
/// They complete at once, or wait until a full write buffer is written out.
///
/// # Errors
/// An error ends the stream for the guest and is [`End::Failed`](crate::End::Failed) in the completion. If it is the
/// encoder's, the frames before it are written out and flushed first; the item is gone with the error. The items after it,
/// and those that a failed writer got no frames of, are handed back: [`Write::into_parts`]. The bytes that were
/// not written when the writer, or a receiving step, failed are in the `FramedWrite`'s `write_buffer`.
///
/// # Drop
/// The writer is flushed after each guest write, which is held until then ([`Flush`](crate::Flush) changes that). It is
/// shut down by the [completion](crate::Completion) only; without one it is dropped as it is. A decoder on the other
/// side sees a cut in the midst of a frame at most, and one between two frames as the end of the data: let a frame say
/// that it is the last one ([How streams end](crate::ends)).
///
/// ```
/// use futures::stream;
/// use tokio_util::codec::{FramedWrite, LinesCodec};
/// use wasmtime::{Engine, Store, component::StreamReader};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let lines = stream::iter(["one", "two"].map(String::from));
/// let reader = StreamReader::new(&mut store, wasmtime_streams::streams::items(lines))?;
///
/// let lines = FramedWrite::new(Vec::new(), LinesCodec::new());
/// let (lines, done) = wasmtime_streams::codec::write::<_, _, String>(lines).with_completion();
/// reader.pipe(&mut store, lines)?;
/// let done = store.run_concurrent(async |_| done.await).await?;
/// assert_eq!(done.inner.get_ref().get_ref(), b"one\ntwo\n");
/// # Ok(())
/// # }
/// ```
pub fn write<W, E, T>(frames: FramedWrite<W, E>) -> ItemConsumer<Write<W, E, T>>
where
    W: AsyncWrite + Unpin + Send + 'static,
    E: Encoder<T> + Send + 'static,
    E::Error: Send + 'static,
    T: Send + 'static,
{
    ItemConsumer::new(Write { frames, held: VecDeque::new(), failed: None })
}

pin_project! {
    /// The sink of [`write`].
    #[derive(Debug)]
    pub struct Write<W, E: Encoder<T>, T> {
        #[pin]
        frames: FramedWrite<W, E>,
        // Taken from the guest and not encoded yet.
        held: VecDeque<T>,
        // Why the encoder failed, until the frames before that are written out.
        failed: Option<E::Error>,
    }
}

impl<W, E: Encoder<T>, T> Write<W, E, T> {
    accessors!(frames: FramedWrite<W, E>);

    /// The `FramedWrite`, and the items that were taken from the guest but not encoded, first one first.
    pub fn into_parts(self) -> (FramedWrite<W, E>, VecDeque<T>) {
        (self.frames, self.held)
    }
}

impl<W: AsyncWrite + Unpin, E: Encoder<T>, T> Write<W, E, T> {
    /// Waits until everything held is encoded and there is room for one more frame.
    fn poll_encoded(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), End<E::Error>>> {
        let mut this = self.project();
        loop {
            if this.failed.is_some() {
                // Rule "Items before the error": the writer itself is sound, so they can go out.
                ready!(this.frames.as_mut().poll_flush(cx)).map_err(End::Failed)?;
                return Poll::Ready(this.failed.take().map_or(Ok(()), |e| Err(End::Failed(e))));
            }
            ready!(this.frames.as_mut().poll_ready(cx)).map_err(End::Failed)?;
            match this.held.pop_front() {
                None => {
                    // An idle stream keeps no storage.
                    *this.held = VecDeque::new();
                    return Poll::Ready(Ok(()));
                }
                Some(item) => *this.failed = encode(this.frames.as_mut(), item).err(),
            }
        }
    }
}

/// Encodes one item. Nothing goes out of one that the encoder gave up in the midst.
fn encode<W: AsyncWrite + Unpin, E: Encoder<T>, T>(
    mut frames: Pin<&mut FramedWrite<W, E>>,
    item: T,
) -> Result<(), E::Error> {
    let before = frames.write_buffer().len();
    frames.as_mut().start_send(item).inspect_err(|_| frames.write_buffer_mut().truncate(before))
}

impl<W, E, T> ItemSink for Write<W, E, T>
where
    W: AsyncWrite + Unpin + Send + 'static,
    E: Encoder<T> + Send + 'static,
    E::Error: Send + 'static,
    T: Send + 'static,
{
    type Item = T;
    type Error = E::Error;

    fn poll_accept(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        items: &mut dyn Take<T>,
    ) -> Poll<Result<(), End<E::Error>>> {
        loop {
            match self.as_mut().poll_encoded(cx) {
                Poll::Ready(encoded) => encoded?,
                // Everything taken is in the write buffer; what the guest has left goes with its next write.
                Poll::Pending
                    if self.held.is_empty() && self.failed.is_none() && items.taken() > 0 =>
                {
                    return Poll::Ready(Ok(()));
                }
                Poll::Pending => return Poll::Pending,
            }
            if items.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            let this = self.as_mut().project();
            if items.remaining() == 1 {
                // There is room for it, so it need not be held.
                if let Some(item) = items.take_one() {
                    *this.failed = encode(this.frames, item).err();
                }
                continue;
            }
            let mut batch = Vec::new();
            items.take(usize::MAX, &mut batch);
            *this.held = batch.into();
        }
    }

    fn poll_writable(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<(), End<E::Error>>>> {
        Some(self.poll_encoded(cx))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), End<E::Error>>> {
        self.project().frames.poll_flush(cx).map_err(End::Failed)
    }

    fn poll_close(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), End<E::Error>>> {
        ready!(self.as_mut().poll_encoded(cx))?;
        self.project().frames.poll_close(cx).map_err(End::Failed)
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}
