//! The progress bar and the final line on stderr.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar on stderr, or a count if the length is unknown. Hidden unless stderr is a terminal.
pub(crate) fn bar(length: Option<u64>) -> ProgressBar {
    let (bar, template) = match length {
        Some(length) => (
            ProgressBar::new(length),
            "{wide_bar} {decimal_bytes:>9} of {decimal_total_bytes}, {decimal_bytes_per_sec:>11}, {eta:>3} left",
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
        // Redraw while no bytes arrive, too.
        bar.enable_steady_tick(Duration::from_millis(100));
    }
    bar
}

pub(crate) fn summary(read: u64, written: u64, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64();
    let throughput = read as f64 / 1e6 / seconds;
    format!("in {read} bytes, out {written} bytes, {seconds:.2} s, {throughput:.1} MB/s")
}
