//! The report: one line a stream, or a failed call.

use std::fmt::{Debug, Display, Write};

use crate::{wasi::cli::stderr, wit_stream};

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The guest dropped its end; its last operation was completed.
    Completed,
    /// The host dropped its end.
    Dropped,
    /// The host moved nothing in many operations in a row, and the guest dropped its end.
    Stuck,
}

/// The lines that a guest writes to stderr at its end, and whether it succeeded.
#[derive(Debug, Default)]
pub struct Report {
    lines: String,
    failed: bool,
}

impl Report {
    /// A stream that has a result.
    pub fn stream<E: Debug>(
        &mut self,
        what: impl Display,
        moved: u64,
        end: End,
        result: Result<(), E>,
    ) {
        let value = match &result {
            Ok(()) => "ok".to_owned(),
            Err(error) => name(error),
        };
        self.failed |= result.is_err() || end == End::Stuck;
        self.line(format_args!("{what}: {moved} bytes, {}, {value}", name(&end)));
    }

    /// A stream of items, with the result if it has one.
    pub fn items(
        &mut self,
        what: impl Display,
        moved: u64,
        end: End,
        result: Option<Result<(), impl Debug>>,
    ) {
        let value = match &result {
            None => String::new(),
            Some(Ok(())) => ", ok".to_owned(),
            Some(Err(error)) => format!(", {}", name(error)),
        };
        self.failed |= matches!(result, Some(Err(_))) || end == End::Stuck;
        self.line(format_args!("{what}: {moved} items, {}{value}", name(&end)));
    }

    /// A call that failed with a name.
    pub fn fail(&mut self, what: impl Display, name: impl Display) {
        self.failed = true;
        self.line(format_args!("{what}: {name}"));
    }

    /// A call that failed with an error code.
    pub fn error(&mut self, what: impl Display, error: impl Debug) {
        self.fail(what, name(&error));
    }

    /// Adds all lines of another report.
    pub fn add(&mut self, other: Report) {
        self.lines.push_str(&other.lines);
        self.failed |= other.failed;
    }

    fn line(&mut self, line: impl Display) {
        let _ = writeln!(self.lines, "{line}");
    }

    /// Writes the report to stderr, and tells whether the guest succeeded.
    pub async fn write(self) -> Result<(), ()> {
        let (mut writer, reader) = wit_stream::new();
        let result = stderr::write_via_stream(reader);
        let unsent = writer.write_all(self.lines.into_bytes()).await;
        drop(writer);
        let written = result.await.is_ok() && unsent.is_empty();
        if self.failed || !written { Err(()) } else { Ok(()) }
    }
}

/// The name of an enum's case as WIT has it: `NoEntry` is `no-entry`.
pub fn name(case: &impl Debug) -> String {
    let text = format!("{case:?}");
    let path = text.split(['(', ' ']).next().unwrap_or_default();
    let mut name = String::new();
    for char in path.rsplit("::").next().unwrap_or_default().chars() {
        if char.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(char.to_ascii_lowercase());
    }
    name
}
