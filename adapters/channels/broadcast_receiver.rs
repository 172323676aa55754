use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tokio::sync::broadcast::Receiver;
use ::tokio::sync::broadcast::error::TryRecvError;
use ::tokio::task::coop;

use super::wait::Wait;
use crate::{EndReason, ItemProducer, ItemSource, Then, relay::Splice};

/// A `stream<T>` of the items received from a tokio broadcast channel.
///
/// The inverse is [`broadcast_sender`](crate::channels::broadcast_sender()).
///
/// A guest that reads too slowly lags: the channel overwrites its oldest items. A lag is neither an end nor an error.
/// The stream goes on with the oldest item left, [`BroadcastReceiver::lagged`] counts the lost items, and
/// [`on_lag`](crate::ItemProducer::on_lag) can put an item in their place.
///
/// # Partial writes
/// Each guest read takes all items in the channel, up to what the guest asked for and the
/// [batch](crate::ItemProducer::batch).
///
/// # Cancellation
/// Answered at once. Items are taken only in the poll that delivers them, so none is lost.
///
/// # Zero-length operations
/// They wait until the channel has an item or all senders are dropped. Nothing is taken.
///
/// # Errors
/// There are none. The stream ends when all senders are dropped and the channel is empty, together with the last items
/// if that is known by then.
///
/// # Drop
/// The receiver is dropped with the guest's end, or handed back by the completion. While a read waits, and after a
/// cancelled one until the next read, the channel has a second receiver that waits for the first: the sender counts it,
/// and the item that ends the wait is cloned once more. A task that panics drops its sender too, which looks like the
/// end of the data: where that matters, let the last item say that it is the last ([How streams end](crate::ends)).
///
/// ```
/// use tokio::sync::broadcast;
/// use wasmtime::{Engine, Store, component::StreamReader};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let (tx, rx) = broadcast::channel(2);
/// // A lag becomes an item of its own: 1000 and the number of lost items.
/// let producer = wasmtime_streams::channels::broadcast_receiver(rx).on_lag(|lost| Some(1000 + lost));
/// let (producer, read) = producer.with_completion();
/// let reader = StreamReader::new(&mut store, producer)?;
/// for n in [1_u64, 2, 3, 4, 5] {
///     tx.send(n)?;
/// }
/// drop(tx);
///
/// let (tx, mut rx) = tokio::sync::mpsc::channel(8);
/// reader.pipe(&mut store, wasmtime_streams::channels::mpsc_sender(tx))?;
/// let mut got = Vec::new();
/// store.run_concurrent(async |_| while rx.recv_many(&mut got, 8).await > 0 {}).await?;
/// assert_eq!(got, [1003, 4, 5]);
/// assert_eq!(read.await.inner.lagged(), 3);
/// # Ok(())
/// # }
/// ```
pub fn broadcast_receiver<T>(receiver: Receiver<T>) -> ItemProducer<BroadcastReceiver<T>>
where
    T: Clone + Send + 'static,
{
    let (wait, on_lag) = (Wait::default(), None);
    ItemProducer::new(BroadcastReceiver { receiver, wait, lagged: 0, on_lag })
}

impl<T, V> ItemProducer<BroadcastReceiver<T>, V>
where
    T: Clone + Send + 'static,
{
    /// Calls `on_lag` with the number of lost items each time the guest lags; if it returns an item, the guest gets
    /// that in their place.
    pub fn on_lag(mut self, on_lag: impl FnMut(u64) -> Option<T> + Send + 'static) -> Self {
        self.get_mut().on_lag = Some(Box::new(on_lag));
        self
    }
}

/// The source of [`broadcast_receiver`](broadcast_receiver()).
pub struct BroadcastReceiver<T> {
    receiver: Receiver<T>,
    wait: Wait,
    lagged: u64,
    on_lag: Option<OnLag<T>>,
}

type OnLag<T> = Box<dyn FnMut(u64) -> Option<T> + Send>;

impl<T> BroadcastReceiver<T> {
    accessors!(receiver: Receiver<T>);

    /// How many items the guest has lost by lagging.
    pub fn lagged(&self) -> u64 {
        self.lagged
    }
}

impl<T: Clone + Send + 'static> BroadcastReceiver<T> {
    /// Appends the items in the channel, up to `max`, and returns what comes next; `None` if the channel is empty.
    fn receive(&mut self, max: usize, out: &mut Vec<T>) -> Option<Then> {
        // A lag counts as a step: otherwise a fast sender could keep this loop going.
        for _ in 0..max {
            match self.receiver.try_recv() {
                Ok(item) => out.push(item),
                Err(TryRecvError::Lagged(lost)) => {
                    self.lagged = self.lagged.saturating_add(lost);
                    out.extend(self.on_lag.as_mut().and_then(|on_lag| on_lag(lost)));
                }
                Err(TryRecvError::Closed) => return Some(Then::End(EndReason::Finished)),
                Err(TryRecvError::Empty) => return None,
            }
        }
        // `is_closed` first: an item sent between the two calls would be missed the other way round.
        let closed = self.receiver.is_closed() && self.receiver.is_empty();
        Some(if closed { Then::End(EndReason::Finished) } else { Then::More })
    }

    /// Begins to wait for the next item or the end; returns whether this call began it.
    ///
    /// An item sent before the wait began does not end it: after `true` the receiver must be checked again.
    fn begin(&mut self) -> bool {
        let Self { receiver, wait, .. } = self;
        wait.begin(|| {
            let mut second = receiver.resubscribe();
            // An item, a lag or the end: the first receiver says which.
            async move { drop(second.recv().await) }
        })
    }
}

impl<T> Splice for BroadcastReceiver<T> {}

impl<T: Clone + Send + 'static> ItemSource for BroadcastReceiver<T> {
    type Item = T;
    type Error = Infallible;

    fn poll_items(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        max: usize,
        out: &mut Vec<T>,
    ) -> Poll<Result<Then, Infallible>> {
        let this = self.get_mut();
        // `try_recv` does not use tokio's cooperative budget: without this a busy channel would keep the thread.
        let coop = ready!(coop::poll_proceed(cx));
        let before = out.len();
        loop {
            let then = match this.receive(max, out) {
                Some(then) => then,
                None if out.len() > before => Then::Stop,
                None if this.begin() => continue,
                None => {
                    ready!(this.wait.poll(cx));
                    continue;
                }
            };
            this.wait.stop();
            coop.made_progress();
            return Poll::Ready(Ok(then));
        }
    }

    fn poll_readable(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<Then, Infallible>>> {
        let this = self.get_mut();
        loop {
            // In this order: what was sent before the last sender was dropped is in the channel by then.
            let closed = this.receiver.is_closed();
            let empty = this.receiver.is_empty();
            if closed || !empty {
                this.wait.stop();
                let then = if empty { Then::End(EndReason::Finished) } else { Then::More };
                return Some(Poll::Ready(Ok(then)));
            }
            if !this.begin() && this.wait.poll(cx).is_pending() {
                return Some(Poll::Pending);
            }
        }
    }

    // The receiver is handed back without the second one.
    fn ended(self: Pin<&mut Self>, _: EndReason) {
        self.get_mut().wait.stop();
    }
}

impl<T> fmt::Debug for BroadcastReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BroadcastReceiver")
            .field("receiver", &self.receiver)
            .field("wait", &self.wait)
            .field("lagged", &self.lagged)
            .finish_non_exhaustive()
    }
}
