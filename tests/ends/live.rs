//! Runs one cell: opens its stream, ends it, and checks what each side sees.

use std::pin::Pin;
use std::sync::atomic::Ordering;

use wasmtime_streams::{CancelHandle, StoreToken};
use wasmtime_streams_testing::{Code, Guest, executor};

use crate::cells::{Cell, Completes, Report};
use crate::host::{Host, poll_once};
use crate::made::{Done, Open, Peer, Plan, Resolved};
use crate::spy::Spied;
use crate::table::{Kind, Resolves};

pub type World<'a> = Guest<'a, StoreToken, u8>;

/// How often other threads and the reactor are given a turn before a wait counts as endless.
const STEPS: usize = 20;

/// An operation waits for ever or got an unexpected answer, so the store is of no more use.
#[derive(Debug)]
pub struct Stuck;

pub struct Live {
    cell: Cell,
    plan: Plan,
    peer: Box<dyn Peer>,
    seen: Option<Spied>,
    done: Option<Done>,
    cancel: Option<CancelHandle>,
    handle: u32,
    moved: u32,
}

impl Live {
    /// Gives the stream to the guest, or takes the guest's, and moves some items.
    pub async fn begin(guest: &World<'_>, host: &Host, cell: Cell) -> Result<Self, Stuck> {
        let plan = Plan::new(cell.kind(), cell.completes, cell.parked);
        let Open { give, peer, shape, seen } = (cell.row.make)(host, &plan);
        let (reader, writable) = if cell.is_source() {
            (None, 0)
        } else {
            let (reader, writable) = guest.stream().await;
            (Some(reader), writable)
        };
        let given = guest.with(|store| give(store, reader));
        let handle = match given.reader {
            Some(reader) => guest.take(reader).await,
            None => writable,
        };
        let done = given.done.filter(|_| cell.completes != Completes::Dropped);
        let cancel = given.cancel;
        let mut live = Self { cell, plan, peer, seen, done, cancel, handle, moved: 0 };
        let first = match (cell.is_source(), cell.kind()) {
            (true, _) => 1,
            (false, Kind::Abort) => 0,
            (false, _) => shape.first(cell.parked),
        };
        for _ in 0..first {
            if cell.is_source() {
                live.peer.give();
            }
            if live.operate(guest, host, 1).await? != Code::Completed(1) {
                return Err(Stuck);
            }
            live.moved += 1;
        }
        if cell.parked && live.start(guest, live.len()).await != Code::Blocked {
            return Err(Stuck);
        }
        executor::idle().await;
        Ok(live)
    }

    /// The length of the operation that sees the end.
    fn len(&self) -> u32 {
        match (self.cell.is_source(), self.cell.kind()) {
            (true, _) => 4,
            (false, Kind::Limit) => 2,
            (false, _) => 1,
        }
    }

    async fn start(&self, guest: &World<'_>, len: u32) -> Code {
        match self.cell.is_source() {
            true => guest.read(self.handle, len).await,
            false => guest.write(self.handle, len).await,
        }
    }

    /// Waits for the operation that is under way.
    async fn wait(&mut self, guest: &World<'_>, host: &Host) -> Result<Code, Stuck> {
        let mut wait = Box::pin(guest.wait(self.handle));
        for _ in 0..STEPS {
            if let Some(code) = guest.parked(&mut wait).await {
                return Ok(code);
            }
            self.peer.step();
            host.turn();
        }
        Err(Stuck)
    }

    async fn operate(&mut self, guest: &World<'_>, host: &Host, len: u32) -> Result<Code, Stuck> {
        match self.start(guest, len).await {
            Code::Blocked => self.wait(guest, host).await,
            code => Ok(code),
        }
    }

    async fn drop_end(&self, guest: &World<'_>) {
        match self.cell.is_source() {
            true => guest.drop_readable(self.handle).await,
            false => guest.drop_writable(self.handle).await,
        }
        executor::idle().await;
    }

    fn cancel(&self) {
        self.cancel.iter().for_each(CancelHandle::cancel);
    }

    /// Whether the guest ends the stream.
    fn guest_ends_it(&self) -> bool {
        match self.cell.kind() {
            Kind::GuestLeaves => true,
            Kind::DataEnds | Kind::LateCancel => !self.cell.is_source(),
            _ => false,
        }
    }

    /// Ends the stream. Returns the answer to the guest's own cancel, if it made one.
    async fn end(&mut self, guest: &World<'_>, host: &Host) -> Option<Code> {
        let source = self.cell.is_source();
        let mut cancelled = None;
        if self.guest_ends_it() {
            if self.cell.parked {
                cancelled = Some(match source {
                    true => guest.cancel_read(self.handle).await,
                    false => guest.cancel_write(self.handle).await,
                });
            }
            self.drop_end(guest).await;
        }
        match self.cell.kind() {
            Kind::DataEnds | Kind::LateCancel if source => self.peer.finish(),
            Kind::LateCancel => {
                // A close that still waits for the other side would be given up.
                self.peer.step();
                self.cancel();
            }
            Kind::Cancel => self.cancel(),
            Kind::DriveDropped => self.done = None,
            Kind::Limit if source => self.peer.give(),
            Kind::Limit => self.peer.take(),
            Kind::Until => self.plan.fire(),
            Kind::Deadline | Kind::IdleTimeout => host.pass(),
            Kind::Token => self.plan.token.cancel(),
            Kind::ObjectFails => self.peer.fail(),
            Kind::StepFails => {
                self.plan.failing.store(true, Ordering::Relaxed);
                if source { self.peer.give() } else { self.peer.take() }
            }
            Kind::OtherSideLeaves => self.peer.leave(),
            Kind::Abort if source => self.peer.abort(),
            // The guest has done it, `give` has done it, or the store does it.
            Kind::DataEnds | Kind::GuestLeaves => {}
            Kind::Abort | Kind::GuestTraps | Kind::StoreGoes => {}
        }
        host.turn();
        executor::idle().await;
        cancelled
    }

