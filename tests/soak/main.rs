//! Random schedules over every adapter of the crate: the rows of the contract, without an end.
//!
//! ```text
//! cargo test --test soak -- --schedules 100000              # by default 10,000
//! cargo test --test soak -- --seed 7 tokio_io               # another seed; only rows with this in their name
//! cargo test --test soak -- --seed 7 --replay ROW CHECK N   # one schedule again
//! ```
//!
//! `--rates` prints how long the rows took, `--threads` sets how many run at a time. docs/reliability.md says how to run
//! millions.
#![allow(unreachable_pub)] // shared with other targets

use std::error::Error;
use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use lexopt::Arg::{Long, Short, Value};
use lexopt::ValueExt as _;
use wasmtime_streams_testing::{Soak, SoakReport};

#[path = "../contract/adapters/mod.rs"]
mod adapters;
#[path = "../support/script.rs"]
mod script;

/// The rows whose scripts connect over TCP. The kernel remembers each connection for a minute, and has too few ports for
/// those of all schedules.
const OVER_TCP: [&str; 5] = [
    "sockets_accept",
    "sockets_read",
    "sockets_read_tcp_half",
    "sockets_write",
    "sockets_write_tcp_half",
];

#[derive(Default)]
struct Options {
    seed: Option<u64>,
    schedules: Option<u64>,
    threads: Option<usize>,
    rates: bool,
    filter: Vec<String>,
    /// Row, check and number of a schedule.
    replay: Option<(String, usize, u64)>,
}

impl Options {
    fn parse() -> Result<Self, lexopt::Error> {
        let mut options = Self::default();
        let mut args = lexopt::Parser::from_env();
        while let Some(arg) = args.next()? {
            match arg {
                Long("seed") => options.seed = Some(args.value()?.parse()?),
                Long("schedules") => options.schedules = Some(args.value()?.parse()?),
                Long("threads") => options.threads = Some(args.value()?.parse()?),
                Long("rates") => options.rates = true,
                Long("replay") => {
                    let (row, check) = (args.value()?.string()?, args.value()?.parse()?);
                    options.replay = Some((row, check, args.value()?.parse()?));
                }
                // What `cargo test` may pass to all test programs.
                Long("nocapture" | "exact" | "quiet" | "show-output") | Short('q') => {}
                Long("test-threads" | "skip" | "color" | "format") => drop(args.value()?),
                Value(filter) => options.filter.push(filter.string()?),
                other => return Err(other.unexpected()),
            }
        }
        Ok(options)
    }

    fn wants(&self, row: &str) -> bool {
        self.filter.is_empty() || self.filter.iter().any(|filter| row.contains(&**filter))
    }
}

fn soak(options: &Options) -> Soak {
    let mut soak = Soak::new(options.seed.unwrap_or(1));
    for (name, checks) in adapters::rows().filter(|(name, _)| options.wants(name)) {
        let checks = move || checks().0;
        soak = if OVER_TCP.contains(&name) {
            soak.rare_row(name, checks)
        } else {
            soak.row(name, checks)
        };
    }
    if let Some(schedules) = options.schedules {
        soak = soak.schedules(schedules);
    }
    if let Some(threads) = options.threads {
        soak = soak.threads(threads);
    }
    soak
}

/// A bar on a terminal, else a line every ten seconds.
fn run(soak: &Soak) -> Result<SoakReport, Box<dyn Error>> {
    if std::io::stderr().is_terminal() {
        let style = "{bar:40} {human_pos}/{human_len} schedules, {per_sec}, {eta} left, {msg}";
        let bar = ProgressBar::no_length().with_style(ProgressStyle::with_template(style)?);
        let report = soak.run(|progress| {
            bar.set_length(progress.all);
            bar.set_position(progress.done);
            bar.set_message(format!("{} findings", progress.findings));
        });
        bar.finish_and_clear();
        return Ok(report);
    }
    let (began, mut shown) = (std::time::Instant::now(), Duration::ZERO);
    Ok(soak.run(|progress| {
        let now = began.elapsed();
        if now - shown >= Duration::from_secs(10) {
            shown = now;
            let (done, all, findings) = (progress.done, progress.all, progress.findings);
            eprintln!("soak: {done} of {all} schedules, {findings} findings, {} s", now.as_secs());
        }
    }))
}

/// The rows by the time that a schedule takes, the slowest first.
fn print_rates(report: &SoakReport) {
    let mut rows: Vec<_> = report.rows.iter().filter(|row| row.schedules > 0).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.elapsed / row.schedules as u32));
    for row in rows {
        let rate = row.schedules as f64 / row.elapsed.as_secs_f64();
        println!("{:50} {:9} schedules {rate:9.0} a second and thread", row.name, row.schedules);
    }
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    adapters::assert_complete();
    let options = Options::parse()?;
    let soak = soak(&options);
    if let Some((row, check, number)) = &options.replay {
        return Ok(
            match soak.replay(row, *check, *number).ok_or("there is no such row or check")? {
                Ok(report) => {
                    println!("no finding: {report}");
                    ExitCode::SUCCESS
                }
                Err(failure) => {
                    println!("{failure}");
                    ExitCode::FAILURE
                }
            },
        );
    }
    let report = run(&soak)?;
    if options.rates {
        print_rates(&report);
    }
    for found in &report.findings {
        let (row, check, number) = (&found.row, found.check, found.failure.number.unwrap_or(0));
        println!("\nrow {row}, check {check}, schedule {number}:\n{}", found.failure);
        println!(
            "to run it again: cargo test --test soak -- --seed {} --replay {row} {check} {number}",
            report.seed
        );
    }
    println!("soak: {report}");
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
