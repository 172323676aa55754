use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tokio::sync::mpsc::Sender;
use ::tokio::sync::mpsc::error::TrySendError;
use ::tokio::task::coop;
use ::tokio_util::sync::PollSender;

use crate::{End, EndReason, ItemConsumer, ItemSink, Take};

/// The receiver is dropped or has closed the channel.
const GONE: End<Infallible> = End::ReceiverDropped;

/// Sends the items of a guest's `stream<T>` into a tokio mpsc channel.
///
/// The inverse is [`mpsc_receiver`](crate::channels::mpsc_receiver()).
///
/// # Partial writes
/// Each guest write gives as many items as the channel has room for: room is reserved first, then that many items are
/// taken, so none is ever held outside the channel. A write waits only while there is no room at all.
///
/// # Cancellation
/// Answered at once; nothing had been taken. The place in the channel's queue for room is given up.
///
/// # Zero-length operations
/// They wait until the channel has room. The room is not kept for the next write: another sender may take it first.
///
/// # Errors
/// When the receiver is dropped or closes the channel, the stream ends for the guest, and the completion reports
/// [`End::ReceiverDropped`](crate::End::ReceiverDropped). Items already in the channel stay with the receiver.
///
/// # Drop
/// A channel needs no flush. The sender is dropped when the stream ends, by the completion if there is one; if it was
/// the last sender, the receiver then sees the end. To go on sending, keep a clone. A completion that was cancelled or
/// failed hands the sender back, without a place in the queue for room. The receiver cannot tell a cut from the end of
/// the data: use a channel of `Result`s, and send the error through a clone ([How streams end](crate::ends)).
///
/// ```
/// use tokio::sync::mpsc;
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
/// // Room for one item at a time.
/// let (tx, mut rx) = mpsc::channel(1);
/// let (consumer, done) = wasmtime_streams::channels::mpsc_sender(tx).with_completion();
/// reader.pipe(&mut store, consumer)?;
/// let collect = tokio::spawn(async move {
///     let mut got = Vec::new();
///     while rx.recv_many(&mut got, 8).await > 0 {}
///     got
/// });
/// let done = store.run_concurrent(async |_| done.await).await?;
/// assert!(done.end.is_finished());
/// assert_eq!((done.moved, collect.await?), (3, vec![1, 2, 3]));
/// # Ok(())
/// # }
/// ```
pub fn mpsc_sender<T>(sender: Sender<T>) -> ItemConsumer<MpscSender<T>>
where
    T: Send + 'static,
{
    ItemConsumer::new(MpscSender {
        sender: PollSender::new(sender),
        waiting: false,
        receiver_gone: false,
    })
}

/// The sink of [`mpsc_sender`](mpsc_sender()).
#[derive(Debug)]
pub struct MpscSender<T> {
    sender: PollSender<T>,
    /// It waits in the channel's queue for room. Only then may it hold a permit between two polls.
    waiting: bool,
    /// The receiver was gone when the guest ended its stream.
    receiver_gone: bool,
}

impl<T: Send> MpscSender<T> {
    /// The sender; `None` once the end of the data has dropped it.
    ///
    /// The adapter holds a clone of it, to wait with: the channel counts two senders.
    pub fn get_ref(&self) -> Option<&Sender<T>> {
        self.sender.get_ref()
    }

    /// The sender; `None` once the end of the data has dropped it.
    pub fn into_inner(self) -> Option<Sender<T>> {
        self.sender.get_ref().cloned()
    }

    /// Sends as many items as there is room for.
    fn send_ready(&self, items: &mut dyn Take<T>) -> Result<(), End<Infallible>> {
        let Some(sender) = self.sender.get_ref() else { return Err(GONE) };
        let mut batch = Vec::new();
        let mut remaining = items.remaining();
        while remaining > 0 {
            let room = remaining.min(sender.capacity()).max(1);
            let mut permits = match sender.try_reserve_many(room) {
                Ok(permits) => permits,
                Err(TrySendError::Closed(())) => return Err(GONE),
                Err(TrySendError::Full(())) if room == 1 => return Ok(()),
                // All or nothing, and other senders were faster: halving ends this loop.
                Err(TrySendError::Full(())) => {
                    remaining = room / 2;
                    continue;
                }
            };
            // One `take` gives at most a batch. Dropping the unused permits gives them back.
            while permits.len() > 0 && items.remaining() > 0 {
                if permits.len() == 1 || items.remaining() == 1 {
                    if let (Some(item), Some(permit)) = (items.take_one(), permits.next()) {
                        permit.send(item);
                    }
                } else {
                    items.take(permits.len(), &mut batch);
                    let sends = batch.drain(..).zip(permits.by_ref());
                    sends.for_each(|(item, permit)| permit.send(item));
                }
            }
            remaining = items.remaining();
        }
        Ok(())
    }

    /// Waits for room and reserves it.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End<Infallible>>> {
        let room = self.sender.poll_reserve(cx);
        self.waiting = room.is_pending();
        room.map_err(|_| GONE)
    }

    /// Gives back reserved room, or the place in the queue for it.
    fn release(&mut self) {
        self.sender.abort_send();
        self.waiting = false;
    }
}

impl<T: Send + 'static> ItemSink for MpscSender<T> {
    type Item = T;
    type Error = Infallible;

    fn poll_accept(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        items: &mut dyn Take<T>,
    ) -> Poll<Result<(), End<Infallible>>> {
        let this = self.get_mut();
        // Free room needs no wait: without this a guest whose receiver is on another thread could keep this one.
        let coop = ready!(coop::poll_proceed(cx));
        if !this.waiting {
            this.send_ready(items)?;
        }
        if items.taken() == 0 && items.remaining() > 0 {
            ready!(this.poll_room(cx))?;
            match items.take_one() {
                Some(item) => {
                    this.sender.send_item(item).map_err(|_| GONE)?;
                }
                None => this.release(),
            }
            // By now there may be room for more.
            this.send_ready(items)?;
        }
        coop.made_progress();
        Poll::Ready(Ok(()))
    }

    fn poll_writable(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<(), End<Infallible>>>> {
        let this = self.get_mut();
        let room = this.poll_room(cx);
        if room.is_ready() {
            this.release();
        }
        Some(room)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), End<Infallible>>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), End<Infallible>>> {
        let this = self.get_mut();
        this.release();
        this.sender.close();
        Poll::Ready(if this.receiver_gone { Err(GONE) } else { Ok(()) })
    }

    fn op_cancelled(self: Pin<&mut Self>) {
        self.get_mut().release();
    }

    // The sender is handed back without a place in the queue for room: other senders would wait behind it.
    fn ended(self: Pin<&mut Self>, _: EndReason) {
        let this = self.get_mut();
        this.receiver_gone = this.sender.get_ref().is_none_or(Sender::is_closed);
        this.release();
    }
}
