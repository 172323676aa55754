//! The result of a soak.

use std::fmt;
use std::time::Duration;

use super::layout::Row;
use crate::{Failure, Report};

/// How far a soak is.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Schedules that were run.
    pub done: u64,
    /// Schedules to run.
    pub all: u64,
    /// Findings so far.
    pub findings: usize,
}

/// A finding, and the schedule that led to it.
#[non_exhaustive]
#[derive(Debug)]
pub struct Found {
    /// The name of the row.
    pub row: String,
    /// Which of its checks.
    pub check: usize,
    /// The finding. [`Failure::number`] is the number of the schedule, for [`Soak::replay`](super::Soak::replay).
    pub failure: Box<Failure>,
}

/// How much was run of one row.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct RowReport {
    /// The name of the row.
    pub name: String,
    /// Schedules that were run.
    pub schedules: usize,
    /// How long they took together.
    pub elapsed: Duration,
}

/// The result of a soak.
#[non_exhaustive]
#[derive(Debug)]
pub struct SoakReport {
    /// How much was run without a finding.
    pub report: Report,
    /// The same by row.
    pub rows: Vec<RowReport>,
    /// How many checks the rows have.
    pub checks: usize,
    /// The findings, at most one for each check and thread.
    pub findings: Vec<Found>,
    /// The schedules that a thread did not come back from.
    pub hung: Option<String>,
    /// How long it took.
    pub elapsed: Duration,
    /// The seed.
    pub seed: u64,
}

impl SoakReport {
    pub(super) fn new(seed: u64, rows: &[Row]) -> Self {
        let none =
            |row: &Row| RowReport { name: row.name.clone(), schedules: 0, elapsed: Duration::ZERO };
        Self {
            report: Report { seed, ..Report::default() },
            rows: rows.iter().map(none).collect(),
            checks: rows.iter().map(|row| row.count).sum(),
            findings: Vec::new(),
            hung: None,
            elapsed: Duration::ZERO,
            seed,
        }
    }

    pub(super) fn add(
        &mut self,
        row: usize,
        more: Report,
        elapsed: Duration,
        found: Option<Found>,
    ) {
        let Self { report, rows, findings, .. } = self;
        report.scripts += more.scripts;
        report.operations += more.operations;
        report.polls += more.polls;
        report.wakes += more.wakes;
        rows[row].schedules += more.scripts;
        rows[row].elapsed += elapsed;
        findings.extend(found);
    }

    /// Whether nothing was found, and nothing hung.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty() && self.hung.is_none()
    }
}

impl fmt::Display for SoakReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { scripts, operations, polls, .. } = self.report;
        let (rows, checks, findings) = (self.rows.len(), self.checks, self.findings.len());
        write!(f, "{scripts} schedules, {operations} operations, {polls} polls, {rows} rows, ")?;
        write!(f, "{checks} checks, {:.0} s, ", self.elapsed.as_secs_f64())?;
        write!(f, "{findings} findings, seed {}", self.seed)?;
        match &self.hung {
            Some(hung) => write!(f, ", hung: {hung}"),
            None => Ok(()),
        }
    }
}
