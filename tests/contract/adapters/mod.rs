//! Every adapter of the crate under the contract kit: one table for the contract, the soak and the fuzz target. Each row
//! is a test of one adapter.
//!
//! A row is named after its constructor; a suffix distinguishes rows of the same constructor.
#![allow(dead_code)] // each target uses a part

use ::std::collections::BTreeSet;
use ::std::io::Write as _;

use wasmtime_streams_testing::{BoxedCheck, Made, Report};

use crate::script::{Control, Script, Step};

/// A row: its name, and what makes its checks.
pub(crate) type Row = (&'static str, fn() -> Checks);

/// The checks of one row.
#[derive(Default)]
pub(crate) struct Checks(pub(crate) Vec<BoxedCheck>);

impl From<BoxedCheck> for Checks {
    fn from(check: BoxedCheck) -> Self {
        Self(vec![check])
    }
}

fn add(a: impl Into<Checks>, b: impl Into<Checks>) -> Checks {
    let mut checks = a.into();
    checks.0.append(&mut b.into().0);
    checks
}

/// Makes each row a test, and `ROWS` of all.
macro_rules! rows {
    ($($name:ident: $checks:expr;)*) => {
        /// What makes the checks.
        mod checks {
            use super::*;

            $(pub(super) fn $name() -> $crate::adapters::Checks {
                $checks.into()
            })*
        }

        $(
            #[test]
            fn $name() {
                $crate::adapters::assert(stringify!($name), checks::$name());
            }
        )*

        pub(super) const ROWS: &[$crate::adapters::Row] =
            &[$((stringify!($name), checks::$name)),*];
    };
}

const ITEMS: [u8; 7] = [1, 2, 3, 4, 5, 6, 7];

/// How the host object behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Everything is ready at once.
    Ready,
    /// A part at a time, each released by the test, with empty chunks and spurious `Pending`s in between.
    Parts,
    /// The same, and it fails at the end.
    Fails,
}

impl Kind {
    fn source(self) -> (Script, usize) {
        let mut steps = Vec::new();
        for part in ITEMS.chunks(2) {
            if self != Kind::Ready {
                steps.extend([Step::Hold, Step::Empty, Step::Pending]);
            }
            steps.push(Step::Data(part.to_vec()));
        }
        if self == Kind::Fails {
            steps.push(Step::Fail);
        }
        (Script::new(steps), ITEMS.len().div_ceil(2))
    }

    fn sink(self) -> (Script, usize) {
        if self == Kind::Ready {
            return (Script::new([]), 0);
        }
        let mut steps = Vec::new();
        for accept in [2, 1, 3] {
            steps.extend([Step::Hold, Step::Accept(accept), Step::Pending]);
        }
        steps.push(if self == Kind::Fails { Step::Fail } else { Step::Hold });
        (Script::new(steps), if self == Kind::Fails { 3 } else { 4 })
    }

    /// Up to how many operations all scripts are run. Where nothing waits and nothing fails in between, three find
    /// nothing that two do not.
    fn depth(self, most: usize) -> usize {
        if self == Kind::Parts { most } else { most.min(2) }
    }

    /// Releases the host object, `left` times.
    fn step<X, V>(self, made: Made<X, V>, control: Control, mut left: usize) -> Made<X, V> {
        if self == Kind::Ready {
            return made;
        }
        made.step(move || {
            let more = left > 0;
            if more {
                left -= 1;
                control.release();
            }
            more
        })
    }
}

/// Checks a source of bytes, or of items made of bytes; `short` if it cannot know what else is in memory.
macro_rules! source {
    ($items:expr, short: $short:literal, $($kind:ident)*, $make:expr) => {
        source!($items, depth: 3, short: $short, $($kind)*, $make)
    };
    ($items:expr, depth: $depth:literal, short: $short:literal, $($kind:ident)*, $make:expr) => {{
        let mut checks = $crate::adapters::Checks::default();
        $({
            let check = testing::producer($items, || {
                let (script, holds) = Kind::$kind.source();
                let control = script.control();
                let (producer, completion) = $make(script).with_completion();
                Kind::$kind.step(completed(Made::new(producer), completion), control, holds)
            });
            let check = if $short { check.short() } else { check };
            let check = if Kind::$kind == Kind::Fails { check.fails() } else { check };
            checks = add(checks, check.depth(Kind::$kind.depth($depth)).boxed());
        })*
        checks
    }};
}

/// Checks a sink of bytes, or of items made of bytes.
macro_rules! sink {
    ($items:expr, $($kind:ident)*, $make:expr) => {
        sink!($items, depth: 3, $($kind)*, $make)
    };
    ($items:expr, depth: $depth:literal, $($kind:ident)*, $make:expr) => {{
        let mut checks = $crate::adapters::Checks::default();
        $({
            let check = testing::consumer($items, || {
                let (script, holds) = Kind::$kind.sink();
                let control = script.control();
                let writer = Writer::new(script);
                let (log, closed) = (writer.log(), writer.log());
                let (consumer, completion) = $make(writer).with_completion();
                let made = completed(Made::new(consumer), completion)
                    .received(move || log.accepted())
                    .closed(move || closed.look(|written| written.closed));
                Kind::$kind.step(made, control, holds)
            });
            let check = if Kind::$kind == Kind::Fails { check.fails() } else { check };
            checks = add(checks, check.depth(Kind::$kind.depth($depth)).boxed());
        })*
        checks
    }};
}

