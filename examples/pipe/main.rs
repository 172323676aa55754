//! Pipes bytes through a WebAssembly component: `pipe [--guest FILE] [FROM] [TO]`.
//!
//! ```sh
//! echo hello | cargo run --release --example pipe
//! cargo run --release --example pipe -- --guest examples/guests/rot13.wat in.txt tcp:localhost:7000
//! ```
//!
//! `transfer.rs` is the part to copy: it joins a host's reader and writer to a guest's streams. The rest is a command
//! line around it, written for Unix.

mod arguments;
mod endpoint;
mod guest;
mod output;
mod signature;
mod transfer;

use std::fmt::Display;
use std::io::{self, Write};
use std::process;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use self::arguments::Arguments;
use self::guest::Guest;
use self::transfer::{Stopped, Transferred};

/// Why the program ends with another status than 0.
enum Failure {
    /// Status 2: what was asked for is of no use.
    Unusable(String),
    /// Status 1: something failed on the way.
    Failed(String),
    /// Status 1 as well, without a word: the reader of a pipe has had enough, as in `| head`.
    ReaderGone,
}

// One thread is enough, and faster here than several: tokio reads and writes files on threads of its own, and all that
// computes is the guest.
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (status, message) = match run().await {
        Ok(summary) => (0, summary),
        Err(Failure::Unusable(message)) => (2, format!("pipe: {message}")),
        Err(Failure::Failed(message)) => (1, format!("pipe: {message}")),
        Err(Failure::ReaderGone) => process::exit(1),
    };
    // Not by `eprintln`, which panics where stderr has no reader either.
    let _ = writeln!(io::stderr(), "{message}");
    // By now all is flushed. To return instead would wait for the thread in which tokio may still be reading stdin.
    process::exit(status)
}

/// Returns the line to end with.
async fn run() -> Result<String, Failure> {
    let Arguments { guest, from, to } = Arguments::parse()?;
    // The guest comes first: if it is of no use no file has been emptied for it, and nobody called.
    let guest = Guest::load(guest.as_deref()).await?;

    let input_failed = |cause, arrived| failed("input", &from, cause, arrived);
    let output_failed = |cause, arrived| failed("output", &to, cause, arrived);
    let input = from.open_input().await.map_err(|cause| input_failed(cause, 0))?;
    let output = to.open_output().await.map_err(|cause| output_failed(cause, 0))?;
    let quiet = !output.is_connection;

    // On the terminal that gets the output a bar would be drawn in the midst of it.
    let bar = if output.is_terminal { ProgressBar::hidden() } else { progress_bar(input.length) };
    let start = Instant::now();
    let reader = bar.wrap_async_read(input.reader);
    let Transferred { read, written, stopped } = transfer::transfer(guest, reader, output).await;
    bar.finish_and_clear();

    match stopped {
        None => Ok(summary(read, written, start.elapsed())),
        Some(Stopped::Input(cause)) => Err(input_failed(cause, read)),
        Some(Stopped::Output(cause)) if quiet && is_reader_gone(&cause) => Err(Failure::ReaderGone),
        Some(Stopped::Output(cause)) => Err(output_failed(cause, written)),
        Some(Stopped::Guest(cause)) => Err(Failure::Failed(format!(
            "the guest trapped, after {read} bytes in and {written} bytes out: {}",
            guest::cause(&cause)
        ))),
    }
}

fn failed(side: &str, endpoint: &dyn Display, cause: io::Error, arrived: u64) -> Failure {
    Failure::Failed(format!("{side} {endpoint}: {cause}, after {arrived} bytes"))
}

fn is_reader_gone(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

/// A bar on stderr, or a count if there is no telling how much will come. It draws nothing unless stderr is a terminal.
fn progress_bar(length: Option<u64>) -> ProgressBar {
    let (bar, template) = match length {
        Some(length) => (
            ProgressBar::new(length),
            "[{wide_bar}] {decimal_bytes} of {decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left",
        ),
        None => (
            ProgressBar::no_length(),
            "{spinner} {decimal_bytes}, {decimal_bytes_per_sec}, {elapsed}",
        ),
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    if !bar.is_hidden() {
        // It stays alive while nothing comes in.
        bar.enable_steady_tick(Duration::from_millis(100));
    }
    bar
}

fn summary(read: u64, written: u64, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64();
    let throughput = read as f64 / 1e6 / seconds;
    format!("in {read} bytes, out {written} bytes, {seconds:.2} s, {throughput:.1} MB/s")
}
