//! What ends a stream, and what each side sees then. `docs/ends.md` shows these tables; `page.rs` compares them.

use wasmtime_streams::EndReason::{
    self, Abandoned, Cancelled, Failed, Finished, LimitReached, PeerDropped, TimedOut,
    Undeliverable,
};

/// What ends a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    DataEnds,
    GuestLeaves,
    GuestTraps,
    StoreGoes,
    Cancel,
    LateCancel,
    DriveDropped,
    Limit,
    Until,
    Deadline,
    IdleTimeout,
    Token,
    ObjectFails,
    StepFails,
    OtherSideLeaves,
    Abort,
}

impl Kind {
    pub const ALL: [Self; 16] = [
        Kind::DataEnds,
        Kind::GuestLeaves,
        Kind::GuestTraps,
        Kind::StoreGoes,
        Kind::Cancel,
        Kind::LateCancel,
        Kind::DriveDropped,
        Kind::Limit,
        Kind::Until,
        Kind::Deadline,
        Kind::IdleTimeout,
        Kind::Token,
        Kind::ObjectFails,
        Kind::StepFails,
        Kind::OtherSideLeaves,
        Kind::Abort,
    ];
}

/// How a guest operation is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Not at all: the guest's end is gone.
    None,
    Dropped(Moved),
    Cancelled(Moved),
}

/// How much an operation moved before the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    Nothing,
    /// What the object has taken by then: nothing, if it takes only what it has room for.
    Taken,
    /// What the limit still allowed, or what the step refused.
    Rest,
}

/// The reason that `ended` of the source or sink gets. A completion resolves to the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reported {
    Is(EndReason),
    /// The reason that the host gave.
    Given,
    /// It depends on the adapter, and is in its row.
    ByAdapter,
    /// This end needs a completion.
    None,
}

/// When `ended` is called, and an awaited completion resolves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolves {
    /// Also while no operation is under way.
    AtOnce,
    /// With the operation that is under way, or the next one.
    ByOperation,
    WithTheStore,
}

/// Whether a completion closes its sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// There is none: it is a source.
    Source,
    Closed,
    /// The completion hands it back without closing it.
    Open,
}

/// A row of the tables of ends.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    pub kind: Kind,
    pub under_way: Answer,
    pub next: Answer,
    pub without: Reported,
    pub with: Reported,
    pub resolves: Resolves,
    pub closing: Closing,
}

const fn ending(
    kind: Kind,
    under_way: Answer,
    next: Answer,
    without: Reported,
    with: Reported,
    resolves: Resolves,
    closing: Closing,
) -> Ending {
    Ending { kind, under_way, next, without, with, resolves, closing }
}

use self::Answer::{Cancelled as CancelledWith, Dropped, None as Gone};
use self::Closing::{Closed, Open, Source};
use self::Kind::*;
use self::Moved::{Nothing, Rest, Taken};
use self::Reported::{ByAdapter, Given, Is, None as Never};
use self::Resolves::*;

/// A guest reads.
#[rustfmt::skip]
pub const SOURCES: &[Ending] = &[
    //     what ends it     an operation under way   else the next one  without a completion  with one         it resolves   a sink is
    ending(DataEnds,        Dropped(Nothing),        Dropped(Nothing),  Is(Finished),         Is(Finished),     ByOperation,  Source),
    ending(GuestLeaves,     CancelledWith(Nothing),  Gone,              Is(PeerDropped),      Is(PeerDropped),  AtOnce,       Source),
    ending(GuestTraps,      Gone,                    Gone,              Is(PeerDropped),      Is(Abandoned),    WithTheStore, Source),
    ending(StoreGoes,       Gone,                    Gone,              Is(PeerDropped),      Is(Abandoned),    WithTheStore, Source),
    ending(Cancel,          Dropped(Nothing),        Dropped(Nothing),  Never,                Is(Cancelled),    AtOnce,       Source),
    ending(LateCancel,      Dropped(Nothing),        Dropped(Nothing),  Never,                Is(Finished),     ByOperation,  Source),
    ending(DriveDropped,    Dropped(Nothing),        Dropped(Nothing),  Never,                Is(Abandoned),    AtOnce,       Source),
    ending(Limit,           Dropped(Rest),           Dropped(Rest),     Is(LimitReached),     Is(LimitReached), ByOperation,  Source),
    ending(Until,           Dropped(Nothing),        Dropped(Nothing),  Given,                Given,            AtOnce,       Source),
    ending(Deadline,        Dropped(Nothing),        Dropped(Nothing),  Is(TimedOut),         Is(TimedOut),     AtOnce,       Source),
    ending(IdleTimeout,     Dropped(Nothing),        Dropped(Nothing),  Is(TimedOut),         Is(TimedOut),     AtOnce,       Source),
    ending(Token,           Dropped(Nothing),        Dropped(Nothing),  Is(Cancelled),        Is(Cancelled),    AtOnce,       Source),
    ending(ObjectFails,     Dropped(Nothing),        Dropped(Nothing),  Is(Failed),           Is(Failed),       ByOperation,  Source),
    ending(StepFails,       Dropped(Nothing),        Dropped(Nothing),  Is(Undeliverable),    Is(Undeliverable), ByOperation, Source),
    ending(OtherSideLeaves, Dropped(Nothing),        Dropped(Nothing),  ByAdapter,            ByAdapter,        ByOperation,  Source),
    ending(Abort,           Dropped(Nothing),        Dropped(Nothing),  Given,                Given,            ByOperation,  Source),
];

