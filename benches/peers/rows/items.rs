//! Items, against one at a time and against batches by hand.

use std::time::Duration;

use futures::channel::oneshot;
use wasmtime::component::{StreamConsumer, StreamProducer};
use wasmtime::{Result, StoreContextMut};
use wasmtime_streams as ours;

use super::AS_FAST;
use crate::Bench;
use crate::by_hand::{BatchRead, BatchWrite, OneCall, OneRead, OneWrite};
use crate::guest::{Guest, Item, Load};
use crate::host::{Count, Counter, numbers, records};
use crate::measure::Subject;

/// No slower than 1.2 times.
const NOT_SLOWER: f64 = 1.0 / 1.2;

pub(crate) fn items(bench: &mut Bench) -> Result<()> {
    let guest = Guest::<u32>::new(&bench.engine)?;
    let floors = [(1, NOT_SLOWER, NOT_SLOWER), (256, 80.0, 60.0), (4096, 200.0, 200.0)];
    for (per_op, read, write) in floors {
        numbers_in(bench, &guest, per_op, read)?;
        numbers_out(bench, &guest, per_op, write)?;
    }
    strings(bench, 256)
}

fn subject(name: &str, per_op: u32, peer: &'static str, floor: f64) -> Subject {
    Subject::new(format!("{name}-{per_op}"), peer, floor).unit("item")
}

/// Moves items to the guest.
fn read<T: Item, P>(
    guest: &Guest<T>,
    per_op: u32,
    items: u64,
    producer: impl Fn(u64) -> P,
) -> Result<Duration>
where
    P: StreamProducer<(), Item = T>,
{
    guest.read(Load { per_op, total: items }, producer)
}

/// Moves items from the guest.
fn write<T: Item, C>(
    guest: &Guest<T>,
    per_op: u32,
    items: u64,
    consumer: impl Fn() -> (C, oneshot::Receiver<u64>),
) -> Result<Duration>
where
    C: StreamConsumer<(), Item = T>,
{
    guest.write(Load { per_op, total: items }, consumer)
}

fn numbers_in(bench: &mut Bench, guest: &Guest<u32>, per_op: u32, floor: f64) -> Result<()> {
    let mut ours = |n| read(guest, per_op, n, |n| ours::streams::items(numbers(n)));
    bench.compare(subject("items-in", per_op, "one-by-one", floor), &mut ours, &mut |n| {
        read(guest, per_op, n, |n| OneRead(numbers(n)))
    })?;
    if per_op == 1 {
        return Ok(());
    }
    bench.compare(subject("items-in", per_op, "batch", AS_FAST), &mut ours, &mut |n| {
        read(guest, per_op, n, |n| BatchRead(numbers(n)))
    })
}

fn numbers_out(bench: &mut Bench, guest: &Guest<u32>, per_op: u32, floor: f64) -> Result<()> {
    bench.compare(
        subject("items-out-sink", per_op, "one-by-one", floor),
        &mut |n| {
            write(guest, per_op, n, || {
                let (counter, count) = Counter::new();
                (ours::sinks::items(counter), count)
            })
        },
        &mut |n| {
            write(guest, per_op, n, || {
                let (counter, count) = Counter::new();
                (OneWrite::new(counter), count)
            })
        },
    )?;
    let mut ours = |n| {
        write(guest, per_op, n, || {
            let (mut count, counted) = Count::new();
            let call = move |_: StoreContextMut<'_, ()>, batch: Vec<u32>| {
                count.add(batch.len());
                Ok(())
            };
            (ours::iterators::for_each_batch(call), counted)
        })
    };
    bench.compare(
        subject("items-out-closure", per_op, "one-by-one", floor),
        &mut ours,
        &mut |n| {
            write(guest, per_op, n, || {
                let (mut count, counted) = Count::new();
                let call = move |_: StoreContextMut<'_, ()>, _: u32| {
                    count.add(1);
                    Ok(())
                };
                (OneCall::new(call), counted)
            })
        },
    )?;
    if per_op == 1 {
        return Ok(());
    }
    bench.compare(subject("items-out-closure", per_op, "batch", AS_FAST), &mut ours, &mut |n| {
        write(guest, per_op, n, || {
            let (mut count, counted) = Count::new();
            let call = move |batch: Vec<u32>| count.add(batch.len());
            (BatchWrite::new(call), counted)
        })
    })
}

/// Records with a string in each.
fn strings(bench: &mut Bench, per_op: u32) -> Result<()> {
    let guest = Guest::new(&bench.engine)?;
    bench.compare(
        subject("records-in", per_op, "one-by-one", 8.0),
        &mut |n| read(&guest, per_op, n, |n| ours::streams::items(records(n))),
        &mut |n| read(&guest, per_op, n, |n| OneRead(records(n))),
    )?;
    bench.compare(
        subject("records-out", per_op, "one-by-one", 3.0),
        &mut |n| {
            write(&guest, per_op, n, || {
                let (counter, count) = Counter::new();
                (ours::sinks::items(counter), count)
            })
        },
        &mut |n| {
            write(&guest, per_op, n, || {
                let (counter, count) = Counter::new();
                (OneWrite::new(counter), count)
            })
        },
    )
}
