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

/// Publishes the messages in order, each with its permit, and waits for up to `in_flight` acknowledgements at a time.
///
/// # Errors
///
/// The first error, in order. Then `room` is closed.
pub(super) async fn publish_all(
    context: Context,
    messages: Queue,
    room: Arc<Semaphore>,
    in_flight: usize,
    stored: Arc<AtomicU64>,
    mut on_stored: Stored,
) -> Result<(), PublishError> {
    let sent = stream::unfold((context, messages), send);
    let mut acknowledged = pin!(sent.buffered(in_flight));
    while let Some((ack, room_for_one)) = acknowledged.next().await {
        match ack {
            Ok(ack) => {
                stored.fetch_add(1, Ordering::Release);
                on_stored(&ack);
            }
            Err(error) => {
                room.close();
                return Err(error);
            }
        }
        drop(room_for_one);
    }
    Ok(())
}

type Queue = UnboundedReceiver<(OutboundMessage, OwnedSemaphorePermit)>;
type Acknowledged = BoxFuture<'static, (Result<PublishAck, PublishError>, OwnedSemaphorePermit)>;

/// Sends the next message. The one after it is sent when this one is with the client, which keeps them in order.
async fn send(
    (context, mut messages): (Context, Queue),
) -> Option<(Acknowledged, (Context, Queue))> {
    let (message, room) = messages.recv().await?;
    let sent = context.publish_message(message).await;
    let acknowledged = async move {
        match sent {
            Ok(ack) => (ack.await, room),
            Err(error) => (Err(error), room),
        }
    };
    Some((acknowledged.boxed(), (context, messages)))
}
