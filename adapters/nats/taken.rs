use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use async_nats::jetstream::Message;
use wasmtime::component::Accessor;
use wasmtime::{Result, StoreContextMut};

use super::ack::{Ack, Delivery};
use crate::items::Deliver;

/// The [delivery step](Deliver) of [`acknowledge_taken`](crate::ItemProducer::acknowledge_taken).
///
/// A step runs before Wasmtime puts the items into the guest's memory, and that may call the guest, which may trap. So the
/// messages of a read are acknowledged when one of these shows that the read has completed:
///
/// 1. Wasmtime asks for more: it does so only when the guest has what it got before;
/// 2. the store runs on: a task that it was given before the items runs after them;
/// 3. Wasmtime drops the stream in a store that lives: the guest or the host has dropped its end.
///
/// A store that is dropped drops its tasks first, and they give the messages back.
pub struct Taken<F> {
    item: F,
    /// The messages of the last read, unless they are answered.
    last: Arc<Unanswered>,
}

impl<F> Taken<F> {
    pub(super) fn new(item: F) -> Self {
        Self { item, last: Arc::default() }
    }
}

impl<F> fmt::Debug for Taken<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Taken").finish_non_exhaustive()
    }
}

impl<F> Drop for Taken<F> {
    fn drop(&mut self) {
        self.last.acknowledge();
    }
}

impl<D, W, F> Deliver<D, Delivery> for Taken<F>
where
    D: 'static,
    F: FnMut(Message) -> W + Send + 'static,
{
    type Wire = W;

    fn deliver(&mut self, store: StoreContextMut<'_, D>, delivery: Delivery) -> Result<W> {
        let item = (self.item)(delivery.message);
        self.watch(store, vec![delivery.ack])?;
        Ok(item)
    }

    fn deliver_all(
        &mut self,
        store: StoreContextMut<'_, D>,
        deliveries: Vec<Delivery>,
        out: &mut Vec<W>,
    ) -> Result<()> {
        let mut acks = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            out.push((self.item)(delivery.message));
            acks.push(delivery.ack);
        }
        self.watch(store, acks)
    }
}

impl<F> Taken<F> {
    /// Acknowledges the messages when the read that gets them has completed.
    fn watch<D: 'static>(&mut self, store: StoreContextMut<'_, D>, acks: Vec<Ack>) -> Result<()> {
        self.last.acknowledge();
        self.last = Arc::new(Unanswered(Mutex::new(acks)));
        after_delivery(store, Waiting(self.last.clone()))
    }
}

/// The messages of a read.
#[derive(Default)]
struct Unanswered(Mutex<Vec<Ack>>);

impl Unanswered {
    fn take(&self) -> Vec<Ack> {
        mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn acknowledge(&self) {
        for ack in self.take() {
            ack.ack();
        }
    }
}

/// Gives the messages back if the task that has it never runs.
struct Waiting(Arc<Unanswered>);

impl Drop for Waiting {
    fn drop(&mut self) {
        drop(self.0.take());
    }
}

// `after_delivery`, which starts two tasks of the store. Wasmtime runs what it is told to do in order: the first task, the
// delivery of the items to the guest, and the second task, which the first one starts. What a task is differs between
// Wasmtime's majors, which are this crate's: there is a file for each.
include!(concat!("after_delivery/", env!("CARGO_PKG_VERSION_MAJOR"), ".rs"));
