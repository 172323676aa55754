//! Rows: the adapters that need no feature.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::{Arc, Mutex};

use wasmtime::StoreContextMut;
use wasmtime::component::StreamConsumer;
use wasmtime_streams as ws;
use wasmtime_streams::{Completion, blocking::Job};
use wasmtime_streams_testing::{self as testing, BoxedCheck, Item, Made};

use super::{ITEMS, Kind, add, completed, names, records};

/// Checks a source of items that are always ready.
macro_rules! ready {
    ($items:expr, $make:expr) => {
        testing::producer($items, move || {
            let (producer, completion) = $make.with_completion();
            completed(Made::new(producer), completion)
        })
    };
}

fn failing() -> BoxedCheck {
    let items = || ITEMS.into_iter().map(Ok).chain([Err("scripted failure")]);
    ready!(ITEMS.to_vec(), ws::iterators::try_items(items())).fails().boxed()
}

/// Checks a sink whose items are known only when it is handed back.
fn collecting<C, S, V>(
    items: Vec<V>,
    bound: usize,
    make: impl Fn() -> (C, Completion<S, std::convert::Infallible>) + 'static,
    items_of: fn(S) -> Vec<V>,
) -> BoxedCheck
where
    C: StreamConsumer<(), Item: Item<Value = V>>,
    S: Unpin + 'static,
    V: Clone + PartialEq + std::fmt::Debug + 'static,
{
    testing::consumer(items, move || {
        let received = Arc::new(Mutex::new(Vec::new()));
        let (consumer, completion) = make();
        let collected = received.clone();
        Made::new(consumer)
            .drive(async move { *collected.lock().unwrap() = items_of(completion.await.inner) })
            .received(move || received.lock().unwrap().clone())
    })
    .bound(bound)
    .boxed()
}

fn collected<V>(items: Vec<V>, limit: usize) -> BoxedCheck
where
    V: Item<Value = V> + ws::items::Plain + Clone + PartialEq + std::fmt::Debug + 'static,
{
    let bound = items.len().min(limit);
    collecting(
        items,
        bound,
        move || ws::iterators::collect(limit).with_completion(),
        ws::iterators::Collect::into_inner,
    )
}

fn collected_bytes(limit: usize) -> BoxedCheck {
    let make = move || ws::iterators::collect_bytes(limit).with_completion();
    collecting(
        ITEMS.to_vec(),
        ITEMS.len().min(limit),
        make,
        ws::iterators::CollectBytes::into_inner,
    )
}

/// Checks a closure that gets what the guest writes.
macro_rules! calls {
    ($items:expr, $item:ty, |$log:ident, $given:ident: $given_ty:ty| $call:expr, $make:expr) => {
        testing::consumer($items, || {
            let received = Arc::new(Mutex::new(Vec::<$item>::new()));
            let log = received.clone();
            let (consumer, completion) =
                $make(move |_: StoreContextMut<'_, ()>, $given: $given_ty| {
                    let mut $log = log.lock().unwrap();
                    $call;
                    Ok(())
                })
                .with_completion();
            completed(Made::new(consumer), completion)
                .received(move || received.lock().unwrap().clone())
        })
        .boxed()
    };
}

/// Jobs that wait for a step of the test.
#[derive(Clone, Default)]
struct Queue(Arc<Mutex<VecDeque<Job>>>);

impl Queue {
    fn spawn(&self, kind: Kind) -> impl FnMut(Job) + Send + 'static {
        let queue = self.0.clone();
        move |job| match kind {
            Kind::Ready => job.run(),
            Kind::Parts | Kind::Fails => queue.lock().unwrap().push_back(job),
        }
    }

    fn step(&self) -> bool {
        let job = self.0.lock().unwrap().pop_front();
        job.map(Job::run).is_some()
    }
}

/// Imitates a reader or writer that blocks: a part at a time, and often interrupted.
pub(super) struct Blocking {
    kind: Kind,
    turn: usize,
    bytes: VecDeque<u8>,
    log: Arc<Mutex<Log>>,
}

#[derive(Default)]
pub(super) struct Log {
    pub(super) written: Vec<u8>,
    pub(super) flushed: usize,
    pub(super) calls: usize,
}

impl Blocking {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, turn: 0, bytes: ITEMS.into(), log: Arc::default() }
    }

    pub(super) fn log(&self) -> Arc<Mutex<Log>> {
        self.log.clone()
    }

    /// How many bytes are there, or fit.
    fn part(&mut self) -> io::Result<usize> {
        self.log.lock().unwrap().calls += 1;
        self.turn += 1;
        match self.kind {
            Kind::Ready => Ok(usize::MAX),
            _ if self.turn % 2 == 1 => Err(ErrorKind::Interrupted.into()),
            _ => Ok(self.turn % 3 + 1),
        }
    }
}

impl Read for Blocking {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        assert!(!buf.is_empty(), "a read into an empty buffer");
        let n = self.part()?;
        let part = buf.len().min(n);
        match Read::read(&mut self.bytes, &mut buf[..part])? {
            0 if self.kind == Kind::Fails => Err(io::Error::other("scripted failure")),
            n => Ok(n),
        }
    }
}

