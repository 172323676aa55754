//! How a script ends a stream, other than by dropping the guest's end, and polls out of turn.

use std::future::pending;
use std::task::Waker;

use super::probe::lock;
use super::session::{At, Cut, Gone, Session, Side, Stuck};
use super::{Finding, Item, Op};

/// Zero-length reads that may complete at the end of a stream. A source that cannot see its end completes one, and
/// looks ahead at the next.
const MAX_READINESS_CHECKS: usize = 8;

impl<D: Send + 'static, T: Item> Session<'_, '_, D, T> {
    /// The guest reads to the last item, with a buffer that the last items fill exactly, and then repeats zero-length
    /// reads until the stream ends.
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
            // The rest of the script finds the cause.
            return Ok(());
        }
        let mut left = MAX_READINESS_CHECKS;
        while !self.ended {
            if left == 0 {
                let detail = format!("{MAX_READINESS_CHECKS} in a row, and all items were read");
                self.log.report(Finding::SpinsAtEnd, detail);
                return Err(Stuck);
            }
            left -= 1;
            self.start(0).await;
            self.wait().await?;
        }
        Ok(())
    }

    /// The first zero-length read in a row takes nothing from the host object.
    pub(super) fn check_look_ahead(&mut self, len: u32) {
        let first = len == 0 && self.side == Side::Reads && self.readiness_checks == 1;
        let Some(before) = self.taken.filter(|_| first) else { return };
        let after = self.control.taken().unwrap_or(before);
        if after > before {
            self.log.report(Finding::LookedAhead, format!("{} items", after - before));
        }
    }

    /// The host cuts the stream short.
    pub(super) fn cut_short(&mut self) {
        let Some(cut) = self.control.cut.as_mut().filter(|_| self.cut.is_none()) else { return };
        let seen = lock(self.seen);
        let delivered = self.side == Side::Reads && seen.moved >= self.items.len();
        let ended = seen.ended_by.is_some();
        self.cut = Some(Cut { late: ended || delivered, ended });
        drop(seen);
        self.log.trace("the host cuts the stream short".to_owned());
        cut();
    }

    /// Checks that the cut ended the stream. One operation may complete before the implementation sees the cut.
    pub(super) fn check_cut(&self) {
        if self.completed_since_cut > 1 && self.cut.is_some_and(|cut| !cut.late) {
            let detail = format!("{} operations completed after it", self.completed_since_cut);
            self.log.report(Finding::CutIgnored, detail);
        }
    }

    /// The operation's task is polled once more.
    pub(super) fn wake_without_cause(&mut self) {
        if self.pending.is_none() {
            return;
        }
        self.log.trace("the operation is woken without a cause".to_owned());
        let waker = lock(self.seen).waker.clone();
        waker.into_iter().for_each(Waker::wake);
    }

    /// The guest traps, or the store is dropped.
    pub(super) async fn trap_or_drop_store(&mut self, op: Op) -> Result<(), Stuck> {
        let (ended, accepted, cut) = (self.ended, self.accepted, self.cut);
        self.log.at(At::Gone(Gone { ended, accepted, cut }));
        if op == Op::Trap {
            self.log.trace("the guest traps".to_owned());
            self.guest.trap().await;
        }
        self.log.trace("the store is dropped".to_owned());
        // The executor stalls here, and drops the store with everything else.
        pending().await
    }
}
