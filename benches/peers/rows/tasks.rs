//! Hand-overs out of the store, against tokio's duplex, and against the guest's operations alone.

use wasmtime::Result;

use crate::Bench;
use crate::across::{
    TaskSide, lifted, relayed, relayed_through_duplex, relayed_through_queue, through_duplex,
};
use crate::measure::Subject;

pub(crate) fn tasks(bench: &mut Bench) -> Result<()> {
    let side = TaskSide::new(&bench.engine, 64 << 10)?;
    let subject = Subject::new;
    let mut hops = |ops| Ok(side.hop_out(ops)? + side.hop_in(ops)?);

    bench.compare(
        subject("reader-same-thread", "duplex", 1.0),
        &mut |ops| side.read_same_thread(ops, lifted),
        &mut |ops| side.read_same_thread(ops, through_duplex),
    )?;
    bench.compare(
        subject("reader-same-thread", "two-direct-hops", 0.3),
        &mut |ops| side.read_same_thread(ops, lifted),
        &mut hops,
    )?;
    bench.compare(
        subject("buf-reader-same-thread", "duplex", 1.0),
        &mut |ops| side.fill_buf_same_thread(ops, lifted),
        &mut |ops| side.read_same_thread(ops, through_duplex),
    )?;
    bench.compare(
        subject("relay-same-thread", "duplex", 1.0),
        &mut |ops| side.relay_same_thread(ops, relayed),
        &mut |ops| side.relay_same_thread(ops, relayed_through_duplex),
    )?;
    bench.compare(
        subject("relay-same-thread", "two-direct-hops", 0.3),
        &mut |ops| side.relay_same_thread(ops, relayed),
        &mut hops,
    )?;
    bench.compare(
        subject("relay-limit-same-thread", "queue", 0.0),
        &mut |ops| side.relay_same_thread(ops, relayed),
        &mut |ops| side.relay_same_thread(ops, relayed_through_queue),
    )?;
    let effort = bench.effort;
    bench.effort = effort.long();
    bench.compare(
        subject("reader-other-thread", "duplex", 1.4),
        &mut |ops| side.read_other_thread(ops, lifted),
        &mut |ops| side.read_other_thread(ops, through_duplex),
    )?;
    bench.compare(
        subject("relay-other-thread", "duplex", 1.4),
        &mut |ops| side.relay_other_thread(ops, relayed),
        &mut |ops| side.relay_other_thread(ops, relayed_through_duplex),
    )?;
    bench.effort = effort;
    Ok(())
}
