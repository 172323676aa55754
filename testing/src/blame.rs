//! Finds the cause of a difference, and how a stream ended.

use super::check::Check;
use super::finish::Ending;
use super::probe::{EndedBy, Seen, lock};
use super::role::Role;
use super::session::{Gone, Session, Side};
use super::{Finding, Item};

impl<D: Send + 'static, T: Item, R: Role<D, T>> Check<D, T, R> {
    /// The cause of a missing or doubled item.
    pub(super) fn blame(&self, finding: Finding, session: &mut Session<'_, '_, D, T>) -> Finding {
        let ended_by = lock(session.seen).ended_by;
        let cancelled = session.cancelled;
        match finding {
            Finding::LostAtEnd if Self::READS => match ended_by {
                Some(EndedBy::Cancel) => Finding::EndedOnCancel,
                Some(EndedBy::ZeroLength) => Finding::ZeroLengthRead,
                // The stream ended before its host object.
                _ if cancelled && session.control.step() => Finding::EndedOnCancel,
                _ if cancelled => Finding::LostOnCancel,
                _ if self.fails => Finding::ErrorOvertook,
                _ => Finding::LostAtEnd,
            },
            Finding::Lost if Self::READS && cancelled => Finding::LostOnCancel,
            finding if Self::READS => finding,
            Finding::Lost | Finding::LostAtEnd | Finding::Doubled if cancelled => {
                Finding::Miscounted
            }
            Finding::Lost | Finding::LostAtEnd if self.fails => Finding::ErrorLost,
            Finding::LostAtEnd => Finding::NotClosed,
            finding => finding,
        }
    }

    /// A consumer may end a stream at any time, but not because of an operation that wrote nothing.
    pub(super) fn closed_early(&self, session: &Session<'_, '_, D, T>) -> Option<Finding> {
        let all = session.accepted == self.items.len();
        let chosen = self.fails || session.cut.is_some();
        if R::SIDE != Side::Writes || chosen || !session.ended || all {
            return None;
        }
        if !self.empty_script_moves_all.get() {
            return None;
        }
        match lock(session.seen).ended_by {
            Some(EndedBy::Cancel) => Some(Finding::EndedOnCancel),
            Some(EndedBy::ZeroLength) => Some(Finding::ZeroLengthWrite),
            _ if session.cancelled => Some(Finding::EndedOnCancel),
            _ => None,
        }
    }

    /// How a stream ended whose guest has dropped its end.
    pub(super) fn ending(&self, session: &Session<'_, '_, D, T>, has_reports: bool) -> Ending {
        let all = self.items.len();
        let cut = session.cut.is_some_and(|cut| !cut.late);
        match R::SIDE {
            // The guest left.
            Side::Reads if !session.ended => Ending::Unknown,
            Side::Reads if cut && session.got.len() < all => Ending::CutByHost,
            // All items were delivered, and the implementation had not reported the end.
            Side::Reads if session.cut.is_some_and(|cut| !cut.ended) => Ending::Unknown,
            Side::Writes if cut => Ending::CutByHost,
            Side::Reads | Side::Writes if session.ended && self.fails => Ending::Failed,
            Side::Reads => Ending::InOrder,
            Side::WritesFuture if !self.fails => Ending::InOrder,
            Side::Writes if session.ended && session.accepted < all => Ending::Early,
            // A host object that fails may also fail to close: only a report can tell.
            Side::Writes if !session.ended && (has_reports || !self.fails) => Ending::InOrder,
            Side::Writes | Side::ReadsFuture | Side::WritesFuture => Ending::Unknown,
        }
    }

    /// How a stream ended whose store was dropped.
    pub(super) fn ending_of_gone(&self, gone: Gone, seen: &Seen, watches_store: bool) -> Ending {
        let more = seen.moved < self.items.len() && !gone.ended;
        let cut = gone.cut.is_some_and(|cut| !cut.late);
        match R::SIDE {
            Side::Reads if more && cut => Ending::CutByHost,
            Side::Writes if cut => Ending::CutByHost,
            // It had ended before.
            _ if seen.ended_by.is_some() => Ending::Unknown,
            Side::Reads if more && watches_store => Ending::StoreGone,
            Side::Writes if watches_store => Ending::StoreGone,
            // The value was never written.
            Side::WritesFuture if seen.moved == 0 => Ending::StoreGone,
            _ => Ending::Unknown,
        }
    }
}
