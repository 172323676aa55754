//! The cells of a row: each end, for everything that the host can do with a completion, with an operation under way and
//! without.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::{self, Debug};

use wasmtime_streams::EndReason::{self, Finished, LimitReached};
use wasmtime_streams::StoreToken;
use wasmtime_streams_testing::{Code, Setup, executor};

use crate::host::Host;
use crate::live::{Live, Stuck, World};
use crate::made::GIVEN;
use crate::rows::{Can, Leaves, Row};
use crate::table::{Answer, Ending, Kind, Moved, Reported, Resolves, SINKS, SOURCES};

/// What the host does with the completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completes {
    /// There is none.
    Without,
    /// It is dropped as soon as the guest has the stream.
    Dropped,
    /// It is kept, and awaited once everything is over.
    Kept,
    Awaited,
    /// An executor awaits it, and drops the object then.
    Driven,
}

impl Completes {
    const ALL: [Self; 5] = [
        Completes::Without,
        Completes::Dropped,
        Completes::Kept,
        Completes::Awaited,
        Completes::Driven,
    ];
}

/// One cell of the matrix.
#[derive(Clone, Copy)]
pub struct Cell {
    pub row: &'static Row,
    pub ending: &'static Ending,
    pub completes: Completes,
    /// Whether an operation is under way.
    pub parked: bool,
}

impl Cell {
    pub fn kind(&self) -> Kind {
        self.ending.kind
    }

    pub fn is_source(&self) -> bool {
        self.row.is_source()
    }

    pub fn has_completion(&self) -> bool {
        self.completes != Completes::Without
    }

    fn can(&self, can: Can) -> bool {
        self.row.can.contains(&can)
    }

    fn reported(&self) -> Reported {
        if self.has_completion() { self.ending.with } else { self.ending.without }
    }

    fn applies(&self) -> bool {
        let source = self.is_source();
        let stored = self.can(Can::StandInAStore);
        if self.reported() == Reported::None
            || (self.has_completion() && stored)
            || (self.parked && !self.can(Can::Wait))
        {
            return false;
        }
        match self.kind() {
            Kind::DataEnds | Kind::LateCancel if source => !self.can(Can::GoOnForEver),
            Kind::DataEnds | Kind::GuestLeaves | Kind::GuestTraps | Kind::StoreGoes => true,
            Kind::ObjectFails => self.can(Can::Fail),
            // A sink that buffers has called its step before the operation waits.
            Kind::StepFails => self.can(Can::Step) && !(self.parked && self.can(Can::Buffer)),
            Kind::OtherSideLeaves => self.row.leaves != Leaves::Nobody,
            Kind::Abort if source => self.can(Can::BeAborted),
            Kind::DriveDropped => self.completes == Completes::Driven,
            // No operation is under way.
            Kind::Abort | Kind::LateCancel => !self.parked && !stored,
            _ => !stored,
        }
    }

    pub fn reason(&self) -> EndReason {
        match self.reported() {
            Reported::Is(reason) => reason,
            Reported::Given => GIVEN,
            Reported::ByAdapter | Reported::None => match self.row.leaves {
                Leaves::Is(reason) => reason,
                Leaves::Unnoticed | Leaves::Nobody => Finished,
            },
        }
    }

    /// Whether the completion is awaited at last.
    pub fn resolves(&self) -> bool {
        let dropped = self.kind() == Kind::DriveDropped;
        !dropped && !matches!(self.completes, Completes::Without | Completes::Dropped)
    }

    /// Whether the completion is awaited from the beginning.
    pub fn is_awaited(&self) -> bool {
        self.resolves() && self.completes != Completes::Kept
    }

    /// Whether the host's completion closes the sink, once it is awaited.
    pub fn closes(&self) -> bool {
        self.resolves() && !self.is_source() && matches!(self.reason(), Finished | LimitReached)
    }

    /// Whether the stream goes on.
    pub fn is_unnoticed(&self) -> bool {
        self.kind() == Kind::OtherSideLeaves && self.row.leaves == Leaves::Unnoticed
    }

    /// How many items a buffering sink has taken of the waiting operation.
    pub fn taken(&self) -> u32 {
        u32::from(self.can(Can::Buffer))
    }

