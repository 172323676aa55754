use std::fmt;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context as TaskContext, Poll, ready};

use ::tokio::runtime::Handle;
use ::tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use ::tokio::task::JoinHandle;
use async_nats::jetstream::context::{Context, PublishError, PublishErrorKind};
use async_nats::jetstream::message::OutboundMessage;
use async_nats::jetstream::publish::PublishAck;
use tokio_util::sync::PollSemaphore;

use super::acks::Acks;
use super::publishing::{Queue, Stored, publish_all};
use crate::{End, EndReason, Flush, ItemConsumer, ItemSink, Take};

/// Messages that wait for the server's acknowledgement, by default.
const IN_FLIGHT: usize = 64;

/// Publishes the items of a guest's `stream<T>` to JetStream, and waits for the server's acknowledgement of each.
///
/// The inverse is [`read`](crate::nats::read()). `message` makes a message of an item: its subject, payload and headers, and
/// with [`message_id`](async_nats::jetstream::message::PublishMessage::message_id) the id by which the server drops what is
/// published twice. A task of tokio's publishes the messages, in order, and waits for the acknowledgements, also while the
/// guest does not write.
///
/// # Partial writes
/// The adapter takes an item only when fewer than [`in_flight`](ItemConsumer::in_flight) messages wait for their
/// acknowledgement; otherwise the guest's write waits.
///
/// # Cancellation
/// A cancelled write returns at once. Items that were taken are published.
///
/// # Zero-length operations
/// A zero-length write waits until there is room for a message.
///
/// # Errors
/// The first message that is not stored ends the stream: the error is that of its publication or acknowledgement, and
/// [`Publish::stored`] says how many before it were stored. Of those after it, which were on their way, it is not known:
/// with message ids they can be published again. If the runtime is shut down, or the closure of
/// [`on_stored`](ItemConsumer::on_stored) panics, the end is [`Abandoned`](EndReason::Abandoned).
///
/// # Drop
/// A [completion](crate::Completion) resolves once all messages are acknowledged. Without one, and after a cut, the messages
/// that were taken are still published, and nobody learns of an error. JetStream has no end of a stream: whoever reads the
/// messages cannot tell a cut.
///
/// A guest's write completes when its items are taken. With [`Flush::EachOp`] it completes when they are stored.
///
/// ```no_run
/// # use wasmtime_streams::nats;
/// # use wasmtime::{Store, component::StreamReader};
/// use async_nats::jetstream::{context::Context, message::PublishMessage};
///
/// # async fn example(mut store: Store<()>, lines: StreamReader<String>, nats: Context) -> wasmtime::Result<()> {
/// // `lines` is a guest's.
/// let (sink, stored) = nats::publish(nats, |line: String| {
///     PublishMessage::build().payload(line.into()).outbound_message("lines")
/// })
/// .in_flight(100)
/// .with_completion();
/// lines.pipe(&mut store, sink)?;
/// let stored = store.run_concurrent(async |_| stored.await).await?;
/// println!("{} lines are stored", stored.inner.stored());
/// stored.end.into_result()?; // all of them
/// # Ok(())
/// # }
/// ```
pub fn publish<T, F>(context: Context, message: F) -> ItemConsumer<Publish<T>>
where
    T: Send + 'static,
    F: FnMut(T) -> OutboundMessage + Send + 'static,
{
    let sink = Publish {
        message: Box::new(message),
        in_flight: IN_FLIGHT,
        stored: Arc::default(),
        runtime: Handle::try_current().ok(),
        state: State::New(context, Box::new(|_| {})),
    };
    // Else nothing more is published until the guest's items are stored.
    ItemConsumer::new(sink).flush(Flush::OnClose)
}

impl<T: Send + 'static> ItemConsumer<Publish<T>> {
    /// Sets how many messages may wait for their acknowledgement: 64 by default; 0 counts as 1.
    pub fn in_flight(mut self, messages: usize) -> Self {
        self.get_mut().in_flight = messages.clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        self
    }

    /// Calls `stored` for each message that the server has stored, in order.
    pub fn on_stored(mut self, mut stored: impl FnMut(&PublishAck) + Send + 'static) -> Self {
        if let State::New(_, on_stored) = &mut self.get_mut().state {
            let mut before = std::mem::replace(on_stored, Box::new(|_| {}));
            *on_stored = Box::new(move |ack| {
                before(ack);
                stored(ack);
            });
        }
        self
    }

    /// Acknowledges a message of [`acknowledge_later`](crate::ItemProducer::acknowledge_later) for each item that is stored,
    /// the oldest first: for a guest that writes one item for each message that it reads, in order.
    pub fn acknowledge_stored(self, acks: Acks) -> Self {
        self.on_stored(move |_| {
            if let Some(ack) = acks.pop() {
                ack.ack();
            }
        })
    }
}

