//! A service as a process, and what the system knows of it.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;
use std::{env, fs};

use wasmtime::error::Context as _;
use wasmtime::{Result, ensure};

/// A service, killed when dropped.
pub(crate) struct Service {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    pub(crate) address: SocketAddr,
    /// What the last answer counted.
    seen: Counts,
}

/// What a service has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) open: usize,
    pub(crate) complete: usize,
    pub(crate) cut: usize,
}

/// What the system knows of a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    /// Resident memory in KiB.
    pub(crate) memory: f64,
    pub(crate) descriptors: usize,
    pub(crate) mappings: usize,
    pub(crate) cpu: Duration,
}

impl Service {
    pub(crate) fn start(name: &str) -> Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        let mut process = command.arg(name).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(process.stdout.take().context("stdout is piped")?).lines();
        let address = lines.next().context("the service does not start")??.parse()?;
        Ok(Self { process, lines, address, seen: Counts::default() })
    }

    /// Waits until so many connections are open, and `ended` more than before have ended; returns how the latter did.
    pub(crate) fn wait(&mut self, open: usize, ended: usize) -> Result<Counts> {
        let input = self.process.stdin.as_mut().context("stdin is piped")?;
        let all = self.seen.complete + self.seen.cut + ended;
        writeln!(input, "{open} {all}")?;
        let line = self.lines.next().context("the service has ended")??;
        let mut numbers = line.split(' ').map(str::parse);
        let mut next = || -> Result<usize> { Ok(numbers.next().context("three numbers")??) };
        let now = Counts { open: next()?, complete: next()?, cut: next()? };
        let before = std::mem::replace(&mut self.seen, now);
        Ok(Counts {
            open: now.open,
            complete: now.complete - before.complete,
            cut: now.cut - before.cut,
        })
    }

    pub(crate) fn state(&self) -> Result<State> {
        let of = format!("/proc/{}", self.process.id());
        let status = fs::read_to_string(format!("{of}/status"))
            .context("what a process holds is read from /proc, which only Linux has")?;
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let memory = memory.and_then(|kib| kib.trim().split(' ').next());
        // The fields after the name, which may contain spaces: user time is the 12th, system time the 13th.
        let stat = fs::read_to_string(format!("{of}/stat"))?;
        let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
        let ticks: u64 = fields.map(str::parse::<u64>).sum::<std::result::Result<_, _>>()?;
        Ok(State {
            memory: memory.context("VmRSS")?.parse()?,
            descriptors: fs::read_dir(format!("{of}/fd"))?.count(),
            mappings: fs::read_to_string(format!("{of}/maps"))?.lines().count(),
            // Linux always counts 100 ticks a second here.
            cpu: Duration::from_millis(10 * ticks),
        })
    }

    pub(crate) fn is_running(&mut self) -> Result<()> {
        let ended = self.process.try_wait()?;
        ensure!(ended.is_none(), "the service has ended: {ended:?}");
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
