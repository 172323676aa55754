//! Runs one script against one stream or future.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Waker;

use super::control::HostControl;
use super::executor;
use super::handles::Handles;
use super::pass::Passes;
use super::probe::{self, SharedSeen, lock};
use super::{Code, Finding, Guest, Item, Op};

/// Where a script is, to name the finding after a trap, a panic or a stall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    Elsewhere,
    Operation(u32),
    Cancel,
    /// The script lets the guest trap, or drops the store.
    Gone(Gone),
}

/// The state when the store was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gone {
    /// The guest had seen the end of the stream.
    pub(super) ended: bool,
    /// Items that the guest knew to be written.
    pub(super) accepted: usize,
    pub(super) cut: Option<Cut>,
}

/// The state when the host cut the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// The implementation had reported its end, or delivered its last item.
    pub(super) late: bool,
    /// The implementation had reported its end.
    pub(super) ended: bool,
}

/// The trace and findings, which outlive a script that traps or panics.
#[derive(Clone, Default)]
pub(super) struct Log(Rc<RefCell<Entries>>);

pub(super) struct Entries {
    pub(super) trace: Vec<String>,
    pub(super) findings: Vec<(Finding, String)>,
    pub(super) at: At,
}

impl Default for Entries {
    fn default() -> Self {
        Self { trace: Vec::new(), findings: Vec::new(), at: At::Elsewhere }
    }
}

impl Log {
    pub(super) fn trace(&self, line: String) {
        self.0.borrow_mut().trace.push(line);
    }

    pub(super) fn report(&self, finding: Finding, detail: impl Into<String>) {
        self.0.borrow_mut().findings.push((finding, detail.into()));
    }

    /// The state when the store was dropped, if the script dropped it.
    pub(super) fn gone(&self) -> Option<Gone> {
        match self.0.borrow().at {
            At::Gone(gone) => Some(gone),
            _ => None,
        }
    }

    pub(super) fn at(&self, at: At) {
        self.0.borrow_mut().at = at;
    }

    pub(super) fn take(&self) -> Entries {
        self.0.take()
    }
}

/// The script cannot go on; the finding is in the log.
#[derive(Debug)]
pub(super) struct Stuck;

/// The guest's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Reads,
    Writes,
    ReadsFuture,
    WritesFuture,
}

impl Side {
    fn writes(self) -> bool {
        matches!(self, Side::Writes | Side::WritesFuture)
    }

    fn future(self) -> bool {
        matches!(self, Side::ReadsFuture | Side::WritesFuture)
    }

    fn verb(self) -> &'static str {
        if self.writes() { "write" } else { "read" }
    }
}

pub(super) struct Session<'a, 'g, D: 'static, T: Item> {
    pub(super) guest: &'a Guest<'g, D, T>,
    pub(super) side: Side,
    pub(super) handle: u32,
    pub(super) log: &'a Log,
    pub(super) seen: &'a SharedSeen,
    pub(super) control: &'a mut HostControl,
    /// The items to write.
    pub(super) items: &'a [T::Value],
    /// The same, if the items hold handles.
    pub(super) handles: Option<Handles>,
    /// What the host does with an end that the guest passes to it.
    pub(super) passes: Option<&'a Passes<D, T>>,
    /// The items that were read.
    pub(super) got: Vec<Option<T::Value>>,
    /// How many items were written.
    pub(super) accepted: usize,
    pub(super) pending: Option<u32>,
    /// Zero-length operations in a row.
    pub(super) readiness_checks: usize,
    /// Items that had been taken from the host object when the operation began.
    pub(super) taken: Option<usize>,
    /// How many items may be accepted before the host object first advances.
    pub(super) bound: Option<usize>,
    pub(super) cancelled: bool,
    pub(super) cut: Option<Cut>,
    /// The current operation began after the cut.
    pub(super) began_after_cut: bool,
    /// How many operations completed that began after the cut.
    pub(super) completed_since_cut: usize,
    pub(super) ended: bool,
    pub(super) dropped: bool,
}

