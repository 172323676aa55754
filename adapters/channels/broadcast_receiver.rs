use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tokio::sync::broadcast::Receiver;
use ::tokio::sync::broadcast::error::TryRecvError;
use ::tokio::task::coop;

use super::wait::Wait;
use crate::{EndReason, ItemProducer, ItemSource, Then, relay::Splice};

/// A `stream<T>` of what is sent into a tokio broadcast channel.
///
/// The inverse is [`broadcast_sender`](crate::channels::broadcast_sender).
///
/// A guest that reads too slowly lags: the channel overwrites what it holds. That is no end and no error. The stream goes
/// on with the oldest item that is left, [`BroadcastReceiver::lagged`] counts what was lost, and
/// [`on_lag`](crate::ItemProducer::on_lag) may put an item in its place.
///
/// # Partial writes
/// Each guest read takes all that is in the channel, up to what the guest asked for and the
/// [batch](crate::ItemProducer::batch).
///
/// # Cancellation
/// Answered at once. Items are taken only in the poll that delivers them, so none is lost.
///
/// # Zero-length operations
/// They wait until the channel has an item, or all senders are gone. Nothing is taken.
///
/// # Errors
/// There are none. The stream ends when all senders are gone and the channel is empty, with the last items if it is
/// known by then.
///
/// # Drop
/// The receiver is dropped with the guest's end, or handed back by the completion. While a read waits, and until the
/// next one if it is cancelled, the channel has a second receiver that waits for it: the sender counts it, and the item
/// that ends the wait is cloned once more. To the receiver a task that panics, and so drops its sender, is the end of
/// the data as well: where that matters let the last item say that it is the last ([How streams end](crate::ends)).
///
/// ```
/// use tokio::sync::broadcast;
/// use wasmtime::{Engine, Store, component::StreamReader};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let (tx, rx) = broadcast::channel(2);
/// // What is lost is told to the guest as an item of its own.
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
    /// Called with the number of items that were lost each time the guest lags; what it returns is an item in their
    /// place.
    pub fn on_lag(mut self, on_lag: impl FnMut(u64) -> Option<T> + Send + 'static) -> Self {
        self.get_mut().on_lag = Some(Box::new(on_lag));
        self
    }
}

/// The source of [`broadcast_receiver`].
pub struct BroadcastReceiver<T> {
    receiver: Receiver<T>,
    wait: Wait,
    lagged: u64,
    on_lag: Option<OnLag<T>>,
}

type OnLag<T> = Box<dyn FnMut(u64) -> Option<T> + Send>;

impl<T> BroadcastReceiver<T> {
    accessors!(receiver: Receiver<T>);

    /// How many items were lost since the guest lagged.
    pub fn lagged(&self) -> u64 {
        self.lagged
    }
}

impl<T: Clone + Send + 'static> BroadcastReceiver<T> {
    /// Appends what is in the channel, up to `max` items, and says what comes next: an end, more, or nothing (`None`).
    fn receive(&mut self, max: usize, out: &mut Vec<T>) -> Option<Then> {
        // A lag is a step too: it must not be possible to keep this loop going by sending.
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
        // Nobody can send any more, and what was sent is out. To ask the other way round would be a race.
        let over = self.receiver.is_closed() && self.receiver.is_empty();
        Some(if over { Then::End(EndReason::Finished) } else { Then::More })
    }

    /// Begins to wait for the next item, or the end; whether it has begun.
    ///
    /// What came before the wait began does not end it: if it has just begun, the receiver has to be looked at again.
    fn begin(&mut self) -> bool {
        let Self { receiver, wait, .. } = self;
        wait.begin(|| {
            let mut second = receiver.resubscribe();
            // An item, a lag or the end: what it was is asked of the receiver itself.
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
        // `try_recv` is no part of tokio's cooperation: without this a busy channel would keep the thread.
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
            // Looked at in this order: what was sent before the last sender went away is there by then.
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

    // Whoever keeps the receiver must not keep a second one.
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
