//! The memory of many open streams: fresh, and idle after each has moved data.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures::{sink, stream};
use tokio::io;
use wasmtime::component::{
    Destination, Source, StreamConsumer, StreamProducer, StreamResult, VecBuffer,
};
use wasmtime::{AsContextMut as _, Result, StoreContextMut};
use wasmtime_streams as ours;
use wasmtime_streams::from_guest::{self, GuestReader};

use crate::Counts;
use crate::guest::{Guest, Item};
use crate::many::Many;
use crate::measure::Subject;

const STREAMS: usize = 10_000;
/// Bytes a stream.
const ALLOWED: f64 = 512.0;

/// The smallest producer and consumer of bytes: they hold nothing, and neither write nor inspect the bytes.
struct Bare;

impl StreamProducer<()> for Bare {
    type Item = u8;
    type Buffer = VecBuffer<u8>;

    fn poll_produce<'a>(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        store: StoreContextMut<'a, ()>,
        destination: Destination<'a, u8, VecBuffer<u8>>,
        _: bool,
    ) -> Poll<Result<StreamResult>> {
        let mut direct = destination.as_direct(store, 1);
        let n = direct.remaining().len();
        direct.mark_written(n);
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

/// The same for numbers.
struct BareItems;

impl StreamProducer<()> for BareItems {
    type Item = u32;
    type Buffer = VecBuffer<u32>;

    fn poll_produce<'a>(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        store: StoreContextMut<'a, ()>,
        mut destination: Destination<'a, u32, VecBuffer<u32>>,
        _: bool,
    ) -> Poll<Result<StreamResult>> {
        let wanted = destination.remaining(store).unwrap_or(1);
        destination.set_buffer(vec![0; wanted].into());
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

impl StreamConsumer<()> for Bare {
    type Item = u8;

    fn poll_consume(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        store: StoreContextMut<'_, ()>,
        source: Source<'_, u8>,
        _: bool,
    ) -> Poll<Result<StreamResult>> {
        let mut direct = source.as_direct(store);
        let n = direct.remaining().len();
        direct.mark_read(n);
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

impl StreamConsumer<()> for BareItems {
    type Item = u32;

    fn poll_consume(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut store: StoreContextMut<'_, ()>,
        mut source: Source<'_, u32>,
        _: bool,
    ) -> Poll<Result<StreamResult>> {
        let mut items = Vec::with_capacity(source.remaining(store.as_context_mut()));
        source.read(store, &mut items)?;
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

/// Which way the streams go.
#[derive(Clone, Copy)]
enum To {
    Guest,
    Host,
}

/// Live bytes a stream: fresh, and after an operation on each. `add` opens one more stream; what it returns is kept,
/// and counted too. `take` reads what has arrived there.
fn measure<T: Item, K>(
    guest: &Guest<T>,
    to: To,
    mut add: impl FnMut(&mut Many<T>) -> Result<K>,
    take: impl FnMut(&mut K),
) -> Result<[f64; 2]> {
    let mut many = Many::new(guest)?;
    let per_op = 256;
    // The first stream also makes one-time allocations.
    let first = add(&mut many)?;
    let live = || {
        let stats = crate::ALLOCATOR.stats();
        stats.bytes_allocated as f64 - stats.bytes_deallocated as f64
    };
    let before = live();
    let mut kept = Vec::with_capacity(STREAMS);
    for _ in 0..STREAMS {
        kept.push(add(&mut many)?);
    }
    let fresh = live();
    match to {
        To::Guest => many.read_each(per_op, 1)?,
        To::Host => many.write_each(per_op, 1)?,
    }
    kept.iter_mut().for_each(take);
    let moved = live();
    drop((first, kept));
    Ok([fresh, moved].map(|live| (live - before) / STREAMS as f64))
}

impl Counts {
    pub(crate) fn memory(&mut self) -> Result<()> {
        let guest = &Guest::<u8>::new(&self.engine)?;
        let own = measure(guest, To::Guest, |many| many.add_producer(Bare), |()| {})?;
        self.streams(
            "tokio_io::read",
            guest,
            To::Guest,
            own,
            |many| many.add_producer(ours::tokio_io::read(io::repeat(1))),
            |_| {},
        )?;
        self.streams(
            "tokio_io::read-completion",
            guest,
            To::Guest,
            own,
            |many| {
                let (producer, done) = ours::tokio_io::read(io::repeat(1)).with_completion();
                many.add_producer(producer).map(|()| done)
            },
            |_| {},
        )?;
        let own = measure(guest, To::Host, |many| many.add_consumer(Bare), |()| {})?;
        self.streams(
            "tokio_io::write",
            guest,
            To::Host,
            own,
            |many| many.add_consumer(ours::tokio_io::write(io::sink())),
            |_| {},
        )?;
        self.streams(
            "tokio_io::write-completion",
            guest,
            To::Host,
            own,
            |many| {
                let (consumer, done) = ours::tokio_io::write(io::sink()).with_completion();
                many.add_consumer(consumer).map(|()| done)
            },
            |_| {},
        )?;
        let read = |reader: &mut GuestReader| {
            let mut cx = Context::from_waker(Waker::noop());
            while reader.poll_read(&mut cx, &mut [0; 256]).is_ready() {}
        };
        self.streams(
            "from_guest::reader",
            guest,
            To::Host,
            own,
            |many| {
                let (consumer, reader) = from_guest::consumer(64 << 10);
                many.add_consumer(consumer).map(|()| reader)
            },
            read,
        )?;

        let guest = &Guest::<u32>::new(&self.engine)?;
        let own = measure(guest, To::Guest, |many| many.add_producer(BareItems), |()| {})?;
        self.streams(
            "streams::items",
            guest,
            To::Guest,
            own,
            |many| many.add_producer(ours::streams::items(stream::repeat(1))),
            |_| {},
        )?;
        self.streams(
            "streams::items-completion",
            guest,
            To::Guest,
            own,
            |many| {
                let (producer, done) = ours::streams::items(stream::repeat(1)).with_completion();
                many.add_producer(producer).map(|()| done)
            },
            |_| {},
        )?;
        let own = measure(guest, To::Host, |many| many.add_consumer(BareItems), |()| {})?;
        self.streams(
            "sinks::items",
            guest,
            To::Host,
            own,
            |many| many.add_consumer(ours::sinks::items(sink::drain())),
            |_| {},
        )?;
        self.streams(
            "sinks::items-completion",
            guest,
            To::Host,
            own,
            |many| {
                let (consumer, done) = ours::sinks::items(sink::drain()).with_completion();
                many.add_consumer(consumer).map(|()| done)
            },
            |_| {},
        )
    }

    fn streams<T: Item, K>(
        &mut self,
        name: &str,
        guest: &Guest<T>,
        to: To,
        own: [f64; 2],
        add: impl FnMut(&mut Many<T>) -> Result<K>,
        take: impl FnMut(&mut K),
    ) -> Result<()> {
        let subject = |when| {
            let subject = Subject::new(format!("memory-{name}-{when}"), "wasmtime", 1.0);
            subject.unit("stream").allow(ALLOWED)
        };
        if ![subject("fresh"), subject("moved")].iter().any(|s| s.is_one_of(&self.parts)) {
            return Ok(());
        }
        let [fresh, moved] = measure(guest, to, add, take)?;
        self.add(subject("fresh").counted("B", fresh, own[0]));
        self.add(subject("moved").counted("B", moved, own[1]));
        Ok(())
    }
}
