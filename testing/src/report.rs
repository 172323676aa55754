//! The findings, and how they are printed.

use std::fmt;

use super::Op;

macro_rules! findings {
    ($($(#[doc = $doc:literal])+ $name:ident => $rule:literal,)*) => {
        /// A way to break the contract.
        #[non_exhaustive]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Finding {
            $($(#[doc = $doc])+ $name,)*
        }

        impl Finding {
            /// The name of the broken rule.
            pub fn rule(self) -> &'static str {
                match self { $(Finding::$name => $rule,)* }
            }

            fn text(self) -> &'static str {
                match self { $(Finding::$name => concat!($($doc),+),)* }
            }
        }
    };
}

findings! {
    /// An operation moved fewer items than were ready.
    PartlyFilled => "Fill each operation",
    /// A pending operation was never woken: its waker was not registered, or an old one was kept.
    LostWakeup => "Register the current waker",
    /// A pending operation wakes itself over and over without making progress.
    Spins => "Register the current waker",
    /// A poll produced items and returned `Pending`.
    PendingAfterProducing => "Register the current waker",
    /// A cancelled operation returned `Pending`: the guest's cancel blocks.
    PendingOnFinish => "Cancellation keeps the stream",
    /// An operation returned `Cancelled` although the guest had not cancelled it.
    CancelledUnasked => "Cancellation keeps the stream",
    /// A cancel ended the stream.
    EndedOnCancel => "Cancellation keeps the stream",
    /// Items taken from the host object were lost when the guest cancelled.
    LostOnCancel => "Cancellation keeps the stream",
    /// An operation that asked for items completed without any.
    CompletedWithNothing => "No empty completions",
    /// An empty chunk was forwarded.
    EmptyChunk => "Zero-length writes",
    /// A zero-length read produced items.
    TookOnZeroLength => "Zero-length reads",
    /// A zero-length read trapped, panicked, never completed or ended the stream.
    ZeroLengthRead => "Zero-length reads",
    /// Zero-length reads complete over and over at the end of the stream: a guest that waits for the end spins.
    SpinsAtEnd => "Zero-length reads",
    /// The first zero-length read in a row took items from the host object.
    LookedAhead => "Zero-length reads",
    /// A zero-length write trapped, panicked, never completed or ended the stream.
    ZeroLengthWrite => "Zero-length writes",
    /// The end arrived later than the last items although it was reported with them.
    LateEnd => "The end goes with the last items",
    /// The last items were lost at the end of the stream.
    LostAtEnd => "The end goes with the last items",
    /// The stream did not end.
    NoEnd => "The end goes with the last items",
    /// An error arrived before the items that preceded it.
    ErrorOvertook => "Items before the error",
    /// An error of the host object trapped the guest.
    ErrorTrapped => "Items before the error",
    /// An error of the host object was not reported.
    ErrorLost => "Items before the error",
    /// A poll produced more items than the guest asked for: Wasmtime holds the rest, out of reach of both sides.
    Overfilled => "Bounded memory",
    /// Memory was allocated by a length that the guest named.
    GuestSizedMemory => "Bounded memory",
    /// More items were accepted than the bound allows before the host object first advanced.
    Outran => "Backpressure",
    /// A resource was left in the store's table.
    ResourceLeft => "Resources are created on delivery",
    /// A stream or future was left open in the store: a write to it waits forever.
    HandleLeft => "Resources are created on delivery",
    /// Reserved room in a channel, or a place in its queue, was kept after the end of the stream.
    PlaceKept => "Backpressure",
    /// The number of items that arrived is not the number that the guest was told it had written.
    Miscounted => "Exact partial writes",
    /// An item was lost.
    Lost => "Exactly once, in order",
    /// An item arrived twice.
    Doubled => "Exactly once, in order",
    /// Items arrived out of order.
    Reordered => "Exactly once, in order",
    /// An item arrived changed.
    Changed => "Exactly once, in order",
    /// The host object was not flushed and shut down at the end of the stream.
    NotClosed => "The completion closes the sink",
    /// The end of the stream was not reported.
    EndNotReported => "Completion",
    /// The end of the stream was reported twice.
    EndReportedTwice => "Completion",
    /// A cut by the host did not end the stream.
    CutIgnored => "Completion",
    /// A stream that was cut short looks complete.
    CutLooksComplete => "Truncated is never complete",
    /// A complete stream looks cut short.
    EndLooksCut => "Truncated is never complete",
    /// The stream's receiver, or a future beside the stream, waits forever after the end of the stream.
    StaysOpen => "Truncated is never complete",
    /// The guest trapped.
    Trapped => "No traps, no panics",
    /// The implementation panicked.
    Panicked => "No traps, no panics",
    /// An allowed deviation did not occur.
    DeclaredInVain => "(none: an allowed deviation must occur)",
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().trim())
    }
}

/// A finding, with the script that shows it.
#[derive(Debug)]
pub struct Failure {
    /// The finding.
    pub finding: Finding,
    /// Details: items, counts, messages.
    pub detail: String,
    /// The shortest script that shows it.
    pub script: Vec<Op>,
    /// Each operation, with its result.
    pub trace: Vec<String>,
    /// The seed, if the script was shrunk from a random one.
    pub seed: Option<u64>,
    /// The number of the schedule that led to it: see [`Check::schedules`](super::Check::schedules).
    pub number: Option<u64>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "broken rule: {}", self.finding.rule())?;
        writeln!(f, "{}", self.finding)?;
        if !self.detail.is_empty() {
            writeln!(f, "    {}", self.detail)?;
        }
        writeln!(f, "what the guest and the host did:")?;
        for (number, line) in self.trace.iter().enumerate() {
            writeln!(f, "    {}. {line}", number + 1)?;
        }
        if self.script.is_empty() {
            writeln!(f, "(the empty script: the guest only reads or writes to the end)")?;
        }
        let script: Vec<_> = self.script.iter().map(|op| format!("Op::{op:?}")).collect();
        writeln!(f, "to run this script alone: .replay(&[{}])", script.join(", "))?;
        match (self.seed, self.number) {
            (Some(seed), Some(number)) => {
                let end = number + 1;
                writeln!(
                    f,
                    "to run the schedule that led to it: .schedules({seed}, {number}..{end})"
                )?;
            }
            (Some(seed), None) => {
                writeln!(f, "to run the random scripts that led to it: .seed({seed})")?;
            }
            _ => {}
        }
        write!(f, "the rules: the page `contract` of wasmtime-streams")
    }
}

impl std::error::Error for Failure {}

/// How much was run, without a finding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The number of scripts.
    pub scripts: usize,
    /// The number of operations in them.
    pub operations: usize,
    /// How often the implementation was polled.
    pub polls: usize,
    /// How often a task was woken, including the scripts themselves.
    pub wakes: usize,
    /// The seed of the random scripts.
    pub seed: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scripts, operations, polls, wakes, seed } = self;
        write!(f, "{scripts} scripts, {operations} operations, {polls} polls, {wakes} wake-ups, ")?;
        write!(f, "seed {seed}")
    }
}
