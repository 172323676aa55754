//! What the kit finds, and how it says it.

use std::fmt;

use super::Op;

macro_rules! findings {
    ($($(#[doc = $doc:literal])+ $name:ident => $rule:literal,)*) => {
        /// One way to break the contract.
        #[non_exhaustive]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Finding {
            $($(#[doc = $doc])+ $name,)*
        }

        impl Finding {
            /// The rule of the contract that is broken, by its name.
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
    /// Nobody wakes an operation that waits: its waker was not registered, or an old one was kept.
    LostWakeup => "Register the current waker",
    /// An operation that waits wakes itself over and over.
    Spins => "Register the current waker",
    /// The answer was `Pending` although something had been produced.
    PendingAfterProducing => "Register the current waker",
    /// The answer to a cancel was `Pending`: the guest's cancel blocks.
    PendingOnFinish => "Cancellation keeps the stream",
    /// The answer was `Cancelled` although the guest had not cancelled.
    CancelledUnasked => "Cancellation keeps the stream",
    /// A cancel ended the stream.
    EndedOnCancel => "Cancellation keeps the stream",
    /// What had been taken from the host object when the guest cancelled is lost.
    LostOnCancel => "Cancellation keeps the stream",
    /// An operation that asked for something completed with nothing.
    CompletedWithNothing => "No empty completions",
    /// An empty chunk was sent on.
    EmptyChunk => "Zero-length writes",
    /// A zero-length read took something.
    TookOnZeroLength => "Zero-length reads",
    /// A zero-length read trapped, panicked, never came back or ended the stream.
    ZeroLengthRead => "Zero-length reads",
    /// At the end of the stream zero-length reads complete, over and over: a guest that waits for the end spins.
    SpinsAtEnd => "Zero-length reads",
    /// A zero-length read that was the first in a row took something from the host object.
    LookedAhead => "Zero-length reads",
    /// A zero-length write trapped, panicked, never came back or ended the stream.
    ZeroLengthWrite => "Zero-length writes",
    /// The end came later than the last items although it was told with them.
    LateEnd => "The end goes with the last items",
    /// The last items were lost at the end.
    LostAtEnd => "The end goes with the last items",
    /// The stream did not end.
    NoEnd => "The end goes with the last items",
    /// An error came before the items that preceded it.
    ErrorOvertook => "Items before the error",
    /// An error of the host object trapped the guest.
    ErrorTrapped => "Items before the error",
    /// An error of the host object was reported to nobody.
    ErrorLost => "Items before the error",
    /// More was produced than the operation asked for: it is held where neither side can reach it.
    Overfilled => "Bounded memory",
    /// Memory was allocated by a length that the guest named.
    GuestSizedMemory => "Bounded memory",
    /// More was accepted than the bound allows, while nothing left the host object.
    Outran => "Backpressure",
    /// A resource is left in the store's table.
    ResourceLeft => "Resources are created on delivery",
    /// A stream or future is left in the store, and nobody can close it any more: who writes to it waits for ever.
    HandleLeft => "Resources are created on delivery",
    /// Room in a channel, or a place in the queue for it, is kept after the end of the stream.
    PlaceKept => "Backpressure",
    /// What the guest was told to have written is not what arrived.
    Miscounted => "Exact partial writes",
    /// An item was lost on the way.
    Lost => "Exactly once, in order",
    /// An item arrived twice.
    Doubled => "Exactly once, in order",
    /// Items arrived in another order.
    Reordered => "Exactly once, in order",
    /// An item arrived changed.
    Changed => "Exactly once, in order",
    /// At the end of the stream the host object was not flushed and shut down.
    NotClosed => "The completion closes the sink",
    /// Nobody was told how the stream ended.
    EndNotReported => "Completion",
    /// It was told twice how the stream ended.
    EndReportedTwice => "Completion",
    /// A cut by the host did not end the stream.
    CutIgnored => "Completion",
    /// What was cut short looks complete.
    CutLooksComplete => "Truncated is never complete",
    /// What is complete looks cut short.
    EndLooksCut => "Truncated is never complete",
    /// After the end of the stream its receiver, or a future beside it, stays open: it waits for ever.
    StaysOpen => "Truncated is never complete",
    /// The guest trapped.
    Trapped => "No traps, no panics",
    /// The implementation panicked.
    Panicked => "No traps, no panics",
    /// A deviation that was declared did not happen.
    DeclaredInVain => "(none: a deviation that is allowed must be there)",
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().trim())
    }
}

/// What was broken, by which script, and how it went.
#[derive(Debug)]
pub struct Failure {
    /// What was found.
    pub finding: Finding,
    /// The particulars: items, counts, messages.
    pub detail: String,
    /// The shortest script that was found to show it.
    pub script: Vec<Op>,
    /// Each operation, and what came of it.
    pub trace: Vec<String>,
    /// The seed of the random script that it was shrunk from, if it was one.
    pub seed: Option<u64>,
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
            writeln!(f, "(with no script at all: the guest only reads or writes to the end)")?;
        }
        let script: Vec<_> = self.script.iter().map(|op| format!("Op::{op:?}")).collect();
        writeln!(f, "to run this script alone: .replay(&[{}])", script.join(", "))?;
        if let Some(seed) = self.seed {
            writeln!(f, "to run the random scripts that led to it: .seed({seed})")?;
        }
        write!(f, "the rules: the page `contract` of wasmtime-streams")
    }
}

impl std::error::Error for Failure {}

/// What was run without a finding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many scripts were run.
    pub scripts: usize,
    /// How many operations they had.
    pub operations: usize,
    /// How often the implementation was polled.
    pub polls: usize,
    /// How often somebody was woken, the scripts themselves included.
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
