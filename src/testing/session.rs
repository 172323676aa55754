//! One script against one stream.

use std::cell::RefCell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Waker;

use futures::future::{Either, select};

use super::executor;
use super::probe::{self, SharedSeen, look};
use super::{Code, Finding, Guest, Item, Op};

/// Moves the host object on; `false` if there is nothing to move any more.
pub(super) type Step = Box<dyn FnMut() -> bool>;

/// Where a script stands, for what comes out of a trap, a panic or a stall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    Elsewhere,
    Operation(u32),
    Cancel,
}

/// What outlives a script that traps or panics.
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

    pub(super) fn find(&self, finding: Finding, detail: impl Into<String>) {
        self.0.borrow_mut().findings.push((finding, detail.into()));
    }

    fn at(&self, at: At) {
        self.0.borrow_mut().at = at;
    }

    pub(super) fn take(&self) -> Entries {
        self.0.take()
    }
}

/// The script cannot go on; why is in the log.
#[derive(Debug)]
pub(super) struct Stuck;

/// Which end the guest has.
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
    pub(super) step: &'a mut Option<Step>,
    /// What is to be written.
    pub(super) items: &'a [T::Value],
    /// What was read.
    pub(super) got: Vec<Option<T::Value>>,
    /// How much was written.
    pub(super) accepted: usize,
    pub(super) pending: Option<u32>,
    pub(super) steps: usize,
    /// How much may be accepted while the host object does not move on.
    pub(super) bound: Option<usize>,
    pub(super) cancelled: bool,
    pub(super) ended: bool,
    pub(super) dropped: bool,
}

