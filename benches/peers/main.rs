//! Measures this crate against code by hand without it, and against lower bounds:
//! `cargo bench --bench peers [-- [--quick] [PART-OF-A-NAME]…]`.
//!
//! Each row runs the same guest over the same data, both sides alternately, and prints the medians. The `ratio` is the
//! peer's figure, plus what is allowed, divided by ours: 2 means that this crate takes half as long. A row below its
//! floor prints `below=yes`, and the exit status is 1.
//!
//! `--instructions` only runs what `.ci/instructions` counts.
//!
//! A run of all rows writes them and a plot to docs/performance.md and .svg; with `--quick`, to the target directory.

mod across;
mod by_hand;
mod channel;
mod guest;
mod host;
mod instructions;
#[allow(dead_code, reason = "the rest is for counts.rs")]
mod many;
#[allow(dead_code, reason = "the rest is for counts.rs")]
mod measure;
mod report;
mod rows;

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use wasmtime::error::Context as _;
use wasmtime::{Engine, Result, ensure};

use crate::measure::{Effort, Row, Side, Subject};

fn main() -> Result<ExitCode> {
    let mut quick = false;
    let mut parts = Vec::new();
    for arg in std::env::args().skip(1) {
        match arg.as_str() {
            // Passed by cargo.
            "--bench" => {}
            "--quick" => quick = true,
            "--instructions" => {
                instructions::run()?;
                return Ok(ExitCode::SUCCESS);
            }
            name if !name.starts_with('-') => parts.push(name.to_owned()),
            _ => {
                eprintln!(
                    "peers: no such argument: {arg}\nusage: peers [--quick | --instructions] [PART-OF-A-NAME]..."
                );
                return Ok(ExitCode::from(2));
            }
        }
    }
    let effort = if quick { Effort::QUICK } else { Effort::FULL };
    let mut bench = Bench { engine: Engine::default(), effort, parts, rows: Vec::new() };
    rows::bytes(&mut bench)?;
    rows::items(&mut bench)?;
    rows::channels(&mut bench)?;
    rows::tasks(&mut bench)?;
    rows::tcp(&mut bench)?;
    rows::completions(&mut bench)?;
    rows::growth(&mut bench)?;
    bench.counts()?;
    if bench.parts.is_empty() {
        let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/docs");
        report::write(
            &bench.rows,
            Path::new(if quick { env!("CARGO_TARGET_TMPDIR") } else { docs }),
        )?;
    }
    let below = bench.rows.iter().any(Row::is_below);
    Ok(if below { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The configuration and the results.
struct Bench {
    engine: Engine,
    effort: Effort,
    /// Runs only rows whose names contain one of these; all rows if there are none.
    parts: Vec<String>,
    rows: Vec<Row>,
}

impl Bench {
    fn wants(&self, subject: &Subject) -> bool {
        subject.is_one_of(&self.parts)
    }

    fn add(&mut self, row: Row) {
        println!("{row}");
        self.rows.push(row);
    }

    /// The rows of counts.rs, a separate program since its allocator counts.
    fn counts(&mut self) -> Result<()> {
        let cargo = std::env::var_os("CARGO").context("run it by cargo bench")?;
        let output = Command::new(cargo)
            .args(["bench", "--quiet", "--bench", "counts", "--"])
            .args(&self.parts)
            .stderr(Stdio::null())
            .output()?;
        let lines = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut rows = 0;
        for row in lines.lines().filter_map(Row::parse) {
            self.add(row);
            rows += 1;
        }
        ensure!(rows > 0 || !self.parts.is_empty(), "`cargo bench --bench counts` failed: run it");
        Ok(())
    }

    /// Adds a row whose sides time a number of operations.
    fn compare(
        &mut self,
        subject: Subject,
        ours: &mut Side<'_>,
        peer: &mut Side<'_>,
    ) -> Result<()> {
        if self.wants(&subject) {
            let row = self.effort.compare(subject, ours, peer)?;
            self.add(row);
        }
        Ok(())
    }

    /// Adds a row whose sides return nanoseconds.
    fn values(
        &mut self,
        effort: Effort,
        subject: Subject,
        ours: impl FnMut() -> Result<f64>,
        peer: impl FnMut() -> Result<f64>,
    ) -> Result<()> {
        if self.wants(&subject) {
            let row = effort.values(subject, ours, peer)?;
            self.add(row);
        }
        Ok(())
    }
}
