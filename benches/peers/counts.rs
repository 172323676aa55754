//! Counts allocations: `cargo bench --bench counts [-- PART-OF-A-NAME…]`. Not part of `peers`, which runs it, since
//! counting takes time.
//!
//! Each row compares with the smallest code by hand, which allocates what Wasmtime itself does.

#[allow(dead_code, reason = "the rest is for main.rs")]
mod across;
#[allow(dead_code, unused_imports, reason = "the rest is for main.rs")]
mod by_hand;
#[allow(dead_code, reason = "the rest is for main.rs")]
mod channel;
#[allow(dead_code, reason = "the rest is for main.rs")]
mod guest;
#[allow(dead_code, reason = "the rest is for main.rs")]
mod host;
#[allow(dead_code, reason = "the rest is for main.rs")]
mod many;
#[allow(dead_code, reason = "the rest is for main.rs")]
mod measure;
mod memory;

use std::alloc::System;
use std::cell::RefCell;
use std::process::ExitCode;
use std::time::Duration;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio_util::sync::PollSender;
use wasmtime::{Engine, Result, StoreContextMut};
use wasmtime_streams as ours;

use crate::across::{TaskSide, lifted, relayed, relayed_through_duplex, through_duplex};
use crate::by_hand::{DirectRead, DirectWrite, OneRead, OneWrite};
use crate::channel::{ChannelSide, items};
use crate::guest::{Guest, Load};
use crate::host::{Count, Counter, Reader, Writer, chunks, keep, numbers};
use crate::measure::{Row, Subject};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> Result<ExitCode> {
    let parts = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let mut counts = Counts { engine: Engine::default(), parts, below: false };
    counts.bytes()?;
    counts.items()?;
    counts.hand_over()?;
    counts.memory()?;
    Ok(if counts.below { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

struct Counts {
    engine: Engine,
    parts: Vec<String>,
    below: bool,
}

/// Allocations an operation, after the stream has started.
fn allocations(mut run: impl FnMut(u64) -> Result<Duration>) -> Result<f64> {
    const OPS: u64 = 1000;
    let mut counted = |ops| -> Result<usize> {
        let before = ALLOCATOR.stats();
        run(ops)?;
        let after = ALLOCATOR.stats();
        let new = after.allocations - before.allocations;
        Ok(new + after.reallocations - before.reallocations)
    };
    counted(OPS)?;
    let few = counted(OPS)?;
    let many = counted(3 * OPS)?;
    Ok((many as f64 - few as f64) / (2 * OPS) as f64)
}

impl Counts {
    fn add(&mut self, row: Row) {
        self.below |= row.is_below();
        println!("{row}");
    }

    /// A row of allocations; `own` is what Wasmtime and a channel allocate themselves.
    fn allocations(
        &mut self,
        name: &str,
        own: f64,
        allowed: f64,
        run: impl FnMut(u64) -> Result<Duration>,
    ) -> Result<()> {
        let subject = Subject::new(format!("allocations-{name}"), "wasmtime", 1.0).allow(allowed);
        if subject.is_one_of(&self.parts) {
            self.add(subject.counted("", allocations(run)?, own));
        }
        Ok(())
    }

    fn bytes(&mut self) -> Result<()> {
        let guest = &Guest::<u8>::new(&self.engine)?;
        let per_op = 4 << 10;
        let load = |ops| Load::ops(ops, per_op);
        let reader = |n| Reader::new(per_op, n);
        let own = allocations(|ops| guest.read(load(ops), |n| DirectRead(reader(n))))?;
        self.allocations("tokio_io::read", own, 0.0, |ops| {
            guest.read(load(ops), |n| ours::tokio_io::read(reader(n)))
        })?;
        self.allocations("tokio_io::read-completion", own, 0.0, |ops| {
            let handle = RefCell::new(None);
            guest.read(load(ops), |n| {
                keep(&handle, ours::tokio_io::read(reader(n)).with_completion())
            })
        })?;
        self.allocations("streams::chunks", own, 0.0, |ops| {
            guest.read(load(ops), |n| ours::streams::chunks(chunks(1 << 10, n)))
        })?;

        let writer = || Writer::new(per_op);
        let own = allocations(|ops| {
            guest.write(load(ops), || {
                let (writer, count) = writer();
                (DirectWrite::new(writer), count)
            })
        })?;
        self.allocations("tokio_io::write", own, 0.0, |ops| {
            guest.write(load(ops), || {
                let (writer, count) = writer();
                (ours::tokio_io::write(writer), count)
            })
        })?;
        self.allocations("tokio_io::write-completion", own, 0.0, |ops| {
            let handle = RefCell::new(None);
            guest.write(load(ops), || {
                let (writer, count) = writer();
                (keep(&handle, ours::tokio_io::write(writer).with_completion()), count)
            })
        })
    }

    fn items(&mut self) -> Result<()> {
        let guest = &Guest::<u32>::new(&self.engine)?;
        let channel = ChannelSide::new(&self.engine, 256)?;
        let load = |ops| Load::ops(ops, 256);
        let own = allocations(|ops| guest.read(Load::ops(ops, 1), |n| OneRead(numbers(n))))?;
        self.allocations("streams::items", own, 1.0, |ops| {
            guest.read(load(ops), |n| ours::streams::items(numbers(n)))
        })?;
        self.allocations("streams::items-completion", own, 1.0, |ops| {
            let handle = RefCell::new(None);
            guest.read(load(ops), |n| {
                keep(&handle, ours::streams::items(numbers(n)).with_completion())
            })
        })?;
        // With the channel's own, and those of waiting for it. One by one, 256 items are 256 operations.
        let own = allocations(|ops| channel.read(256 * ops, |r| OneRead(items(r))))? - 255.0 * own;
        self.allocations("channels::mpsc_receiver", own, 1.0, |ops| {
            channel.read(256 * ops, ours::channels::mpsc_receiver)
        })?;

        let counter = Counter::new;
        let own = allocations(|ops| {
            guest.write(Load::ops(ops, 1), || {
                let (counter, count) = counter();
                (OneWrite::new(counter), count)
            })
        })?;
        self.allocations("sinks::items", own, 1.0, |ops| {
            guest.write(load(ops), || {
                let (counter, count) = counter();
                (ours::sinks::items(counter), count)
            })
        })?;
        self.allocations("sinks::items-completion", own, 1.0, |ops| {
            let handle = RefCell::new(None);
            guest.write(load(ops), || {
                let (counter, count) = counter();
                (keep(&handle, ours::sinks::items(counter).with_completion()), count)
            })
        })?;
        self.allocations("iterators::for_each_batch", own, 1.0, |ops| {
            guest.write(load(ops), || {
                let (mut count, counted) = Count::new();
                let call = move |_: StoreContextMut<'_, ()>, batch: Vec<u32>| {
                    count.add(batch.len());
                    Ok(())
                };
                (ours::iterators::for_each_batch(call), counted)
            })
        })?;
        let sender = |sender| OneWrite::new(PollSender::new(sender));
        let own = allocations(|ops| channel.write(256 * ops, sender))? - 255.0 * own;
        self.allocations("channels::mpsc_sender", own, 1.0, |ops| {
            channel.write(256 * ops, ours::channels::mpsc_sender)
        })
    }

    /// To a task of the same thread, and to another store, where the reading guest's operations count, too.
    fn hand_over(&mut self) -> Result<()> {
        let side = TaskSide::new(&self.engine, 4 << 10)?;
        // Wasmtime's own, for an operation and for waiting.
        let own = allocations(|ops| side.read_same_thread(ops, through_duplex))?;
        self.allocations("from_guest::reader", own, 0.0, |ops| side.read_same_thread(ops, lifted))?;
        let own = allocations(|ops| side.relay_same_thread(ops, relayed_through_duplex))?;
        self.allocations("relay", own, 0.0, |ops| side.relay_same_thread(ops, relayed))
    }
}
