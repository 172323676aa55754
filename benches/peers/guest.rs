//! The guest of all rows: one component that reads a stream to its end, or writes one.

use std::marker::PhantomData;
use std::time::Instant;

use futures::channel::oneshot;
use futures::executor::block_on;
use wasmtime::component::{
    Component, Lift, Linker, Lower, StreamConsumer, StreamProducer, StreamReader, TypedFunc,
};
use wasmtime::error::Context as _;
use wasmtime::{Engine, Result, Store, ensure};

/// How much moves in a run, in bytes or items, and what the time is divided by.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) per_op: u32,
    pub(crate) total: u64,
    pub(crate) units: u64,
}

impl Load {
    fn nanos_a_unit(self, start: Instant) -> f64 {
        start.elapsed().as_nanos() as f64 / self.units as f64
    }
}

/// The compiled component for streams of `T`.
pub(crate) struct Guest<T> {
    component: Component,
    items: PhantomData<fn() -> T>,
}

impl<T: Lift + Lower + Send + Sync + 'static> Guest<T> {
    pub(crate) fn new(engine: &Engine) -> Result<Self> {
        let item = std::any::type_name::<T>();
        let component = Component::new(engine, include_str!("guest.wat").replace("ITEM", item))?;
        Ok(Self { component, items: PhantomData })
    }

    /// How long a guest takes to read all that a producer has, in nanoseconds a unit. `producer` makes one that has so
    /// much.
    pub(crate) fn read<P>(&self, load: Load, producer: impl Fn(u64) -> P) -> Result<f64>
    where
        P: StreamProducer<(), Item = T>,
    {
        let mut instance = Instance::new(&self.component)?;
        // Touches the guest's memory first: to map its pages is nobody's work here.
        instance.read(producer(load.per_op.into()), load.per_op)?;
        let start = Instant::now();
        let count = instance.read(producer(load.total), load.per_op)?;
        let time = load.nanos_a_unit(start);
        ensure!(count == load.total, "the guest got {count}: expected {}", load.total);
        Ok(time)
    }

    /// How long a guest takes to write everything into a consumer, in nanoseconds a unit. `consumer` makes one, and what
    /// says at its end how much arrived.
    pub(crate) fn write<C>(
        &self,
        load: Load,
        consumer: impl Fn() -> (C, oneshot::Receiver<u64>),
    ) -> Result<f64>
    where
        C: StreamConsumer<(), Item = T>,
    {
        let mut instance = Instance::new(&self.component)?;
        instance.write(consumer(), Load { total: load.per_op.into(), ..load })?;
        let start = Instant::now();
        let count = instance.write(consumer(), load)?;
        let time = load.nanos_a_unit(start);
        ensure!(count == load.total, "the consumer got {count}: expected {}", load.total);
        Ok(time)
    }
}

/// An instance in a store of its own.
struct Instance<T: 'static> {
    store: Store<()>,
    read: TypedFunc<(StreamReader<T>, u32), (u64,)>,
    write: TypedFunc<(u32, u64), (StreamReader<T>,)>,
}

impl<T: Lift + Lower + Send + Sync + 'static> Instance<T> {
    fn new(component: &Component) -> Result<Self> {
        let mut store = Store::new(component.engine(), ());
        let linker = Linker::new(component.engine());
        let instance = block_on(linker.instantiate_async(&mut store, component))?;
        let read = instance.get_typed_func(&mut store, "read")?;
        let write = instance.get_typed_func(&mut store, "write")?;
        Ok(Self { store, read, write })
    }

    fn read(&mut self, from: impl StreamProducer<(), Item = T>, per_op: u32) -> Result<u64> {
        let stream = StreamReader::new(&mut self.store, from)?;
        let (count,) = block_on(self.read.call_async(&mut self.store, (stream, per_op)))?;
        Ok(count)
    }

    fn write<C>(&mut self, (into, count): (C, oneshot::Receiver<u64>), load: Load) -> Result<u64>
    where
        C: StreamConsumer<(), Item = T>,
    {
        let write = self.write;
        block_on(self.store.run_concurrent(async |accessor| {
            let (stream,) = write.call_concurrent(accessor, (load.per_op, load.total)).await?;
            accessor.with(|store| stream.pipe(store, into))?;
            count.await.context("the consumer is gone without a count")
        }))?
    }
}
