//! What is looked at once a stream is over: what the host was told, and what the receiver of its data can tell.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use super::made::{Hooks, ReceiverEnd, Reported};
use super::moves::Moves;
use super::{Finding, executor};

/// How a stream ended, as far as it is for the kit to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// By the end of the data.
    InOrder,
    /// By the host, before that.
    CutByHost,
    /// The guest trapped or the store was dropped, before that, and the implementation can tell.
    StoreGone,
    /// By a failure of the host object.
    Failed,
    /// By a consumer, while the guest had more to write.
    Early,
    /// The reader has left, or it is a matter of chance.
    Unknown,
}

impl Ending {
    /// Why the data is not complete.
    fn truncated(self) -> Option<&'static str> {
        match self {
            Ending::CutByHost => Some("the host has cut the stream short"),
            Ending::StoreGone => Some("the store is gone, and the guest had not ended the stream"),
            Ending::Failed => Some("the host object has failed"),
            Ending::Early => Some("the guest had more to write"),
            Ending::InOrder | Ending::Unknown => None,
        }
    }

    fn by_host(self) -> bool {
        matches!(self, Ending::CutByHost | Ending::StoreGone)
    }
}

/// A future that must come to its end; without a name it is what the test has to drive.
pub(super) struct Due {
    pub(super) name: Option<&'static str>,
    pub(super) future: Pin<Box<dyn Future<Output = ()>>>,
}

impl<V> Hooks<V> {
    /// The guest's end is gone: looks at what the host was told, at the host object and at the receiver. `fails` if the
    /// host object failed and the stream ended by that.
    pub(super) async fn finish(
        &mut self,
        moves: &mut Moves,
        ending: Ending,
        fails: bool,
    ) -> Option<Reported> {
        let log = moves.log.clone();
        if self.places.is_some() {
            executor::idle().await;
            self.look_for_places(moves, "the stream is over, and nothing was driven");
        }
        if !self.resolve(moves).await {
            return None;
        }
        self.look_for_places(moves, "the stream is over, and what was to be driven is done");
        let reports = self.reports.as_mut().map(|reports| reports());
        match reports.as_deref() {
            Some([]) if fails => {
                log.find(Finding::ErrorLost, "the host object failed, and there is no report");
            }
            Some([]) => log.find(Finding::EndNotReported, "there is no report"),
            Some([said]) if fails && *said != Reported::Failed => {
                let detail = format!("the host object failed, and the report says `{said:?}`");
                log.find(Finding::ErrorLost, detail);
            }
            Some([Reported::Ended]) if ending.by_host() => {
                let why = ending.truncated().unwrap_or_default();
                log.find(Finding::CutLooksComplete, format!("{why}, and the report says `Ended`"));
            }
            Some([Reported::Cut]) if ending == Ending::InOrder => {
                log.find(Finding::EndLooksCut, "the report says `Cut`");
            }
            None | Some([_]) => {}
            Some(more) => log.find(Finding::EndReportedTwice, format!("{more:?}")),
        }
        let failed = fails || matches!(reports.as_deref(), Some([Reported::Failed, ..]));
        // To close may itself have failed; what was cut short need not be closed.
        let by_chance = failed && ending == Ending::InOrder;
        self.look_at_receiver(moves, if by_chance { Ending::Unknown } else { ending }).await;
        let closes = !failed && !ending.by_host();
        if self.closed.as_mut().is_some_and(|closed| closes && !closed()) {
            log.find(Finding::NotClosed, "the guest has dropped its end");
        }
        let empty = self.empty_chunks.as_mut().map_or(0, |empty| empty());
        if empty > 0 {
            log.find(Finding::EmptyChunk, format!("{empty} of them"));
        }
        reports.and_then(|reports| reports.first().copied())
    }

    fn look_for_places(&mut self, moves: &Moves, when: &str) {
        let places = self.places.as_mut().map_or(0, |places| places());
        if places > 0 {
            moves.log.find(Finding::PlaceKept, format!("{places} of them: {when}"));
        }
    }

    /// Runs all that must resolve; `false` if what is to be driven does not.
    async fn resolve(&mut self, moves: &mut Moves) -> bool {
        let mut open = std::mem::take(&mut self.due);
        let all = poll_fn(|cx| {
            open.retain_mut(|due| due.future.as_mut().poll(cx).is_pending());
            if open.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        });
        if moves.wait_for(all).await.is_some() {
            return true;
        }
        let mut driven = true;
        for Due { name, .. } in &open {
            match name {
                Some(name) => moves.log.find(Finding::StaysOpen, format!("still open: {name}")),
                None => {
                    driven = false;
                    let detail = "what was to be driven never comes to its end";
                    moves.log.find(Finding::EndNotReported, detail);
                }
            }
        }
        driven
    }

    async fn look_at_receiver(&mut self, moves: &mut Moves, ending: Ending) {
        let Some(receiver) = &mut self.receiver else { return };
        let mut end = receiver();
        // It may have to read on.
        while end == ReceiverEnd::Open && moves.step() {
            executor::idle().await;
            end = receiver();
        }
        let log = &moves.log;
        match (end, ending.truncated()) {
            (ReceiverEnd::Open, why) => {
                let why = why.unwrap_or("the stream is over");
                log.find(Finding::StaysOpen, format!("{why}, and the receiver waits for more"));
            }
            (ReceiverEnd::Complete, Some(why)) => log.find(Finding::CutLooksComplete, why),
            (ReceiverEnd::Cut, None) if ending == Ending::InOrder => {
                log.find(Finding::EndLooksCut, "the stream ended in order");
            }
            _ => {}
        }
    }
}
