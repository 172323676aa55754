//! A directory of 10,000 entries.

use std::fs::File;

use wasmtime::{Result, ensure};

use crate::Bench;
use crate::clock::{Of, Spent};
use crate::host::{Host, World, borrowed};
use crate::measure::Subject;
use crate::scratch::Scratch;

pub(super) const ENTRIES: u64 = 10_000;
const PER_OP: u32 = 1024;

/// A folder of empty files with names of ten bytes.
pub(super) fn folder(entries: u64) -> Result<Scratch> {
    let scratch = Scratch::new("listing")?;
    for number in 0..entries {
        File::create(scratch.path(&format!("name-{number:05}")))?;
    }
    Ok(scratch)
}

pub(crate) fn listing(bench: &mut Bench) -> Result<()> {
    let subject = Subject::new("listing-10000", "wasmtime", 8.0).unit("listing");
    if !bench.wants(&subject) {
        return Ok(());
    }
    let folder = folder(ENTRIES)?;
    let open = |host: Host| -> Result<(World, u32)> {
        let mut world = bench.guest.on(|| Ok(host))?;
        let directory = world.directory(File::open(folder.path(""))?)?;
        Ok((world, directory))
    };
    let mut sides = [open(Host::ours())?, open(Host::wasmtimes())?];
    let [ours, peer] = sides.each_mut().map(|(world, directory)| {
        |n: u64| {
            let mut all = Spent::default();
            for _ in 0..n {
                let params = (borrowed(*directory), PER_OP);
                let ((listed,), spent) = world.time::<_, (u64,)>(Of::Process, "list", params)?;
                let expected = (10 * ENTRIES) << 32 | ENTRIES;
                ensure!(listed == expected, "the guest listed {listed:#x}, not {expected:#x}");
                all += spent;
            }
            Ok(all)
        }
    });
    bench.compare(subject, ours, peer)
}
