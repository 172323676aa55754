//! What happens to each stream.

use crate::Random;

/// How a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Nothing: the data ends.
    Data,
    Guest,
    Cancel,
    Token,
    Deadline,
    Limit,
    Error,
    /// The host drops its `GuestReader` or `GuestItems`.
    Reader,
}

/// What the host does with the completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Completes {
    Awaited,
    Dropped,
    Driven,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) cut: Cut,
    pub(crate) source: bool,
    pub(crate) items: bool,
    pub(crate) completes: Completes,
    /// How many bytes or items there are.
    pub(crate) len: u32,
    /// How many of them move before the cut.
    pub(crate) at: u32,
    /// Whether an operation of the guest waits at the cut.
    pub(crate) parked: bool,
}

const CUTS: [Cut; 7] =
    [Cut::Guest, Cut::Cancel, Cut::Token, Cut::Deadline, Cut::Limit, Cut::Error, Cut::Reader];

impl Plan {
    /// Every second stream ends in order. The others are cut, by each kind in turn.
    pub(crate) fn new(n: u64, random: &mut Random) -> Self {
        let cut = if n.is_multiple_of(2) { Cut::Data } else { CUTS[n as usize / 2 % CUTS.len()] };
        let len = 1 + random.below(3000) as u32;
        let completes = match random.below(3) {
            0 => Completes::Awaited,
            1 => Completes::Dropped,
            _ => Completes::Driven,
        };
        Self {
            cut,
            source: cut != Cut::Reader && random.chance(),
            items: random.chance(),
            completes,
            len,
            at: random.below(u64::from(len)) as u32,
            parked: random.chance(),
        }
    }

    pub(crate) fn name(&self) -> String {
        let direction = if self.source { "source" } else { "sink" };
        format!("{direction} {:?}", self.cut).to_lowercase()
    }
}
