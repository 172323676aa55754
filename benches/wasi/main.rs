//! Measures the streams of WASI 0.3 on this crate against Wasmtime's own host:
//! `cargo bench --all-features --bench wasi [-- [--quick] [PART-OF-A-NAME]…]`.
//!
//! Each row runs the same guest over the same objects, on both hosts alternately, and prints the medians of the CPU time
//! and of the wall time. A ratio is Wasmtime's time divided by ours: at 2 ours takes half as long. A row whose CPU time
//! is below its floor prints `below=yes`, and the exit status is 1. Before a row is timed, each byte is checked on both
//! hosts. Rows that are no times have a bound that ours must not exceed.
//!
//! A run of all rows writes them to docs/performance-wasi.md. `--quick` takes less than a minute; it checks the bytes and
//! the bounds, and its times are not held against the floors.

#[cfg(unix)]
mod clock;
#[cfg(unix)]
mod data;
#[cfg(unix)]
mod host;
#[allow(dead_code, reason = "the rest is for the benchmark `peers`")]
#[cfg(unix)]
#[path = "../peers/measure.rs"]
mod measure;
#[cfg(unix)]
mod page;
#[cfg(unix)]
mod pairs;
#[cfg(unix)]
mod rows;
#[cfg(unix)]
mod run;
#[cfg(unix)]
mod scratch;

#[cfg(unix)]
pub(crate) use run::Bench;
#[cfg(unix)]
use run::main;

#[cfg(not(unix))]
fn main() {
    eprintln!("wasi: CPU time is measured on Unix only");
}
