//! Common mistakes of consumers that hand the data to a receiver: each shows it the wrong end. `Mistake::Nothing` is
//! correct.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};

use wasmtime::component::StreamResult::{self, Cancelled, Completed, Dropped};
use wasmtime::component::{Source, StreamConsumer};
use wasmtime::{AsContextMut as _, Result, StoreContextMut};
use wasmtime_streams_testing::{
    Check, Finding, Made, ReceiverEnd, Reported, StreamIn, consumer, consumer_in,
};

use crate::wrong::{ITEMS, assert_found, items, take};

const RULE: &str = "Truncated is never complete";

/// What the receiver of a hand-over sees wrongly.
#[derive(Clone, Copy, PartialEq)]
pub enum Mistake {
    Nothing,
    CancelLooksComplete,
    CancelIsReportedAsTheEnd,
    CancelIsIgnored,
    CancelWakesNobody,
    CancelShowsNothing,
    EndLooksCut,
    LimitLooksComplete,
    TrapLooksComplete,
}
use Mistake::*;

#[derive(Default)]
struct State {
    received: Vec<u32>,
    end: Option<ReceiverEnd>,
    reports: Vec<Reported>,
    room: usize,
    cancelled: bool,
    waker: Option<Waker>,
}

/// The state that the consumer, its receiver and the host share.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<State>>);

impl Shared {
    fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        f(&mut self.0.lock().unwrap())
    }

    fn wake(&self) {
        let waker = self.with(|state| state.waker.take());
        waker.into_iter().for_each(Waker::wake);
    }

    /// Sets the end; only the first one counts.
    fn end(&self, end: ReceiverEnd, reported: Reported) {
        self.with(|state| {
            if state.end.is_none() {
                state.end = Some(end);
                state.reports.push(reported);
            }
        });
    }
}

/// Hands over what it takes. Its drop is the end of the data, unless the host cancelled it before.
pub struct HandsOver {
    shared: Shared,
    /// Can be upgraded while the store exists.
    store: Option<Weak<()>>,
    left: usize,
    mistake: Mistake,
}

impl HandsOver {
    fn cut(&self) {
        let reported = match self.mistake {
            CancelIsReportedAsTheEnd => Reported::Ended,
            _ => Reported::Cut,
        };
        match self.mistake {
            CancelShowsNothing => self.shared.with(|state| state.reports.push(reported)),
            CancelLooksComplete => self.shared.end(ReceiverEnd::Complete, reported),
            _ => self.shared.end(ReceiverEnd::Cut, reported),
        }
    }
}

impl<D: 'static> StreamConsumer<D> for HandsOver {
    type Item = u32;

    fn poll_consume(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'_, D>,
        mut source: Source<'_, u32>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let this = self.get_mut();
        let (room, cancelled) = this.shared.with(|state| (state.room, state.cancelled));
        if cancelled && this.mistake != CancelIsIgnored {
            return Poll::Ready(Ok(Dropped));
        }
        if this.left == 0 && source.remaining(store.as_context_mut()) > 0 {
            let end = match this.mistake {
                LimitLooksComplete => ReceiverEnd::Complete,
                _ => ReceiverEnd::Cut,
            };
            this.shared.end(end, Reported::Ended);
            return Poll::Ready(Ok(Dropped));
        }
        if room == 0 && !finish {
            this.shared.with(|state| state.waker = Some(cx.waker().clone()));
            return Poll::Pending;
        }
        if room == 0 {
            return Poll::Ready(Ok(Cancelled));
        }
        let items = take(store, &mut source, room.min(this.left))?;
        this.left -= items.len();
        this.shared.with(|state| {
            state.room = state.room.saturating_sub(items.len());
            state.received.extend(items);
        });
        Poll::Ready(Ok(Completed))
    }
}

impl Drop for HandsOver {
    fn drop(&mut self) {
        let cancelled =
            self.shared.with(|state| state.cancelled) && self.mistake != CancelIsIgnored;
        let gone = self.store.as_ref().is_some_and(|store| store.upgrade().is_none());
        if cancelled || gone && self.mistake != TrapLooksComplete {
            self.cut();
        } else if self.mistake == EndLooksCut {
            self.shared.end(ReceiverEnd::Cut, Reported::Ended);
        } else {
            self.shared.end(ReceiverEnd::Complete, Reported::Ended);
        }
    }
}

