//! The rows as a table and as a plot, for docs/performance.md.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use wasmtime::Result;
use wasmtime::error::Context as _;

use crate::measure::Row;

const BEGIN: &str = "<!-- written by `cargo bench --bench peers` from here -->\n";
const END: &str = "<!-- to here -->\n";

/// Writes the plot and the page to `folder`. The page is docs/performance.md with a new table.
pub(crate) fn write(rows: &[Row], folder: &Path) -> Result<()> {
    let page = folder.join("performance.md");
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance.md");
    let text = fs::read_to_string(&template).context("docs/performance.md is the template")?;
    let parts = text.split_once(BEGIN).and_then(|(head, rest)| {
        let (_, tail) = rest.split_once(END)?;
        Some((head, tail))
    });
    let (head, tail) = parts.context("docs/performance.md has no place for the table")?;
    let (machine, headlines, table) = (machine(), headlines(rows)?, table(rows)?);
    let plot_link = "![Each row's ratio, by its floor](performance.svg)";
    fs::create_dir_all(folder)?;
    let text = format!("{headlines}\n{machine}\n{plot_link}\n\n## All rows\n\n{table}");
    fs::write(page, format!("{head}{BEGIN}\n{text}\n{END}{tail}"))?;
    fs::write(folder.join("performance.svg"), plot(rows)?)?;
    println!("written: {}", folder.join("performance.{md,svg}").display());
    Ok(())
}

fn output(program: &str, args: &[&str]) -> Option<String> {
    let out = Command::new(program).args(args).output().ok().filter(|out| out.status.success())?;
    Some(String::from_utf8_lossy(&out.stdout).trim().to_owned())
}

/// The machine, the commit and the compiler.
fn machine() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("an unknown processor", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let commit = output("git", &["rev-parse", "--short=12", "HEAD"]).unwrap_or("unknown".into());
    let sources = ["status", "--porcelain", "--", "src", "adapters", "benches", "Cargo.toml"];
    let changed = output("git", &sources).is_some_and(|status| !status.is_empty());
    let changed = if changed { ", with changes" } else { "" };
    let rustc = output("rustc", &["--version"]).unwrap_or_default();
    format!(
        "Machine: {cores} cores of {model}, {os} {arch}. Commit: `{commit}`{changed}. {rustc}.\n",
        os = env::consts::OS,
        arch = env::consts::ARCH,
    )
}

/// The most important rows.
const HEADLINES: [(&str, &str, &str); 6] = [
    ("bytes-in-64k", "direct", "64 KiB from an `AsyncRead`, against the fastest producer by hand"),
    (
        "chunks-1k-in-64k",
        "one-handed-over",
        "1 KiB chunks into 64 KiB reads, against a chunk a read",
    ),
    ("items-in-256", "one-by-one", "`u32` from a `Stream`, 256 a read, against an item a read"),
    ("records-in-256", "one-by-one", "records with a string, against an item a read"),
    ("reader-other-thread", "duplex", "output read by another thread, against `tokio::io::duplex`"),
    ("streams-10000", "direct", "10,000 streams at a time, against the direct producer by hand"),
];

fn headlines(rows: &[Row]) -> Result<String> {
    let mut table = String::from("| what | ours | theirs | ratio |\n|---|--:|--:|--:|\n");
    for (name, against, what) in HEADLINES {
        let is_it = |row: &&Row| row.subject.name == name && row.subject.peer == against;
        let Some(Row { subject, ours, peer, ratio }) = rows.iter().find(is_it) else { continue };
        let (measure, unit) = (&subject.measure, &subject.unit);
        writeln!(table, "| {what} | {ours:.2} {measure}/{unit} | {peer:.2} | {ratio:.2} |")?;
    }
    Ok(table)
}

fn table(rows: &[Row]) -> Result<String> {
    let mut table = String::from(
        "| row | against | ours | theirs | allowed beside | ratio | floor |\n\
         |---|---|--:|--:|--:|--:|--:|\n",
    );
    for Row { subject, ours, peer, ratio } in rows {
        let (measure, unit) = (&subject.measure, &subject.unit);
        let allowed =
            if subject.allowed > 0.0 { subject.allowed.to_string() } else { String::new() };
        let floor = if subject.floor > 0.0 { format!("{:.2}", subject.floor) } else { "".into() };
        writeln!(
            table,
            "| {} | {} | {ours:.2} {measure}/{unit} | {peer:.2} | {allowed} | {ratio:.2} | {floor} |",
            subject.name, subject.peer,
        )?;
    }
    Ok(table)
}

/// One bar per row that has a floor: its ratio by its floor, on a logarithmic scale.
fn plot(rows: &[Row]) -> Result<String> {
    const LEFT: f64 = 330.0;
    const RIGHT: f64 = 70.0;
    const TOP: f64 = 30.0;
    const STEP: f64 = 16.0;
    const WIDTH: f64 = 800.0;
    // From a quarter of the floor to sixteen times the floor.
    let x =
        |times: f64| LEFT + (times.clamp(0.25, 16.0).log2() + 2.0) / 6.0 * (WIDTH - LEFT - RIGHT);
    let rows = rows.iter().filter(|row| row.subject.floor > 0.0).collect::<Vec<_>>();
    let height = TOP + STEP * rows.len() as f64 + 10.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n\
         <title>Each row's ratio, by its floor</title>\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    for times in [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0] {
        let (x, label) =
            (x(times), if times == 1.0 { "floor".into() } else { format!("{times}×") });
        let colour = if times == 1.0 { "black" } else { "lightgray" };
        writeln!(
            svg,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{height}\" stroke=\"{colour}\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
            TOP - 8.0,
        )?;
    }
    for (index, row) in rows.iter().enumerate() {
        let y = TOP + STEP * index as f64;
        let times = row.ratio / row.subject.floor;
        let colour = if row.is_below() { "#c33" } else { "#48a" };
        let (one, end) = (x(1.0), x(times));
        writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{} / {}</text>\
             <rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"11\" fill=\"{colour}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{:.2}</text>",
            LEFT - 6.0,
            y + 12.0,
            row.subject.name,
            row.subject.peer,
            one.min(end),
            y + 3.0,
            (end - one).abs().max(1.0),
            WIDTH - RIGHT + 6.0,
            y + 12.0,
            row.ratio,
        )?;
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}
