use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tokio::sync::mpsc::UnboundedSender;
use ::tokio::sync::mpsc::error::SendError;
use ::tokio::task::coop;

use crate::{End, EndReason, ItemConsumer, ItemSink, Take};

/// The receiver is dropped or has closed the channel.
const GONE: End<Infallible> = End::ReceiverDropped;

/// Sends the items of a guest's `stream<T>` into an unbounded tokio mpsc channel.
///
/// The inverse is [`mpsc_unbounded_receiver`](crate::channels::mpsc_unbounded_receiver()). There is no backpressure: a
/// guest can fill the host's memory. Use it only with a receiver that is always faster than the guest, or with a guest
/// that you trust; [`mpsc_sender`](crate::channels::mpsc_sender()) is bounded.
///
/// # Partial writes
/// Each guest write is taken whole, up to the core's [bounds](crate::contract#bounded-memory).
///
/// # Cancellation
/// A write never waits for the channel, so there is nothing to cancel.
///
/// # Zero-length operations
/// They complete at once: there is always room.
///
/// # Errors
/// When the receiver is dropped or closes the channel, the stream ends for the guest, and the completion reports
/// [`End::ReceiverDropped`](crate::End::ReceiverDropped). Items that were taken from the guest but refused by the
/// channel are handed back: [`MpscUnboundedSender::into_parts`].
///
/// # Drop
/// A channel needs no flush. The sender is dropped when the stream ends, by the completion if there is one; if it was
/// the last sender, the receiver then sees the end. To go on sending, keep a clone. A completion that was cancelled or
/// failed hands the sender back. The receiver cannot tell a cut from the end of the data: use a channel of `Result`s,
/// and send the error through a clone ([How streams end](crate::ends)).
///
/// ```
/// use tokio::sync::mpsc;
/// use wasmtime::{Engine, Store, component::StreamReader};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let (from, rx) = mpsc::unbounded_channel();
/// let reader = StreamReader::new(&mut store, wasmtime_streams::channels::mpsc_unbounded_receiver(rx))?;
/// (1..=3_u32).try_for_each(|n| from.send(n))?;
/// drop(from);
///
/// let (tx, mut rx) = mpsc::unbounded_channel();
/// let (consumer, done) = wasmtime_streams::channels::mpsc_unbounded_sender(tx).with_completion();
/// reader.pipe(&mut store, consumer)?;
/// let done = store.run_concurrent(async |_| done.await).await?;
/// assert!(done.end.is_finished());
/// let mut got = Vec::new();
/// while rx.recv_many(&mut got, 8).await > 0 {}
/// assert_eq!(got, [1, 2, 3]);
/// # Ok(())
/// # }
/// ```
pub fn mpsc_unbounded_sender<T>(sender: UnboundedSender<T>) -> ItemConsumer<MpscUnboundedSender<T>>
where
    T: Send + 'static,
{
    ItemConsumer::new(MpscUnboundedSender {
        sender: Some(sender),
        unsent: Vec::new(),
        receiver_gone: false,
    })
}

/// The sink of [`mpsc_unbounded_sender`](mpsc_unbounded_sender()).
#[derive(Debug)]
pub struct MpscUnboundedSender<T> {
    sender: Option<UnboundedSender<T>>,
    // What the channel refused because it was closed, and the rest of that batch.
    unsent: Vec<T>,
    // The receiver was gone when the guest ended its stream.
    receiver_gone: bool,
}

impl<T> MpscUnboundedSender<T> {
    sender_accessors!(sender: UnboundedSender<T>);

    /// The sender as from [`into_inner`](Self::into_inner), and the items that were taken from the guest but not sent,
    /// first one first.
    pub fn into_parts(self) -> (Option<UnboundedSender<T>>, Vec<T>) {
        (self.sender, self.unsent)
    }
}

// The items are never pinned.
impl<T> Unpin for MpscUnboundedSender<T> {}

impl<T: Send + 'static> MpscUnboundedSender<T> {
    /// The sender, while there is a receiver.
    fn open(&self) -> Result<&UnboundedSender<T>, End<Infallible>> {
        match &self.sender {
            Some(sender) if !sender.is_closed() => Ok(sender),
            _ => Err(GONE),
        }
    }
}

impl<T: Send + 'static> ItemSink for MpscUnboundedSender<T> {
    type Item = T;
    type Error = Infallible;

    fn poll_accept(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        items: &mut dyn Take<T>,
    ) -> Poll<Result<(), End<Infallible>>> {
        let this = self.get_mut();
        // A send never waits: without this a guest could keep the thread, and the receiver from running.
        let coop = ready!(coop::poll_proceed(cx));
        let mut batch = Vec::new();
        while items.remaining() > 0 {
            let sender = this.open()?;
            if items.remaining() == 1 {
                let Some(Err(SendError(item))) = items.take_one().map(|item| sender.send(item))
                else {
                    continue;
                };
                this.unsent.push(item);
                return Poll::Ready(Err(GONE));
            }
            items.take(usize::MAX, &mut batch);
            let mut sends = batch.drain(..);
            if let Some(SendError(item)) = sends.find_map(|item| sender.send(item).err()) {
                this.unsent.push(item);
                this.unsent.extend(sends);
                return Poll::Ready(Err(GONE));
            }
        }
        coop.made_progress();
        Poll::Ready(Ok(()))
    }

    fn poll_writable(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Option<Poll<Result<(), End<Infallible>>>> {
        Some(Poll::Ready(self.open().map(|_| ())))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), End<Infallible>>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), End<Infallible>>> {
        let this = self.get_mut();
        this.sender = None;
        Poll::Ready(if this.receiver_gone { Err(GONE) } else { Ok(()) })
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {
        let this = self.get_mut();
        this.receiver_gone = this.sender.as_ref().is_none_or(UnboundedSender::is_closed);
    }
}
