//! Hand-overs out of the store: guest output that another task reads, and a relay to a second store, on one thread and
//! two.

use std::time::{Duration, Instant};

use futures::channel::oneshot;
use futures::executor::block_on;
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, DuplexStream, duplex,
};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{LocalSet, spawn_local};
use wasmtime::component::{Access, StreamReader};
use wasmtime::{Engine, Result};
use wasmtime_streams::from_guest::{self, GuestReader};
use wasmtime_streams::relay;

use crate::by_hand::{DirectRead, DirectWrite, queue};
use crate::guest::{Guest, Instance, Load};
use crate::host::{Block, Reader, Writer};

const CAPACITY: usize = 256 << 10;

pub(crate) fn lifted(store: Access<'_, ()>, stream: StreamReader<u8>) -> Result<GuestReader> {
    from_guest::reader(store, stream, CAPACITY)
}

pub(crate) fn through_duplex(
    store: Access<'_, ()>,
    stream: StreamReader<u8>,
) -> Result<DuplexStream> {
    let (here, there) = duplex(CAPACITY);
    stream.pipe(store, DirectWrite::new(here))?;
    Ok(there)
}

pub(crate) fn relayed(
    from: &mut Instance<u8>,
    stream: StreamReader<u8>,
    to: &mut Instance<u8>,
) -> Result<StreamReader<u8>> {
    Ok(relay::bytes(&mut from.store, stream, &mut to.store, CAPACITY, |_| {})?.stream)
}

pub(crate) fn relayed_through_duplex(
    from: &mut Instance<u8>,
    stream: StreamReader<u8>,
    to: &mut Instance<u8>,
) -> Result<StreamReader<u8>> {
    let (here, there) = duplex(CAPACITY);
    stream.pipe(&mut from.store, DirectWrite::new(here))?;
    StreamReader::new(&mut to.store, DirectRead(there))
}

pub(crate) fn relayed_through_queue(
    from: &mut Instance<u8>,
    stream: StreamReader<u8>,
    to: &mut Instance<u8>,
) -> Result<StreamReader<u8>> {
    let (writer, reader) = queue(4, CAPACITY / 4);
    stream.pipe(&mut from.store, writer)?;
    StreamReader::new(&mut to.store, reader)
}

/// Reads to the end into a buffer of 64 KiB.
async fn drain(mut reader: impl AsyncRead + Unpin) -> Result<u64> {
    let mut buffer = Block::new(CAPACITY / 4);
    let mut count = 0;
    loop {
        match reader.read(&mut buffer).await? {
            0 => return Ok(count),
            n => count += n as u64,
        }
    }
}

/// Reads to the end by `fill_buf`, without a copy.
async fn drain_by_fill_buf(mut reader: impl AsyncBufRead + Unpin) -> Result<u64> {
    let mut count = 0;
    loop {
        match reader.fill_buf().await?.len() {
            0 => return Ok(count),
            n => {
                reader.consume(n);
                count += n as u64;
            }
        }
    }
}

