//! Runs one script, and judges what comes out of it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use wasmtime::AsContextMut as _;

use super::check::{Check, Value};
use super::explore::Outcome;
use super::made::{Hooks, Reported};
use super::probe::{self, EndedBy, SharedSeen, look};
use super::role::Role;
use super::session::{At, Entries, Log, Session, Side, Step, Stuck, compare};
use super::{Failure, Finding, Guest, Item, Op, Setup, executor};

/// For one of these answers Wasmtime itself traps the guest.
const TRAPS: [Finding; 5] = [
    Finding::Spins,
    Finding::PendingAfterProducing,
    Finding::CompletedWithNothing,
    Finding::CancelledUnasked,
    Finding::LostOnCancel,
];

impl<D: Send + 'static, T: Item, R: Role<D, T>> Check<D, T, R> {
    const READS: bool = matches!(R::SIDE, Side::Reads | Side::ReadsFuture);

    fn setup(&self) -> Setup<D> {
        let setup = Setup::new((self.data)());
        match self.link.clone() {
            Some(link) => setup.link(move |root| link(root)),
            None => setup,
        }
    }

    fn session<'a, 'g>(
        &'a self,
        guest: &'a Guest<'g, D, T>,
        handle: u32,
        (log, seen): (&'a Log, &'a SharedSeen),
        step: &'a mut Option<Step>,
    ) -> Session<'a, 'g, D, T> {
        Session {
            guest,
            side: R::SIDE,
            handle,
            log,
            seen,
            step,
            items: &self.items,
            got: Vec::new(),
            accepted: 0,
            pending: None,
            steps: 0,
            bound: self.bound,
            cancelled: false,
            ended: false,
            dropped: false,
        }
    }

    pub(super) fn script(&self, script: &[Op]) -> Outcome {
        let (log, seen) = (Log::default(), SharedSeen::default());
        // Of a script that has trapped.
        drop(probe::disarm());
        let (object, mut hooks) = (self.make)();
        look(&seen).ready = (hooks.step.is_none() && !self.short).then_some(self.items.len());
        let mut step = hooks.step.take();
        let run = AssertUnwindSafe(|| {
            self.setup().run::<T, _>(async |guest| {
                let handle = object.open(guest, seen.clone()).await?;
                let mut session = self.session(guest, handle, (&log, &seen), &mut step);
                // What it is stuck in is in the log.
                if let Ok(()) = self.play(&mut session, script).await {
                    if script.is_empty() {
                        self.whole.set(session.accepted == self.items.len());
                    }
                    let _ = self.judge(&mut session, &mut hooks).await;
                }
                Ok(())
            })
        });
        let ended = catch_unwind(run);
        let wakes = ended.as_ref().map_or(0, |(_, effort)| effort.wakes);
        let Entries { trace, findings, at } = log.take();
        let mut seen = look(&seen);
        // What the probe saw is closest to the cause.
        let mut all = std::mem::take(&mut seen.findings);
        all.extend(findings);
        match ended {
            Err(panic) => all.push((self.at(at, Finding::Panicked), panic_text(&*panic))),
            Ok((Ok(Ok(Ok(()))), _)) => {}
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

    /// A zero-length operation must not even fail.
    fn at(&self, at: At, finding: Finding) -> Finding {
        match at {
            At::Operation(0) if Self::READS => Finding::ZeroLengthRead,
            At::Operation(0) => Finding::ZeroLengthWrite,
            _ => finding,
        }
    }

    /// The script, and then what is left of the stream.
    async fn play(&self, session: &mut Session<'_, '_, D, T>, script: &[Op]) -> Result<(), Stuck> {
        session.run(script).await?;
        let mut rounds = 4 * self.items.len() + 16;
        let over = |session: &Session<'_, '_, D, T>| {
            let written = R::SIDE == Side::Writes && session.accepted == self.items.len();
            session.dropped || session.pending.is_none() && (session.ended || written)
        };
        while !over(session) {
            if rounds == 0 {
                session.log.find(Finding::NoEnd, "the guest goes on and on");
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
        let failed = self.fails && session.ended;
        let report = hooks.finish(session, failed).await;
        if let Some(leftovers) = &self.leftovers {
            let left = session.guest.with(|mut store| leftovers(store.as_context_mut().data_mut()));
            if left > 0 {
                session.log.find(Finding::ResourceLeft, format!("{left} of them"));
            }
        }
        let all = self.items.len();
        let difference = if Self::READS {
            let least = if session.ended && !dropped_early { all } else { 0 };
            match session.got.len() {
                _ if !T::OPAQUE => compare(&session.got, &self.items, least, all),
                got if got < least => Some((Finding::LostAtEnd, format!("{got} of {all} items"))),
                got if got > all => Some((Finding::Doubled, format!("{got} of {all} items"))),
                _ => None,
            }
        } else {
            let failed = failed || report == Some(Reported::Failed);
            let least = if failed { 0 } else { session.accepted };
            hooks.received.as_mut().filter(|_| !T::OPAQUE).and_then(|received| {
                let received: Vec<_> = received().into_iter().map(Some).collect();
                compare(&received, &self.items, least, session.accepted)
            })
        };
        if let Some((finding, detail)) = difference {
            let finding = self.blame(finding, session);
            session.log.find(finding, detail);
        } else if let Some(finding) = self.closed_early(session) {
            let detail = format!("{} of {all} items were written", session.accepted);
            session.log.find(finding, detail);
        }
        Ok(())
    }

    /// What a missing or doubled item comes from.
    fn blame(&self, finding: Finding, session: &mut Session<'_, '_, D, T>) -> Finding {
        let ended_by = look(session.seen).ended_by;
        let cancelled = session.cancelled;
        match finding {
            Finding::LostAtEnd if Self::READS => match ended_by {
                Some(EndedBy::Cancel) => Finding::EndedOnCancel,
                Some(EndedBy::ZeroLength) => Finding::ZeroLengthRead,
                // It ended before its host object did.
                _ if cancelled && session.step() => Finding::EndedOnCancel,
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

    /// A consumer may end a stream when it likes, but not for an operation that wrote nothing.
    fn closed_early(&self, session: &Session<'_, '_, D, T>) -> Option<Finding> {
        let all = session.accepted == self.items.len();
        if R::SIDE != Side::Writes || self.fails || !session.ended || all || !self.whole.get() {
            return None;
        }
        match look(session.seen).ended_by {
            Some(EndedBy::Cancel) => Some(Finding::EndedOnCancel),
            Some(EndedBy::ZeroLength) => Some(Finding::ZeroLengthWrite),
            _ if session.cancelled => Some(Finding::EndedOnCancel),
            _ => None,
        }
    }

    /// One operation as long as a guest can name.
    pub(super) fn memory_failure(&self, peak: fn() -> usize) -> Option<Failure> {
        const LONGEST: u32 = (1 << 28) - 1;
        const ROOM: usize = 64 << 20;
        /// The steps of the host object that may be needed until the operation can move anything.
        const STEPS: usize = 8;
        /// Only one is measured at a time, for the allocator is everyone's.
        static MEASURED: Mutex<()> = Mutex::new(());
        if matches!(R::SIDE, Side::ReadsFuture | Side::WritesFuture) || T::SIZE > 12 {
            return None;
        }
        let _measured = MEASURED.lock().unwrap_or_else(PoisonError::into_inner);
        let (object, mut hooks) = (self.make)();
        let mut step = hooks.step.take();
        let (log, seen) = (Log::default(), SharedSeen::default());
        let setup = self.setup().buffer(LONGEST * T::SIZE);
        peak();
        // What is allocated now, if a call sets it back.
        let before = peak();
        let run = AssertUnwindSafe(|| {
            setup.run::<T, _>(async |guest| {
                let handle = object.open(guest, seen.clone()).await?;
                let mut session = self.session(guest, handle, (&log, &seen), &mut step);
                session.start_any(LONGEST).await;
                executor::idle().await;
                for _ in 0..STEPS {
                    session.step();
                    executor::idle().await;
                }
                wasmtime::error::Ok(())
            })
        });
        // However it ends: scripts that trap, panic or stall are found by others.
        drop(catch_unwind(run));
        let grown = peak().saturating_sub(before);
        (grown > ROOM).then(|| Failure {
            finding: Finding::GuestSizedMemory,
            detail: format!("{grown} bytes for an operation of {LONGEST} items"),
            script: vec![Op::Start(LONGEST)],
            trace: log.take().trace,
            seed: None,
        })
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}
