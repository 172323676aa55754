//! Every adapter of the crate under the contract kit. Each row is a test of one adapter.
//!
//! A row is named after its constructor; a suffix distinguishes rows of the same constructor.

use ::std::collections::BTreeSet;
use ::std::io::Write as _;

use wasmtime_streams_testing::{Made, Report};

use crate::script::{Control, Script, Step};

/// Makes each row a test, and `ROWS` their names.
macro_rules! rows {
    ($($name:ident: $check:expr;)*) => {
        $(
            #[test]
            fn $name() {
                $crate::adapters::print(stringify!($name), $check);
            }
        )*

        pub(super) const ROWS: &[&str] = &[$(stringify!($name)),*];
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

fn add(a: Report, b: Report) -> Report {
    Report {
        scripts: a.scripts + b.scripts,
        operations: a.operations + b.operations,
        polls: a.polls + b.polls,
        wakes: a.wakes + b.wakes,
        ..a
    }
}

/// Checks a source of bytes, or of items made of bytes; `short` if it cannot know what else is in memory.
macro_rules! source {
    ($items:expr, short: $short:literal, $($kind:ident)*, $make:expr) => {
        source!($items, depth: 3, short: $short, $($kind)*, $make)
    };
    ($items:expr, depth: $depth:literal, short: $short:literal, $($kind:ident)*, $make:expr) => {{
        let mut report = Report::default();
        $({
            let check = testing::producer($items, || {
                let (script, holds) = Kind::$kind.source();
                let control = script.control();
                let (producer, completion) = $make(script).with_completion();
                Kind::$kind.step(completed(Made::new(producer), completion), control, holds)
            });
            let check = if $short { check.short() } else { check };
            let check = if Kind::$kind == Kind::Fails { check.fails() } else { check };
            report = add(report, check.depth(Kind::$kind.depth($depth)).assert());
        })*
        report
    }};
}

/// Checks a sink of bytes, or of items made of bytes.
macro_rules! sink {
    ($items:expr, $($kind:ident)*, $make:expr) => {
        sink!($items, depth: 3, $($kind)*, $make)
    };
    ($items:expr, depth: $depth:literal, $($kind:ident)*, $make:expr) => {{
        let mut report = Report::default();
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
            report = add(report, check.depth(Kind::$kind.depth($depth)).assert());
        })*
        report
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

/// Prints how much was tried, to the process's own stderr: the test harness hides what a passing test prints.
fn print(name: &str, report: Report) {
    let Report { scripts, operations, .. } = report;
    assert!(operations > 0, "{name}");
    let mut stderr = ::std::io::stderr();
    writeln!(stderr, "contract: {name}, {scripts} scripts, {operations} operations").unwrap();
}

mod channels;
mod codec;
mod ends;
#[cfg(unix)]
mod files;
mod futures;
mod handoff;
mod http;
#[cfg(unix)]
mod listeners;
#[cfg(unix)]
mod reactor;
#[cfg(unix)]
mod sockets;
mod std;
mod tokio;
mod values;

/// The names of all rows.
fn rows() -> impl Iterator<Item = &'static str> {
    [
        channels::ROWS,
        codec::ROWS,
        ends::ROWS,
        files::ROWS,
        futures::ROWS,
        handoff::ROWS,
        http::ROWS,
        listeners::ROWS,
        sockets::ROWS,
        std::ROWS,
        tokio::ROWS,
        values::ROWS,
    ]
    .into_iter()
    .flatten()
    .copied()
}

#[path = "../../support/completed.rs"]
mod support;
use support::{completed, completed_as};

#[path = "../../support/constructors.rs"]
mod constructors;
pub(crate) use constructors::{APART, addresses, addresses_of, handoff_addresses};
use constructors::{handoffs, mismatches, public_constructors};

#[test]
fn no_adapter_is_missing_from_the_table() {
    let mut names = public_constructors();
    let table: BTreeSet<_> = rows().map(str::to_owned).collect();
    // It makes two streams of what has rows of its own.
    names.remove("tokio_io_duplex");
    names.append(&mut handoffs());
    for name in handoff::IN_A_STORE {
        assert!(names.remove(*name), "no constructor is named {name}");
    }
    let mismatches = mismatches(&names, &table);
    assert!(mismatches.is_empty(), "{}", mismatches.join("\n"));
}
