//! The rows as tables, for docs/performance-wasi.md.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use wasmtime::Result;
use wasmtime::error::Context as _;

use crate::measure::{Row, Subject};
use crate::pairs::{Bound, Timed};

const BEGIN: &str = "<!-- written by `cargo bench --all-features --bench wasi` from here -->\n";
const END: &str = "<!-- to here -->\n";

/// Writes the page anew, with new tables.
pub(crate) fn write(times: &[Timed], bounds: &[Bound]) -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance-wasi.md");
    let text = fs::read_to_string(&path).context("docs/performance-wasi.md is the template")?;
    let parts = text.split_once(BEGIN).and_then(|(head, rest)| {
        let (_, tail) = rest.split_once(END)?;
        Some((head, tail))
    });
    let (head, tail) = parts.context("docs/performance-wasi.md has no place for the tables")?;
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let machine = format!("{cores} cores, {} {}", std::env::consts::OS, std::env::consts::ARCH);
    let (times, bounds) = (table(times)?, limits(bounds)?);
    fs::write(
        &path,
        format!("{head}{BEGIN}\n{times}\n{bounds}\nMachine: {machine}.\n\n{END}{tail}"),
    )?;
    println!("written: {}", path.display());
    Ok(())
}

fn table(times: &[Timed]) -> Result<String> {
    let mut table = String::from(
        "| row | against | CPU time, ours | theirs | ratio | floor | wall time, ratio |\n\
         |---|---|--:|--:|--:|--:|--:|\n",
    );
    for Timed { cpu, wall } in times {
        let Row { subject: Subject { name, peer, unit, floor, .. }, ours, peer: theirs, ratio } =
            cpu;
        let (ours, theirs) = (ours / 1000.0, theirs / 1000.0);
        let (bold, wall) = (if cpu.is_below() { "**" } else { "" }, wall.ratio);
        writeln!(
            table,
            "| {name} | {peer} | {ours:.2} µs/{unit} | {theirs:.2} | {bold}{ratio:.2}{bold} | \
             {floor:.2} | {wall:.2} |",
        )?;
    }
    Ok(table)
}

fn limits(bounds: &[Bound]) -> Result<String> {
    let mut table = String::from("| row | ours | Wasmtime's host | at most |\n|---|--:|--:|--:|\n");
    for Bound { what, unit, ours, peer, most, .. } in bounds {
        writeln!(table, "| {what} | {ours} {unit} | {peer} | {most} |")?;
    }
    Ok(table)
}
