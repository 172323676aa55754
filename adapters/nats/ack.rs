use std::fmt;
use std::future::Future;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use ::tokio::runtime::Handle;
use async_nats::Subject;
use async_nats::jetstream::context::Context;
use async_nats::jetstream::message::Acker;
use async_nats::jetstream::{AckKind, Message};

/// A message of [`read`](crate::nats::read()), and the acknowledgement that it waits for.
#[derive(Debug)]
pub struct Delivery {
    /// The message: its `payload`, `subject`, `headers`, and [`info`](Message::info), which says how often it was
    /// delivered.
    pub message: Message,
    /// Acknowledges the message. Dropped, it gives the message back.
    pub ack: Ack,
}

impl From<Message> for Delivery {
    fn from(message: Message) -> Self {
        let to = message.reply.clone().map(|reply| (message.context.clone(), reply));
        Self { ack: Ack { to }, message }
    }
}

/// After how long a message that was given back comes again. A worker that gives back what it has is most often about to stop
/// asking for messages, and what the server sends it meanwhile would be lost until `ack_wait` is over.
const AGAIN: Duration = Duration::from_secs(1);

/// Acknowledges a message.
///
/// Dropped, it gives the message back (`-NAK`), and the server delivers it again a second later, to whichever worker asks
/// next. The messages of a process that dies are delivered again after the consumer's `ack_wait`.
///
/// The methods that are not `async` only hand the answer to the client, which sends it. If the connection is lost before
/// that, the server delivers the message again.
#[must_use = "dropped, it gives the message back"]
pub struct Ack {
    /// `None` once it is answered.
    to: Option<(Context, Subject)>,
}

impl Ack {
    /// The message is done: the server delivers it no more.
    pub fn ack(self) {
        self.answer(AckKind::Ack);
    }

    /// The same, and waits until the server has confirmed it.
    ///
    /// # Errors
    ///
    /// The server did not answer in time, or the connection is closed. The message may be delivered again.
    pub async fn confirm(mut self) -> Result<(), async_nats::Error> {
        match self.to.take() {
            Some((context, reply)) => Acker::new(context, Some(reply)).double_ack().await,
            None => Ok(()),
        }
    }

    /// Gives the message back, to be delivered again after `delay`, to this worker or another one.
    pub fn nak(self, delay: Duration) {
        self.answer(AckKind::Nak(Some(delay)));
    }

    /// Gives up the message: the server delivers it no more, and counts it as not done.
    pub fn term(self) {
        self.answer(AckKind::Term);
    }

    /// Work goes on: the server begins `ack_wait` anew.
    pub fn progress(&self) {
        if let Some((context, reply)) = &self.to {
            send(context, reply.clone(), AckKind::Progress);
        }
    }

    fn answer(mut self, kind: AckKind) {
        if let Some((context, reply)) = self.to.take() {
            send(&context, reply, kind);
        }
    }
}

impl Drop for Ack {
    fn drop(&mut self) {
        if let Some((context, reply)) = self.to.take() {
            send(&context, reply, AckKind::Nak(Some(AGAIN)));
        }
    }
}

impl fmt::Debug for Ack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ack").field("to", &self.to.as_ref().map(|to| &to.1)).finish()
    }
}

/// Hands an answer to the client. Where its queue is full, a task waits for room.
fn send(context: &Context, reply: Subject, kind: AckKind) {
    let client = context.client();
    // An error means that the connection is closed: the server delivers the message again.
    let mut sent = Box::pin(async move {
        let _ = client.publish(reply, kind.into()).await;
    });
    if let Poll::Pending = sent.as_mut().poll(&mut TaskContext::from_waker(Waker::noop()))
        && let Ok(runtime) = Handle::try_current()
    {
        runtime.spawn(sent);
    }
}
