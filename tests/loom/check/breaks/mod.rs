//! The table of what is broken on purpose: at least one change for each numbered invariant. Each must be found by the
//! model that is named, with the words that are named.
//!
//! The number of a break is that of the invariant in the piece's own file.

mod adapters;
mod handoff;
mod slot;
mod wakes;

/// One variant of the pieces.
pub(crate) struct Break {
    /// The piece, and the number of the invariant.
    pub(crate) name: &'static str,
    pub(crate) file: &'static str,
    /// Texts of that file, each there once, and what replaces them.
    pub(crate) changes: &'static [(&'static str, &'static str)],
    pub(crate) found_by: &'static str,
    /// A part of what the failure says, so that no other failure passes for it.
    pub(crate) says: &'static str,
}

pub(crate) const fn broken(
    name: &'static str,
    file: &'static str,
    changes: &'static [(&'static str, &'static str)],
    found_by: &'static str,
    says: &'static str,
) -> Break {
    Break { name, file, changes, found_by, says }
}

/// Loom's report of threads that all wait: a lost wake-up, or a lock that its own holder waits for.
pub(crate) const DEADLOCK: &str = "deadlock; threads =";

pub(crate) fn all() -> Vec<&'static Break> {
    [slot::ALL, handoff::ALL, wakes::ONESHOTS, wakes::SIGNALS, adapters::JOBS, adapters::STDIOS]
        .into_iter()
        .flatten()
        .collect()
}
