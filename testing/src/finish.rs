//! The checks after the end of a stream: what was reported, and what the receiver sees.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use super::control::HostControl;
use super::made::{Hooks, ReceiverEnd, Reported};
use super::{Finding, executor};

/// How a stream ended, as far as the kit can know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// At the end of the data.
    InOrder,
    /// The host cut it before the end of the data.
    CutByHost,
    /// The guest trapped or the store was dropped before the end of the data, and the implementation watches the store.
    StoreGone,
    /// The host object failed.
    Failed,
    /// A consumer ended it while the guest had more to write.
    Early,
    /// The guest left, or several ends are correct.
    Unknown,
}

impl Ending {
    /// Why the data is incomplete.
    fn truncated(self) -> Option<&'static str> {
        match self {
            Ending::CutByHost => Some("the host cut the stream short"),
            Ending::StoreGone => {
                Some("the store was dropped before the guest had ended the stream")
            }
            Ending::Failed => Some("the host object failed"),
            Ending::Early => Some("the guest had more to write"),
            Ending::InOrder | Ending::Unknown => None,
        }
    }

    fn by_host(self) -> bool {
        matches!(self, Ending::CutByHost | Ending::StoreGone)
    }
}

/// A future that must resolve after the end of the stream: [`Made::drive`](super::Made::drive)'s, or one with a name.
pub(super) struct MustResolve {
    pub(super) name: Option<&'static str>,
    pub(super) future: Pin<Box<dyn Future<Output = ()>>>,
}

impl<V> Hooks<V> {
    /// Checks the reports, the host object and the receiver. The guest's end is dropped. `fails` if the stream ended
    /// because the host object failed.
    pub(super) async fn finish(
        &mut self,
        control: &mut HostControl,
        ending: Ending,
        fails: bool,
    ) -> Option<Reported> {
        let log = control.log.clone();
        if self.places.is_some() {
            executor::idle().await;
            self.check_places(control, "the stream has ended, and no completion was driven");
        }
        if !self.resolve(control).await {
            return None;
        }
        self.check_places(control, "the stream has ended, and its completion is done");
        let reports = self.reports.as_mut().map(|reports| reports());
        match reports.as_deref() {
            Some([]) if fails => {
                log.report(Finding::ErrorLost, "the host object failed, and there is no report");
            }
            Some([]) => log.report(Finding::EndNotReported, "there is no report"),
            Some([reported]) if fails && *reported != Reported::Failed => {
                let detail = format!("the host object failed, and the report says `{reported:?}`");
                log.report(Finding::ErrorLost, detail);
            }
            Some([Reported::Ended]) if ending.by_host() => {
                let why = ending.truncated().unwrap_or_default();
                log.report(
                    Finding::CutLooksComplete,
                    format!("{why}, and the report says `Ended`"),
                );
            }
            Some([Reported::Cut]) if ending == Ending::InOrder => {
                log.report(Finding::EndLooksCut, "the report says `Cut`");
            }
            None | Some([_]) => {}
            Some(more) => log.report(Finding::EndReportedTwice, format!("{more:?}")),
        }
        let failed = fails || matches!(reports.as_deref(), Some([Reported::Failed, ..]));
        // Closing may have failed. A host object that was cut short need not be closed.
        let failed_to_close = failed && ending == Ending::InOrder;
        self.check_receiver(control, if failed_to_close { Ending::Unknown } else { ending }).await;
        let closes = !failed && !ending.by_host();
        if self.closed.as_mut().is_some_and(|closed| closes && !closed()) {
            log.report(Finding::NotClosed, "the guest has dropped its end");
        }
        let empty = self.empty_chunks.as_mut().map_or(0, |empty| empty());
        if empty > 0 {
            log.report(Finding::EmptyChunk, format!("{empty} of them"));
        }
        reports.and_then(|reports| reports.first().copied())
    }

    fn check_places(&mut self, control: &HostControl, when: &str) {
        let places = self.places.as_mut().map_or(0, |places| places());
        if places > 0 {
            control.log.report(Finding::PlaceKept, format!("{places} of them: {when}"));
        }
    }

    /// Runs all futures that must resolve; `false` if [`Made::drive`](super::Made::drive)'s does not.
    async fn resolve(&mut self, control: &mut HostControl) -> bool {
        let mut open = std::mem::take(&mut self.must_resolve);
        let all = poll_fn(|cx| {
            open.retain_mut(|one| one.future.as_mut().poll(cx).is_pending());
            if open.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        });
        if control.wait_for(all).await.is_some() {
            return true;
        }
        let mut driven = true;
        for MustResolve { name, .. } in &open {
            match name {
                Some(name) => {
                    control.log.report(Finding::StaysOpen, format!("{name} does not resolve"))
                }
                None => {
                    driven = false;
                    let detail = "the driven completion never resolves";
                    control.log.report(Finding::EndNotReported, detail);
                }
            }
        }
        driven
    }

    async fn check_receiver(&mut self, control: &mut HostControl, ending: Ending) {
        let Some(receiver) = &mut self.receiver else { return };
        let mut end = receiver();
        // The receiver may have to read more before it sees the end.
        while end == ReceiverEnd::Open && control.step() {
            executor::idle().await;
            end = receiver();
        }
        let log = &control.log;
        match (end, ending.truncated()) {
            (ReceiverEnd::Open, why) => {
                let why = why.unwrap_or("the stream has ended");
                log.report(Finding::StaysOpen, format!("{why}, and the receiver waits for more"));
            }
            (ReceiverEnd::Complete, Some(why)) => log.report(Finding::CutLooksComplete, why),
            (ReceiverEnd::Cut, None) if ending == Ending::InOrder => {
                log.report(Finding::EndLooksCut, "the stream ended in order");
            }
            _ => {}
        }
    }
}