/// Connects a guest's stream to a host task.
pub(crate) type Connect<R> = fn(Access<'_, ()>, StreamReader<u8>) -> Result<R>;

/// Connects a guest's stream to a guest in another store.
pub(crate) type Relay =
    fn(&mut Instance<u8>, StreamReader<u8>, &mut Instance<u8>) -> Result<StreamReader<u8>>;

pub(crate) struct TaskSide {
    guest: Guest<u8>,
    per_op: u32,
    same_thread: Runtime,
    /// Has its own thread.
    other_thread: Runtime,
}

impl TaskSide {
    pub(crate) fn new(engine: &Engine, per_op: u32) -> Result<Self> {
        Ok(Self {
            guest: Guest::new(engine)?,
            per_op,
            same_thread: Builder::new_current_thread().build()?,
            other_thread: Builder::new_multi_thread().worker_threads(1).build()?,
        })
    }

    pub(crate) fn hop_out(&self, ops: u64) -> Result<Duration> {
        self.guest.write(Load::ops(ops, self.per_op), || {
            let (writer, count) = Writer::new(self.per_op);
            (DirectWrite::new(writer), count)
        })
    }

    pub(crate) fn hop_in(&self, ops: u64) -> Result<Duration> {
        self.guest.read(Load::ops(ops, self.per_op), |n| DirectRead(Reader::new(self.per_op, n)))
    }

    /// The reader is a task of the same thread, or of `spawner`'s.
    fn read<R, F>(
        &self,
        ops: u64,
        connect: Connect<R>,
        drain: fn(R) -> F,
        spawner: Option<&Runtime>,
    ) -> Result<Duration>
    where
        F: Future<Output = Result<u64>> + Send + 'static,
    {
        let mut instance = self.guest.instance()?;
        let spawner = spawner.unwrap_or(&self.same_thread).handle();
        let write = async |instance: &mut Instance<u8>, ops| {
            let written = instance.write_to(Load::ops(ops, self.per_op), async |store, stream| {
                let reader = store.with(|store| connect(store, stream))?;
                spawner.spawn(drain(reader)).await?
            });
            written.await
        };
        self.same_thread.block_on(async {
            write(&mut instance, 1).await?;
            let start = Instant::now();
            write(&mut instance, ops).await?;
            Ok(start.elapsed())
        })
    }

    pub(crate) fn read_same_thread<R>(&self, ops: u64, connect: Connect<R>) -> Result<Duration>
    where
        R: AsyncRead + Unpin + Send + 'static,
    {
        self.read(ops, connect, drain, None)
    }

    /// The same without the reader's copy.
    pub(crate) fn fill_buf_same_thread<R>(&self, ops: u64, connect: Connect<R>) -> Result<Duration>
    where
        R: AsyncBufRead + Unpin + Send + 'static,
    {
        self.read(ops, connect, drain_by_fill_buf, None)
    }

    pub(crate) fn read_other_thread<R>(&self, ops: u64, connect: Connect<R>) -> Result<Duration>
    where
        R: AsyncRead + Unpin + Send + 'static,
    {
        self.read(ops, connect, drain, Some(&self.other_thread))
    }

    /// Two connected guests, and the stream that the second reads.
    fn pair(
        &self,
        load: Load,
        relay: Relay,
    ) -> Result<(Instance<u8>, Instance<u8>, StreamReader<u8>)> {
        let (mut from, mut to) = (self.guest.instance()?, self.guest.instance()?);
        let warm = Load::ops(1, self.per_op);
        let (writer, count) = Writer::new(self.per_op);
        block_on(from.write(warm, (DirectWrite::new(writer), count)))?;
        block_on(to.read(warm, DirectRead(Reader::new(self.per_op, warm.total))))?;
        let call = from.write.call_async(&mut from.store, (load.per_op, load.total));
        let (stream,) = block_on(call)?;
        let stream = relay(&mut from, stream, &mut to)?;
        Ok((from, to, stream))
    }

    /// Each store is a task of the same thread.
    pub(crate) fn relay_same_thread(&self, ops: u64, relay: Relay) -> Result<Duration> {
        let load = Load::ops(ops, self.per_op);
        let (mut from, mut to, stream) = self.pair(load, relay)?;
        let (all_read, until_read) = oneshot::channel::<()>();
        let both = async {
            let start = Instant::now();
            let writes = spawn_local(async move {
                from.store.run_concurrent(async |_| _ = until_read.await).await
            });
            to.read_stream(load, stream).await?;
            let time = start.elapsed();
            drop(all_read);
            writes.await??;
            Ok(time)
        };
        LocalSet::new().block_on(&self.same_thread, both)
    }

    /// Each store has a thread of its own.
    pub(crate) fn relay_other_thread(&self, ops: u64, relay: Relay) -> Result<Duration> {
        let load = Load::ops(ops, self.per_op);
        let (mut from, mut to, stream) = self.pair(load, relay)?;
        let (all_read, until_read) = oneshot::channel::<()>();
        let start = Instant::now();
        let writes = std::thread::spawn(move || {
            block_on(from.store.run_concurrent(async |_| _ = until_read.await))
        });
        block_on(to.read_stream(load, stream))?;
        let time = start.elapsed();
        drop(all_read);
        writes.join().map_err(|_| wasmtime::Error::msg("the writing thread panicked"))??;
        Ok(time)
    }
}
