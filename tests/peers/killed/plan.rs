//! What kills a guest of the chain, and how its streams must end.

use std::fmt;

use futures::channel::oneshot;
use wasmtime_streams::End;

use super::chain::Outcome;

/// Bytes that pass through both guests if none is killed.
pub(crate) const LENGTH: usize = 512 << 10;

/// About the fuel that a guest needs for that many bytes.
const FUEL: u64 = 625_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Victim {
    First,
    Second,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kill {
    /// The store is dropped once this many bytes have passed from one guest to the other.
    Drop(Victim, usize),
    /// The guest traps: it runs out of fuel.
    Trap(Victim, u64),
    /// No guest is killed.
    Nothing,
}

pub(crate) struct Plan {
    pub(crate) kill: Kill,
    /// How many bytes may be queued between the two.
    pub(crate) capacity: usize,
}

impl Plan {
    pub(crate) fn new(seed: u64) -> Self {
        let mut state = seed;
        // SplitMix64.
        let mut below = |bound: u64| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)) % bound
        };
        let victim = if below(2) == 0 { Victim::First } else { Victim::Second };
        let kill = match below(8) {
            0 => Kill::Nothing,
            1..4 => Kill::Trap(victim, below(FUEL)),
            _ => Kill::Drop(victim, below(LENGTH as u64) as usize),
        };
        Self { kill, capacity: 1 << (8 + below(11)) }
    }

    /// Inspects the bytes between the guests, and kills after the planned number of bytes.
    pub(crate) fn kill_after(&self, kill: oneshot::Sender<()>) -> impl FnMut(&[u8]) + Send + use<> {
        let at = if let Kill::Drop(_, at) = self.kill { at } else { usize::MAX };
        let (mut kill, mut seen) = (Some(kill), 0);
        move |bytes| {
            seen += bytes.len();
            if seen > at
                && let Some(kill) = kill.take()
            {
                // Fails if both stores are done.
                let _ = kill.send(());
            }
        }
    }

    fn victim(&self) -> Option<Victim> {
        match self.kill {
            Kill::Drop(victim, _) | Kill::Trap(victim, _) => Some(victim),
            Kill::Nothing => None,
        }
    }

    /// Whether all streams ended for the right reason.
    pub(crate) fn judge(&self, outcome: &Outcome) -> Result<(), String> {
        let Outcome { input, from, to, output, .. } = outcome;
        let all = LENGTH as u64;
        let in_order = [&input.end, &from.end, &to.end, &output.end].map(End::is_finished);
        let complete = in_order == [true; 4] && output.moved == all;
        let is_right = match (self.victim(), &from.end, &to.end) {
            (None, ..) => complete,
            // The kill came too late.
            (Some(Victim::First), End::Finished, End::Finished) => complete,
            // The second guest read all that the first one had written, and ended in order. The host knows that it was
            // cut.
            (Some(Victim::First), End::Abandoned, End::Abandoned) => {
                matches!(input.end, End::Abandoned | End::Finished)
                    && output.end.is_finished()
                    && from.moved == to.moved
                    && to.moved == output.moved
            }
            (Some(Victim::Second), End::Finished, End::Finished) if complete => true,
            // The first guest saw its reader leave, and ended in order: it stopped reading, too.
            (Some(Victim::Second), End::ReceiverDropped, End::Abandoned) => {
                matches!(input.end, End::PeerDropped | End::Finished)
                    && matches!(output.end, End::Abandoned)
            }
            // The first guest had already written everything.
            (Some(Victim::Second), End::Finished, End::Abandoned | End::Finished) => {
                input.end.is_finished() && from.moved == all && !output.end.is_finished()
            }
            _ => false,
        };
        if !outcome.is_prefix {
            Err("the output is not what the guests make of the input".to_owned())
        } else if is_right {
            Ok(())
        } else {
            Err("an end is not what it should be".to_owned())
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |victim| if victim == Victim::First { "first" } else { "second" };
        match self.kill {
            Kill::Drop(victim, at) => {
                write!(f, "the {} store is dropped when {at} bytes have passed", name(victim))
            }
            Kill::Trap(victim, fuel) => {
                write!(
                    f,
                    "the {} guest traps for want of fuel, of which it had {fuel}",
                    name(victim)
                )
            }
            Kill::Nothing => f.write_str("nobody is killed"),
        }
    }
}
