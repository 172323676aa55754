//! Measures this crate against what is written by hand without it: `cargo bench --bench peers [-- --quick]`.
//!
//! Each row runs the same guest over the same data with both sides in turn, and prints the medians. A `ratio` is the
//! peer's time by ours: 2 means that this crate is twice as fast. A row under its floor says `below=yes`.

mod by_hand;
mod guest;
mod host;
mod measure;

use std::process::ExitCode;

use futures::stream;
use wasmtime::{Engine, Result};
use wasmtime_streams as ours;

use crate::by_hand::{DirectRead, DirectWrite, OneRead, OneWrite};
use crate::guest::{Guest, Load};
use crate::host::{Counter, Reader, Writer};
use crate::measure::{Row, Subject};

/// What the best code by hand is as fast as, but for noise.
const AS_FAST: f64 = 0.9;
/// What batches of 256 are worth against one item at a time.
const BATCHED: f64 = 60.0;

fn main() -> Result<ExitCode> {
    let mut quick = false;
    for arg in std::env::args().skip(1) {
        match arg.as_str() {
            // Given by cargo.
            "--bench" => {}
            "--quick" => quick = true,
            _ => {
                eprintln!("peers: no such argument: {arg}\nusage: peers [--quick]");
                return Ok(ExitCode::from(2));
            }
        }
    }
    let engine = Engine::default();
    let bytes = Bytes { guest: Guest::new(&engine)?, quick };
    let items = Items { guest: Guest::new(&engine)?, quick };
    println!("{}", bytes.guest_reads("bytes-in-4k", 4 << 10)?);
    println!("{}", bytes.guest_reads("bytes-in-64k", 64 << 10)?);
    println!("{}", bytes.guest_writes("bytes-out-4k", 4 << 10)?);
    println!("{}", bytes.guest_writes("bytes-out-64k", 64 << 10)?);
    println!("{}", items.guest_reads("items-in-256", 256)?);
    println!("{}", items.guest_writes("items-out-256", 256)?);
    Ok(ExitCode::SUCCESS)
}

/// Bytes, against code that is as direct as it can be.
struct Bytes {
    guest: Guest<u8>,
    quick: bool,
}

impl Bytes {
    fn subject(&self, name: &'static str, per_op: u32) -> (Subject, Load, usize) {
        let ops = if per_op > 16 << 10 { 500 } else { 4000 };
        let load = Load { per_op, total: ops * u64::from(per_op), units: ops };
        let subject = Subject { name, peer: "direct", unit: "op", floor: AS_FAST };
        (subject, load, if self.quick { 25 } else { 201 })
    }

    fn guest_reads(&self, name: &'static str, per_op: u32) -> Result<Row> {
        let (subject, load, pairs) = self.subject(name, per_op);
        subject.measure(
            pairs,
            || self.guest.read(load, |bytes| ours::tokio_read(Reader::new(bytes))),
            || self.guest.read(load, |bytes| DirectRead(Reader::new(bytes))),
        )
    }

    fn guest_writes(&self, name: &'static str, per_op: u32) -> Result<Row> {
        let (subject, load, pairs) = self.subject(name, per_op);
        let writer = || {
            let (writer, count) = Writer::new();
            (ours::tokio_write(writer), count)
        };
        let direct = || {
            let (writer, count) = Writer::new();
            (DirectWrite::new(writer), count)
        };
        subject.measure(pairs, || self.guest.write(load, writer), || self.guest.write(load, direct))
    }
}

/// Items, against one at a time.
struct Items {
    guest: Guest<u32>,
    quick: bool,
}

impl Items {
    /// With a load for each side. The peer moves less, so that both take about as long: a busy machine would else
    /// interrupt the longer runs only.
    fn subject(&self, name: &'static str, per_op: u32) -> (Subject, [Load; 2], usize) {
        let loads = [256 << 10, 4 << 10].map(|total| Load { per_op, total, units: total });
        let subject = Subject { name, peer: "one-by-one", unit: "item", floor: BATCHED };
        (subject, loads, if self.quick { 25 } else { 201 })
    }

    fn guest_reads(&self, name: &'static str, per_op: u32) -> Result<Row> {
        let (subject, [load, peer_load], pairs) = self.subject(name, per_op);
        let numbers = |items: u64| stream::iter(0..items as u32);
        subject.measure(
            pairs,
            || self.guest.read(load, |items| ours::stream(numbers(items))),
            || self.guest.read(peer_load, |items| OneRead(numbers(items))),
        )
    }

    fn guest_writes(&self, name: &'static str, per_op: u32) -> Result<Row> {
        let (subject, [load, peer_load], pairs) = self.subject(name, per_op);
        let sink = || {
            let (counter, count) = Counter::new();
            (ours::sink(counter), count)
        };
        let one = || {
            let (counter, count) = Counter::new();
            (OneWrite(counter), count)
        };
        subject.measure(pairs, || self.guest.write(load, sink), || self.guest.write(peer_load, one))
    }
}
