//! Runs every model, then every variant of the pieces that is broken on purpose, each in a process of its own.
//!
//! Arguments choose among the models and variants by a part of their names.
//!
//! A model that fails, a variant that no model finds, and a variant that cannot be made are errors.

#![forbid(unsafe_code)]

mod breaks;
mod variants;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

/// `tests/loom`.
fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where this program was built: the models and the variants are built there as well.
fn target() -> PathBuf {
    let program = std::env::current_exe().expect("this program has a path");
    program.ancestors().nth(2).expect("it is in a target directory").to_owned()
}

fn cargo() -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.env("CARGO_TARGET_DIR", target()).stdin(Stdio::null());
    cargo
}

/// Whether the arguments choose that name.
fn is_chosen(name: &str) -> bool {
    let mut parts = std::env::args().skip(1).peekable();
    parts.peek().is_none() || parts.any(|part| name.contains(&part))
}

/// What a run of a model printed, and whether it passed.
struct Run {
    passed: bool,
    output: String,
    seconds: f32,
}

fn run(program: &Path, model: &str) -> Run {
    let start = Instant::now();
    let mut command = Command::new(program);
    let run = command.arg(model).env("RUST_BACKTRACE", "0").stdin(Stdio::null()).output();
    let seconds = start.elapsed().as_secs_f32();
    match run {
        Ok(run) => {
            let output = [run.stdout, run.stderr].concat();
            let output = String::from_utf8_lossy(&output).trim().to_owned();
            Run { passed: run.status.success(), output, seconds }
        }
        Err(error) => Run { passed: false, output: error.to_string(), seconds },
    }
}

/// Does `work` with each item, on as many threads as there are processors. Gives how many failed.
fn each<T: Sync>(items: &[T], work: impl Fn(&T) -> bool + Sync) -> usize {
    let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let threads = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if !work(item) {
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    failed.into_inner()
}

fn models() -> Result<usize, String> {
    let mut build = cargo();
    build.current_dir(home()).args(["build", "--quiet", "--locked", "--bin", "models"]);
    if !build.status().is_ok_and(|status| status.success()) {
        return Err("the models do not compile".into());
    }
    let program = target().join("debug/models");
    let names = Command::new(&program).output().map_err(|error| error.to_string())?;
    let names = String::from_utf8_lossy(&names.stdout).into_owned();
    let names: Vec<_> = names.lines().filter(|name| is_chosen(name)).collect();
    println!("{:>9} {:>7}  model", "runs", "seconds");
    let runs = Mutex::new(0);
    let failed = each(&names, |name| {
        let Run { passed, output, seconds } = run(&program, name);
        match output.parse::<u64>() {
            Ok(executions) if passed => {
                *runs.lock().unwrap() += executions;
                println!("{executions:>9} {seconds:>7.1}  {name}");
            }
            _ => println!("   FAILED {seconds:>7.1}  {name}\n{output}"),
        }
        passed
    });
    println!("{:>9} runs of {} models, {failed} failed", runs.into_inner().unwrap(), names.len());
    Ok(failed)
}

fn broken() -> Result<usize, String> {
    let mut breaks = breaks::all();
    breaks.retain(|broken| is_chosen(broken.name));
    variants::make(&breaks)?;
    println!("\nbroken on purpose: what says so");
    let failed = each(&breaks, |broken| {
        let program = target().join("debug").join(variants::name(broken));
        let Run { passed, output, seconds } = run(&program, broken.found_by);
        let found = !passed && output.contains(broken.says);
        let says = broken.says;
        let what = if found { format!("{says:?} in") } else { "NOT FOUND by".into() };
        println!("{:>12} {seconds:>7.1}  {what} {}", broken.name, broken.found_by);
        if !found {
            println!("{output}");
        }
        found
    });
    println!("{} variants, {failed} not found", breaks.len());
    Ok(failed)
}

fn main() -> ExitCode {
    let start = Instant::now();
    let failed = models().and_then(|failed| broken().map(|not_found| failed + not_found));
    println!("{:.0} s", start.elapsed().as_secs_f32());
    match failed {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
