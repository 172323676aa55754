//! A file that the page cache has.

use std::fs::{self, OpenOptions};
use std::path::Path;

use wasmtime::{Result, ensure};

use crate::Bench;
use crate::clock::{Of, Spent};
use crate::data;
use crate::host::{Blocking, Host, World, borrowed};
use crate::measure::Subject;
use crate::scratch::Scratch;

/// The length of the file.
const LENGTH: u64 = 8 << 20;

/// An instance and the file that is open in it.
struct Opened {
    world: World,
    file: u32,
}

impl Opened {
    fn new(bench: &Bench, host: Host, path: &Path, blocking: Blocking) -> Result<Self> {
        let mut world = bench.guest.on(|| Ok(host))?;
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let file = world.file(file, blocking)?;
        Ok(Self { world, file })
    }

    /// Reads the whole file, `times` times.
    fn read(&mut self, per_op: u32, times: u64) -> Result<Spent> {
        let params = (borrowed(self.file), per_op, times);
        let ((count,), spent) = self.world.time::<_, (u64,)>(Of::Process, "read", params)?;
        ensure!(count == LENGTH * times, "the guest read {count} bytes");
        Ok(spent)
    }

    /// Writes the whole file, `times` times.
    fn write(&mut self, per_op: u32, times: u64) -> Result<Spent> {
        let mut all = Spent::default();
        for _ in 0..times {
            let params = (borrowed(self.file), per_op, LENGTH);
            let ((count,), spent) = self.world.time::<_, (u64,)>(Of::Process, "write", params)?;
            ensure!(count == LENGTH, "the guest wrote {count} bytes");
            all += spent;
        }
        Ok(all)
    }
}

/// Whether the page cache can be asked without waiting.
fn nowait(path: &Path) -> Result<bool> {
    #[cfg(target_os = "linux")]
    {
        use rustix::io::{ReadWriteFlags, preadv2};

        let mut byte = [0];
        let mut bufs = [std::io::IoSliceMut::new(&mut byte)];
        Ok(preadv2(fs::File::open(path)?, &mut bufs, 0, ReadWriteFlags::NOWAIT).is_ok())
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = path;
        Ok(false)
    }
}

pub(crate) fn files(bench: &mut Bench) -> Result<()> {
    let scratch = Scratch::new("files")?;
    let path = scratch.path("file");
    fs::write(&path, data::bytes(LENGTH as usize))?;
    let nowait = nowait(&path)?;
    if !nowait {
        println!("the file system cannot read without waiting: each read needs a thread");
    }
    let floor = |floor: f64| if nowait { floor } else { 2.5 };

    type Make = fn() -> Host;
    let rows: [(&str, &str, u32, Make, Blocking, f64); 6] = [
        ("file-read-64k", "wasmtime", 64 << 10, Host::ours, Blocking::No, floor(8.0)),
        ("file-read-1m", "wasmtime", 1 << 20, Host::ours, Blocking::No, floor(12.0)),
        ("file-read-64k-thread", "wasmtime", 64 << 10, || Host::OursOnThreads, Blocking::No, 2.5),
        ("file-read-1m-thread", "wasmtime", 1 << 20, || Host::OursOnThreads, Blocking::No, 2.5),
        ("file-read-64k", "blocking", 64 << 10, Host::ours, Blocking::Allowed, 0.8),
        ("file-read-1m", "blocking", 1 << 20, Host::ours, Blocking::Allowed, 0.8),
    ];
    for (name, peer, per_op, ours, blocking, floor) in rows {
        let subject = Subject::new(name, peer, floor).unit("file");
        if !bench.wants(&subject) {
            continue;
        }
        let both = |bench: &Bench| -> Result<[Opened; 2]> {
            Ok([
                Opened::new(bench, ours(), &path, blocking)?,
                Opened::new(bench, Host::wasmtimes(), &path, blocking)?,
            ])
        };
        for mut opened in both(bench)? {
            opened.world.run("check", ())?;
            opened.read(per_op, 1)?;
        }
        let [mut ours, mut peer] = both(bench)?;
        bench.compare(subject, |n| ours.read(per_op, n), |n| peer.read(per_op, n))?;
    }

    let subject = Subject::new("file-write-64k", "wasmtime", 2.0).unit("file");
    if bench.wants(&subject) {
        let per_op = 64 << 10;
        for host in [Host::ours(), Host::wasmtimes()] {
            fs::write(&path, vec![0; LENGTH as usize])?;
            let mut opened = Opened::new(bench, host, &path, Blocking::No)?;
            opened.world.run("check", ())?;
            opened.write(per_op, 1)?;
            ensure!(fs::read(&path)? == data::bytes(LENGTH as usize), "other bytes are written");
        }
        let mut ours = Opened::new(bench, Host::ours(), &path, Blocking::No)?;
        let mut peer = Opened::new(bench, Host::wasmtimes(), &path, Blocking::No)?;
        bench.compare(subject, |n| ours.write(per_op, n), |n| peer.write(per_op, n))?;
    }
    Ok(())
}
