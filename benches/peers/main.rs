//! Measures this crate against what is written by hand without it, and against what cannot be beaten:
//! `cargo bench --bench peers [-- --quick] [PART-OF-A-NAME]`.
//!
//! Each row runs the same guest over the same data with both sides in turn, and prints the medians. A `ratio` is the
//! peer's figure, with what is allowed beside it, by ours: 2 means that this crate takes half of it. A row under its floor
//! says `below=yes`, and the exit status is 1.

mod across;
mod by_hand;
mod channel;
mod guest;
mod host;
#[allow(dead_code, reason = "the rest is for counts.rs")]
mod many;
#[allow(dead_code, reason = "the rest is for counts.rs")]
mod measure;
mod rows;

use std::process::ExitCode;

use wasmtime::{Engine, Result};

use crate::measure::{Effort, Row, Side, Subject};

fn main() -> Result<ExitCode> {
    let mut effort = Effort::FULL;
    let mut part = String::new();
    for arg in std::env::args().skip(1) {
        match arg.as_str() {
            // Given by cargo.
            "--bench" => {}
            "--quick" => effort = Effort::QUICK,
            name if !name.starts_with('-') => part = name.to_owned(),
            _ => {
                eprintln!(
                    "peers: no such argument: {arg}\nusage: peers [--quick] [PART-OF-A-NAME]"
                );
                return Ok(ExitCode::from(2));
            }
        }
    }
    let mut bench = Bench { engine: Engine::default(), effort, part, rows: Vec::new() };
    rows::bytes(&mut bench)?;
    rows::items(&mut bench)?;
    rows::channels(&mut bench)?;
    rows::tasks(&mut bench)?;
    rows::tcp(&mut bench)?;
    rows::completions(&mut bench)?;
    rows::growth(&mut bench)?;
    let below = bench.rows.iter().any(Row::is_below);
    Ok(if below { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What is measured, and what came of it.
struct Bench {
    engine: Engine,
    effort: Effort,
    /// Only rows whose names have this in them.
    part: String,
    rows: Vec<Row>,
}

impl Bench {
    fn wants(&self, subject: &Subject) -> bool {
        subject.name.contains(&self.part)
    }

    fn add(&mut self, row: Row) {
        println!("{row}");
        self.rows.push(row);
    }

    /// A row of two sides that take a number of operations.
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

    /// A row of two sides that answer with nanoseconds.
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
