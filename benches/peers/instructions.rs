//! Runs a fixed number of operations on each hot path, for `.ci/instructions` to count their instructions.

use std::cell::RefCell;
use std::hint::black_box;
use std::time::Duration;

use wasmtime::{Config, Engine, Result, StoreContextMut};
use wasmtime_streams as ours;

use crate::across::{TaskSide, lifted};
use crate::channel::ChannelSide;
use crate::guest::{Guest, Load};
use crate::host::{Count, Counter, Reader, Writer, chunks, keep, numbers};

/// The tool dumps its counts at each call of this.
#[inline(never)]
fn mark(part: u64) {
    black_box(part);
}

/// Runs a path with few operations, with [`OPS`], and with twice as many: the difference of the last two, divided by
/// [`OPS`], is the cost of an operation.
fn path(name: &str, mut run: impl FnMut(u64) -> Result<Duration>) -> Result<()> {
    println!("{name}");
    for ops in [8, OPS, 2 * OPS] {
        mark(ops);
        run(ops)?;
    }
    mark(0);
    Ok(())
}

/// Must be the same in `.ci/instructions`.
const OPS: u64 = 500;

pub(crate) fn run() -> Result<()> {
    let mut config = Config::new();
    // The tool leaves little address space for reservations.
    config.memory_reservation(16 << 20).memory_guard_size(64 << 10);
    let engine = Engine::new(&config)?;
    bytes(&engine)?;
    items(&engine)
}

fn bytes(engine: &Engine) -> Result<()> {
    let guest = &Guest::<u8>::new(engine)?;
    let per_op = 64;
    let load = |ops| Load::ops(ops, per_op);
    let reader = |n| Reader::new(per_op, n);
    path("tokio_io::read", |ops| guest.read(load(ops), |n| ours::tokio_io::read(reader(n))))?;
    path("tokio_io::read-completion", |ops| {
        let handle = RefCell::new(None);
        guest.read(load(ops), |n| keep(&handle, ours::tokio_io::read(reader(n)).with_completion()))
    })?;
    path("streams::chunks", |ops| {
        guest.read(Load::ops(ops, 16 << 10), |n| ours::streams::chunks(chunks(1 << 10, n)))
    })?;
    path("tokio_io::write", |ops| {
        guest.write(load(ops), || {
            let (writer, count) = Writer::new(per_op);
            (ours::tokio_io::write(writer), count)
        })
    })?;
    path("tokio_io::write-completion", |ops| {
        let handle = RefCell::new(None);
        guest.write(load(ops), || {
            let (writer, count) = Writer::new(per_op);
            (keep(&handle, ours::tokio_io::write(writer).with_completion()), count)
        })
    })?;
    path("tokio_io::read-limit", |ops| {
        guest.read(load(ops), |n| ours::tokio_io::read(reader(n)).limit(1 << 40))
    })?;
    path("tokio_io::read-limit-until", |ops| {
        guest.read(load(ops), |n| {
            let ending = std::future::pending();
            ours::tokio_io::read(reader(n)).limit(1 << 40).until(ours::EndReason::Cancelled, ending)
        })
    })?;
    path("tokio_io::read-inspect", |ops| {
        guest.read(load(ops), |n| {
            ours::tokio_io::read(reader(n)).inspect(|b: &[u8]| {
                black_box(b.len());
            })
        })
    })?;
    path("tokio_io::read-layers-completion", |ops| {
        let handle = RefCell::new(None);
        guest.read(load(ops), |n| {
            let p = ours::tokio_io::read(reader(n)).limit(1 << 40).inspect(|b: &[u8]| {
                black_box(b.len());
            });
            keep(&handle, p.with_completion())
        })
    })?;
    path("tokio_io::write-limit", |ops| {
        guest.write(load(ops), || {
            let (writer, count) = Writer::new(per_op);
            (ours::tokio_io::write(writer).limit(1 << 40), count)
        })
    })?;
    path("tokio_io::write-layers-completion", |ops| {
        let handle = RefCell::new(None);
        guest.write(load(ops), || {
            let (writer, count) = Writer::new(per_op);
            let p = ours::tokio_io::write(writer).limit(1 << 40).inspect(|b: &[u8]| {
                black_box(b.len());
            });
            (keep(&handle, p.with_completion()), count)
        })
    })?;
    let side = TaskSide::new(engine, 4 << 10)?;
    path("from_guest::reader", |ops| side.read_same_thread(ops, lifted))
}

fn items(engine: &Engine) -> Result<()> {
    let guest = &Guest::<u32>::new(engine)?;
    let load = |ops| Load::ops(ops, 256);
    path("streams::items", |ops| guest.read(load(ops), |n| ours::streams::items(numbers(n))))?;
    path("streams::items-one", |ops| {
        guest.read(Load::ops(ops, 1), |n| ours::streams::items(numbers(n)))
    })?;
    path("streams::items-one-limit", |ops| {
        guest.read(Load::ops(ops, 1), |n| ours::streams::items(numbers(n)).limit(1 << 40))
    })?;
    path("streams::items-one-completion", |ops| {
        let handle = RefCell::new(None);
        guest.read(Load::ops(ops, 1), |n| {
            keep(&handle, ours::streams::items(numbers(n)).with_completion())
        })
    })?;
    path("sinks::items-limit", |ops| {
        guest.write(load(ops), || {
            let (counter, count) = Counter::new();
            (ours::sinks::items(counter).limit(1 << 40), count)
        })
    })?;
    path("sinks::items-completion", |ops| {
        let handle = RefCell::new(None);
        guest.write(load(ops), || {
            let (counter, count) = Counter::new();
            (keep(&handle, ours::sinks::items(counter).with_completion()), count)
        })
    })?;
    path("sinks::items", |ops| {
        guest.write(load(ops), || {
            let (counter, count) = Counter::new();
            (ours::sinks::items(counter), count)
        })
    })?;
    path("iterators::for_each_batch", |ops| {
        guest.write(load(ops), || {
            let (mut count, counted) = Count::new();
            let call = move |_: StoreContextMut<'_, ()>, batch: Vec<u32>| {
                count.add(batch.len());
                Ok(())
            };
            (ours::iterators::for_each_batch(call), counted)
        })
    })?;
    let channel = ChannelSide::new(engine, 256)?;
    path("channels::mpsc_receiver", |ops| channel.read(256 * ops, ours::channels::mpsc_receiver))?;
    path("channels::mpsc_sender", |ops| channel.write(256 * ops, ours::channels::mpsc_sender))
}
