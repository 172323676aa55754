//! A row of the matrix of ends: an adapter, and what the other side of its stream sees of each end.

use wasmtime_streams::EndReason::{self, Abandoned, Finished};

use self::AtCut::TellsWhy;
use self::AtEnd::{Closed, Told, ToldOnceSent};
use crate::host::Host;
use crate::made::{Open, Plan, Sees};

/// What a test can do with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Can {
    /// An operation can wait for the other side.
    Wait,
    Fail,
    /// It has a delivery or receiving step.
    Step,
    /// It takes items of a write before it can pass them on.
    Buffer,
    /// Only the host or the guest ends it.
    GoOnForEver,
    BeAborted,
    /// It is made in a store, and so has no layers and no completion.
    StandInAStore,
}

/// The reason of the end if the other side goes away before it without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaves {
    Is(EndReason),
    /// The stream goes on.
    Unnoticed,
    /// There is no other side, or its leaving cannot be seen.
    Nobody,
}

/// When the feeder of a source sees that nobody reads any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feeder {
    AtOnce,
    WhenDropped,
    Never,
    Nobody,
}

/// What the other side of a sink sees at the end of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtEnd {
    /// The end: the completion closes the sink, or without one it is dropped.
    Closed,
    /// The end, when the object is dropped.
    OnceDropped,
    /// The end, at once, whether or not the completion is awaited.
    Told,
    #[allow(dead_code)] // only where such a row is: `tests/quic`
    /// The same, unless items that were taken are held up: then a completion that is awaited sends them first, and
    /// otherwise the stream is cut.
    ToldOnceSent,
    Nothing,
    Nobody,
}

/// What the other side of a sink sees at a cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtCut {
    /// The cut with its reason, at once, whether or not the completion is awaited.
    TellsWhy,
    /// What looks like the end, when the object is dropped.
    LooksLikeTheEnd,
    Nothing,
    Nobody,
}

/// What the other side sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    Source(Feeder),
    Sink(AtEnd, AtCut),
}

#[derive(Debug)]
pub struct Row {
    pub name: &'static str,
    pub make: fn(&Host, &Plan) -> Open,
    pub can: &'static [Can],
    pub sight: Sight,
    pub leaves: Leaves,
}

impl Row {
    pub fn is_source(&self) -> bool {
        matches!(self.sight, Sight::Source(_))
    }

    /// Whether the other side sees the end although the completion, which has the object, is not awaited.
    pub fn shows_end_at_once(&self) -> bool {
        matches!(self.sight, Sight::Source(Feeder::AtOnce) | Sight::Sink(Told, _))
    }

    /// What the other side sees of an end. `closed`: a completion closes the sink. `kept`: the object still exists,
    /// with the host or in a completion. `held`: the sink has taken items that it could not send yet.
    pub fn sees(&self, reason: EndReason, closed: bool, kept: bool, held: bool) -> Option<Sees> {
        let (at_end, at_cut) = match self.sight {
            Sight::Source(Feeder::Nobody) | Sight::Sink(AtEnd::Nobody, _) => return None,
            Sight::Source(Feeder::AtOnce) => return Some(Sees::Gone),
            Sight::Source(Feeder::WhenDropped) if !kept => return Some(Sees::Gone),
            Sight::Source(_) | Sight::Sink(AtEnd::Nothing, _) => return Some(Sees::Open),
            Sight::Sink(at_end, at_cut) => (at_end, at_cut),
        };
        Some(match (at_end, at_cut) {
            (_, TellsWhy) if reason != Finished => Sees::Cut(reason),
            (Told, _) => Sees::End,
            (ToldOnceSent, _) if closed || !held => Sees::End,
            (ToldOnceSent, _) if !kept => Sees::Cut(Abandoned),
            (Closed, _) if closed => Sees::End,
            _ if kept => Sees::Open,
            _ => Sees::End,
        })
    }
}

/// Makes each row a test, and a table of all rows.
macro_rules! rows {
    ($table:ident: $($(#[$cfg:meta])? $name:ident: $make:path, [$($can:ident)*], $sight:expr, $leaves:expr;)*) => {
        pub const $table: &[$crate::rows::Row] = &[$($(#[$cfg])? $crate::rows::Row {
            name: stringify!($name),
            make: $make,
            can: &[$($can),*],
            sight: $sight,
            leaves: $leaves,
        }),*];

        $($(#[$cfg])? #[test] fn $name() {
            // Rules "Truncated is never complete" and "Completion".
            $crate::cells::run($table.iter().find(|row| row.name == stringify!($name)).unwrap());
        })*
    };
}

pub(crate) use rows;

pub const fn reads(feeder: Feeder) -> Sight {
    Sight::Source(feeder)
}

pub const fn writes(at_end: AtEnd, at_cut: AtCut) -> Sight {
    Sight::Sink(at_end, at_cut)
}