fn hands_over(
    mistake: Mistake,
    limit: usize,
    room: usize,
    store: Option<Weak<()>>,
) -> Made<HandsOver, u32> {
    let shared = Shared::default();
    shared.with(|state| state.room = room);
    let [received, receiver, reports, cut, step] = std::array::from_fn(|_| shared.clone());
    let made = Made::new(HandsOver { shared, store, left: limit, mistake })
        .received(move || received.with(|state| state.received.clone()))
        .receiver_end(move || receiver.with(|state| state.end.unwrap_or(ReceiverEnd::Open)))
        .reports(move || reports.with(|state| state.reports.clone()))
        .cut(move || {
            cut.with(|state| state.cancelled = true);
            if mistake != CancelWakesNobody {
                cut.wake();
            }
        });
    let mut steps = 4;
    if room > ITEMS.len() {
        return made;
    }
    made.step(move || {
        let more = steps > 0;
        steps -= usize::from(more);
        step.with(|state| state.room += 2);
        step.wake();
        more
    })
}

/// A receiver that gets room for two items a step.
pub fn narrow_hand_over(mistake: Mistake) -> Check<(), u32, StreamIn<HandsOver>> {
    consumer(items(), move || hands_over(mistake, usize::MAX, 0, None))
}

/// A receiver that has room for everything.
pub fn roomy_hand_over(mistake: Mistake, limit: usize) -> Check<(), u32, StreamIn<HandsOver>> {
    consumer(items(), move || hands_over(mistake, limit, usize::MAX, None))
}

/// A hand-over that watches the store by a value in its data, which is dropped with it.
pub fn watching_hand_over(mistake: Mistake) -> Check<Option<Arc<()>>, u32, StreamIn<HandsOver>> {
    // The kit makes the consumer before the data of its store.
    let made = Rc::new(RefCell::new(None));
    let data = made.clone();
    consumer_in(
        move || data.take(),
        items(),
        move || {
            let alive = Arc::new(());
            let store = Arc::downgrade(&alive);
            made.replace(Some(alive));
            hands_over(mistake, usize::MAX, 0, Some(store)).watches_store()
        },
    )
}

#[test]
fn a_cancel_is_shown_as_the_end() {
    assert_found(narrow_hand_over(CancelLooksComplete), Finding::CutLooksComplete, RULE);
    assert_found(roomy_hand_over(CancelLooksComplete, usize::MAX), Finding::CutLooksComplete, RULE);
}

#[test]
fn a_cancel_is_reported_as_the_end() {
    assert_found(narrow_hand_over(CancelIsReportedAsTheEnd), Finding::CutLooksComplete, RULE);
}

#[test]
fn an_end_in_order_is_shown_as_a_cut() {
    assert_found(narrow_hand_over(EndLooksCut), Finding::EndLooksCut, RULE);
}

#[test]
fn a_limit_is_shown_as_the_end() {
    assert_found(roomy_hand_over(LimitLooksComplete, 3).short(), Finding::CutLooksComplete, RULE);
}

#[test]
fn a_trap_is_shown_as_the_end_although_the_store_is_watched() {
    assert_found(watching_hand_over(TrapLooksComplete), Finding::CutLooksComplete, RULE);
}

#[test]
fn a_receiver_waits_for_ever_after_a_cancel() {
    assert_found(narrow_hand_over(CancelShowsNothing), Finding::StaysOpen, RULE);
}

#[test]
fn a_cancel_is_ignored() {
    assert_found(narrow_hand_over(CancelIsIgnored), Finding::CutIgnored, "Completion");
    assert_found(roomy_hand_over(CancelIsIgnored, usize::MAX), Finding::CutIgnored, "Completion");
}

#[test]
fn a_cancel_wakes_nobody() {
    assert_found(narrow_hand_over(CancelWakesNobody), Finding::CutIgnored, "Completion");
}