/// A guest writes.
#[rustfmt::skip]
pub const SINKS: &[Ending] = &[
    //     what ends it     an operation under way   else the next one  without a completion  with one         it resolves   a sink is
    ending(DataEnds,        CancelledWith(Taken),    Gone,              Is(Finished),         Is(Finished),     AtOnce,       Closed),
    ending(GuestTraps,      Gone,                    Gone,              Is(Finished),         Is(Abandoned),    WithTheStore, Open),
    ending(StoreGoes,       Gone,                    Gone,              Is(Finished),         Is(Abandoned),    WithTheStore, Open),
    ending(Cancel,          Dropped(Taken),          Dropped(Nothing),  Never,                Is(Cancelled),    AtOnce,       Open),
    ending(LateCancel,      Gone,                    Gone,              Never,                Is(Finished),     AtOnce,       Closed),
    ending(DriveDropped,    Dropped(Taken),          Dropped(Nothing),  Never,                Is(Abandoned),    AtOnce,       Open),
    ending(Limit,           Dropped(Rest),           Dropped(Nothing),  Is(LimitReached),     Is(LimitReached), ByOperation,  Closed),
    ending(Until,           Dropped(Taken),          Dropped(Nothing),  Given,                Given,            AtOnce,       Open),
    ending(Deadline,        Dropped(Taken),          Dropped(Nothing),  Is(TimedOut),         Is(TimedOut),     AtOnce,       Open),
    ending(IdleTimeout,     Dropped(Taken),          Dropped(Nothing),  Is(TimedOut),         Is(TimedOut),     AtOnce,       Open),
    ending(Token,           Dropped(Taken),          Dropped(Nothing),  Is(Cancelled),        Is(Cancelled),    AtOnce,       Open),
    ending(ObjectFails,     Dropped(Taken),          Dropped(Taken),    Is(Failed),           Is(Failed),       ByOperation,  Open),
    ending(StepFails,       Dropped(Rest),           Dropped(Rest),     Is(Undeliverable),    Is(Undeliverable), ByOperation, Open),
    ending(OtherSideLeaves, Dropped(Taken),          Dropped(Taken),    ByAdapter,            ByAdapter,        ByOperation,  Open),
    ending(Abort,           Gone,                    Gone,              Given,                Given,            AtOnce,       Open),
];

/// The wording of the page.
impl Ending {
    pub fn cells(&self) -> Vec<String> {
        let source = self.closing == Source;
        let mut cells = vec![
            self.kind.text(source).to_owned(),
            self.under_way.text(),
            self.next.text(),
            self.without.text(),
            self.with.text(),
            self.resolves.text().to_owned(),
        ];
        match self.closing {
            Source => {}
            Closed => cells.push("yes".to_owned()),
            Open => cells.push("no".to_owned()),
        }
        cells
    }
}

impl Kind {
    fn text(self, source: bool) -> &'static str {
        match self {
            DataEnds if source => "the source has no more",
            DataEnds => "the guest drops its end: the end of the data",
            GuestLeaves => "the guest drops its end before that",
            GuestTraps => "the guest traps",
            StoreGoes => "the store is dropped",
            Cancel => "`cancel`, of the completion or a handle",
            LateCancel => "`cancel`, after the end of the data",
            DriveDropped => "the executor drops the task of `driven_by`",
            Limit if source => "`limit`, with the last byte or item",
            Limit => "`limit`, when more comes",
            Until => "`until`",
            Deadline => "`deadline`",
            IdleTimeout => "`idle_timeout`",
            Token => "`cancel_on`",
            ObjectFails => "the host object fails",
            StepFails if source => "a delivery step fails",
            StepFails => "a receiving step fails",
            OtherSideLeaves if source => "what feeds the host object leaves",
            OtherSideLeaves => "who receives from the host object leaves",
            Abort if source => "`abort` of a host writer or sink",
            Abort => "`abort` of a consumer, in place of piping it",
        }
    }
}

impl Answer {
    fn text(self) -> String {
        let (name, moved) = match self {
            Answer::None => return "—".to_owned(),
            Dropped(moved) => ("Dropped", moved),
            CancelledWith(moved) => ("Cancelled", moved),
        };
        format!("`{name}({})`", if moved == Nothing { "0" } else { "n" })
    }
}

impl Reported {
    fn text(self) -> String {
        match self {
            Is(reason) => format!("`{reason:?}`"),
            Given => "the reason given".to_owned(),
            ByAdapter => "by the adapter".to_owned(),
            Never => "—".to_owned(),
        }
    }
}

impl Resolves {
    fn text(self) -> &'static str {
        match self {
            AtOnce => "at once",
            ByOperation => "by that operation",
            WithTheStore => "with the store",
        }
    }
}
