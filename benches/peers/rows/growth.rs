//! How the cost grows with the number of open streams, and with the number of bytes.

use std::time::Instant;

use tokio::io::repeat;
use wasmtime::Result;
use wasmtime::component::StreamProducer;
use wasmtime_streams as ours;

use super::AS_FAST;
use crate::Bench;
use crate::by_hand::DirectRead;
use crate::guest::{Guest, Load};
use crate::host::Reader;
use crate::many::Many;
use crate::measure::Subject;

const MANY: u64 = 10_000;
const OPS: u32 = 64;

pub(crate) fn growth(bench: &mut Bench) -> Result<()> {
    let guest = Guest::new(&bench.engine)?;
    let ours = || ours::tokio_io::read(repeat(1));
    let effort = bench.effort.few();
    bench.values(
        effort,
        Subject::new("streams-10000", "alone", AS_FAST).unit("stream"),
        || streams(&guest, MANY, ours),
        || streams(&guest, 1, ours),
    )?;
    bench.values(
        effort,
        Subject::new("streams-10000", "direct", AS_FAST).unit("stream"),
        || streams(&guest, MANY, ours),
        || streams(&guest, MANY, || DirectRead(repeat(1))),
    )?;

    let per_op = 64 << 10;
    let read = |total: u64, times: u64| {
        let load = Load { per_op, total };
        let mut time = 0;
        for _ in 0..times {
            time += guest.read(load, |n| ours::tokio_io::read(Reader::new(per_op, n)))?.as_nanos();
        }
        Ok(time as f64 / ((total * times) >> 20) as f64)
    };
    bench.values(
        effort,
        Subject::new("bytes-8g", "1m", AS_FAST).unit("MiB"),
        || read(8 << 30, 1),
        || read(1 << 20, 500),
    )
}

/// Opens `open` streams at a time, reads a few times from each, and closes them: nanoseconds a stream. The total number
/// of streams is always the same.
fn streams<P>(guest: &Guest<u8>, open: u64, producer: impl Fn() -> P) -> Result<f64>
where
    P: StreamProducer<(), Item = u8>,
{
    let mut many = Many::new(guest)?;
    let start = Instant::now();
    for _ in 0..MANY / open {
        for _ in 0..open {
            many.add_producer(producer())?;
        }
        many.read_each(1 << 10, OPS)?;
        many.drop_readers()?;
    }
    Ok(start.elapsed().as_nanos() as f64 / MANY as f64)
}