impl<D: Send + 'static, T: Item> Session<'_, '_, D, T> {
    pub(super) async fn run(&mut self, script: &[Op]) -> Result<(), Stuck> {
        for (at, op) in script.iter().enumerate() {
            match *op {
                Op::Start(n) => self.start(n).await,
                // What arrives just when the guest cancels is seen by nobody before the answer.
                Op::Step if self.pending.is_some() && script.get(at + 1) == Some(&Op::Cancel) => {
                    self.race().await?;
                }
                Op::Step => drop(self.step()),
                Op::Idle => executor::idle().await,
                Op::Wait => self.wait().await?,
                Op::Cancel => self.cancel().await?,
                Op::Drop => return self.drop_end().await,
            }
        }
        Ok(())
    }

    pub(super) async fn start(&mut self, wanted: u32) {
        if self.pending.is_some() || self.ended || self.dropped {
            return;
        }
        // A future has one value, and cannot be asked for readiness.
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
            self.guest.load_items(&rest[..len as usize]).await;
        }
        self.log.at(At::Operation(len));
        let code = match self.side {
            Side::Reads => self.guest.read(self.handle, len).await,
            Side::Writes => self.guest.write(self.handle, len).await,
            Side::ReadsFuture => self.guest.future_read(self.handle).await,
            Side::WritesFuture => self.guest.future_write(self.handle).await,
        };
        self.settle(&format!("the guest starts to {} {len}", self.side.verb()), len, code).await;
    }

    /// Starts an operation on whatever the guest's buffer holds.
    pub(super) async fn start_any(&mut self, len: u32) {
        let code = match self.side.writes() {
            false => self.guest.read(self.handle, len).await,
            true => self.guest.write(self.handle, len).await,
        };
        self.log.trace(format!("the guest starts to {} {len}: {code:?}", self.side.verb()));
        self.pending = (code == Code::Blocked).then_some(len);
    }

    /// The host object moves on.
    pub(super) fn step(&mut self) -> bool {
        let moved = self.step.as_mut().is_some_and(|step| step());
        if moved {
            self.steps += 1;
            self.log.trace("the host object moves on".to_owned());
        }
        moved
    }

    /// Waits for `future`; if nothing can run the host object moves on, as long as it can.
    pub(super) async fn wait_for<F: Future + Unpin>(&mut self, mut future: F) -> Option<F::Output> {
        loop {
            match select(&mut future, pin!(executor::idle())).await {
                Either::Left((output, _)) => return Some(output),
                Either::Right(_) => {
                    if !self.step() {
                        return None;
                    }
                }
            }
        }
    }

    pub(super) async fn wait(&mut self) -> Result<(), Stuck> {
        let Some(len) = self.pending else { return Ok(()) };
        let (guest, handle) = (self.guest, self.handle);
        let mut wait: Pin<Box<dyn Future<Output = Code>>> = Box::pin(guest.wait(handle));
        if let Some(code) = self.wait_for(&mut wait).await {
            self.settle("the guest waits", len, code).await;
            return Ok(());
        }
        self.log.trace("the guest waits: nothing can run any more".to_owned());
        // Would it have come back, had it been woken?
        let waker = look(self.seen).waker.take();
        waker.into_iter().for_each(Waker::wake);
        let ready = self.wait_for(&mut wait).await.is_some();
        let all = self.got.len() == self.items.len();
        let (finding, detail) = match (len, self.side.writes()) {
            (0, false) => (Finding::ZeroLengthRead, "it never comes back"),
            (0, true) => (Finding::ZeroLengthWrite, "it never comes back"),
            (_, false) if !ready && all => (Finding::NoEnd, "all items are read"),
            (_, false) if !ready && self.cancelled => {
                (Finding::LostOnCancel, "after the cancel nothing comes any more")
            }
            _ if ready => (Finding::LostWakeup, "when it is polled again it completes"),
            _ => (Finding::LostWakeup, "the operation is parked, and nothing will wake it"),
        };
        self.log.find(finding, detail);
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
        match self.wait_for(cancel).await {
            Some(code) => {
                self.settle("the guest cancels", len, code).await;
                Ok(())
            }
            None => {
                self.log.find(Finding::PendingOnFinish, "the guest's cancel never returns");
                Err(Stuck)
            }
        }
    }

    /// The guest cancels, and the host object moves on before the implementation is asked for an answer.
    async fn race(&mut self) -> Result<(), Stuck> {
        let Some(step) = self.step.take() else { return self.cancel().await };
        self.log.trace("the host object is about to move on".to_owned());
        probe::arm(step);
        let result = self.cancel().await;
        let (step, moved) = probe::disarm().unzip();
        *self.step = step;
        match moved.flatten() {
            Some(moved) => self.steps += usize::from(moved),
            // It was not asked.
            None => drop(self.step()),
        }
        result
    }

    pub(super) async fn drop_end(&mut self) -> Result<(), Stuck> {
        self.cancel().await?;
        self.log.at(At::Elsewhere);
        // To drop the writable end of a future before its value is written is a trap.
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

    async fn settle(&mut self, what: &str, len: u32, code: Code) {
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
            self.log.find(Finding::CompletedWithNothing, format!("{len} items were asked for"));
        }
        if self.side.writes() {
            self.accepted += count as usize;
            if let Some(bound) = self.bound.filter(|n| self.steps == 0 && self.accepted > *n) {
                let detail = format!("{} items, and the bound is {bound}", self.accepted);
                self.log.find(Finding::Outran, detail);
            }
        } else if count > 0 {
            let items = self.guest.items(count).await;
            self.guest.reset_heap().await;
            let shown: Vec<_> = items.iter().flatten().collect();
            self.log.0.borrow_mut().trace[line] = format!("{what}: {code:?}, {shown:?}");
            self.got.extend(items);
        }
    }
}

/// Says how `got` differs from the first of `items`, of which `least` to `most` must be there.
pub(super) fn compare<V: PartialEq + std::fmt::Debug>(
    got: &[Option<V>],
    items: &[V],
    least: usize,
    most: usize,
) -> Option<(Finding, String)> {
    let starts = got.len() <= items.len()
        && got.iter().zip(items).all(|(got, item)| got.as_ref() == Some(item));
    let finding = match starts {
        true if got.len() < least => Finding::LostAtEnd,
        // Each of them once, but the other side was told of fewer.
        true if got.len() > most => Finding::Miscounted,
        true => return None,
        false => {
            let mut left: Vec<&V> = items.iter().collect();
            let surplus = got.iter().find(|got| {
                let at = left.iter().position(|item| got.as_ref() == Some(item));
                at.map(|at| left.remove(at)).is_none()
            });
            match surplus {
                Some(Some(item)) if items.contains(item) => Finding::Doubled,
                Some(_) => Finding::Changed,
                None if in_order(got, items) => Finding::Lost,
                None => Finding::Reordered,
            }
        }
    };
    let got: Vec<_> = got.iter().flatten().collect();
    Some((finding, format!("expected {:?}, got {got:?}", &items[..most.min(items.len())])))
}

fn in_order<V: PartialEq>(got: &[Option<V>], items: &[V]) -> bool {
    let mut items = items.iter();
    got.iter().flatten().all(|got| items.any(|item| item == got))
}
