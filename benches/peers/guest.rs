//! The guest of all rows: reads a stream to its end, writes one, copies one to another, or keeps many open.

use std::marker::PhantomData;
use std::time::{Duration, Instant};

use futures::channel::oneshot;
use futures::executor::block_on;
use wasmtime::component::{
    Accessor, Component, Lift, Linker, Lower, StreamConsumer, StreamProducer, StreamReader,
    TypedFunc,
};
use wasmtime::error::Context as _;
use wasmtime::{Engine, Result, Store, ensure};

/// The items of a guest's streams.
pub(crate) trait Item: Lift + Lower + Send + Sync + 'static {
    /// The type in WIT.
    const NAME: &'static str;
    /// Code with which the guest fills its buffer with items.
    const FILL: &'static str = "";
}

impl Item for u8 {
    const NAME: &'static str = "u8";
}

impl Item for u32 {
    const NAME: &'static str = "u32";
}

/// A record with a string.
pub(crate) type Record = (u32, String);

impl Item for Record {
    const NAME: &'static str = "(tuple u32 string)";
    const FILL: &'static str = "(call $fill (local.get $per-op))";
}

/// How much moves in a run, in bytes or items.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    /// The length of the guest's operations.
    pub(crate) per_op: u32,
    pub(crate) total: u64,
}

impl Load {
    pub(crate) fn ops(ops: u64, per_op: u32) -> Self {
        Self { per_op, total: ops * u64::from(per_op) }
    }

    /// A small run that touches the guest's memory first, so that no measured run maps its pages.
    fn warm_up(self) -> Self {
        Self { total: self.total.min(u64::from(self.per_op)), ..self }
    }
}

/// The compiled component for streams of `T`.
#[derive(Clone)]
pub(crate) struct Guest<T> {
    component: Component,
    items: PhantomData<fn() -> T>,
}

impl<T: Item> Guest<T> {
    pub(crate) fn new(engine: &Engine) -> Result<Self> {
        let text = include_str!("guest.wat").replace("ITEM", T::NAME).replace("FILL", T::FILL);
        Ok(Self { component: Component::new(engine, text)?, items: PhantomData })
    }

    /// An instance in its own store.
    pub(crate) fn instance(&self) -> Result<Instance<T>> {
        let mut store = Store::new(self.component.engine(), ());
        let linker = Linker::new(self.component.engine());
        let instance = block_on(linker.instantiate_async(&mut store, &self.component))?;
        Ok(Instance {
            read: instance.get_typed_func(&mut store, "read")?,
            write: instance.get_typed_func(&mut store, "write")?,
            instance,
            store,
        })
    }

    /// Times a guest that reads a producer to its end. `producer` makes one of a given length.
    pub(crate) fn read<P>(&self, load: Load, producer: impl Fn(u64) -> P) -> Result<Duration>
    where
        P: StreamProducer<(), Item = T>,
    {
        let mut instance = self.instance()?;
        let warm = load.warm_up();
        block_on(instance.read(warm, producer(warm.total)))?;
        let producer = producer(load.total);
        let start = Instant::now();
        block_on(instance.read(load, producer))?;
        Ok(start.elapsed())
    }

    /// Times a guest that writes to a consumer. `consumer` makes one, with a receiver for the count at its end.
    pub(crate) fn write<C>(
        &self,
        load: Load,
        consumer: impl Fn() -> (C, oneshot::Receiver<u64>),
    ) -> Result<Duration>
    where
        C: StreamConsumer<(), Item = T>,
    {
        let mut instance = self.instance()?;
        block_on(instance.write(load.warm_up(), consumer()))?;
        let consumer = consumer();
        let start = Instant::now();
        block_on(instance.write(load, consumer))?;
        Ok(start.elapsed())
    }
}

/// An instance in its own store.
pub(crate) struct Instance<T: 'static> {
    pub(crate) store: Store<()>,
    pub(crate) instance: wasmtime::component::Instance,
    pub(crate) read: TypedFunc<(StreamReader<T>, u32), (u64,)>,
    pub(crate) write: TypedFunc<(u32, u64), (StreamReader<T>,)>,
}

impl<T: Item> Instance<T> {
    /// The guest reads the producer to its end.
    pub(crate) async fn read<P>(&mut self, load: Load, from: P) -> Result<()>
    where
        P: StreamProducer<(), Item = T>,
    {
        let stream = StreamReader::new(&mut self.store, from)?;
        self.read_stream(load, stream).await
    }

    pub(crate) async fn read_stream(&mut self, load: Load, stream: StreamReader<T>) -> Result<()> {
        let read = self.read;
        let count = self
            .store
            .run_concurrent(async |store| read.call_concurrent(store, (stream, load.per_op)).await)
            .await??;
        ensure!(count == (load.total,), "the guest got {count:?}, not {}", load.total);
        Ok(())
    }

    /// The guest writes a stream, which `into` consumes and returns how much arrived.
    pub(crate) async fn write_to(
        &mut self,
        load: Load,
        into: impl AsyncFnOnce(&Accessor<()>, StreamReader<T>) -> Result<u64>,
    ) -> Result<()> {
        let write = self.write;
        let count = self
            .store
            .run_concurrent(async |store| {
                let (stream,) = write.call_concurrent(store, (load.per_op, load.total)).await?;
                into(store, stream).await
            })
            .await??;
        ensure!(count == load.total, "the host got {count}, not {}", load.total);
        Ok(())
    }

    /// The guest writes to a consumer.
    pub(crate) async fn write<C>(
        &mut self,
        load: Load,
        (into, count): (C, oneshot::Receiver<u64>),
    ) -> Result<()>
    where
        C: StreamConsumer<(), Item = T>,
    {
        self.write_to(load, async |store, stream| {
            store.with(|store| stream.pipe(store, into))?;
            count.await.context("the consumer is gone without a count")
        })
        .await
    }
}
