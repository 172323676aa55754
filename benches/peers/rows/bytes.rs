//! Bytes, against the most direct code by hand, against chunks, and against a plain copy.

use std::convert::Infallible;
use std::time::Instant;

use futures::StreamExt as _;
use futures::executor::block_on;
use wasmtime::Result;
use wasmtime_streams as ours;

use super::AS_FAST;
use crate::Bench;
use crate::by_hand::{ChunkRead, Collect, DirectRead, DirectWrite, HandOver};
use crate::guest::{Guest, Load};
use crate::host::{Reader, Writer, chunks, copy};
use crate::measure::Subject;

const SIZES: [(u32, &str); 5] =
    [(64, "64"), (1 << 10, "1k"), (4 << 10, "4k"), (64 << 10, "64k"), (1 << 20, "1m")];

pub(crate) fn bytes(bench: &mut Bench) -> Result<()> {
    let guest = Guest::new(&bench.engine)?;
    for (per_op, size) in SIZES {
        to_guest(bench, &guest, per_op, size)?;
        from_guest(bench, &guest, per_op, size)?;
    }
    limits(bench, &guest)?;
    chunked(bench, &guest)
}

fn to_guest(bench: &mut Bench, guest: &Guest<u8>, per_op: u32, size: &str) -> Result<()> {
    bench.compare(
        Subject::new(format!("bytes-in-{size}"), "direct", AS_FAST),
        &mut |ops| {
            guest.read(Load::ops(ops, per_op), |n| ours::tokio_io::read(Reader::new(per_op, n)))
        },
        &mut |ops| guest.read(Load::ops(ops, per_op), |n| DirectRead(Reader::new(per_op, n))),
    )
}

fn from_guest(bench: &mut Bench, guest: &Guest<u8>, per_op: u32, size: &str) -> Result<()> {
    let ours = || {
        let (writer, count) = Writer::new(per_op);
        (ours::tokio_io::write(writer), count)
    };
    let direct = || {
        let (writer, count) = Writer::new(per_op);
        (DirectWrite::new(writer), count)
    };
    bench.compare(
        Subject::new(format!("bytes-out-{size}"), "direct", AS_FAST),
        &mut |ops| guest.write(Load::ops(ops, per_op), ours),
        &mut |ops| guest.write(Load::ops(ops, per_op), direct),
    )
}

/// Against lower bounds, and against code that collects everything first.
fn limits(bench: &mut Bench, guest: &Guest<u8>) -> Result<()> {
    let per_op = 64 << 10;
    let mut read =
        |ops| guest.read(Load::ops(ops, per_op), |n| ours::tokio_io::read(Reader::new(per_op, n)));
    let mut write = |ops| {
        guest.write(Load::ops(ops, per_op), || {
            let (writer, count) = Writer::new(per_op);
            (ours::tokio_io::write(writer), count)
        })
    };
    let mut memcpy = |ops| {
        copy(Load::ops(1, per_op));
        let start = Instant::now();
        copy(Load::ops(ops, per_op));
        Ok(start.elapsed())
    };
    bench.compare(Subject::new("bytes-in-64k-limit", "memcpy", 0.75), &mut read, &mut memcpy)?;
    bench.compare(Subject::new("bytes-out-64k-limit", "memcpy", 0.75), &mut write, &mut memcpy)?;

    // Between host objects without a guest, which also copies the bytes twice.
    let mut tokio = |ops| {
        let load = Load::ops(ops, per_op);
        let (writer, _count) = Writer::new(per_op);
        let reader = tokio::io::BufReader::with_capacity(64 << 10, Reader::new(per_op, load.total));
        let (mut reader, mut writer) = (reader, writer);
        let start = Instant::now();
        block_on(tokio::io::copy_buf(&mut reader, &mut writer))?;
        Ok(start.elapsed())
    };
    let mut both = |ops| Ok(read(ops)? + write(ops)?);
    bench.compare(Subject::new("bytes-through-64k", "tokio-copy", 0.5), &mut both, &mut tokio)?;

    bench.compare(
        Subject::new("bytes-out-64k-all", "collect-then-forward", 1.0),
        &mut |ops| write(ops),
        &mut |ops| {
            guest.write(Load::ops(ops, per_op), || {
                let (writer, count) = Writer::new(per_op);
                (Collect::new(writer), count)
            })
        },
    )
}

/// Chunks from a stream. The unit is a chunk, which is one operation by hand.
fn chunked(bench: &mut Bench, guest: &Guest<u8>) -> Result<()> {
    let load = |n, chunk: usize| Load { per_op: 64 << 10, total: n * chunk as u64 };
    let floors = [(1 << 10, "1k", 12.0), (64 << 10, "64k", 1.0)];
    for (chunk, size, floor) in floors {
        let mut ours = |n| {
            // Whole operations, as on the other side.
            guest.read(load(n, chunk), |total| ours::streams::chunks(chunks(chunk, total)))
        };
        bench.compare(
            Subject::new(format!("chunks-{size}-in-64k"), "one-handed-over", floor).unit("chunk"),
            &mut ours,
            &mut |n| guest.read(load(n, chunk), |total| HandOver(chunks(chunk, total))),
        )?;
        let floor = if floor > 1.0 { floor } else { AS_FAST };
        bench.compare(
            Subject::new(format!("chunks-{size}-in-64k"), "one-copied", floor).unit("chunk"),
            &mut ours,
            &mut |n| guest.read(load(n, chunk), |total| ChunkRead::new(chunks(chunk, total))),
        )?;
    }
    let chunk = 1 << 10;
    bench.compare(
        Subject::new("try-chunks-1k-in-64k", "one-handed-over", 12.0).unit("chunk"),
        &mut |n| {
            guest.read(load(n, chunk), |total| {
                ours::streams::try_chunks(chunks(chunk, total).map(Ok::<_, Infallible>))
            })
        },
        &mut |n| guest.read(load(n, chunk), |total| HandOver(chunks(chunk, total))),
    )
}
