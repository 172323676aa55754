use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::futures::sink::Sink as _;
use ::tokio::io::AsyncWrite;
use pin_project_lite::pin_project;
use tokio_util::codec::{Encoder, FramedWrite};

use crate::{End, EndReason, ItemConsumer, ItemSink, Take};

/// Writes the items of a guest's `stream<T>` as frames to a tokio-util [`FramedWrite`].
///
/// The inverse is [`read`](crate::codec::read()). An encoder can take several types, so `T` may have to be named:
/// `codec::write::<_, _, String>(lines)`.
///
/// Frames that are not WIT types are made from what the guest wrote: `write(frames).receive_with(|_, frame: Vec<u8>|
/// Ok(Bytes::from(frame)))` takes a `stream<list<u8>>`.
///
/// # Partial writes
/// The adapter takes a [batch](crate::ItemConsumer::batch) from the guest at a time and encodes it into the write
/// buffer. When the buffer is full (`backpressure_boundary`, 8 KiB by default) it is written out first, and the guest's
/// write waits. The encoder bounds the size of a frame, if it has a bound.
///
/// # Cancellation
/// A cancelled write returns at once. Items that were taken count as written, encoded or not, and are sent before those
/// of the next write.
///
/// # Zero-length operations
/// A zero-length write waits until a full write buffer is written out; otherwise it completes at once.
///
/// # Errors
/// An error ends the stream for the guest and is [`End::Failed`](crate::End::Failed) in the completion. If the encoder
/// fails, the frames before it are written out and flushed first; the item that it failed on is lost.
/// [`Write::into_parts`] returns the items that were not encoded. Bytes that were not written when the writer or a
/// receiving step failed are in the `write_buffer` of the `FramedWrite`.
///
/// # Drop
/// The writer is flushed after each guest write, which waits for the flush ([`Flush`](crate::Flush) changes that). Only
/// the [completion](crate::Completion) shuts the writer down; without one it is dropped as it is. A decoder on the
/// other side detects at most a cut within a frame; a cut between two frames looks like the end of the data: let a
/// frame say that it is the last one ([How streams end](crate::ends)).
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
        // Taken from the guest but not encoded yet.
        held: VecDeque<T>,
        // The encoder's error, until the frames before it are written out.
        failed: Option<E::Error>,
    }
}

impl<W, E: Encoder<T>, T> Write<W, E, T> {
    accessors!(frames: FramedWrite<W, E>);

    /// The `FramedWrite`, and the items that were taken from the guest but not encoded, in order.
    pub fn into_parts(self) -> (FramedWrite<W, E>, VecDeque<T>) {
        (self.frames, self.held)
    }
}

impl<W: AsyncWrite + Unpin, E: Encoder<T>, T> Write<W, E, T> {
    /// Waits until all held items are encoded and there is room for one more frame.
    fn poll_encoded(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), End<E::Error>>> {
        let mut this = self.project();
        loop {
            if this.failed.is_some() {
                // Rule "Items before the error": the writer itself still works.
                ready!(this.frames.as_mut().poll_flush(cx)).map_err(End::Failed)?;
                return Poll::Ready(this.failed.take().map_or(Ok(()), |e| Err(End::Failed(e))));
            }
            ready!(this.frames.as_mut().poll_ready(cx)).map_err(End::Failed)?;
            match this.held.pop_front() {
                None => {
                    // An idle stream holds no memory.
                    *this.held = VecDeque::new();
                    return Poll::Ready(Ok(()));
                }
                Some(item) => *this.failed = encode(this.frames.as_mut(), item).err(),
            }
        }
    }
}

/// Encodes one item. If the encoder fails, the bytes that it had written for the item are removed.
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
                // Everything taken is in the write buffer; the rest is left to the guest's next write.
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
                // There is room for it already.
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
