//! A cell whose stream is open: ends it, and looks at what each side is told.

use std::pin::Pin;
use std::sync::atomic::Ordering;

use wasmtime_streams::{CancelHandle, StoreToken};
use wasmtime_streams_testing::{Code, Guest, executor};

use crate::cells::{Cell, Completes, Report};
use crate::host::{Host, look};
use crate::made::{Done, Open, Peer, Plan, Resolved};
use crate::spy::Spied;
use crate::table::{Kind, Resolves};

pub type World<'a> = Guest<'a, StoreToken, u8>;

/// So often what runs elsewhere is moved on before somebody is taken to wait for ever.
const STEPS: usize = 20;

/// A guest that waits for ever, or that got another answer than one that begins: nothing more can be asked of it.
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
    /// Gives the stream to the guest, or takes it, and moves a part of the data.
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

    /// Of the operation that is to see the end.
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

    /// Whether it is the guest that ends the stream.
    fn guest_ends_it(&self) -> bool {
        match self.cell.kind() {
            Kind::GuestLeaves => true,
            Kind::DataEnds | Kind::LateCancel => !self.cell.is_source(),
            _ => false,
        }
    }

    /// Lets happen what is to end the stream. What it answers is the guest's own cancel.
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
            Kind::Cancel | Kind::LateCancel => self.cancel(),
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
            // Done by the guest, as it was given, or by the store.
            Kind::DataEnds | Kind::GuestLeaves => {}
            Kind::Abort | Kind::GuestTraps | Kind::StoreGoes => {}
        }
        host.turn();
        executor::idle().await;
        cancelled
    }

    /// Waits for the completion, beside the other side.
    async fn resolve(&mut self, host: &Host) -> Option<Resolved> {
        let done = self.done.as_mut()?;
        for _ in 0..STEPS {
            if let Some(resolved) = look(done).await {
                self.done = None;
                return Some(resolved);
            }
            // What is to be closed may have to be written out before.
            if self.cell.closes() {
                self.peer.take();
            }
            self.peer.step();
            host.turn();
            executor::idle().await;
        }
        None
    }

    /// Runs the cell in a store that lives on.
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
            let early = look(done).await.map(|resolved| resolved.end);
            report.compare(&cell, "the completion, before the end", early, None);
        }
        let cancelled = self.end(guest, host).await;
        let mut resolved = None;
        if !cell.parked && cell.ending.resolves == Resolves::AtOnce {
            if cell.is_awaited() {
                resolved = self.resolve(host).await;
                report.compare(&cell, "the completion resolves at once", resolved.is_some(), true);
            } else if matches!(cell.kind(), Kind::Cancel | Kind::DriveDropped) {
                self.look_at_object(false, report);
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
            // What is told at once does not wait for it.
            self.look_at_object(false, report);
            self.look_at_peer_if_told_at_once(report);
        }
        if resolved.is_none() {
            resolved = self.resolve(host).await;
        }
        self.look_at_completion(resolved, report);
        if !left {
            self.drop_end(guest).await;
        }
        self.peer.step();
        self.look_at_object(cell.closes(), report);
        self.look_at_peer(false, report);
        Ok(())
    }

    /// Looks at a stream whose store is gone.
    pub fn outlive(mut self, host: &Host, report: &mut Report) {
        let cell = self.cell;
        self.moved += if cell.parked { cell.taken() } else { 0 };
        if cell.completes == Completes::Kept {
            self.look_at_object(false, report);
            self.look_at_peer_if_told_at_once(report);
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
        self.look_at_completion(resolved, report);
        self.peer.step();
        self.look_at_object(cell.closes(), report);
        self.look_at_peer(false, report);
    }

    /// Looks at what the completion says, and at the other side as long as the host has the object, and then drops it.
    fn look_at_completion(&mut self, resolved: Option<Resolved>, report: &mut Report) {
        let cell = self.cell;
        if !cell.resolves() {
            return;
        }
        let said = resolved.as_ref().map(|resolved| (resolved.end, resolved.moved));
        let expected = Some((cell.reason(), u64::from(self.moved)));
        report.compare(&cell, "the completion says", said, expected);
        self.look_at_object(cell.closes(), report);
        self.look_at_peer(cell.completes != Completes::Driven, report);
        self.done = None;
    }

    /// Looks at what the source or sink was told.
    fn look_at_object(&self, closed: bool, report: &mut Report) {
        if let Some(seen) = &self.seen {
            let seen = seen.lock().unwrap();
            report.compare(&self.cell, "`ended` is told", &seen.ended, &vec![self.cell.reason()]);
            report.compare(&self.cell, "the sink is closed", seen.closed, closed);
        }
    }

    fn look_at_peer_if_told_at_once(&mut self, report: &mut Report) {
        if self.cell.row.tells_at_once() {
            self.look_at_peer(true, report);
        }
    }

    /// Looks at what the other side sees. `kept`: there is the object, wherever.
    fn look_at_peer(&mut self, kept: bool, report: &mut Report) {
        let cell = self.cell;
        let gone = match cell.kind() {
            Kind::OtherSideLeaves => true,
            Kind::DataEnds | Kind::LateCancel | Kind::Abort => cell.is_source(),
            _ => false,
        };
        let Some(expected) = cell.row.sees(cell.reason(), cell.closes(), kept) else { return };
        let mut last = None;
        // What comes over the loopback device may take a moment.
        for _ in 0..STEPS {
            let Some(sees) = self.peer.sees().filter(|_| !gone) else { break };
            last = Some(sees);
            if sees == expected {
                break;
            }
            self.peer.step();
        }
        if let Some(sees) = last {
            let when = if kept { "while the object is there" } else { "once it is dropped" };
            report.compare(&cell, &format!("the other side sees, {when}"), sees, expected);
        }
    }
}