/// The sink of [`publish`].
pub struct Publish<T> {
    message: Box<dyn FnMut(T) -> OutboundMessage + Send>,
    in_flight: usize,
    stored: Arc<AtomicU64>,
    runtime: Option<Handle>,
    state: State,
}

enum State {
    /// Nothing was taken yet.
    New(Context, Stored),
    Publishing {
        /// Closed when the task has ended.
        room: PollSemaphore,
        /// It is never longer than there is room for.
        messages: mpsc::UnboundedSender<(OutboundMessage, OwnedSemaphorePermit)>,
        task: JoinHandle<Result<(), PublishError>>,
    },
    Closing(JoinHandle<Result<(), PublishError>>),
    Closed,
}

impl<T> Publish<T> {
    /// How many messages the server has stored: so many of the first items are safe.
    pub fn stored(&self) -> u64 {
        self.stored.load(Ordering::Acquire)
    }

    /// Starts the task with the first item.
    fn start(&mut self) -> Result<(), End<PublishError>> {
        if !matches!(self.state, State::New(..)) {
            return Ok(());
        }
        let Some(runtime) = Handle::try_current().ok().or(self.runtime.take()) else {
            let error = PublishError::with_source(PublishErrorKind::Other, "no tokio runtime");
            return Err(End::Failed(error));
        };
        if let State::New(context, on_stored) = std::mem::replace(&mut self.state, State::Closed) {
            let room = Arc::new(Semaphore::new(self.in_flight));
            let (messages, queue) = mpsc::unbounded_channel();
            let queue = Queue::new(room.clone(), queue);
            let stored = self.stored.clone();
            let task = publish_all(context, queue, self.in_flight, stored, on_stored);
            let task = runtime.spawn(task);
            self.state = State::Publishing { room: PollSemaphore::new(room), messages, task };
        }
        Ok(())
    }

    /// Waits for room for `count` messages.
    fn poll_room(
        &mut self,
        cx: &mut TaskContext<'_>,
        count: usize,
    ) -> Poll<Result<OwnedSemaphorePermit, End<PublishError>>> {
        self.start()?;
        if let State::Publishing { room, .. } = &mut self.state {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            if let Some(room) = ready!(room.poll_acquire_many(cx, count)) {
                return Poll::Ready(Ok(room));
            }
        }
        // Closed, so the task has ended.
        let outcome = ready!(self.poll_outcome(cx));
        Poll::Ready(Err(outcome.err().unwrap_or(End::ReceiverDropped)))
    }

    /// Waits for the end of the task.
    fn poll_outcome(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), End<PublishError>>> {
        if let State::Publishing { .. } = self.state
            && let State::Publishing { task, .. } =
                std::mem::replace(&mut self.state, State::Closed)
        {
            self.state = State::Closing(task);
        }
        let State::Closing(task) = &mut self.state else { return Poll::Ready(Ok(())) };
        let outcome = ready!(Pin::new(task).poll(cx));
        self.state = State::Closed;
        Poll::Ready(match outcome {
            Ok(outcome) => outcome.map_err(End::Failed),
            // The runtime is shut down, or a closure of the host panicked.
            Err(_) => Err(End::Abandoned),
        })
    }
}

impl<T> fmt::Debug for Publish<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publish")
            .field("in_flight", &self.in_flight)
            .field("stored", &self.stored())
            .finish_non_exhaustive()
    }
}

impl<T: Send + 'static> ItemSink for Publish<T> {
    type Item = T;
    type Error = PublishError;

    fn poll_accept(
        self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        items: &mut dyn Take<T>,
    ) -> Poll<Result<(), End<PublishError>>> {
        let this = self.get_mut();
        while items.remaining() > 0 {
            let room = match this.poll_room(cx, 1) {
                Poll::Ready(room) => room?,
                Poll::Pending if items.taken() > 0 => break,
                Poll::Pending => return Poll::Pending,
            };
            if let Some(item) = items.take_one()
                && let State::Publishing { messages, .. } = &this.state
            {
                // An error means that the task has failed: the next operation gets that.
                let _ = messages.send(((this.message)(item), room));
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_writable(
        self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
    ) -> Option<Poll<Result<(), End<PublishError>>>> {
        Some(self.get_mut().poll_room(cx, 1).map_ok(drop))
    }

    fn poll_flush(
        self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Result<(), End<PublishError>>> {
        let this = self.get_mut();
        match this.state {
            // There is room for all when none waits for its acknowledgement.
            State::Publishing { .. } => this.poll_room(cx, this.in_flight).map_ok(drop),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn poll_close(
        self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Result<(), End<PublishError>>> {
        let this = self.get_mut();
        if let State::Publishing { .. } = this.state
            && this.poll_room(cx, this.in_flight)?.is_ready()
        {
            // All are acknowledged, so the task has nothing more to do.
            this.state = State::Closed;
        }
        this.poll_outcome(cx)
    }

    // The task goes on until it has published what was taken.
    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}
