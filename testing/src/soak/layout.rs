//! Divides the schedules among the checks of all rows.

use std::ops::Range;

use crate::BoxedCheck;

/// How many schedules of a check are run in a row.
pub(super) const PART: u64 = 40;

pub(super) type Checks = Box<dyn Fn() -> Vec<BoxedCheck> + Send + Sync>;

/// One row of the table.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) part: u64,
    pub(super) checks: Checks,
    /// How many checks it has.
    pub(super) count: usize,
}

/// Some schedules of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) row: usize,
    pub(super) check: usize,
    pub(super) numbers: Range<u64>,
}

/// In a round each check runs a part. There are as many rounds as it takes.
#[derive(Debug)]
pub(super) struct Layout {
    /// Row, check, the schedules of a part, and those of the parts before it in the round.
    parts: Vec<(usize, usize, u64, u64)>,
    round: u64,
    all: u64,
}

impl Layout {
    pub(super) fn new(rows: &[Row], all: u64) -> Self {
        let mut parts = Vec::new();
        let mut round = 0;
        for (at, row) in rows.iter().enumerate() {
            for check in 0..row.count {
                parts.push((at, check, row.part, round));
                round += row.part;
            }
        }
        Self { parts, round, all }
    }

    /// The part with this index; `None` after the last.
    pub(super) fn part(&self, index: u64) -> Option<Part> {
        let checks = self.parts.len() as u64;
        let (round, at) = (index.checked_div(checks)?, (index % checks) as usize);
        let (row, check, part, before) = self.parts[at];
        let done = round.checked_mul(self.round)?.checked_add(before)?;
        let left = self.all.checked_sub(done).filter(|left| *left > 0)?;
        let first = round * part;
        Some(Part { row, check, numbers: first..first + part.min(left) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(part: u64, count: usize) -> Row {
        Row { name: String::new(), part, checks: Box::new(Vec::new), count }
    }

    #[test]
    fn all_schedules_are_run_once_and_no_others() {
        let layout = Layout::new(&[row(40, 2), row(2, 1), row(40, 0)], 1000);
        let parts: Vec<_> = (0..).map_while(|index| layout.part(index)).collect();
        let mut seen: Vec<_> = parts
            .iter()
            .flat_map(|part| part.numbers.clone().map(|number| (part.row, part.check, number)))
            .collect();
        assert_eq!(seen.len(), 1000);
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 1000);
        assert!(parts.iter().any(|part| part.row == 1));
        assert_eq!(layout.part(u64::MAX), None);
        assert_eq!(Layout::new(&[], 1000).part(0), None);
    }
}
