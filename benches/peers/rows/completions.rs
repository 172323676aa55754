//! What a completion adds to an operation.

use std::cell::RefCell;

use wasmtime::Result;
use wasmtime_streams as ours;

use crate::Bench;
use crate::guest::{Guest, Load};
use crate::host::{Counter, Reader, Writer, keep, numbers};
use crate::measure::Subject;

/// Nanoseconds an operation.
const ALLOWED: f64 = 30.0;

pub(crate) fn completions(bench: &mut Bench) -> Result<()> {
    let subject = |name: &str| Subject::new(name, "without", 1.0).allow(ALLOWED);
    let per_op = 64;
    let guest = Guest::<u8>::new(&bench.engine)?;
    bench.compare(
        subject("completion-bytes-in"),
        &mut |ops| {
            let handle = RefCell::new(None);
            guest.read(Load::ops(ops, per_op), |n| {
                keep(&handle, ours::tokio_io::read(Reader::new(per_op, n)).with_completion())
            })
        },
        &mut |ops| {
            guest.read(Load::ops(ops, per_op), |n| ours::tokio_io::read(Reader::new(per_op, n)))
        },
    )?;
    bench.compare(
        subject("completion-bytes-out"),
        &mut |ops| {
            let handle = RefCell::new(None);
            guest.write(Load::ops(ops, per_op), || {
                let (writer, count) = Writer::new(per_op);
                (keep(&handle, ours::tokio_io::write(writer).with_completion()), count)
            })
        },
        &mut |ops| {
            guest.write(Load::ops(ops, per_op), || {
                let (writer, count) = Writer::new(per_op);
                (ours::tokio_io::write(writer), count)
            })
        },
    )?;
    let guest = Guest::<u32>::new(&bench.engine)?;
    bench.compare(
        subject("completion-items-in"),
        &mut |ops| {
            let handle = RefCell::new(None);
            guest.read(Load::ops(ops, per_op), |n| {
                keep(&handle, ours::streams::items(numbers(n)).with_completion())
            })
        },
        &mut |ops| guest.read(Load::ops(ops, per_op), |n| ours::streams::items(numbers(n))),
    )?;
    bench.compare(
        subject("completion-items-out"),
        &mut |ops| {
            let handle = RefCell::new(None);
            guest.write(Load::ops(ops, per_op), || {
                let (counter, count) = Counter::new();
                (keep(&handle, ours::sinks::items(counter).with_completion()), count)
            })
        },
        &mut |ops| {
            guest.write(Load::ops(ops, per_op), || {
                let (counter, count) = Counter::new();
                (ours::sinks::items(counter), count)
            })
        },
    )
}
