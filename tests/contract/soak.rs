//! Random schedules over every adapter: 2,000 of them, or as many as are asked for.
//!
//! ```text
//! SCHEDULES=100000 cargo test --test contract random_schedules -- --nocapture
//! SEED=7 ROWS=tokio_io,codec …                    # another seed; only rows with one of these in their name
//! SEED=7 REPLAY=ROW/CHECK/NUMBER …                # one schedule again
//! ```
//!
//! `RATES=1` prints how long the rows took. docs/reliability.md says how to run millions.

use std::env;
use std::io::IsTerminal as _;
use std::str::FromStr;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use wasmtime_streams_testing::{Soak, SoakReport};

use crate::adapters;

const SCHEDULES: u64 = 2000;

/// The rows whose scripts connect over TCP. The kernel remembers each connection for a minute, and has too few ports for
/// those of all schedules.
const OVER_TCP: [&str; 5] = [
    "sockets_accept",
    "sockets_read",
    "sockets_read_tcp_half",
    "sockets_write",
    "sockets_write_tcp_half",
];

fn variable<T: FromStr>(name: &str, otherwise: T) -> T {
    match env::var(name) {
        Ok(value) => value.parse().unwrap_or_else(|_| panic!("{name}={value} is no number")),
        Err(_) => otherwise,
    }
}

fn soak() -> Soak {
    let wanted = env::var("ROWS").unwrap_or_default();
    let wants = |row: &str| wanted.split(',').any(|part| row.contains(part));
    let mut soak = Soak::new(variable("SEED", 1));
    for (name, checks) in adapters::rows().filter(|(name, _)| wants(name)) {
        let checks = move || checks().0;
        soak = match OVER_TCP.contains(&name) {
            true => soak.rare_row(name, checks),
            false => soak.row(name, checks),
        };
    }
    soak.schedules(variable("SCHEDULES", SCHEDULES))
}

/// Shows a bar on a terminal, else a line every ten seconds.
fn run(soak: &Soak) -> SoakReport {
    if std::io::stderr().is_terminal() {
        let style = "{bar:40} {human_pos}/{human_len} schedules, {per_sec}, {eta} left, {msg}";
        let style = ProgressStyle::with_template(style).expect("a template");
        let bar = ProgressBar::no_length().with_style(style);
        let report = soak.run(|progress| {
            bar.set_length(progress.all);
            bar.set_position(progress.done);
            bar.set_message(format!("{} findings", progress.findings));
        });
        bar.finish_and_clear();
        return report;
    }
    let (began, mut shown) = (Instant::now(), Duration::ZERO);
    soak.run(|progress| {
        let now = began.elapsed();
        if now - shown >= Duration::from_secs(10) {
            shown = now;
            let (done, all, findings) = (progress.done, progress.all, progress.findings);
            eprintln!("{done} of {all} schedules, {findings} findings, {} s", now.as_secs());
        }
    })
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

fn replay(soak: &Soak, which: &str) {
    let parts: Vec<_> = which.split('/').collect();
    let &[row, check, number] = &parts[..] else {
        panic!("REPLAY={which}: expected ROW/CHECK/NUMBER");
    };
    let parts = check.parse().ok().zip(number.parse().ok());
    let (check, number) = parts.unwrap_or_else(|| panic!("REPLAY={which}: expected numbers"));
    match soak.replay(row, check, number) {
        Some(Ok(report)) => println!("no finding: {report}"),
        Some(Err(failure)) => panic!("\n{failure}\n"),
        None => panic!("REPLAY={which}: there is no such row or check"),
    }
}

#[test]
fn random_schedules_have_no_finding() {
    let soak = soak();
    if let Ok(which) = env::var("REPLAY") {
        return replay(&soak, &which);
    }
    let report = run(&soak);
    if env::var_os("RATES").is_some() {
        print_rates(&report);
    }
    for found in &report.findings {
        let (row, check, number) = (&found.row, found.check, found.failure.number.unwrap_or(0));
        println!("\nrow {row}, check {check}, schedule {number}:\n{}", found.failure);
        let seed = report.seed;
        println!(
            "to run it again: SEED={seed} REPLAY={row}/{check}/{number} cargo test --test contract random_schedules"
        );
    }
    println!("{report}");
    assert!(report.is_clean(), "{report}");
}