impl Write for Blocking {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        assert!(!buf.is_empty(), "a write of an empty buffer");
        let n = self.part()?.min(buf.len());
        let mut log = self.log.lock().unwrap();
        if self.kind == Kind::Fails && log.written.len() + n > 5 {
            return Err(io::Error::other("scripted failure"));
        }
        log.written.extend_from_slice(&buf[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.part()?;
        let mut log = self.log.lock().unwrap();
        log.flushed = log.written.len();
        Ok(())
    }
}

/// Checks a blocking reader; `$queue` is made anew for each script.
macro_rules! reads {
    ($queue:expr, $($kind:ident)*, $make:expr) => {{
        let mut checks = $crate::adapters::Checks::default();
        $({
            let check = testing::producer(ITEMS.to_vec(), move || {
                #[allow(unused_mut)] // tokio's thread counts what it has seen
                let mut queue = $queue;
                let reader = Blocking::new(Kind::$kind);
                let (producer, completion) = $make(reader, &queue, Kind::$kind).with_completion();
                completed(Made::new(producer), completion).step(move || queue.step())
            });
            let check = check.short();
            let check = if Kind::$kind == Kind::Fails { check.fails() } else { check };
            checks = add(checks, check.boxed());
        })*
        checks
    }};
}
pub(super) use reads;

/// The same for a blocking writer.
macro_rules! writes {
    ($queue:expr, $($kind:ident)*, $make:expr) => {{
        let mut checks = $crate::adapters::Checks::default();
        $({
            let check = testing::consumer(ITEMS.to_vec(), move || {
                #[allow(unused_mut)] // tokio's thread counts what it has seen
                let mut queue = $queue;
                let writer = Blocking::new(Kind::$kind);
                let (log, flushed) = (writer.log(), writer.log());
                let (consumer, completion) = $make(writer, &queue, Kind::$kind).with_completion();
                completed(Made::new(consumer), completion)
                    .received(move || log.lock().unwrap().written.clone())
                    .closed(move || {
                        let log = flushed.lock().unwrap();
                        log.flushed == log.written.len()
                    })
                    .step(move || queue.step())
            });
            let check = if Kind::$kind == Kind::Fails { check.fails() } else { check };
            checks = add(checks, check.boxed());
        })*
        checks
    }};
}
pub(super) use writes;

fn read(
    reader: Blocking,
    queue: &Queue,
    kind: Kind,
) -> ws::ByteProducer<ws::blocking::Read<Blocking>> {
    ws::blocking::read_on(reader, queue.spawn(kind))
}

fn write(
    writer: Blocking,
    queue: &Queue,
    kind: Kind,
) -> ws::ByteConsumer<ws::blocking::Write<Blocking>> {
    ws::blocking::write_on(writer, queue.spawn(kind))
}

#[rustfmt::skip]
rows! {
    iterators_items: ready!(ITEMS.to_vec(), ws::iterators::items(ITEMS)).boxed();
    iterators_items_of_strings: ready!(names(), ws::iterators::items(names())).boxed();
    iterators_items_of_records: ready!(records(), ws::iterators::items(records())).boxed();
    iterators_try_items: ready!(ITEMS.to_vec(), ws::iterators::try_items(ITEMS.map(Ok::<_, String>))).boxed();
    iterators_try_items_that_fails: failing();
    iterators_for_each: calls!(ITEMS.to_vec(), u8, |log, n: u8| log.push(n), ws::iterators::for_each);
    iterators_for_each_of_strings: calls!(names(), String, |log, name: String| log.push(name), ws::iterators::for_each);
    iterators_for_each_batch: calls!(ITEMS.to_vec(), u8, |log, batch: Vec<u8>| { assert!(!batch.is_empty()); log.extend(batch) }, ws::iterators::for_each_batch);
    iterators_for_each_batch_of_records: calls!(records(), (u32, String), |log, batch: Vec<(u32, String)>| log.extend(batch), |call| ws::iterators::for_each_batch(call).batch(2));
    iterators_collect: collected(ITEMS.to_vec(), 100);
    iterators_collect_exactly: collected(ITEMS.to_vec(), 7);
    iterators_collect_limited: collected(ITEMS.to_vec(), 4);
    iterators_collect_of_strings: collected(names(), 5);
    iterators_collect_bytes: collected_bytes(100);
    iterators_collect_bytes_exactly: collected_bytes(7);
    iterators_collect_bytes_limited: collected_bytes(4);
    blocking_read_on: reads!(Queue::default(), Ready Parts Fails, read);
    blocking_read_on_unbuffered: reads!(Queue::default(), Parts Fails, |reader, queue, kind| read(reader, queue, kind).buffer(1));
    blocking_write_on: writes!(Queue::default(), Ready Parts Fails, write);
    blocking_write_on_unbuffered: writes!(Queue::default(), Ready Parts Fails, |writer, queue, kind| write(writer, queue, kind).buffer(2));
    blocking_write_on_unflushed: writes!(Queue::default(), Ready Parts Fails, |writer, queue, kind| write(writer, queue, kind).flush(ws::Flush::OnClose));
}
