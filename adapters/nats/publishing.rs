//! The task that publishes the messages of a sink.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::futures::future::{BoxFuture, FutureExt as _};
use ::futures::stream::{self, StreamExt as _};
use ::tokio::sync::mpsc::UnboundedReceiver;
use ::tokio::sync::{OwnedSemaphorePermit, Semaphore};
use async_nats::jetstream::context::traits::Publisher as _;
use async_nats::jetstream::context::{Context, PublishError};
use async_nats::jetstream::message::OutboundMessage;
use async_nats::jetstream::publish::PublishAck;

/// What the host does for each message that is stored.
pub(super) type Stored = Box<dyn FnMut(&PublishAck) + Send>;

/// The messages of a sink, each with the room that it takes.
pub(super) struct Queue {
    // Dropped first: what the messages give back then is no room.
    room: ClosedWhenDropped,
    messages: UnboundedReceiver<(OutboundMessage, OwnedSemaphorePermit)>,
}

impl Queue {
    pub(super) fn new(
        room: Arc<Semaphore>,
        messages: UnboundedReceiver<(OutboundMessage, OwnedSemaphorePermit)>,
    ) -> Self {
        Self { room: ClosedWhenDropped(room), messages }
    }
}

/// However the task ends, whoever waits for room does not mistake that for messages that are stored.
struct ClosedWhenDropped(Arc<Semaphore>);

impl Drop for ClosedWhenDropped {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Publishes the messages in order, and waits for up to `in_flight` acknowledgements at a time. Each gives its room back.
///
/// # Errors
///
/// The first error, in order. Then the room is closed.
pub(super) async fn publish_all(
    context: Context,
    messages: Queue,
    in_flight: usize,
    stored: Arc<AtomicU64>,
    mut on_stored: Stored,
) -> Result<(), PublishError> {
    let room = messages.room.0.clone();
    let sent = stream::unfold((context, messages), send);
    let mut acknowledged = pin!(sent.buffered(in_flight));
    while let Some(ack) = acknowledged.next().await {
        let ack = ack?;
        stored.fetch_add(1, Ordering::Release);
        on_stored(&ack);
        room.add_permits(1);
    }
    Ok(())
}

type Acknowledged = BoxFuture<'static, Result<PublishAck, PublishError>>;

/// Sends the next message. The one after it is sent when this one is with the client, which keeps them in order.
async fn send((context, mut queue): (Context, Queue)) -> Option<(Acknowledged, (Context, Queue))> {
    let (message, room) = queue.messages.recv().await?;
    // `publish_all` gives it back, unless it ends before.
    room.forget();
    let sent = context.publish_message(message).await;
    let acknowledged = async move { sent?.await };
    Some((acknowledged.boxed(), (context, queue)))
}
