//! The rows that are no times: what is lost at the end, the threads of listings that nobody reads, and how long a
//! blocked stdout keeps the executor.

use std::fs::{self, File};
use std::io::Read as _;
use std::process::{Command, Stdio as Pipe};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval};
use wasmtime::error::Context as _;
use wasmtime::{Engine, Result, ensure};
use wasmtime_streams::{tokio_io, wasi::Stdio};
use wasmtime_wasi::WasiCtx;
use wasmtime_wasi::cli::AsyncStdoutStream;

use super::listing::folder;
use crate::Bench;
use crate::data::{Bytes, Writer};
use crate::host::{Guest, Host, borrowed};
use crate::pairs::Bound;

const PER_OP: u32 = 64 * 1024;
const WRITTEN: u64 = 1_000_000;

pub(crate) fn limits(bench: &mut Bench) -> Result<()> {
    let (name, what) = ("lost-after-closing", "bytes of 1,000,000 lost when the store is dropped");
    if bench.wants_named(name) {
        let (ours, peer) = (lost(bench, true)?, lost(bench, false)?);
        bench.add_bound(Bound { name, what, unit: "B", ours, peer, most: 0.0 });
    }
    let (name, what) = ("threads-1000-listings", "threads held by 1,000 open, unread listings");
    if bench.wants_named(name) && cfg!(target_os = "linux") {
        let folder = folder(1000)?;
        let (ours, peer) =
            (threads(bench, Host::ours(), &folder)?, threads(bench, Host::wasmtimes(), &folder)?);
        bench.add_bound(Bound { name, what, unit: "threads", ours, peer, most: 0.0 });
    }
    let (name, what) =
        ("ticker-blocked-stdout", "longest gap of a 1 ms ticker while stdout is blocked for 2 s");
    if bench.wants_named(name) {
        let most = 20.0;
        let mut ours = gap("ours")?;
        // Other load on the machine can only make a gap longer.
        for _ in 1..3 {
            if ours > most {
                ours = ours.min(gap("ours")?);
            }
        }
        let peer = gap("wasmtime")?;
        bench.add_bound(Bound { name, what, unit: "ms", ours, peer, most });
    }
    Ok(())
}

/// The guest writes to stdout and returns. On ours stdio is closed then, and the store is dropped.
fn lost(bench: &Bench, ours: bool) -> Result<f64> {
    let writer = Writer::new(PER_OP, Bytes::Checked);
    let arrived = writer.arrived();
    let mut world = bench.guest.on(|| {
        if ours {
            return Ok(Host::Ours(Stdio::new().stdout(tokio_io::write(writer))));
        }
        let mut builder = WasiCtx::builder();
        builder.stdout(AsyncStdoutStream::new(PER_OP as usize, writer));
        Ok(Host::wasmtimes_with(builder))
    })?;
    world.run("check", ())?;
    let count: u64 = world.call("stdout", (PER_OP, WRITTEN))?;
    ensure!(count == WRITTEN, "the guest wrote {count} bytes");
    let runtime = world.finish();
    // Tasks that go on after the store could still write.
    runtime.block_on(async {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    });
    Ok((count - arrived.load(Ordering::Relaxed)) as f64)
}

/// How many threads this process has.
fn running() -> Result<usize> {
    Ok(fs::read_dir("/proc/self/task")?.count())
}

fn threads(bench: &Bench, host: Host, folder: &crate::scratch::Scratch) -> Result<f64> {
    let before = running()?;
    let mut world = bench.guest.on(|| Ok(host))?;
    let directory = world.directory(File::open(folder.path(""))?)?;
    for _ in 0..1000 {
        world.run("keep-listing", (borrowed(directory),))?;
    }
    // A thread that does not wait for the guest ends its work meanwhile.
    world.runtime().block_on(async { tokio::time::sleep(Duration::from_millis(300)).await });
    let held = running()?.saturating_sub(before);
    world.finish().shutdown_timeout(Duration::from_secs(10));
    Ok(held as f64)
}

/// Runs this program with a stdout that nobody reads for two seconds: the longest gap, in milliseconds.
fn gap(host: &str) -> Result<f64> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["--blocked-stdout", host])
        .stdout(Pipe::piped())
        .stderr(Pipe::piped())
        .spawn()?;
    let mut stderr = child.stderr.take().context("it is piped")?;
    // The child says when its guest begins.
    let mut begun = [0];
    stderr.read_exact(&mut begun)?;
    thread::sleep(Duration::from_secs(2));
    let mut stdout = child.stdout.take().context("it is piped")?;
    let arrived = std::io::copy(&mut stdout, &mut std::io::sink())?;
    let mut text = String::new();
    stderr.read_to_string(&mut text)?;
    ensure!(child.wait()?.success(), "the child failed: {text}");
    ensure!(arrived == WRITTEN, "{arrived} bytes arrived");
    let mut micros = text.split_whitespace().map(str::parse::<u64>);
    let mut next = || micros.next().context("the child wrote no number");
    let (ran, gap) = (next()??, next()??);
    ensure!(ran > 1_900_000, "stdout was blocked for {ran} µs only");
    Ok(gap as f64 / 1000.0)
}

/// The child: writes to its stdout beside a ticker, then how long that took, and the longest gap, to stderr.
pub(crate) fn blocked(host: &str) -> Result<()> {
    let guest = Guest::new(&Engine::default())?;
    let mut world = guest.on(|| {
        if host == "ours" {
            return Ok(Host::Ours(Stdio::inherit()?));
        }
        let mut builder = WasiCtx::builder();
        builder.inherit_stdout();
        Ok(Host::wasmtimes_with(builder))
    })?;
    let (ticks, ticking) = tokio::sync::oneshot::channel();
    let ticker = world.runtime().spawn(async {
        // The guest starts only once the ticker runs: otherwise what blocks the executor would hold up its start.
        let _ = ticks.send(());
        let mut ticker = interval(Duration::from_millis(1));
        ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (start, mut last, mut longest) = (Instant::now(), Instant::now(), Duration::ZERO);
        // Longer than the guest, which is blocked for two seconds.
        while start.elapsed() < Duration::from_millis(2500) {
            ticker.tick().await;
            longest = longest.max(last.elapsed());
            last = Instant::now();
        }
        longest
    });
    world.runtime().block_on(ticking)?;
    eprint!(".");
    let start = Instant::now();
    let count: u64 = world.call("stdout", (PER_OP, WRITTEN))?;
    let ran = start.elapsed();
    ensure!(count == WRITTEN, "the guest wrote {count} bytes");
    let longest = world.runtime().block_on(ticker)?;
    world.finish();
    eprintln!(" {} {}", ran.as_micros(), longest.as_micros());
    Ok(())
}
