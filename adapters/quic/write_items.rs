use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use pin_project_lite::pin_project;
use quinn::{SendStream, VarInt, WriteError};
use serde::Serialize;
use tokio_util::codec::FramedWrite;

use super::codes::Codes;
use super::error::ItemError;
use super::frames::Frames;
use super::sending::{Sending, stopped};
use crate::{End, EndReason, ItemConsumer, ItemSink, Take, codec};

/// Writes the items of a guest's `stream<T>` to a QUIC stream, each as a frame of [`read_items`](crate::quic::read_items()),
/// which is the inverse.
///
/// Items that are not serializable are converted by [`receive_with`](crate::ItemConsumer::receive_with). For frames of
/// another format give the stream to a `FramedWrite`, and that to [`codec::write`](crate::codec::write()): the end of its
/// stream is then that of quinn, which finishes a stream that is dropped.
///
/// # Partial writes
/// The adapter takes a [batch](crate::ItemConsumer::batch) from the guest at a time and serializes it into a write buffer of
/// 8 KiB and one frame. When it is full, it is first written out, and the guest's write waits: a reader that is slow on the
/// other machine holds up the guest.
///
/// # Cancellation
/// A cancelled write returns at once. Items that were taken count as written, and are sent before those of the next write.
///
/// # Zero-length operations
/// A zero-length write waits until a full write buffer is written out; otherwise it completes at once.
///
/// # Errors
/// As those of [`write`](crate::quic::write()). An item that is too long
/// ([`max_frame_len`](ItemConsumer::max_frame_len)) or cannot be serialized ends the stream as well, and the peer sees a cut.
/// [`WriteItems::into_unsent`] returns the items that were not serialized.
///
/// # Drop
/// As with [`write`](crate::quic::write()). Without an awaited completion the stream is reset if items of a cancelled write
/// are still held up at the end.
///
/// ```
/// # use wasmtime_streams::{iterators, quic};
/// # use wasmtime::{Store, component::StreamReader};
/// # async fn example(mut store: Store<()>, connection: quinn::Connection) -> wasmtime::Result<()> {
/// let rows = iterators::items([(1, "one".to_owned())]);
/// let rows: StreamReader<(u32, String)> = StreamReader::new(&mut store, rows)?;
/// let (writer, done) = quic::write_items(connection.open_uni().await?).with_completion();
/// rows.pipe(&mut store, writer)?;
/// let done = store.run_concurrent(async |_| done.await).await?;
/// assert!(done.end.is_finished()); // the other machine has them
/// # Ok(())
/// # }
/// ```
pub fn write_items<T>(stream: SendStream) -> ItemConsumer<WriteItems<T>>
where
    T: Serialize + Send + 'static,
{
    let frames = FramedWrite::new(Sending::new(stream), Frames::new());
    ItemConsumer::new(WriteItems { frames: codec::write(frames).into_inner() })
}

impl<T: Serialize + Send + 'static> ItemConsumer<WriteItems<T>> {
    /// Sets the codes of the frames that cut the stream.
    pub fn with_codes(mut self, codes: Codes) -> Self {
        self.get_mut().frames.get_mut().get_mut().codes = codes;
        self
    }

    /// Sets the most bytes of an item: 1 MiB by default. A longer one fails the stream.
    pub fn max_frame_len(mut self, bytes: usize) -> Self {
        // A length has four bytes.
        self.get_mut().frames.get_mut().encoder_mut().max_len = bytes.min(u32::MAX as usize);
        self
    }

    /// Ends the stream as [`EndReason::ReceiverDropped`] as soon as the peer stops it or the connection is lost, also while
    /// the guest does not write.
    pub fn until_stopped(self) -> Self {
        let stopped = stopped(self.get_ref().get_ref());
        self.until(EndReason::ReceiverDropped, stopped)
    }
}

pin_project! {
    /// The sink of [`write_items`].
    ///
    /// Dropped before the end of its stream, it resets the QUIC stream.
    #[derive(Debug)]
    pub struct WriteItems<T: Serialize> {
        #[pin]
        frames: codec::Write<Sending, Frames<T>, T>,
    }
}

impl<T: Serialize> WriteItems<T> {
    /// The QUIC stream.
    pub fn get_ref(&self) -> &SendStream {
        &self.frames.get_ref().get_ref().stream
    }

    /// The QUIC stream. What is written through it directly is extra data to the peer; a host that finishes or resets it
    /// says how it ends.
    pub fn get_mut(&mut self) -> &mut SendStream {
        &mut self.frames.get_mut().get_mut().stream
    }

    /// The code with which the peer stopped the stream: [`Codes::reason`] has what it stands for.
    pub fn stop_code(&self) -> Option<VarInt> {
        self.frames.get_ref().get_ref().stop_code
    }

    /// The items that were taken from the guest but not serialized, in order.
    pub fn into_unsent(self) -> VecDeque<T> {
        self.frames.into_parts().1
    }
}

fn end_of(end: End<ItemError>) -> End<ItemError> {
    match end {
        End::Failed(ItemError::Write(WriteError::Stopped(_))) => End::ReceiverDropped,
        end => end,
    }
}

impl<T: Serialize + Send + 'static> ItemSink for WriteItems<T> {
    type Item = T;
    type Error = ItemError;

    fn poll_accept(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        items: &mut dyn Take<T>,
    ) -> Poll<Result<(), End<ItemError>>> {
        self.project().frames.poll_accept(cx, items).map_err(end_of)
    }

    fn poll_writable(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<(), End<ItemError>>>> {
        Some(self.project().frames.poll_writable(cx)?.map_err(end_of))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), End<ItemError>>> {
        self.project().frames.poll_flush(cx).map_err(end_of)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), End<ItemError>>> {
        let mut this = self.project();
        if this.frames.get_ref().get_ref().is_open() {
            ready!(this.frames.as_mut().poll_close(cx)).map_err(end_of)?;
        }
        let sending = this.frames.get_mut().get_mut().get_mut();
        sending.poll_delivered(cx).map_err(|end| end.map_err(ItemError::Write))
    }

    fn ended(self: Pin<&mut Self>, reason: EndReason) {
        let mut this = self.project();
        if reason == EndReason::Finished {
            // Finishes the stream, unless items of a cancelled write are held up: then the completion does, or the drop
            // resets it.
            let cx = &mut Context::from_waker(Waker::noop());
            let _ = this.frames.as_mut().poll_close(cx);
            return;
        }
        this.frames.get_mut().get_mut().get_mut().cut(reason);
    }
}