fn names() -> Vec<String> {
    ITEMS.iter().map(|n| format!("item {n}")).collect()
}

fn name(n: u8) -> String {
    format!("item {n}")
}

fn records() -> Vec<(u32, String)> {
    ITEMS.iter().map(|n| (u32::from(*n), name(*n))).collect()
}

fn record(n: u8) -> (u32, String) {
    (n.into(), name(n))
}

/// Runs all checks. Prints how much was tried, to the process's own stderr: the test harness hides what a passing test
/// prints.
fn assert(name: &str, checks: Checks) {
    let reports = checks.0.into_iter().map(BoxedCheck::assert);
    let (scripts, operations) = reports.fold((0, 0), |all, Report { scripts, operations, .. }| {
        (all.0 + scripts, all.1 + operations)
    });
    assert!(operations > 0, "{name}");
    let mut stderr = ::std::io::stderr();
    writeln!(stderr, "contract: {name}, {scripts} scripts, {operations} operations").unwrap();
}

mod channels;
mod codec;
mod ends;
mod files;
mod futures;
mod handoff;
mod http;
mod listeners;
mod nested;
mod passed;
mod reactor;
mod sockets;
mod std;
mod tokio;
#[cfg(unix)]
mod unix;
mod values;

/// All rows.
pub(crate) fn rows() -> impl Iterator<Item = Row> {
    [
        channels::ROWS,
        codec::ROWS,
        ends::ROWS,
        futures::ROWS,
        handoff::ROWS,
        http::ROWS,
        nested::ROWS,
        passed::ROWS,
        std::ROWS,
        tokio::ROWS,
        values::ROWS,
    ]
    .into_iter()
    .flatten()
    .copied()
    .chain(over_the_system())
}

/// The rows over files and sockets of the system.
fn over_the_system() -> impl Iterator<Item = Row> {
    #[cfg(unix)]
    let unix = unix::ROWS;
    #[cfg(not(unix))]
    let unix: &[Row] = &[];
    [files::ROWS, listeners::ROWS, sockets::ROWS, unix].into_iter().flatten().copied()
}

/// The constructors that no row over scripted host objects has, because they need files, sockets or threads of the system.
const ONLY_OVER_THE_SYSTEM: &[&str] = &[
    "blocking_read",
    "blocking_write",
    "sockets_accept",
    "sockets_datagrams",
    "sockets_read",
    "sockets_send_to",
    "sockets_write",
];

/// The rows over scripted host objects, for the fuzz target: nothing outside of the process decides how they behave.
pub(crate) fn scripted_rows() -> impl Iterator<Item = Row> {
    let system: BTreeSet<_> = over_the_system().map(|(name, _)| name).collect();
    rows().filter(move |(name, _)| !system.contains(name) && !ONLY_OVER_THE_SYSTEM.contains(name))
}

#[path = "../../support/completed.rs"]
mod support;
use support::{completed, completed_as};

#[path = "../../support/constructors.rs"]
mod names;
#[allow(unused_imports)] // by the contract alone
pub(crate) use names::{APART, addresses, addresses_of, handoff_addresses};
use names::{handoffs, mismatches, public_constructors};

/// The constructors, as rows are named.
fn constructors() -> BTreeSet<String> {
    let mut names = public_constructors();
    // It makes two streams of what has rows of its own.
    names.remove("tokio_io_duplex");
    names.append(&mut handoffs());
    for name in handoff::IN_A_STORE {
        assert!(names.remove(*name), "no constructor is named {name}");
    }
    names
}

/// Fails if a constructor is missing from the table, or a row has none. The contract checks it, and the soak.
pub(crate) fn assert_complete() {
    let table: BTreeSet<_> = rows().map(|(name, _)| name.to_owned()).collect();
    let mismatches = mismatches(&constructors(), &table);
    assert!(mismatches.is_empty(), "{}", mismatches.join("\n"));
}

#[test]
fn no_adapter_is_missing_from_the_table() {
    assert_complete();
}

#[test]
fn no_adapter_is_missing_from_the_fuzz_target_unless_it_needs_the_system() {
    let table: BTreeSet<_> = scripted_rows().map(|(name, _)| name.to_owned()).collect();
    let mut names = constructors();
    for name in ONLY_OVER_THE_SYSTEM {
        assert!(names.remove(*name), "no constructor is named {name}");
    }
    let mismatches = mismatches(&names, &table);
    assert!(mismatches.is_empty(), "{}", mismatches.join("\n"));
}
