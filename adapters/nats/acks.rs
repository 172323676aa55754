use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_nats::jetstream::Message;
use wasmtime::{Result, StoreContextMut};

use super::ack::{Ack, Delivery};
use crate::items::Deliver;

/// The acknowledgements of the messages that a guest has and that are not done yet, in order.
///
/// For [`acknowledge_later`](crate::ItemProducer::acknowledge_later) and
/// [`acknowledge_stored`](crate::ItemConsumer::acknowledge_stored). A clone is the same queue. With its last clone, one of
/// which each of the two streams has, the messages that are left are given back. It is never longer than the consumer's
/// `max_ack_pending`.
#[derive(Clone, Default)]
pub struct Acks(Arc<Mutex<VecDeque<Ack>>>);

impl Acks {
    /// An empty queue.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the acknowledgement of the newest message.
    pub fn push(&self, ack: Ack) {
        self.lock().push_back(ack);
    }

    /// The acknowledgement of the oldest message.
    pub fn pop(&self) -> Option<Ack> {
        self.lock().pop_front()
    }

    /// How many messages are not done yet.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether all messages are done.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Ack>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Acks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acks").field("len", &self.len()).finish()
    }
}

/// The [delivery step](Deliver) of [`acknowledge_later`](crate::ItemProducer::acknowledge_later).
pub struct Later<F> {
    pub(super) item: F,
    pub(super) acks: Acks,
}

impl<F> fmt::Debug for Later<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Later").field("acks", &self.acks).finish_non_exhaustive()
    }
}

impl<D, W, F> Deliver<D, Delivery> for Later<F>
where
    D: 'static,
    F: FnMut(Message) -> W + Send + 'static,
{
    type Wire = W;

    fn deliver(&mut self, _: StoreContextMut<'_, D>, delivery: Delivery) -> Result<W> {
        self.acks.push(delivery.ack);
        Ok((self.item)(delivery.message))
    }
}
