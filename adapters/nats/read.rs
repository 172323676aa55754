use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ::futures::stream::{Stream, TryStream, TryStreamExt as _};
use ::tokio::runtime::Handle;
use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::pull::Config;
use bytes::Bytes;

use super::ack::Delivery;
use super::acks::{Acks, Later};
use super::taken::Taken;
use crate::{EndReason, ItemProducer, ItemSource, Then};

/// The most messages that are looked for in a client's buffer at the end: what async-nats holds of a subscription by
/// default.
const MOST_HELD: usize = 64 * 1024;

/// Reads a `stream<T>` of the messages of a JetStream pull consumer.
///
/// The inverse is [`publish`](crate::nats::publish()). `messages` is the stream of
/// [`messages`](async_nats::jetstream::consumer::Consumer::messages) or
/// [`stream`](async_nats::jetstream::consumer::Consumer::stream), or what is made of it. Its items become those of the guest,
/// and are acknowledged, by one of these steps:
///
/// - [`acknowledge_taken`](ItemProducer::acknowledge_taken): once the guest has the item;
/// - [`acknowledge_later`](ItemProducer::acknowledge_later): when the host says so, in order;
/// - [`deliver_with`](ItemProducer::deliver_with): as the host likes. The closure gets a [`Delivery`], makes the guest's item
///   of its message, and keeps its [`Ack`](crate::nats::Ack).
///
/// The consumer's `ack_policy` must be `Explicit`, which is the default of a pull consumer.
///
/// # Partial writes
/// Each guest read takes all messages that the client has, up to what the guest asked for and the
/// [batch](crate::ItemProducer::batch).
///
/// # Cancellation
/// A cancelled read returns at once. Messages are taken only in the poll that delivers them, so none is lost.
///
/// # Zero-length operations
/// A zero-length read completes at once: the client cannot tell whether it has a message without taking it. A message that
/// a second one looks ahead is not acknowledged until the guest reads it.
///
/// # Errors
/// The first error ends the stream, after the messages before it: a consumer that was deleted, a heartbeat that was missed.
/// If the client is closed, the end is [`Abandoned`](EndReason::Abandoned), never that of the data: a consumer's messages
/// have none. Those of a fetch do: [`finite`](ItemProducer::finite).
///
/// # Drop
/// When the adapter is dropped, with the stream or by whoever got it from the completion, the messages that the client has
/// buffered go back to the server, which delivers them again at once; one that the server sends at that moment comes again
/// after `ack_wait`. Taken out by [`Read::into_inner`], they stay for the
/// next guest. After an error they go back when `ack_wait` is over.
///
/// ```no_run
/// # use wasmtime_streams::nats;
/// # use wasmtime::{Store, component::StreamReader};
/// use async_nats::jetstream::consumer::PullConsumer;
///
/// # async fn example(mut store: Store<()>, consumer: PullConsumer) -> Result<(), Box<dyn std::error::Error>> {
/// let messages = consumer.stream().max_messages_per_batch(16).messages().await?;
/// let lines = nats::read(messages)
///     .acknowledge_taken(|message| String::from_utf8_lossy(&message.payload).into_owned());
/// let lines: StreamReader<String> = StreamReader::new(&mut store, lines)?; // for a guest
/// # let _ = lines;
/// # Ok(())
/// # }
/// ```
pub fn read<S, E>(messages: S) -> ItemProducer<Read<S>>
where
    S: Stream<Item = Result<Message, E>> + Unpin + Send + 'static,
    E: Send + 'static,
{
    let messages = Some(messages);
    ItemProducer::new(Read {
        messages,
        last: None,
        end: EndReason::Abandoned,
        over: false,
        give_back,
    })
}

impl<S, E> ItemProducer<Read<S>>
where
    S: Stream<Item = Result<Message, E>> + Unpin + Send + 'static,
    E: Send + 'static,
{
    /// Takes the end of `messages` for the end of the data: for those of
    /// [`fetch`](async_nats::jetstream::consumer::Consumer::fetch), or for a stream of yours that ends.
    pub fn finite(mut self) -> Self {
        self.get_mut().end = EndReason::Finished;
        self
    }

    /// Acknowledges each message once the guest has it. `item` makes the guest's item of a message.
    ///
    /// A guest has an item when its read has completed, not before: one that traps while it is given an item does not have
    /// it, and the message is delivered again. If the store is dropped right after a read, without running on, the messages
    /// of that read may be delivered again, too. What the guest does with an item later does not matter.
    ///
    /// Drop the store after a trap, as Wasmtime advises: one that is run again may acknowledge the messages of the read that
    /// trapped.
    ///
    /// A stream that is piped to the host without a guest counts a whole [batch](ItemProducer::batch) as taken.
    pub fn acknowledge_taken<W, F>(self, item: F) -> ItemProducer<Read<S>, Taken<F>>
    where
        F: FnMut(Message) -> W + Send + 'static,
    {
        self.deliver_by(Taken::new(item))
    }

    /// Puts the acknowledgement of each message into `acks`, in order, when the guest is given the item.
    /// [`acknowledge_stored`](crate::ItemConsumer::acknowledge_stored) of the sink for the guest's results takes them out.
    pub fn acknowledge_later<W, F>(self, acks: Acks, item: F) -> ItemProducer<Read<S>, Later<F>>
    where
        F: FnMut(Message) -> W + Send + 'static,
    {
        self.deliver_by(Later { item, acks })
    }
}