    /// Waits for the completion while the other side goes on.
    async fn resolve(&mut self, host: &Host) -> Option<Resolved> {
        let done = self.done.as_mut()?;
        for _ in 0..STEPS {
            if let Some(resolved) = poll_once(done).await {
                self.done = None;
                return Some(resolved);
            }
            // A sink may have to write out the rest before it can be closed.
            if self.cell.closes() {
                self.peer.take();
            }
            self.peer.step();
            host.turn();
            executor::idle().await;
        }
        None
    }

    /// Runs the cell in a store that outlives the stream.
    pub async fn run(
        mut self,
        guest: &World<'_>,
        host: &Host,
        report: &mut Report,
    ) -> Result<(), Stuck> {
        let cell = self.cell;
        if let Some(done) = &mut self.done
            && cell.is_awaited()
            && cell.kind() != Kind::Abort
        {
            let early = poll_once(done).await.map(|resolved| resolved.end);
            report.compare(&cell, "the completion before the end", early, None);
        }
        let cancelled = self.end(guest, host).await;
        let mut resolved = None;
        if !cell.parked && cell.ending.resolves == Resolves::AtOnce {
            if cell.is_awaited() {
                resolved = self.resolve(host).await;
                report.compare(&cell, "the completion resolves at once", resolved.is_some(), true);
            } else if matches!(cell.kind(), Kind::Cancel | Kind::DriveDropped) {
                self.check_object(false, report);
            }
        }
        let code = match cell.code() {
            None | Some(Code::Cancelled(_)) => cancelled,
            Some(_) if cell.parked => Some(self.wait(guest, host).await?),
            Some(_) => Some(self.operate(guest, host, self.len()).await?),
        };
        report.compare(&cell, "the guest sees", code, cell.code());
        self.moved += code.map_or(0, Code::count);
        if cell.kind() == Kind::LateCancel {
            self.cancel();
        }
        let left = self.guest_ends_it() || cell.is_unnoticed();
        if cell.is_unnoticed() {
            self.drop_end(guest).await;
        }
        if cell.completes == Completes::Kept {
            // The object and the other side see some ends although the completion is not awaited.
            self.check_object(false, report);
            self.check_peer_if_it_sees_the_end_at_once(report);
        }
        if resolved.is_none() {
            resolved = self.resolve(host).await;
        }
        self.check_completion(resolved, report);
        if !left {
            self.drop_end(guest).await;
        }
        self.peer.step();
        self.check_object(cell.closes(), report);
        self.check_peer(false, report);
        Ok(())
    }

    /// Checks a stream whose store is gone.
    pub fn outlive(mut self, host: &Host, report: &mut Report) {
        let cell = self.cell;
        self.moved += if cell.parked { cell.taken() } else { 0 };
        if cell.completes == Completes::Kept {
            self.check_object(false, report);
            self.check_peer_if_it_sees_the_end_at_once(report);
        }
        let mut resolved = None;
        if let Some(mut done) = self.done.take() {
            for _ in 0..STEPS {
                if let Ok(done) = executor::try_run(Pin::new(&mut done)).0 {
                    resolved = Some(done);
                    break;
                }
                self.peer.step();
                host.turn();
            }
        }
        self.check_completion(resolved, report);
        self.peer.step();
        self.check_object(cell.closes(), report);
        self.check_peer(false, report);
    }

    /// Checks the result of the completion, and the other side while the host has the object. Then drops the object.
    fn check_completion(&mut self, resolved: Option<Resolved>, report: &mut Report) {
        let cell = self.cell;
        if !cell.resolves() {
            return;
        }
        let result = resolved.as_ref().map(|resolved| (resolved.end, resolved.moved));
        let expected = Some((cell.reason(), u64::from(self.moved)));
        report.compare(&cell, "the completion", result, expected);
        self.check_object(cell.closes(), report);
        self.check_peer(cell.completes != Completes::Driven, report);
        self.done = None;
    }

    /// Checks the end that the source or sink got.
    fn check_object(&self, closed: bool, report: &mut Report) {
        if let Some(seen) = &self.seen {
            let seen = seen.lock().unwrap();
            report.compare(&self.cell, "`ended` got", &seen.ended, &vec![self.cell.reason()]);
            report.compare(&self.cell, "the sink is closed", seen.closed, closed);
        }
    }

    fn check_peer_if_it_sees_the_end_at_once(&mut self, report: &mut Report) {
        if self.cell.row.shows_end_at_once() {
            self.check_peer(true, report);
        }
    }

    /// Checks what the other side sees. `kept`: the object still exists.
    fn check_peer(&mut self, kept: bool, report: &mut Report) {
        let cell = self.cell;
        let gone = match cell.kind() {
            Kind::OtherSideLeaves => true,
            Kind::DataEnds | Kind::LateCancel | Kind::Abort => cell.is_source(),
            _ => false,
        };
        let held = cell.parked && cell.taken() > 0;
        let sees = cell.row.sees(cell.reason(), cell.closes(), kept, held);
        let Some(expected) = sees else { return };
        let mut last = None;
        // What was sent over the loopback device may take a moment.
        for _ in 0..STEPS {
            let Some(sees) = self.peer.sees().filter(|_| !gone) else { break };
            last = Some(sees);
            if sees == expected {
                break;
            }
            self.peer.step();
        }
        if let Some(sees) = last {
            let when = if kept { "while the object is there" } else { "after its drop" };
            report.compare(&cell, &format!("the other side sees {when}"), sees, expected);
        }
    }
}
