use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tokio::sync::watch::Receiver;
use ::tokio::task::coop;

use super::wait::Wait;
use crate::{EndReason, ItemProducer, ItemSource, Then, relay::Splice};

/// A `stream<T>` of the values of a tokio watch channel.
///
/// The inverse is [`watch_sender`](crate::channels::watch_sender()).
///
/// The first item is the current value, even if the receiver has seen it;
/// [`changes_only`](crate::ItemProducer::changes_only) starts with the first value that it has not seen. A watch
/// channel keeps only its latest value: values between two reads are skipped. The last one is always delivered.
///
/// # Partial writes
/// Each guest read takes one item.
///
/// # Cancellation
/// Answered at once. A value is taken only in the poll that delivers it.
///
/// # Zero-length operations
/// They wait until there is a value to read or all senders are dropped. Nothing is taken.
///
/// # Errors
/// There are none. The stream ends when all senders are dropped and their last value is read, together with that value
/// if that is known by then.
///
/// # Drop
/// The receiver is dropped with the guest's end, or handed back by the completion. While a read waits, and after a
/// cancelled one until the next read, the channel has a second receiver that waits for the first; the sender counts it.
/// A task that panics drops its sender too, which looks like the end of the data: where that matters, let the last
/// value say that it is the last ([How streams end](crate::ends)).
///
/// ```
/// use tokio::sync::{mpsc, watch};
/// use wasmtime::{Engine, Store, component::StreamReader};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let (setting, rx) = watch::channel(1_u32);
/// let reader = StreamReader::new(&mut store, wasmtime_streams::channels::watch_receiver(rx))?;
///
/// let (tx, mut rx) = mpsc::channel(8);
/// reader.pipe(&mut store, wasmtime_streams::channels::mpsc_sender(tx))?;
/// let got = store
///     .run_concurrent(async |_| {
///         let first = rx.recv().await;
///         setting.send_replace(2);
///         setting.send_replace(3);
///         drop(setting);
///         [first, rx.recv().await, rx.recv().await]
///     })
///     .await?;
/// assert_eq!(got, [Some(1), Some(3), None]);
/// # Ok(())
/// # }
/// ```
pub fn watch_receiver<T>(receiver: Receiver<T>) -> ItemProducer<WatchReceiver<T>>
where
    T: Clone + Send + Sync + 'static,
{
    ItemProducer::new(WatchReceiver { receiver, first: true, wait: Wait::default() })
}

impl<T, V> ItemProducer<WatchReceiver<T>, V>
where
    T: Clone + Send + Sync + 'static,
{
    /// Starts with the first value that the receiver has not seen.
    pub fn changes_only(mut self) -> Self {
        self.get_mut().first = false;
        self
    }
}

/// The source of [`watch_receiver`](watch_receiver()).
#[derive(Debug)]
pub struct WatchReceiver<T> {
    receiver: Receiver<T>,
    /// The next read gives the current value, even if it was seen.
    first: bool,
    wait: Wait,
}

/// What a read would get.
enum Now {
    /// A value, and whether it is the last one.
    Value {
        last: bool,
    },
    Nothing,
    End,
}

impl<T> WatchReceiver<T> {
    accessors!(receiver: Receiver<T>);

    fn look(&self) -> Now {
        match self.receiver.has_changed() {
            Ok(changed) if changed || self.first => Now::Value { last: false },
            Ok(_) => Now::Nothing,
            // All senders are dropped, and `has_changed` no longer reports on the last value. `borrow` does, and now no
            // value can follow it.
            Err(_) if self.first || self.receiver.borrow().has_changed() => {
                Now::Value { last: true }
            }
            Err(_) => Now::End,
        }
    }
}

impl<T: Send + Sync + 'static> WatchReceiver<T> {
    /// Waits until there is something to read.
    fn poll_now(&mut self, cx: &mut Context<'_>) -> Poll<Now> {
        loop {
            let now = self.look();
            if !matches!(now, Now::Nothing) {
                self.wait.stop();
                return Poll::Ready(now);
            }
            let Self { receiver, wait, .. } = self;
            wait.begin(|| {
                // A clone has seen what its original has seen, so no change is missed in between.
                let mut second = receiver.clone();
                async move { drop(second.changed().await) }
            });
            ready!(wait.poll(cx));
        }
    }
}

impl<T> Splice for WatchReceiver<T> {}

impl<T: Clone + Send + Sync + 'static> ItemSource for WatchReceiver<T> {
    type Item = T;
    type Error = Infallible;

    fn poll_items(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _: usize,
        out: &mut Vec<T>,
    ) -> Poll<Result<Then, Infallible>> {
        let this = self.get_mut();
        // A value that is there needs no wait: without this a busy channel could keep the thread.
        let coop = ready!(coop::poll_proceed(cx));
        let then = match ready!(this.poll_now(cx)) {
            Now::Value { last } => {
                this.first = false;
                out.push(this.receiver.borrow_and_update().clone());
                if last { Then::End(EndReason::Finished) } else { Then::Stop }
            }
            Now::Nothing => Then::Stop,
            Now::End => Then::End(EndReason::Finished),
        };
        coop.made_progress();
        Poll::Ready(Ok(then))
    }

    fn poll_readable(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<Then, Infallible>>> {
        Some(self.get_mut().poll_now(cx).map(|now| {
            Ok(match now {
                Now::End => Then::End(EndReason::Finished),
                Now::Value { .. } | Now::Nothing => Then::More,
            })
        }))
    }

    // The receiver is handed back without the second one.
    fn ended(self: Pin<&mut Self>, _: EndReason) {
        self.get_mut().wait.stop();
    }
}
