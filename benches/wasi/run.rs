//! The arguments, and the rows one after the other.

use std::process::ExitCode;

use rustix::process::{Resource, getrlimit, setrlimit};
use wasmtime::{Engine, Result};

use crate::clock::Spent;
use crate::host::Guest;
use crate::measure::Subject;
use crate::pairs::{Bound, Effort, Timed};
use crate::{page, rows};

pub(crate) fn main() -> Result<ExitCode> {
    let mut quick = false;
    let mut parts = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            // Passed by cargo.
            "--bench" => {}
            "--quick" => quick = true,
            // What a row runs as a child.
            "--blocked-stdout" => {
                rows::blocked(&args.next().unwrap_or_default())?;
                return Ok(ExitCode::SUCCESS);
            }
            name if !name.starts_with('-') => parts.push(name.to_owned()),
            _ => {
                eprintln!(
                    "wasi: no such argument: {arg}\nusage: wasi [--quick] [PART-OF-A-NAME]..."
                );
                return Ok(ExitCode::from(2));
            }
        }
    }
    // For 1,000 connections, both ends of each.
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    setrlimit(Resource::Nofile, files)?;

    let guest = Guest::new(&Engine::default())?;
    let effort = if quick { Effort::QUICK } else { Effort::FULL };
    let mut bench = Bench { guest, effort, parts, times: Vec::new(), bounds: Vec::new() };
    rows::stdio(&mut bench)?;
    rows::files(&mut bench)?;
    rows::listing(&mut bench)?;
    rows::tcp(&mut bench)?;
    rows::limits(&mut bench)?;
    if bench.parts.is_empty() && !quick {
        page::write(&bench.times, &bench.bounds)?;
    }
    let below = !quick && bench.times.iter().any(|row| row.cpu.is_below());
    let exceeded = bench.bounds.iter().any(Bound::is_exceeded);
    Ok(if below || exceeded { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The configuration and the results.
pub(crate) struct Bench {
    pub(crate) guest: Guest,
    effort: Effort,
    /// Runs only rows whose names contain one of these; all rows if there are none.
    parts: Vec<String>,
    times: Vec<Timed>,
    bounds: Vec<Bound>,
}

impl Bench {
    pub(crate) fn wants(&self, subject: &Subject) -> bool {
        self.wants_named(&subject.name)
    }

    pub(crate) fn wants_named(&self, name: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|part| name.contains(part))
    }

    /// Adds a row of times.
    pub(crate) fn compare(
        &mut self,
        subject: Subject,
        ours: impl FnMut(u64) -> Result<Spent>,
        peer: impl FnMut(u64) -> Result<Spent>,
    ) -> Result<()> {
        self.compare_by(self.effort, subject, ours, peer)
    }

    /// Adds a row of times with other threads, whose runs are longer.
    pub(crate) fn compare_long(
        &mut self,
        subject: Subject,
        ours: impl FnMut(u64) -> Result<Spent>,
        peer: impl FnMut(u64) -> Result<Spent>,
    ) -> Result<()> {
        self.compare_by(self.effort.long(), subject, ours, peer)
    }

    fn compare_by(
        &mut self,
        effort: Effort,
        subject: Subject,
        mut ours: impl FnMut(u64) -> Result<Spent>,
        mut peer: impl FnMut(u64) -> Result<Spent>,
    ) -> Result<()> {
        let row = effort.compare(subject, &mut ours, &mut peer)?;
        println!("{row}");
        self.times.push(row);
        Ok(())
    }

    /// Adds a row that is no time.
    pub(crate) fn add_bound(&mut self, row: Bound) {
        println!("{row}");
        self.bounds.push(row);
    }
}
