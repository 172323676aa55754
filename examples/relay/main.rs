//! Two guests in two stores on two threads. One's output is the other's input, and one of them is killed on the way.
//!
//! ```sh
//! cargo run --example relay
//! cargo run --example relay -- 17 42 # these seeds
//! ```
//!
//! A guest is killed by dropping its store, or by a trap: it runs out of fuel. Each run prints how all streams ended,
//! and fails if the other guest's streams did not end for the right reason. `chain.rs` is the part to copy.

mod chain;
mod plan;

use std::hash::{BuildHasher as _, RandomState};
use std::io::Write as _;
use std::process::ExitCode;

use self::plan::Plan;

fn main() -> ExitCode {
    let mut seeds = Vec::new();
    for argument in std::env::args().skip(1) {
        match argument.parse() {
            Ok(seed) => seeds.push(seed),
            Err(error) => {
                say(&format!("relay: {argument}: {error}; Usage: relay [SEED]..."));
                return ExitCode::from(2);
            }
        }
    }
    if seeds.is_empty() {
        seeds = (0_u32..24).map(|n| RandomState::new().hash_one(n) % 1_000_000).collect();
    }
    let mut failed = false;
    for seed in seeds {
        let plan = Plan::new(seed);
        let outcome = chain::run(&plan).map_err(|error| format!("{error:#}"));
        let verdict = match &outcome {
            Ok(outcome) => plan.judge(outcome),
            Err(error) => Err(error.clone()),
        };
        let told = outcome.map(|outcome| format!(" {outcome}")).unwrap_or_default();
        match verdict {
            Ok(()) => say(&format!("seed {seed}: {plan}.{told}")),
            Err(why) => {
                failed = true;
                say(&format!("seed {seed}: {plan}.{told} WRONG: {why}"));
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Not `println`, which panics if stdout has no reader.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
