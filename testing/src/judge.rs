//! Runs one script, and checks its result.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use wasmtime::{AsContextMut as _, Result};

use super::check::{Check, Value};
use super::compare::compare;
use super::control::HostControl;
use super::executor::{Effort, Stalled};
use super::explore::Outcome;
use super::finish::Ending;
use super::made::{Hooks, Reported};
use super::probe::{self, SharedSeen, lock};
use super::role::Role;
use super::session::{At, Entries, Log, Session, Side, Stuck};
use super::{Finding, Guest, Item, Op, Setup, executor};

/// Findings after which Wasmtime itself traps the guest.
const TRAPS: [Finding; 5] = [
    Finding::Spins,
    Finding::PendingAfterProducing,
    Finding::CompletedWithNothing,
    Finding::CancelledUnasked,
    Finding::LostOnCancel,
];

impl<D: Send + 'static, T: Item, R: Role<D, T>> Check<D, T, R> {
    pub(super) const READS: bool = matches!(R::SIDE, Side::Reads | Side::ReadsFuture);

    pub(super) fn setup(&self) -> Setup<D> {
        let setup = Setup::new((self.data)());
        match self.link.clone() {
            Some(link) => setup.link(move |root| link(root)),
            None => setup,
        }
    }

    pub(super) fn session<'a, 'g>(
        &'a self,
        guest: &'a Guest<'g, D, T>,
        handle: u32,
        (log, seen): (&'a Log, &'a SharedSeen),
        control: &'a mut HostControl,
    ) -> Session<'a, 'g, D, T> {
        Session {
            guest,
            side: R::SIDE,
            handle,
            log,
            seen,
            control,
            items: &self.items,
            handles: None,
            passes: self.passes.as_ref(),
            got: Vec::new(),
            accepted: 0,
            pending: None,
            readiness_checks: 0,
            taken: None,
            bound: self.bound,
            cancelled: false,
            cut: None,
            began_after_cut: false,
            completed_since_cut: 0,
            ended: false,
            dropped: false,
        }
    }

    pub(super) fn script(&self, script: &[Op]) -> Outcome {
        let (log, seen) = (Log::default(), SharedSeen::default());
        // Left by a script that has trapped.
        drop(probe::disarm_race());
        let (object, mut hooks) = (self.make)();
        let mut control = std::mem::take(&mut hooks.control);
        control.log = log.clone();
        lock(&seen).ready = (control.step.is_none() && !self.short).then_some(self.items.len());
        let left = Arc::new(AtomicUsize::new(0));
        let run = AssertUnwindSafe(|| {
            let setup = self.setup().count(left.clone());
            let ended = self.in_guest(setup, async |guest: &Guest<'_, D, T>| {
                let handles = self.handles(guest).await?;
                let handle = object.open(guest, seen.clone()).await?;
                let mut session = self.session(guest, handle, (&log, &seen), &mut control);
                session.handles = handles;
                // The finding is in the log.
                if let Ok(()) = self.play(&mut session, script).await {
                    if script.is_empty() {
                        self.empty_script_moves_all.set(session.accepted == self.items.len());
                    }
                    let _ = self.judge(&mut session, &mut hooks).await;
                }
                Ok(())
            });
            if let Some(gone) = log.gone() {
                let ending = self.ending_of_gone(gone, &lock(&seen), hooks.watches_store);
                // The finding is in the log.
                let _ = executor::try_run(hooks.finish(&mut control, ending, false));
            }
            ended
        });
        let ended = catch_unwind(run);
        let wakes = ended.as_ref().map_or(0, |(_, effort)| effort.wakes);
        let Entries { trace, findings, at } = log.take();
        let mut seen = lock(&seen);
        // The probe's findings come first: they are closest to the cause.
        let mut all = std::mem::take(&mut seen.findings);
        all.extend(findings);
        match ended {
            Err(panic) => all.push((self.at(at, Finding::Panicked), panic_text(&*panic))),
            Ok((Ok(Ok(Ok(()))), _)) => {
                let left = left.load(Ordering::Relaxed).saturating_sub(self.baseline());
                if left > 0 && all.is_empty() {
                    all.push((Finding::HandleLeft, format!("{left} entries in the store's table")));
                }
            }
            // The script asked for it.
            Ok(_) if matches!(at, At::Gone(_)) => {}
            Ok((Ok(Ok(Err(error)) | Err(error)), _)) => {
                let text = error.root_cause().to_string();
                if self.fails && seen.failed {
                    all.push((Finding::ErrorTrapped, text));
                } else if !all.iter().any(|(finding, _)| TRAPS.contains(finding)) {
                    all.push((self.at(at, Finding::Trapped), text));
                }
            }
            Ok((Err(_), _)) if !all.is_empty() => {}
            Ok((Err(_), _)) => {
                all.push((self.at(at, Finding::LostWakeup), "nothing can run any more".to_owned()));
            }
        }
        Outcome { findings: all, trace, polls: seen.polls, wakes }
    }

    /// Runs `script` against a new guest, which is compiled for the first one.
    fn in_guest<O>(
        &self,
        setup: Setup<D>,
        script: impl AsyncFnOnce(&Guest<'_, D, T>) -> O,
    ) -> (Result<Result<O>, Stalled>, Effort) {
        executor::try_run(async {
            let prepared = match self.prepared.get() {
                Some(prepared) => prepared,
                None => {
                    let prepared = setup.prepare()?;
                    self.prepared.get_or_init(|| prepared)
                }
            };
            setup.drive_prepared(prepared, script).await
        })
    }

    /// Entries in the table of a store whose guest had no stream.
    fn baseline(&self) -> usize {
        self.baseline.get().unwrap_or_else(|| {
            let left = Arc::new(AtomicUsize::new(0));
            let run = self.in_guest(self.setup().count(left.clone()), async |_| ());
            // If this fails, so does every script, with a finding.
            drop(run);
            let baseline = left.load(Ordering::Relaxed);
            self.baseline.set(Some(baseline));
            baseline
        })
    }

    /// A failure of a zero-length operation has a finding of its own.
    fn at(&self, at: At, finding: Finding) -> Finding {
        match at {
            At::Operation(0) if Self::READS => Finding::ZeroLengthRead,
            At::Operation(0) => Finding::ZeroLengthWrite,
            _ => finding,
        }
    }

    /// Runs the script, and then the rest of the stream.
    async fn play(&self, session: &mut Session<'_, '_, D, T>, script: &[Op]) -> Result<(), Stuck> {
        session.run(script).await?;
        let mut rounds = 4 * self.items.len() + 16;
        let done = |session: &Session<'_, '_, D, T>| {
            let written = R::SIDE == Side::Writes && session.accepted == self.items.len();
            session.dropped || session.pending.is_none() && (session.ended || written)
        };
        while !done(session) {
            if rounds == 0 {
                session.log.report(Finding::NoEnd, "the guest reads or writes without an end");
                return Err(Stuck);
            }
            rounds -= 1;
            session.start(3).await;
            session.wait().await?;
        }
        Ok(())
    }

    async fn judge(
        &self,
        session: &mut Session<'_, '_, D, T>,
        hooks: &mut Hooks<Value<T>>,
    ) -> Result<(), Stuck> {
        let dropped_early = session.dropped;
        session.drop_end().await?;
        if T::OPAQUE {
            for handle in session.got.iter().flatten().filter_map(T::handle) {
                session.guest.drop_item(handle).await;
            }
        }
        session.check_cut();
        let failed = self.fails && session.ended && session.cut.is_none();
        let ending = self.ending(session, hooks.reports.is_some());
        let report = hooks.finish(session.control, ending, failed).await;
        let all = self.items.len();
        let differs = |got: &[Option<Value<T>>], least, most| match got.len() {
            _ if !T::OPAQUE => compare(got, &self.items, least, most),
            got if got < least => Some((Finding::LostAtEnd, format!("{got} of {least} items"))),
            got if got > most => Some((Finding::Doubled, format!("{got} of {most} items"))),
            _ => None,
        };
        let difference = if Self::READS {
            let whole = session.ended && !dropped_early && ending != Ending::CutByHost;
            let least = if whole { all } else { 0 };
            differs(&session.got, least, all)
        } else {
            let failed = failed || report == Some(Reported::Failed);
            let least = if failed || session.cut.is_some() { 0 } else { session.accepted };
            hooks.received.as_mut().and_then(|received| {
                let received: Vec<_> = received().into_iter().map(Some).collect();
                differs(&received, least, session.accepted)
            })
        };
        if let Some((finding, detail)) = difference {
            let finding = self.blame(finding, session);
            session.log.report(finding, detail);
        } else if let Some(finding) = self.closed_early(session) {
            let detail = format!("{} of {all} items were written", session.accepted);
            session.log.report(finding, detail);
        }
        // The test's hooks may hold handles, too; the store closes them when it next runs.
        *hooks = Hooks::default();
        session.control.release();
        executor::idle().await;
        session.check_handles().await?;
        if let Some(leftovers) = &self.leftovers {
            let left = session.guest.with(|mut store| leftovers(store.as_context_mut().data_mut()));
            if left > 0 {
                session.log.report(Finding::ResourceLeft, format!("{left} of them"));
            }
        }
        Ok(())
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}
