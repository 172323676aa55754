//! Stdin and stdout over objects in memory.

use std::sync::atomic::Ordering;

use wasmtime::{Result, ensure};
use wasmtime_streams::{tokio_io, wasi::Stdio};
use wasmtime_wasi::WasiCtx;
use wasmtime_wasi::cli::{AsyncStdinStream, AsyncStdoutStream};

use crate::Bench;
use crate::clock::Of;
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
        let mut worlds = [Over::Ours.stdin(bench, Bytes::Timed)?, over.stdin(bench, Bytes::Timed)?];
        let [ours, peer] = worlds.each_mut().map(|world| {
            move |n: u64| {
                let total = n * u64::from(PER_OP);
                let ((count,), spent) =
                    world.time::<_, (u64,)>(Of::Process, "stdin", (PER_OP, total))?;
                ensure!(count == total, "the guest read {count} bytes");
                Ok(spent)
            }
        });
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
        let writer = Writer::new(PER_OP, Bytes::Timed);
        let mut worlds = [Over::Ours.stdout(bench, writer.clone())?, over.stdout(bench, writer)?];
        let [ours, peer] = worlds.each_mut().map(|world| {
            move |n: u64| {
                let total = n * u64::from(PER_OP);
                let ((count,), spent) =
                    world.time::<_, (u64,)>(Of::Process, "stdout", (PER_OP, total))?;
                ensure!(count == total, "the guest wrote {count} bytes");
                Ok(spent)
            }
        });
        bench.compare(subject, ours, peer)?;
    }
    Ok(())
}
