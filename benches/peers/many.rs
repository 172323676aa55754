//! A guest with many open streams, which runs an operation on each on request.

use futures::executor::block_on;
use wasmtime::component::{StreamConsumer, StreamProducer, StreamReader, TypedFunc};
use wasmtime::{Result, ensure};

use crate::guest::{Guest, Instance, Item};

pub(crate) struct Many<T: 'static> {
    guest: Instance<T>,
    keep: TypedFunc<(StreamReader<T>,), ()>,
    open: TypedFunc<(), (StreamReader<T>,)>,
    read_each: TypedFunc<(u32, u32), (u64,)>,
    write_each: TypedFunc<(u32, u32), (u64,)>,
    drop_readers: TypedFunc<(), ()>,
    open_now: u64,
}

impl<T: Item> Many<T> {
    pub(crate) fn new(guest: &Guest<T>) -> Result<Self> {
        let mut guest = guest.instance()?;
        let (instance, store) = (guest.instance, &mut guest.store);
        Ok(Self {
            keep: instance.get_typed_func(&mut *store, "keep")?,
            open: instance.get_typed_func(&mut *store, "open")?,
            read_each: instance.get_typed_func(&mut *store, "read-each")?,
            write_each: instance.get_typed_func(&mut *store, "write-each")?,
            drop_readers: instance.get_typed_func(&mut *store, "drop-readers")?,
            guest,
            open_now: 0,
        })
    }

    /// Opens one more stream to the guest.
    pub(crate) fn add_producer(&mut self, from: impl StreamProducer<(), Item = T>) -> Result<()> {
        let stream = StreamReader::new(&mut self.guest.store, from)?;
        block_on(self.keep.call_async(&mut self.guest.store, (stream,)))?;
        self.open_now += 1;
        Ok(())
    }

    /// Opens one more stream from the guest.
    pub(crate) fn add_consumer(&mut self, into: impl StreamConsumer<(), Item = T>) -> Result<()> {
        let (stream,) = block_on(self.open.call_async(&mut self.guest.store, ()))?;
        stream.pipe(&mut self.guest.store, into)?;
        self.open_now += 1;
        Ok(())
    }

    /// The guest reads `times` times from each stream, in turn.
    pub(crate) fn read_each(&mut self, per_op: u32, times: u32) -> Result<()> {
        let call = self.read_each.call_async(&mut self.guest.store, (per_op, times));
        let (count,) = block_on(call)?;
        ensure!(
            count == self.open_now * u64::from(per_op) * u64::from(times),
            "the guest got {count}"
        );
        Ok(())
    }

    /// The guest writes `times` times to each stream, in turn.
    pub(crate) fn write_each(&mut self, per_op: u32, times: u32) -> Result<()> {
        let call = self.write_each.call_async(&mut self.guest.store, (per_op, times));
        let (count,) = block_on(call)?;
        ensure!(
            count == self.open_now * u64::from(per_op) * u64::from(times),
            "the guest wrote {count}"
        );
        Ok(())
    }

    /// The guest drops its readable ends.
    pub(crate) fn drop_readers(&mut self) -> Result<()> {
        self.open_now = 0;
        block_on(self.drop_readers.call_async(&mut self.guest.store, ()))
    }
}