impl<D: Send + 'static, T: Item> Session<'_, '_, D, T> {
    pub(super) async fn run(&mut self, script: &[Op]) -> Result<(), Stuck> {
        for (at, op) in script.iter().enumerate() {
            match *op {
                Op::Start(n) => self.start(n).await,
                // See `Op::Step`: a race with the cancel.
                Op::Step if self.pending.is_some() && script.get(at + 1) == Some(&Op::Cancel) => {
                    self.race_cancel().await?;
                }
                Op::Step => drop(self.control.step()),
                Op::Wake => self.wake_without_cause(),
                Op::Idle => executor::idle().await,
                Op::Wait => self.wait().await?,
                Op::Cancel => self.cancel().await?,
                Op::Drop => return self.drop_end().await,
                Op::Ask => self.ask_for_the_end().await?,
                Op::Pass => self.pass().await,
                Op::Cut => self.cut_short(),
                Op::Trap | Op::DropStore => return self.trap_or_drop_store(*op).await,
            }
        }
        Ok(())
    }

    pub(super) async fn start(&mut self, wanted: u32) {
        if self.pending.is_some() || self.ended || self.dropped {
            return;
        }
        // A future has one value, and no zero-length operations.
        let mut len = if self.side.future() { wanted.min(1) } else { wanted };
        if len == 0 && self.side.future() {
            return;
        }
        if self.side.writes() {
            let rest = &self.items[self.accepted..];
            len = len.min(rest.len() as u32);
            if len == 0 && wanted > 0 {
                return;
            }
            let to = self.accepted + len as usize;
            match &self.handles {
                Some(handles) => self.guest.load(&handles.bytes(self.accepted..to)).await,
                None => self.guest.load_items(&self.items[self.accepted..to]).await,
            }
        }
        if self.cut.is_some() {
            executor::idle().await;
            self.began_after_cut = true;
        }
        self.readiness_checks = if len == 0 { self.readiness_checks + 1 } else { 0 };
        self.taken = self.control.taken();
        self.log.at(At::Operation(len));
        let code = match self.side {
            Side::Reads => self.guest.read(self.handle, len).await,
            Side::Writes => self.guest.write(self.handle, len).await,
            Side::ReadsFuture => self.guest.future_read(self.handle).await,
            Side::WritesFuture => self.guest.future_write(self.handle).await,
        };
        self.record(&format!("the guest starts to {} {len}", self.side.verb()), len, code).await;
    }

    /// Starts an operation, with whatever the guest's buffer holds.
    pub(super) async fn start_any(&mut self, len: u32) {
        let code = match self.side.writes() {
            false => self.guest.read(self.handle, len).await,
            true => self.guest.write(self.handle, len).await,
        };
        self.log.trace(format!("the guest starts to {} {len}: {code:?}", self.side.verb()));
        self.pending = (code == Code::Blocked).then_some(len);
    }

    pub(super) async fn wait(&mut self) -> Result<(), Stuck> {
        let Some(len) = self.pending else { return Ok(()) };
        let (guest, handle) = (self.guest, self.handle);
        let mut wait: Pin<Box<dyn Future<Output = Code>>> = Box::pin(guest.wait(handle));
        let code = match self.cut {
            // The cut alone must end the operation, without the host object.
            Some(_) => guest.parked(&mut wait).await,
            None => self.control.wait_for(&mut wait).await,
        };
        if let Some(code) = code {
            self.record("the guest waits", len, code).await;
            return Ok(());
        }
        self.log.trace("the guest waits: nothing can run any more".to_owned());
        if self.cut.is_some() {
            self.log.report(Finding::CutIgnored, "the operation stays parked");
            return Err(Stuck);
        }
        // If it completes once it is woken, its wake-up was lost.
        let waker = lock(self.seen).waker.take();
        waker.into_iter().for_each(Waker::wake);
        let ready = self.control.wait_for(&mut wait).await.is_some();
        let all = self.got.len() == self.items.len();
        let (finding, detail) = match (len, self.side.writes()) {
            (0, false) => (Finding::ZeroLengthRead, "it never completes"),
            (0, true) => (Finding::ZeroLengthWrite, "it never completes"),
            (_, false) if !ready && all => (Finding::NoEnd, "all items are read"),
            (_, false) if !ready && self.cancelled => {
                (Finding::LostOnCancel, "no item arrives after the cancel")
            }
            _ if ready => (Finding::LostWakeup, "when it is polled again it completes"),
            _ => (Finding::LostWakeup, "the operation is parked, and nothing will wake it"),
        };
        self.log.report(finding, detail);
        Err(Stuck)
    }

    async fn cancel(&mut self) -> Result<(), Stuck> {
        let Some(len) = self.pending else { return Ok(()) };
        self.log.at(At::Cancel);
        self.cancelled = true;
        let (guest, handle, side) = (self.guest, self.handle, self.side);
        let cancel: Pin<Box<dyn Future<Output = Code>>> = Box::pin(async move {
            match side {
                Side::Reads => guest.cancel_read(handle).await,
                Side::Writes => guest.cancel_write(handle).await,
                Side::ReadsFuture => guest.future_cancel_read(handle).await,
                Side::WritesFuture => guest.future_cancel_write(handle).await,
            }
        });
        match self.control.wait_for(cancel).await {
            Some(code) => {
                self.record("the guest cancels", len, code).await;
                Ok(())
            }
            None => {
                self.log.report(Finding::PendingOnFinish, "the guest's cancel never returns");
                Err(Stuck)
            }
        }
    }

    /// The guest cancels, and the host object advances right before the implementation answers.
    async fn race_cancel(&mut self) -> Result<(), Stuck> {
        let Some(step) = self.control.step.take() else { return self.cancel().await };
        self.log.trace("the host object is about to advance".to_owned());
        probe::arm_race(step);
        let result = self.cancel().await;
        let (step, moved) = probe::disarm_race().unzip();
        self.control.step = step;
        match moved.flatten() {
            Some(moved) => self.control.steps += usize::from(moved),
            // The implementation was not polled.
            None => drop(self.control.step()),
        }
        result
    }

    pub(super) async fn drop_end(&mut self) -> Result<(), Stuck> {
        self.cancel().await?;
        self.log.at(At::Elsewhere);
        // A guest traps if it drops the writable end of a future before it has written the value.
        let unwritten = self.side == Side::WritesFuture && !self.ended;
        if unwritten || std::mem::replace(&mut self.dropped, true) {
            return Ok(());
        }
        self.log.trace("the guest drops its end".to_owned());
        match self.side {
            Side::Reads => self.guest.drop_readable(self.handle).await,
            Side::Writes => self.guest.drop_writable(self.handle).await,
            Side::ReadsFuture => self.guest.future_drop_readable(self.handle).await,
            Side::WritesFuture => self.guest.future_drop_writable(self.handle).await,
        }
        Ok(())
    }

    async fn record(&mut self, what: &str, len: u32, code: Code) {
        let line = self.log.0.borrow().trace.len();
        self.log.trace(format!("{what}: {code:?}"));
        self.pending = (code == Code::Blocked).then_some(len);
        if self.pending.is_some() {
            return;
        }
        self.log.at(At::Elsewhere);
        let mut count = code.count();
        self.ended |= matches!(code, Code::Dropped(_));
        if self.side.future() && matches!(code, Code::Completed(_)) {
            (count, self.ended) = (1, true);
        }
        if code == Code::Completed(0) && count < len {
            self.log.report(Finding::CompletedWithNothing, format!("{len} items were asked for"));
        }
        if self.began_after_cut && len > 0 && matches!(code, Code::Completed(_)) {
            self.completed_since_cut += 1;
        }
        self.check_look_ahead(len);
        if self.side.writes() {
            self.accepted += count as usize;
            if let Some(bound) =
                self.bound.filter(|n| self.control.steps == 0 && self.accepted > *n)
            {
                let detail = format!("{} items, with a bound of {bound}", self.accepted);
                self.log.report(Finding::Outran, detail);
            }
        } else if count > 0 {
            let items = self.guest.take_items(count).await;
            let shown: Vec<_> = items.iter().flatten().collect();
            self.log.0.borrow_mut().trace[line] = format!("{what}: {code:?}, {shown:?}");
            self.got.extend(items);
        }
    }
}
