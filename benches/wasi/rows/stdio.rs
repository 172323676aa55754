//! Stdin and stdout over objects in memory.

use std::sync::atomic::Ordering;

use wasmtime::{Result, ensure};
use wasmtime_streams::{tokio_io, wasi::Stdio};
use wasmtime_wasi::WasiCtx;
use wasmtime_wasi::cli::{AsyncStdinStream, AsyncStdoutStream};

use crate::Bench;
use crate::clock::{Of, Spent};
use crate::data::{Bytes, Plain, Reader, Writer};
use crate::host::{Host, World};
use crate::measure::Subject;

const PER_OP: u32 = 64 * 1024;
/// No multiple of an operation.
const CHECKED: u64 = 1_000_001;

/// What the guest's stdin and stdout are on a host.
#[derive(Clone, Copy)]
enum Over {
    Ours,
    /// What Wasmtime offers for an object of the host's.
    Async,
    /// Two traits of Wasmtime's, put in front of the object by hand.
    Plain,
}

impl Over {
    fn stdin(self, bench: &Bench, bytes: Bytes) -> Result<World> {
        let reader = Reader::new(PER_OP, bytes);
        bench.guest.on(|| {
            let mut builder = WasiCtx::builder();
            match self {
                Over::Ours => return Ok(Host::Ours(Stdio::new().stdin(tokio_io::read(reader)))),
                Over::Async => builder.stdin(AsyncStdinStream::new(reader)),
                Over::Plain => builder.stdin(Plain(reader)),
            };
            Ok(Host::wasmtimes_with(builder))
        })
    }

    fn stdout(self, bench: &Bench, writer: Writer) -> Result<World> {
        bench.guest.on(|| {
            let mut builder = WasiCtx::builder();
            match self {
                Over::Ours => return Ok(Host::Ours(Stdio::new().stdout(tokio_io::write(writer)))),
                Over::Async => builder.stdout(AsyncStdoutStream::new(PER_OP as usize, writer)),
                Over::Plain => builder.stdout(Plain(writer)),
            };
            Ok(Host::wasmtimes_with(builder))
        })
    }
}

type Run = dyn FnMut(u64) -> Result<Spent>;

/// Runs an export in several instances in turn. How fast a copy is depends on where in the machine's memory its buffers
/// are, by 15 % or so: with numbers of instances that are different for the two hosts, each run of a host is paired with
/// other places.
fn in_turn(
    instances: usize,
    export: &'static str,
    make: impl Fn() -> Result<World>,
) -> Result<Box<Run>> {
    let mut worlds = (0..instances).map(|_| make()).collect::<Result<Vec<_>>>()?;
    let mut turn = 0;
    Ok(Box::new(move |n: u64| {
        let total = n * u64::from(PER_OP);
        turn = (turn + 1) % worlds.len();
        let world = &mut worlds[turn];
        let ((count,), spent) = world.time::<_, (u64,)>(Of::Process, export, (PER_OP, total))?;
        ensure!(count == total, "the guest moved {count} bytes");
        Ok(spent)
    }))
}

pub(crate) fn stdio(bench: &mut Bench) -> Result<()> {
    for (peer, over, floor) in
        [("AsyncStdinStream", Over::Async, 1.3), ("plain", Over::Plain, 0.95)]
    {
        let subject = Subject::new("stdin-64k", peer, floor);
        if !bench.wants(&subject) {
            continue;
        }
        for over in [Over::Ours, over] {
            let mut world = over.stdin(bench, Bytes::Checked)?;
            world.run("check", ())?;
            let count: u64 = world.call("stdin", (PER_OP, CHECKED))?;
            ensure!(count == CHECKED, "the guest read {count} bytes");
        }
        let ours = in_turn(5, "stdin", || Over::Ours.stdin(bench, Bytes::Timed))?;
        let peer = in_turn(4, "stdin", || over.stdin(bench, Bytes::Timed))?;
        bench.compare(subject, ours, peer)?;
    }

    for (peer, over, floor) in
        [("AsyncStdoutStream", Over::Async, 1.5), ("plain", Over::Plain, 0.95)]
    {
        let subject = Subject::new("stdout-64k", peer, floor);
        if !bench.wants(&subject) {
            continue;
        }
        for over in [Over::Ours, over] {
            let writer = Writer::new(PER_OP, Bytes::Checked);
            let arrived = writer.arrived();
            let mut world = over.stdout(bench, writer)?;
            world.run("check", ())?;
            let count: u64 = world.call("stdout", (PER_OP, CHECKED))?;
            ensure!(count == CHECKED, "the guest wrote {count} bytes");
            // What Wasmtime's host loses at the end is a row of its own.
            let lost = count - arrived.load(Ordering::Relaxed);
            ensure!(lost == 0 || matches!(over, Over::Async), "{lost} bytes are lost");
        }
        let writer = || Writer::new(PER_OP, Bytes::Timed);
        let ours = in_turn(5, "stdout", || Over::Ours.stdout(bench, writer()))?;
        let peer = in_turn(4, "stdout", || over.stdout(bench, writer()))?;
        bench.compare(subject, ours, peer)?;
    }
    Ok(())
}
