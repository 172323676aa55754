//! A guest at one end of a tokio channel, and a task of the same thread at the other.

use std::time::{Duration, Instant};

use futures::{Stream, stream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{self, Receiver, Sender};
use wasmtime::component::{StreamConsumer, StreamProducer};
use wasmtime::{Engine, Result};

use crate::guest::{Guest, Load};

const CAPACITY: usize = 1024;
/// The batch of the task at the channel's other end, the same for both sides of a row.
const BATCH: usize = 256;

/// The channel as a stream.
pub(crate) fn items(mut receiver: Receiver<u32>) -> impl Stream<Item = u32> + Unpin + Send {
    stream::poll_fn(move |cx| receiver.poll_recv(cx))
}

/// Sends in batches, as many items as there is room for.
async fn send_all(sender: Sender<u32>, items: u64) {
    let mut sent = 0;
    while sent < items {
        let room = sender.capacity().clamp(1, BATCH).min((items - sent) as usize);
        let Ok(permits) = sender.reserve_many(room).await else { break };
        for permit in permits {
            permit.send(sent as u32);
            sent += 1;
        }
    }
}

/// Receives in batches, as many items as there are.
async fn receive_all(mut receiver: Receiver<u32>) -> u64 {
    let (mut batch, mut count) = (Vec::with_capacity(BATCH), 0);
    loop {
        match receiver.recv_many(&mut batch, BATCH).await {
            0 => return count,
            n => count += n as u64,
        }
        batch.clear();
    }
}

pub(crate) struct ChannelSide {
    runtime: Runtime,
    guest: Guest<u32>,
    per_op: u32,
}

impl ChannelSide {
    pub(crate) fn new(engine: &Engine, per_op: u32) -> Result<Self> {
        let runtime = Builder::new_current_thread().build()?;
        Ok(Self { runtime, guest: Guest::new(engine)?, per_op })
    }

    /// The guest reads what the task sends.
    pub(crate) fn read<P>(
        &self,
        items: u64,
        producer: impl FnOnce(Receiver<u32>) -> P,
    ) -> Result<Duration>
    where
        P: StreamProducer<(), Item = u32>,
    {
        let load = Load { per_op: self.per_op, total: items };
        let mut instance = self.guest.instance()?;
        self.runtime.block_on(async {
            let (sender, receiver) = mpsc::channel(CAPACITY);
            let producer = producer(receiver);
            let start = Instant::now();
            let sends = tokio::spawn(send_all(sender, items));
            instance.read(load, producer).await?;
            sends.await?;
            Ok(start.elapsed())
        })
    }

    /// The guest writes what the task receives.
    pub(crate) fn write<C>(
        &self,
        items: u64,
        consumer: impl FnOnce(Sender<u32>) -> C,
    ) -> Result<Duration>
    where
        C: StreamConsumer<(), Item = u32>,
    {
        let load = Load { per_op: self.per_op, total: items };
        let mut instance = self.guest.instance()?;
        self.runtime.block_on(async {
            let (sender, receiver) = mpsc::channel(CAPACITY);
            let consumer = consumer(sender);
            let start = Instant::now();
            let receives = tokio::spawn(receive_all(receiver));
            let written = instance.write_to(load, async |store, stream| {
                store.with(|store| stream.pipe(store, consumer))?;
                Ok(receives.await?)
            });
            written.await?;
            Ok(start.elapsed())
        })
    }

    /// The cost of the channel itself: two tasks, no guest.
    pub(crate) fn plain(&self, items: u64) -> Result<Duration> {
        self.runtime.block_on(async {
            let (sender, receiver) = mpsc::channel(CAPACITY);
            let start = Instant::now();
            let sends = tokio::spawn(send_all(sender, items));
            receive_all(receiver).await;
            sends.await?;
            Ok(start.elapsed())
        })
    }
}