    /// The answer to the operation that sees the end, if the guest still has its end.
    pub fn code(&self) -> Option<Code> {
        let count = |moved| match moved {
            Moved::Nothing => 0,
            Moved::Taken => self.taken(),
            Moved::Rest => 1,
        };
        match if self.parked { self.ending.under_way } else { self.ending.next } {
            _ if self.is_unnoticed() => Some(Code::Completed(1)),
            Answer::None => None,
            Answer::Dropped(moved) => Some(Code::Dropped(count(moved))),
            Answer::Cancelled(moved) => Some(Code::Cancelled(count(moved))),
        }
    }
}

impl Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { row, completes, parked, .. } = self;
        let parked = if *parked { "under way" } else { "idle" };
        write!(f, "{}, {:?}, completion {completes:?}, {parked}", row.name, self.kind())
    }
}

/// How many cells were run, and how they differ from the tables.
#[derive(Default)]
pub struct Report {
    cells: usize,
    mismatches: Vec<String>,
}

impl Report {
    pub fn compare<T: PartialEq + Debug>(&mut self, cell: &Cell, what: &str, seen: T, expected: T) {
        if seen != expected {
            let mismatch = format!("{cell:?}: {what}: {seen:?}, expected {expected:?}");
            self.mismatches.push(mismatch);
        }
    }
}

/// Runs cells in a store that is dropped with their streams in it.
fn run_to_the_end_of_a_store(host: &Host, cells: &[Cell], traps: bool, report: &mut Report) {
    let lives = RefCell::new(Vec::new());
    let result = Setup::new(StoreToken::new()).run(async |guest: &World<'_>| {
        for cell in cells {
            match Live::begin(guest, host, *cell).await {
                Ok(live) => lives.borrow_mut().push(live),
                Err(Stuck) => return,
            }
        }
        if traps {
            guest.trap().await;
        }
    });
    let lives = lives.into_inner();
    match result.0 {
        Ok(result) if lives.len() == cells.len() => assert_eq!(result.is_err(), traps),
        other => report.mismatches.push(format!("{:?}: {other:?}", cells.get(lives.len()))),
    }
    report.cells += lives.len();
    lives.into_iter().for_each(|live| live.outlive(host, report));
}

/// Runs cells in a store that outlives their streams. After a cell that gets stuck, the rest get a new store.
fn run_in_a_store(host: &Host, cells: VecDeque<Cell>, report: &mut Report) {
    let (cells, report) = (RefCell::new(cells), RefCell::new(report));
    while !cells.borrow().is_empty() {
        let current = std::cell::Cell::new(None);
        let result = Setup::new(StoreToken::new()).run(async |guest: &World<'_>| {
            loop {
                let Some(cell) = cells.borrow_mut().pop_front() else { break Ok(()) };
                current.set(Some(cell));
                let live = Live::begin(guest, host, cell).await?;
                let mut one = Report { cells: 1, ..Report::default() };
                let ran = live.run(guest, host, &mut one).await;
                let mut all = report.borrow_mut();
                all.cells += one.cells;
                all.mismatches.extend(one.mismatches);
                ran?;
            }
        });
        let mismatch = match result.0 {
            Ok(Ok(Ok(()))) => continue,
            Ok(Ok(Err(Stuck))) | Err(executor::Stalled) => {
                "an operation is not answered".to_owned()
            }
            Ok(Err(trap)) => format!("{trap:?}"),
        };
        report.borrow_mut().mismatches.push(format!("{:?}: {mismatch}", current.get()));
    }
}

/// Runs every cell of a row.
pub fn run(row: &'static Row) {
    let host = Host::new();
    let _entered = host.enter();
    let mut report = Report::default();
    let mut cells = Vec::new();
    for ending in if row.is_source() { SOURCES } else { SINKS } {
        for completes in Completes::ALL {
            cells.extend([false, true].map(|parked| Cell { row, ending, completes, parked }));
        }
    }
    cells.retain(Cell::applies);
    let of = |kind| cells.iter().filter(move |cell| cell.kind() == kind).copied();
    for (kind, traps) in [(Kind::GuestTraps, true), (Kind::StoreGoes, false)] {
        run_to_the_end_of_a_store(&host, &of(kind).collect::<Vec<_>>(), traps, &mut report);
    }
    let rest = cells.iter().filter(|cell| cell.ending.resolves != Resolves::WithTheStore);
    run_in_a_store(&host, rest.copied().collect(), &mut report);
    let Report { cells: ran, mismatches } = report;
    // Shown by `--show-output`.
    println!("{}: {ran} cells", row.name);
    assert!(
        mismatches.is_empty(),
        "{} of {ran} cells:\n{}",
        mismatches.len(),
        mismatches.join("\n")
    );
    assert_eq!(ran, cells.len());
}