/// The source of [`read`].
///
/// Dropped, it gives the messages back that the client has buffered.
pub struct Read<S> {
    /// `Some` until it is taken out or dropped.
    messages: Option<S>,
    /// The last message that came, without its payload and headers.
    last: Option<Message>,
    end: EndReason,
    /// `messages` has ended or failed, and is polled no more.
    over: bool,
    /// Captured where the bounds of `S` are known.
    give_back: fn(S, Option<Message>),
}

impl<S> Read<S> {
    /// The messages, and those that the client has buffered with them.
    pub fn into_inner(mut self) -> S {
        match self.messages.take() {
            Some(messages) => messages,
            None => unreachable!("`into_inner` consumes the source"),
        }
    }
}

impl<S> Drop for Read<S> {
    fn drop(&mut self) {
        if let Some(messages) = self.messages.take()
            && !self.over
        {
            (self.give_back)(messages, self.last.take());
        }
    }
}

impl<S> fmt::Debug for Read<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Read").field("end", &self.end).finish_non_exhaustive()
    }
}

/// Gives back what the client has buffered.
fn give_back<S, E>(messages: S, last: Option<Message>)
where
    S: Stream<Item = Result<Message, E>> + Unpin + Send + 'static,
    E: Send + 'static,
{
    let Ok(runtime) = Handle::try_current() else {
        return drop_held(messages);
    };
    runtime.spawn(async move {
        if let Some(last) = &last
            && let Ok(info) = last.info()
        {
            // The server answers after the messages that are on their way, so they are buffered by then. What it answers
            // does not matter.
            let answer =
                last.context.get_consumer_from_stream::<Config, _, _>(info.consumer, info.stream);
            let _ = answer.await;
        }
        drop_held(messages);
    });

    fn drop_held<S: TryStream<Ok = Message> + Unpin>(mut messages: S) {
        let cx = &mut Context::from_waker(Waker::noop());
        let mut held = Vec::new();
        while held.len() < MOST_HELD
            && let Poll::Ready(Some(Ok(message))) = messages.try_poll_next_unpin(cx)
        {
            held.push(Delivery::from(message));
        }
        // Before they go back, so that none comes here again.
        drop(messages);
        for delivery in held {
            delivery.ack.nak(Duration::ZERO);
        }
    }
}

/// What says where a message came from.
fn without_payload(message: &Message) -> Message {
    let empty = async_nats::Message {
        subject: message.subject.clone(),
        reply: message.reply.clone(),
        payload: Bytes::new(),
        headers: None,
        status: None,
        description: None,
        length: 0,
    };
    Message { message: empty, context: message.context.clone() }
}

impl<S, E> ItemSource for Read<S>
where
    S: Stream<Item = Result<Message, E>> + Unpin + Send + 'static,
    E: Send + 'static,
{
    type Item = Delivery;
    type Error = E;

    fn poll_items(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        max: usize,
        out: &mut Vec<Delivery>,
    ) -> Poll<Result<Then, E>> {
        let this = self.get_mut();
        let Some(messages) = &mut this.messages else {
            return Poll::Ready(Ok(Then::End(this.end)));
        };
        for _ in 0..max {
            match messages.try_poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(message))) => {
                    this.last = Some(without_payload(&message));
                    out.push(message.into());
                }
                Poll::Ready(Some(Err(error))) => {
                    this.over = true;
                    return Poll::Ready(Err(error));
                }
                Poll::Ready(None) => {
                    this.over = true;
                    return Poll::Ready(Ok(Then::End(this.end)));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
        // Rule "The end goes with the last items".
        let over = this.end == EndReason::Finished && messages.size_hint() == (0, Some(0));
        Poll::Ready(Ok(if over { Then::End(this.end) } else { Then::More }))
    }

    // Messages go back when this is dropped: the host may take them out first.
    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}
