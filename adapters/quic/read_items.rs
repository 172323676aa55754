use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use quinn::RecvStream;
use serde::de::DeserializeOwned;
use tokio_util::codec::FramedRead;

use super::codes::Codes;
use super::error::ItemError;
use super::frames::Frames;
use super::read::{cut, stop};
use crate::shared::coop::poll_step;
use crate::{EndReason, ItemProducer, ItemSource, Then, codec, relay::Splice};

/// Reads a `stream<T>` from a QUIC stream: each item is a frame, of four bytes with its length (big-endian), and then the
/// item as [postcard](https://postcard.jamesmunns.com/wire-format) has it.
///
/// The inverse is [`write_items`](crate::quic::write_items()). Items that are not WIT types are converted by
/// [`deliver_with`](crate::ItemProducer::deliver_with). For frames of another format give the stream to a `FramedRead`, and
/// that to [`codec::read`](crate::codec::read()).
///
/// # Partial writes
/// Each guest read takes the frames in the read buffer, up to what the guest asked for and the
/// [batch](crate::ItemProducer::batch). A stream holds at most one frame that is incomplete, besides what QUIC holds: see
/// [`max_frame_len`](ItemProducer::max_frame_len).
///
/// # Cancellation
/// A cancelled read returns at once. The part of a frame that has arrived stays in the read buffer.
///
/// # Zero-length operations
/// A zero-length read completes at once: the adapter cannot see a frame without taking it.
///
/// # Errors
/// As those of [`read`](crate::quic::read()). A frame that is too long or no item of `T`, and data that ends within a frame,
/// end the stream as well, after the items before it, and the peer is told to stop.
///
/// # Drop
/// As with [`read`](crate::quic::read()).
///
/// ```
/// # use wasmtime_streams::{iterators, quic};
/// # use wasmtime::{Store, component::StreamReader};
/// # async fn example(mut store: Store<()>, connection: quinn::Connection) -> wasmtime::Result<()> {
/// let stream = connection.accept_uni().await?;
/// let reader = StreamReader::new(&mut store, quic::read_items::<(u32, String)>(stream))?;
///
/// let (rows, done) = iterators::collect::<(u32, String)>(10).with_completion();
/// reader.pipe(&mut store, rows)?;
/// let done = store.run_concurrent(async |_| done.await).await?;
/// assert_eq!(done.inner.into_inner(), [(1, "one".to_owned())]);
/// # Ok(())
/// # }
/// ```
pub fn read_items<T>(stream: RecvStream) -> ItemProducer<ReadItems<T>>
where
    T: DeserializeOwned + Send + 'static,
{
    let frames = codec::read(FramedRead::new(stream, Frames::new())).into_inner();
    ItemProducer::new(ReadItems { frames, codes: Codes::default() })
}

impl<T: DeserializeOwned + Send + 'static> ItemProducer<ReadItems<T>> {
    /// Sets the codes of the frames that cut the stream.
    pub fn with_codes(mut self, codes: Codes) -> Self {
        self.get_mut().codes = codes;
        self
    }

    /// Sets the most bytes of an item: 1 MiB by default. A longer one fails the stream.
    pub fn max_frame_len(mut self, bytes: usize) -> Self {
        self.get_mut().frames.get_mut().decoder_mut().max_len = bytes;
        self
    }
}

pin_project! {
    /// The source of [`read_items`].
    #[derive(Debug)]
    pub struct ReadItems<T> {
        #[pin]
        frames: codec::Read<RecvStream, Frames<T>>,
        codes: Codes,
    }
}

impl<T> ReadItems<T> {
    /// The QUIC stream.
    pub fn get_ref(&self) -> &RecvStream {
        self.frames.get_ref().get_ref()
    }

    /// The QUIC stream. The guest sees data that is read from it directly as a gap.
    pub fn get_mut(&mut self) -> &mut RecvStream {
        self.frames.get_mut().get_mut()
    }

    /// The QUIC stream. What was read from it but is no whole frame yet is dropped.
    pub fn into_inner(self) -> RecvStream {
        self.frames.into_inner().into_inner()
    }
}

impl<T> Splice for ReadItems<T> {}

impl<T: DeserializeOwned + Send + 'static> ItemSource for ReadItems<T> {
    type Item = T;
    type Error = ItemError;

    fn poll_items(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        max: usize,
        out: &mut Vec<T>,
    ) -> Poll<Result<Then, ItemError>> {
        let this = self.project();
        let read = ready!(poll_step(cx, |cx| this.frames.poll_items(cx, max, out)));
        Poll::Ready(match read {
            Err(ItemError::Read(error)) => {
                cut(*this.codes, &error).map(Then::End).ok_or(ItemError::Read(error))
            }
            read => read,
        })
    }

    fn ended(self: Pin<&mut Self>, reason: EndReason) {
        let this = self.get_mut();
        let codes = this.codes;
        stop(ReadItems::get_mut(this), codes, reason);
    }
}
