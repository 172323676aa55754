use std::collections::VecDeque;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::futures::sink::Sink;
use pin_project_lite::pin_project;

use crate::{End, EndReason, ItemConsumer, ItemSink, Take};

/// Sends the items of a guest's `stream<T>` into a futures [`Sink`].
///
/// The inverse is [`streams::items`](crate::streams::items()).
///
/// # Partial writes
/// A `Sink` reserves room for one item at a time. Once it has some, a [batch](crate::ItemConsumer::batch) is taken from
/// the guest, and the guest's write is held until the whole batch is sent. With a batch of 1, nothing is taken that the
/// sink has no room for.
///
/// # Cancellation
/// Answered at once. Items of the batch that are not sent yet count as written, and are sent before those of the next
/// write.
///
/// # Zero-length operations
/// They wait until the sink has room. A sink that reserves a slot for that keeps it until the next write.
///
/// # Errors
/// An error ends the stream for the guest and is [`End::Failed`](crate::End::Failed) in the completion. Items that were
/// taken but not sent are handed back: [`Items::into_parts`]. An item whose `start_send` failed is lost with the error.
///
/// # Drop
/// The sink is flushed after each guest write; a channel completes the flush only once its receiver has made room
/// again, so give a channel [`Flush::OnClose`](crate::Flush::OnClose). Only the [completion](crate::Completion) closes
/// the sink. A channel's receiver cannot tell a sink dropped at a cut from a closed one: use a channel of `Result`s,
/// and send the error through a clone of the sender ([How streams end](crate::ends)).
///
/// A sink that has reserved room when the stream is cut keeps it until it is dropped: `Sink` has no method to give it
/// back. With tokio-util's `PollSender` that is a place in its channel's queue, and other senders wait behind it: call
/// its `abort_send` once the completion has handed it back, or use `channels::mpsc_sender`, which gives the place back
/// by itself.
///
/// ```
/// use futures::{StreamExt as _, channel::mpsc, stream};
/// use wasmtime::{Engine, Store, component::StreamReader};
/// use wasmtime_streams::Flush;
///
/// # fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let numbers = wasmtime_streams::streams::items(stream::iter([1_u32, 2, 3]));
/// let reader = StreamReader::new(&mut store, numbers)?;
///
/// let (tx, rx) = mpsc::channel::<u32>(8);
/// let sink = wasmtime_streams::sinks::items(tx).flush(Flush::OnClose);
/// reader.pipe(&mut store, sink)?;
/// let got = futures::executor::block_on(store.run_concurrent(async |_| rx.collect::<Vec<_>>().await))?;
/// assert_eq!(got, [1, 2, 3]);
/// # Ok(())
/// # }
/// ```
pub fn items<S, T>(sink: S) -> ItemConsumer<Items<S, T>>
where
    S: Sink<T> + Send + 'static,
    S::Error: Send + 'static,
    T: Send + 'static,
{
    ItemConsumer::new(Items { sink, held: VecDeque::new() })
}

pin_project! {
    /// The sink of [`items`](items()).
    #[derive(Debug)]
    pub struct Items<S, T> {
        #[pin]
        sink: S,
        // Taken from the guest and not sent yet.
        held: VecDeque<T>,
    }
}

impl<S, T> Items<S, T> {
    accessors!(sink: S);

    /// The sink, and the items that were taken from the guest but not sent, first one first.
    pub fn into_parts(self) -> (S, VecDeque<T>) {
        (self.sink, self.held)
    }
}

impl<S: Sink<T>, T> Items<S, T> {
    /// Waits until all held items are sent.
    fn poll_sent(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), End<S::Error>>> {
        let mut this = self.project();
        while !this.held.is_empty() {
            ready!(this.sink.as_mut().poll_ready(cx)).map_err(End::Failed)?;
            if let Some(item) = this.held.pop_front() {
                this.sink.as_mut().start_send(item).map_err(End::Failed)?;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Waits until all held items are sent and the sink has room for one more.
    fn poll_room(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), End<S::Error>>> {
        ready!(self.as_mut().poll_sent(cx))?;
        self.project().sink.poll_ready(cx).map_err(End::Failed)
    }
}

impl<S, T> ItemSink for Items<S, T>
where
    S: Sink<T> + Send + 'static,
    S::Error: Send + 'static,
    T: Send + 'static,
{
    type Item = T;
    type Error = S::Error;

    fn poll_accept(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        items: &mut dyn Take<T>,
    ) -> Poll<Result<(), End<S::Error>>> {
        loop {
            // Held items are sent before more are taken, and before the operation completes.
            ready!(self.as_mut().poll_sent(cx))?;
            let room = match items.remaining() {
                0 => false,
                _ => match self.as_mut().poll_room(cx) {
                    Poll::Ready(room) => room.map(|()| true)?,
                    Poll::Pending if items.taken() > 0 => false,
                    Poll::Pending => return Poll::Pending,
                },
            };
            if !room {
                // Rule "Bounded memory": an idle stream keeps no buffer.
                *self.project().held = VecDeque::new();
                return Poll::Ready(Ok(()));
            }
            if items.remaining() == 1 {
                // There is room for it, so it need not be held.
                if let Some(item) = items.take_one() {
                    self.as_mut().project().sink.start_send(item).map_err(End::Failed)?;
                }
                continue;
            }
            let held = self.as_mut().project().held;
            let mut batch = Vec::from(mem::take(held));
            items.take(usize::MAX, &mut batch);
            *held = batch.into();
        }
    }

    fn poll_writable(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<(), End<S::Error>>>> {
        Some(self.poll_room(cx))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), End<S::Error>>> {
        self.project().sink.poll_flush(cx).map_err(End::Failed)
    }

    fn poll_close(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), End<S::Error>>> {
        ready!(self.as_mut().poll_sent(cx))?;
        self.project().sink.poll_close(cx).map_err(End::Failed)
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}
