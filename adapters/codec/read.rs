use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::futures::stream::Stream as _;
use ::tokio::io::AsyncRead;
use pin_project_lite::pin_project;
use tokio_util::codec::{Decoder, FramedRead};

use crate::{EndReason, ItemProducer, ItemSource, Then, relay::Splice};

/// Reads a `stream<T>` of frames from a tokio-util [`FramedRead`]: lines, length-delimited frames, whatever its decoder
/// finds.
///
/// The inverse is [`write`](crate::codec::write()). For both directions of one socket split it, and give each half its
/// codec.
///
/// Frames that are not WIT types, such as the `BytesMut` of most codecs, are converted on delivery:
/// `read(frames).deliver_with(|_, frame: BytesMut| Ok(frame.to_vec()))` is a `stream<list<u8>>`.
///
/// # Partial writes
/// Each guest read takes the frames in the read buffer, up to what the guest asked for and the
/// [batch](crate::ItemProducer::batch). The inner reader is read only when the buffer has no whole frame.
///
/// A stream holds its read buffer and, during delivery, a batch of frames. The decoder bounds the size of a frame, also
/// where a peer names its length: a `LengthDelimitedCodec` allows 8 MiB, which `max_frame_length` changes; a
/// `LinesCodec` has no bound unless made with `new_with_max_length`.
///
/// # Cancellation
/// A cancelled read returns at once. The part of a frame that has arrived stays in the read buffer, so nothing is lost.
///
/// # Zero-length operations
/// A zero-length read completes at once: the adapter cannot see a frame without taking it. If the guest has to wait for
/// readiness, give the `FramedRead`, made `peekable()`, to [`streams::try_peekable`](crate::streams::try_peekable()).
///
/// # Errors
/// An error of the decoder or the reader ends the stream, after the frames before it, and is
/// [`End::Failed`](crate::End::Failed) in the completion. So does an incomplete frame at the end of the data, if the
/// decoder reports it as an error.
///
/// # Drop
/// The `FramedRead` is dropped with the stream, or the completion hands it back with its read buffer. A peer that
/// leaves between two frames looks like the end of the data: let a frame say that it is the last one ([How streams
/// end](crate::ends)).
///
/// ```
/// use tokio_util::codec::{FramedRead, FramedWrite, LinesCodec};
/// use wasmtime::{Engine, Store, component::StreamReader};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let lines = FramedRead::new(&b"one\ntwo\n"[..], LinesCodec::new_with_max_length(4096));
/// let reader = StreamReader::new(&mut store, wasmtime_streams::codec::read(lines))?;
///
/// let lines = FramedWrite::new(Vec::new(), LinesCodec::new());
/// let (lines, done) = wasmtime_streams::codec::write::<_, _, String>(lines).with_completion();
/// reader.pipe(&mut store, lines)?;
/// let done = store.run_concurrent(async |_| done.await).await?;
/// assert_eq!(done.moved, 2);
/// assert_eq!(done.inner.into_inner().into_inner(), b"one\ntwo\n");
/// # Ok(())
/// # }
/// ```
pub fn read<R, D>(frames: FramedRead<R, D>) -> ItemProducer<Read<R, D>>
where
    R: AsyncRead + Send + 'static,
    D: Decoder + Send + 'static,
    D::Item: Send + 'static,
    D::Error: Send + 'static,
{
    ItemProducer::new(Read { frames })
}

pin_project! {
    /// The source of [`read`].
    #[derive(Debug)]
    pub struct Read<R, D> {
        #[pin]
        frames: FramedRead<R, D>,
    }
}

impl<R, D> Read<R, D> {
    accessors!(frames: FramedRead<R, D>);
}

impl<R, D> Splice for Read<R, D> {}

impl<R, D> ItemSource for Read<R, D>
where
    R: AsyncRead + Send + 'static,
    D: Decoder + Send + 'static,
    D::Item: Send + 'static,
    D::Error: Send + 'static,
{
    type Item = D::Item;
    type Error = D::Error;

    fn poll_items(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        max: usize,
        out: &mut Vec<D::Item>,
    ) -> Poll<Result<Then, D::Error>> {
        let mut frames = self.project().frames;
        for _ in 0..max {
            match ready!(frames.as_mut().poll_next(cx)) {
                Some(frame) => out.push(frame?),
                None => return Poll::Ready(Ok(Then::End(EndReason::Finished))),
            }
            // Rule "Fill each operation": nothing more is in memory, and a raw reader is asked only once.
            if frames.read_buffer().is_empty() {
                return Poll::Ready(Ok(Then::Stop));
            }
        }
        Poll::Ready(Ok(Then::More))
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}
