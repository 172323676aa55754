use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tokio::sync::watch::Sender;
use ::tokio::task::coop;

use crate::{End, EndReason, ItemConsumer, ItemSink, Take};

/// Makes the items of a guest's `stream<T>` the values of a tokio watch channel.
///
/// The inverse is [`watch_receiver`](crate::channels::watch_receiver()). A watch channel keeps only its latest value:
/// of a batch, the last item is kept and the others are dropped.
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
/// There are none. Without a receiver the value is kept all the same, since one may subscribe later.
///
/// # Drop
/// A channel needs no flush. The sender is dropped when the stream ends, by the completion if there is one; if it was
/// the last sender, the receivers then see the end, after the last value. To go on sending, keep a clone. A completion
/// that was cancelled hands the sender back. The receivers cannot tell a cut from the end of the data: make the values
/// `Result`s, and send the error through a clone ([How streams end](crate::ends)).
///
/// ```
/// use tokio::sync::{mpsc, watch};
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
/// let (tx, rx) = watch::channel(0);
/// let (consumer, done) = wasmtime_streams::channels::watch_sender(tx).with_completion();
/// reader.pipe(&mut store, consumer)?;
/// let done = store.run_concurrent(async |_| done.await).await?;
/// assert_eq!((done.moved, *rx.borrow()), (3, 3));
/// # Ok(())
/// # }
/// ```
pub fn watch_sender<T>(sender: Sender<T>) -> ItemConsumer<WatchSender<T>>
where
    T: Send + Sync + 'static,
{
    ItemConsumer::new(WatchSender { sender: Some(sender) })
}

/// The sink of [`watch_sender`](watch_sender()).
#[derive(Debug)]
pub struct WatchSender<T> {
    sender: Option<Sender<T>>,
}

impl<T> WatchSender<T> {
    sender_accessors!(sender: Sender<T>);
}

impl<T: Send + Sync + 'static> ItemSink for WatchSender<T> {
    type Item = T;
    type Error = Infallible;

    fn poll_accept(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        items: &mut dyn Take<T>,
    ) -> Poll<Result<(), End<Infallible>>> {
        // A send never waits: without this a guest could keep the thread, and the receivers from running.
        let coop = ready!(coop::poll_proceed(cx));
        let mut batch = Vec::new();
        let mut last = None;
        while items.remaining() > 0 {
            if items.remaining() == 1 {
                last = items.take_one().or(last);
            } else {
                items.take(usize::MAX, &mut batch);
                last = batch.drain(..).next_back().or(last);
            }
        }
        if let (Some(sender), Some(value)) = (&self.sender, last) {
            sender.send_replace(value);
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
