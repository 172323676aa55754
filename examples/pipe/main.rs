//! Pipes bytes through a guest, from and to files, pipes and sockets: `echo hello | cargo run --example pipe`
//!
//! ```sh
//! cargo run --example pipe -- --guest examples/guests/rot13.wat in.txt tcp:localhost:7000
//! cargo run --example pipe -- --help
//! ```
//!
//! `transfer.rs` is the part to copy: it connects a host reader and writer to a guest's streams. `peer.rs` waits until
//! every byte has arrived. The rest is the command line.

mod acknowledged;
mod arguments;
mod check;
mod endpoint;
mod guest;
mod hang_up;
mod input;
#[cfg(unix)]
mod nonblocking;
mod output;
mod peer;
mod progress;
mod receiver;
mod signature;
mod transfer;
mod writer;

use std::fmt::Display;
use std::io::{self, Write};
use std::panic;
use std::process;
use std::thread;
use std::time::Instant;

use indicatif::ProgressBar;
use tokio::runtime;
use wasmtime::Trap;

use self::arguments::{Arguments, Command, HELP};
use self::endpoint::Endpoint;
use self::guest::Guest;
use self::input::Input;
use self::output::Output;
use self::transfer::{Stopped, Transferred};

/// Why the exit status is not 0.
enum Failure {
    /// Status 2: nothing was opened.
    Unusable(String),
    /// Status 1: something failed on the way.
    Failed(String),
    /// Status 1, without a message: the reader of a pipe left, as in `| head`.
    ReaderGone,
}

impl Failure {
    fn usage(error: &dyn Display) -> Self {
        Self::Unusable(format!("{error}\nTry `pipe --help`."))
    }
}

/// The stack of the thread that compiles and runs the guest. The main thread's may be smaller (`ulimit -s`).
const STACK: usize = 8 << 20;

fn main() {
    // tokio and Wasmtime panic if the system denies them a thread, a descriptor or memory. Report it as a failure.
    panic::set_hook(Box::new(|panic| {
        let cause = panic.payload_as_str().unwrap_or("unknown").to_owned();
        let place = panic.location().map(|at| format!(", at {at}")).unwrap_or_default();
        end(Err(Failure::Failed(cause + &place)))
    }));
    let arguments = match Command::parse() {
        Ok(Command::Pipe(arguments)) => arguments,
        Ok(Command::Help) => end(print_help()),
        Err(failure) => end(Err(failure)),
    };
    // The thread ends the process.
    match thread::Builder::new().stack_size(STACK).spawn(|| run_to_end(arguments)) {
        Ok(thread) => drop(thread.join()),
        Err(error) => end(Err(Failure::Unusable(format!("no thread can be started: {error}")))),
    }
}

fn run_to_end(arguments: Arguments) -> ! {
    // One thread is faster here than several: tokio has its own threads for files, and only the guest computes.
    match runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(async { end(run(arguments).await) }),
        Err(error) => end(Err(Failure::Unusable(format!("the runtime cannot start: {error}")))),
    }
}

fn end(ended: Result<Option<String>, Failure>) -> ! {
    let (status, message) = match ended {
        Ok(summary) => (0, summary),
        Err(Failure::Unusable(message)) => (2, Some(format!("pipe: {message}"))),
        Err(Failure::Failed(message)) => (1, Some(format!("pipe: {message}"))),
        Err(Failure::ReaderGone) => (1, None),
    };
    if let Some(message) = message {
        // Not `eprintln`, which panics if stderr has no reader either.
        let _ = writeln!(io::stderr(), "{message}");
    }
    // All output is flushed. Returning would wait for tokio's thread, which may be blocked in a read of stdin.
    process::exit(status)
}

fn print_help() -> Result<Option<String>, Failure> {
    match writeln!(io::stdout(), "{HELP}") {
        Ok(()) => Ok(None),
        Err(error) => Err(Failure::Failed(format!("output -: {error}"))),
    }
}

/// Returns the final line.
async fn run(arguments: Arguments) -> Result<Option<String>, Failure> {
    check::check(&arguments).map_err(|why| Failure::usage(&why))?;
    let Arguments { guest, from, to, wait } = arguments;
    survive_file_size_limit();
    // The guest first: if it cannot be used, nothing has been opened or connected.
    let guest = Guest::load(guest.as_deref()).await?;

    let input = from.open().await.map_err(|cause| failed(&from, cause, 0))?;
    let output = to.open().await.map_err(|cause| failed(&to, cause, 0))?;
    // Both can be used. Accept connections only now: a caller's bytes would be lost if one of them could not.
    let input = Input::new(input).await.map_err(|cause| failed(&from, cause, 0))?;
    let output = Output::new(output).await.map_err(|cause| failed(&to, cause, 0))?;
    let Output { writer, mut receiver, is_terminal } = output;

    // On the terminal that shows the output, a bar would be drawn between its lines.
    let bar = if is_terminal { ProgressBar::hidden() } else { progress::bar(input.length) };
    let start = Instant::now();
    let reader = bar.wrap_async_read(input.reader);
    let Transferred { read, written, stopped } =
        transfer::transfer(guest, reader, writer, &mut receiver).await;
    let stopped = match stopped {
        None => receiver.has_all(wait).await.err().map(Stopped::Output),
        stopped => stopped,
    };
    bar.finish_and_clear();

    let is_pipe = receiver.peer.is_none();
    match stopped {
        None => Ok(Some(progress::summary(read, written, start.elapsed()))),
        Some(Stopped::Input(cause)) => Err(failed(&from, cause, read)),
        Some(Stopped::Output(cause)) if is_pipe && is_reader_gone(&cause) => {
            Err(Failure::ReaderGone)
        }
        Some(Stopped::Output(cause)) => Err(failed(&to, cause, written)),
        Some(Stopped::Guest(cause)) => Err(Failure::Failed(format!(
            "the guest {}, after {read} bytes in and {written} bytes out: {}",
            if cause.is::<Trap>() { "trapped" } else { "failed" },
            guest::cause(&cause)
        ))),
    }
}

fn failed(endpoint: &Endpoint, cause: io::Error, arrived: u64) -> Failure {
    Failure::Failed(format!("{endpoint}: {cause}, after {arrived} bytes"))
}

fn is_reader_gone(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

/// A write past the limit on file sizes (`ulimit -f`) raises a signal, which by default ends the process. With a
/// handler the write fails instead, as on a full disk.
#[cfg(unix)]
fn survive_file_size_limit() {
    use tokio::signal::unix::{SignalKind, signal};
    // On Linux, macOS and the BSDs.
    const SIGXFSZ: i32 = 25;
    let _ = signal(SignalKind::from_raw(SIGXFSZ));
}

#[cfg(not(unix))]
fn survive_file_size_limit() {}
