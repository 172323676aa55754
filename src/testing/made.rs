//! What a test hands to the kit for each script: an implementation, and what can be seen of its host object.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use super::Finding;
use super::Item;
use super::session::{Session, Step};

/// How an implementation told the host of the end of a stream.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reported {
    /// In order.
    Ended,
    /// With the host object's error.
    Failed,
}

/// A fresh producer or consumer, and what can be seen and moved of the host object under it.
///
/// `V` is the [value](Item::Value) of the items. All but the implementation itself is optional: what is not given is not
/// checked.
pub struct Made<X, V = ()> {
    pub(super) object: X,
    pub(super) hooks: Hooks<V>,
}

/// A closure that looks at the host object.
type Look<R> = Option<Box<dyn FnMut() -> R>>;

pub(super) struct Hooks<V> {
    pub(super) step: Option<Step>,
    drive: Option<Pin<Box<dyn Future<Output = ()>>>>,
    reports: Look<Vec<Reported>>,
    pub(super) received: Look<Vec<V>>,
    closed: Look<bool>,
    empty_chunks: Look<usize>,
}

impl<X, V> Made<X, V> {
    /// Only the implementation. Everything that it carries is taken to be ready at any time.
    pub fn new(object: X) -> Self {
        let hooks = Hooks {
            step: None,
            drive: None,
            reports: None,
            received: None,
            closed: None,
            empty_chunks: None,
        };
        Self { object, hooks }
    }

    /// The host object is not always ready: `step` moves it on (lets the next part arrive, makes room for one more), and
    /// wakes whoever it has to. It returns `false` once there is nothing left to move.
    pub fn step(mut self, step: impl FnMut() -> bool + 'static) -> Self {
        self.hooks.step = Some(Box::new(step));
        self
    }

    /// What has to run when the stream is over: a completion that flushes and closes. It must come to an end.
    pub fn drive(mut self, drive: impl Future<Output = ()> + 'static) -> Self {
        self.hooks.drive = Some(Box::pin(drive));
        self
    }

    /// All that was reported to the host so far of how the stream ended. It should be one report, in the end.
    pub fn reports(mut self, reports: impl FnMut() -> Vec<Reported> + 'static) -> Self {
        self.hooks.reports = Some(Box::new(reports));
        self
    }

    /// Of a consumer: all that has arrived on the host's side, in order.
    pub fn received(mut self, received: impl FnMut() -> Vec<V> + 'static) -> Self {
        self.hooks.received = Some(Box::new(received));
        self
    }

    /// Of a consumer: whether its host object is shut down.
    pub fn closed(mut self, closed: impl FnMut() -> bool + 'static) -> Self {
        self.hooks.closed = Some(Box::new(closed));
        self
    }

    /// Of a consumer of chunks: how many empty ones have arrived.
    pub fn empty_chunks(mut self, empty_chunks: impl FnMut() -> usize + 'static) -> Self {
        self.hooks.empty_chunks = Some(Box::new(empty_chunks));
        self
    }
}

impl<X: fmt::Debug, V> fmt::Debug for Made<X, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Made").field("object", &self.object).finish_non_exhaustive()
    }
}

impl Hooks<()> {
    /// A producer receives nothing.
    pub(super) fn of_producer<V>(self) -> Hooks<V> {
        let Self { step, drive, reports, closed, empty_chunks, .. } = self;
        Hooks { step, drive, reports, received: None, closed, empty_chunks }
    }
}

impl<V> Hooks<V> {
    /// The guest's end is gone: looks at what the host was told, and at the host object. `fails` if the host object
    /// failed and the stream ended by that.
    pub(super) async fn finish<D: Send + 'static, T: Item>(
        &mut self,
        session: &mut Session<'_, '_, D, T>,
        fails: bool,
    ) -> Option<Reported> {
        let log = session.log.clone();
        if let Some(drive) = self.drive.take()
            && session.wait_for(drive).await.is_none()
        {
            log.find(Finding::EndNotReported, "what was to be driven never comes to its end");
            return None;
        }
        let reports = self.reports.as_mut().map(|reports| reports());
        match reports.as_deref() {
            Some([]) if fails => {
                log.find(Finding::ErrorLost, "the host object failed, and there is no report");
            }
            Some([]) => log.find(Finding::EndNotReported, "there is no report"),
            Some([Reported::Ended]) if fails => {
                log.find(Finding::ErrorLost, "the host object failed, and the report says `Ended`");
            }
            None | Some([_]) => {}
            Some(more) => log.find(Finding::EndReportedTwice, format!("{more:?}")),
        }
        // To close may itself have failed.
        let failed = fails || matches!(reports.as_deref(), Some([Reported::Failed, ..]));
        if self.closed.as_mut().is_some_and(|closed| !failed && !closed()) {
            log.find(Finding::NotClosed, "the guest has dropped its end");
        }
        let empty = self.empty_chunks.as_mut().map_or(0, |empty| empty());
        if empty > 0 {
            log.find(Finding::EmptyChunk, format!("{empty} of them"));
        }
        reports.and_then(|reports| reports.first().copied())
    }
}
