use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tokio::sync::broadcast::Sender;
use ::tokio::task::coop;

use crate::{End, EndReason, ItemConsumer, ItemSink, Take};

/// Sends the items of a guest's `stream<T>` into a tokio broadcast channel.
///
/// The inverse is [`broadcast_receiver`](crate::channels::broadcast_receiver()). A broadcast channel never waits for
/// its receivers: one that is slower than the guest lags and loses items.
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
/// There are none. While the channel has no receiver, items are dropped, since one may subscribe later;
/// [`BroadcastSender::unheard`] counts them.
///
/// # Drop
/// A channel needs no flush. The sender is dropped when the stream ends, by the completion if there is one; if it was
/// the last sender, the receivers then see the end. To go on sending, keep a clone. A completion that was cancelled
/// hands the sender back. The receivers cannot tell a cut from the end of the data: use a channel of `Result`s, and
/// send the error through a clone ([How streams end](crate::ends)).
///
/// ```
/// use tokio::sync::{broadcast, mpsc};
/// use wasmtime::{Engine, Store, component::StreamReader};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let (from, rx) = mpsc::channel(8);
/// let reader = StreamReader::new(&mut store, wasmtime_streams::channels::mpsc_receiver(rx))?;
/// for n in [1_u32, 2, 3] {
///     from.send(n).await?;
/// }
/// drop(from);
///
/// let (tx, mut one) = broadcast::channel(8);
/// let mut two = tx.subscribe();
/// let (consumer, done) = wasmtime_streams::channels::broadcast_sender(tx).with_completion();
/// reader.pipe(&mut store, consumer)?;
/// let done = store.run_concurrent(async |_| done.await).await?;
/// assert_eq!((done.moved, done.inner.unheard()), (3, 0));
/// assert_eq!((one.recv().await?, two.recv().await?, two.recv().await?), (1, 1, 2));
/// # Ok(())
/// # }
/// ```
pub fn broadcast_sender<T>(sender: Sender<T>) -> ItemConsumer<BroadcastSender<T>>
where
    T: Send + 'static,
{
    ItemConsumer::new(BroadcastSender { sender: Some(sender), unheard: 0 })
}

/// The sink of [`broadcast_sender`](broadcast_sender()).
#[derive(Debug)]
pub struct BroadcastSender<T> {
    sender: Option<Sender<T>>,
    unheard: u64,
}

impl<T> BroadcastSender<T> {
    sender_accessors!(sender: Sender<T>);

    /// How many items were dropped because the channel had no receiver.
    pub fn unheard(&self) -> u64 {
        self.unheard
    }
}

impl<T: Send + 'static> ItemSink for BroadcastSender<T> {
    type Item = T;
    type Error = Infallible;

    fn poll_accept(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        items: &mut dyn Take<T>,
    ) -> Poll<Result<(), End<Infallible>>> {
        let Self { sender, unheard } = self.get_mut();
        // A send never waits: without this a guest could keep the thread, and the receivers from running.
        let coop = ready!(coop::poll_proceed(cx));
        let mut send = |item| {
            if sender.as_ref().is_none_or(|sender| sender.send(item).is_err()) {
                *unheard = unheard.saturating_add(1);
            }
        };
        let mut batch = Vec::new();
        while items.remaining() > 0 {
            if items.remaining() == 1 {
                items.take_one().map(&mut send);
            } else {
                items.take(usize::MAX, &mut batch);
                batch.drain(..).for_each(&mut send);
            }
        }
        coop.made_progress();
        Poll::Ready(Ok(()))
    }

    fn poll_writable(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Option<Poll<Result<(), End<Infallible>>>> {
        Some(Poll::Ready(Ok(())))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), End<Infallible>>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), End<Infallible>>> {
        self.get_mut().sender = None;
        Poll::Ready(Ok(()))
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}
