//! The ways in which a script ends a stream, other than by dropping the guest's end.

use std::future::pending;

use super::probe::look;
use super::session::{At, Cut, Gone, Session, Side, Stuck};
use super::{Finding, Item, Op};

/// So many questions may be answered by "completed" at the end of a stream: who cannot tell says so once, and looks ahead
/// at the next.
const QUESTIONS: usize = 8;

impl<D: Send + 'static, T: Item> Session<'_, '_, D, T> {
    /// The guest reads to the last item, with buffers that are just full then, and asks for readiness until it is told the
    /// end.
    pub(super) async fn ask_for_the_end(&mut self) -> Result<(), Stuck> {
        if self.side != Side::Reads {
            return Ok(());
        }
        self.wait().await?;
        let all = self.items.len();
        let mut rounds = 4 * all;
        while self.got.len() < all && rounds > 0 && !self.ended {
            self.start((all - self.got.len()).min(3) as u32).await;
            self.wait().await?;
            rounds -= 1;
        }
        if self.got.len() < all {
            // The rest of the script says why.
            return Ok(());
        }
        let mut left = QUESTIONS;
        while !self.ended {
            if left == 0 {
                let detail = format!("{QUESTIONS} in a row, and all items were read");
                self.log.find(Finding::SpinsAtEnd, detail);
                return Err(Stuck);
            }
            left -= 1;
            self.start(0).await;
            self.wait().await?;
        }
        Ok(())
    }

    /// The first question of several in a row takes nothing.
    pub(super) fn look_ahead(&mut self, len: u32) {
        let first = len == 0 && self.side == Side::Reads && self.questions == 1;
        let Some(before) = self.taken.filter(|_| first) else { return };
        let after = self.moves.taken().unwrap_or(before);
        if after > before {
            self.log.find(Finding::LookedAhead, format!("{} items", after - before));
        }
    }

    /// The host cuts the stream short.
    pub(super) fn cut_short(&mut self) {
        let Some(cut) = self.moves.cut.as_mut().filter(|_| self.cut.is_none()) else { return };
        let seen = look(self.seen);
        let delivered = self.side == Side::Reads && seen.moved >= self.items.len();
        let ended = seen.ended_by.is_some();
        self.cut = Some(Cut { late: ended || delivered, ended });
        drop(seen);
        self.log.trace("the host cuts the stream short".to_owned());
        cut();
    }

    /// Whether the cut ended the stream. One operation may have been answered before it was noticed.
    pub(super) fn look_at_cut(&self) {
        if self.completed_since_cut > 1 && self.cut.is_some_and(|cut| !cut.late) {
            let detail = format!("{} operations completed after it", self.completed_since_cut);
            self.log.find(Finding::CutIgnored, detail);
        }
    }

    /// The guest traps, or the store is dropped.
    pub(super) async fn go(&mut self, op: Op) -> Result<(), Stuck> {
        let (ended, accepted, cut) = (self.ended, self.accepted, self.cut);
        self.log.at(At::Gone(Gone { ended, accepted, cut }));
        if op == Op::Trap {
            self.log.trace("the guest traps".to_owned());
            self.guest.trap().await;
        }
        self.log.trace("the store is dropped".to_owned());
        // When nothing can run any more, all of this is dropped.
        pending().await
    }
}
