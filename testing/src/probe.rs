//! Stands between Wasmtime and the implementation, and checks what Wasmtime does not.

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use wasmtime::component::{
    Destination, FutureConsumer, FutureProducer, Source, StreamConsumer, StreamProducer,
    StreamResult, WriteBuffer as _,
};
use wasmtime::{AsContextMut, Error, Result, StoreContextMut};

use super::Finding;
use super::control::Step;

/// The poll in which a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndedBy {
    /// A cancelled operation, with nothing moved.
    Cancel,
    /// A zero-length operation.
    ZeroLength,
    /// Any other operation.
    Other,
}

/// `Pending` answers in a row after which an implementation counts as spinning: only one that wakes itself is polled so
/// often.
const SPINNING: usize = 1000;

/// What a probe has observed.
#[derive(Debug, Default)]
pub struct Seen {
    pub(super) findings: Vec<(Finding, String)>,
    pub(super) polls: usize,
    /// Items produced or taken.
    pub(super) moved: usize,
    /// Items taken in the current operation.
    in_op: usize,
    /// The number of items, if all are always ready: then each operation must move as many as it can.
    pub(super) ready: Option<usize>,
    pub(super) ended_by: Option<EndedBy>,
    /// An error was returned to Wasmtime.
    pub(super) failed: bool,
    /// The waker of the last poll, if that was `Pending`.
    pub(super) waker: Option<Waker>,
    /// `Pending` answers in a row.
    pending: usize,
}

impl Seen {
    /// The checks that are the same for all traits. Fails if the implementation spins.
    fn check_answer<R>(
        &mut self,
        cx: &Context<'_>,
        answer: &Poll<Result<R>>,
        finish: bool,
    ) -> Result<()> {
        self.polls += 1;
        self.failed |= matches!(answer, Poll::Ready(Err(_)));
        self.pending = if answer.is_pending() { self.pending + 1 } else { 0 };
        self.waker = answer.is_pending().then(|| cx.waker().clone());
        if self.pending > SPINNING {
            self.report(Finding::Spins, format!("`Pending` {SPINNING} times in a row"));
            return Err(Error::msg("the implementation spins"));
        }
        if answer.is_pending() && finish {
            self.report(Finding::PendingOnFinish, String::new());
        }
        Ok(())
    }

    fn check_stream_answer(
        &mut self,
        answer: &Poll<Result<StreamResult>>,
        finish: bool,
        len: usize,
        moved: usize,
    ) {
        match answer {
            Poll::Ready(Ok(StreamResult::Cancelled)) if !finish => {
                self.report(Finding::CancelledUnasked, String::new());
            }
            Poll::Ready(Ok(StreamResult::Dropped)) => {
                self.ended_by = Some(match (moved, len) {
                    (0, _) if finish => EndedBy::Cancel,
                    (0, 0) => EndedBy::ZeroLength,
                    _ => EndedBy::Other,
                });
            }
            _ => {}
        }
    }

    fn report(&mut self, finding: Finding, detail: String) {
        self.findings.push((finding, detail));
    }
}

/// Shared by the probe and the script.
pub(super) type SharedSeen = Arc<Mutex<Seen>>;

pub(super) fn lock(seen: &SharedSeen) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Race {
    step: Step,
    moved: Option<bool>,
}

thread_local! {
    /// A thread local, since the probe must be `Send` and a step need not be. The executor has one thread.
    static RACE: RefCell<Option<Race>> = const { RefCell::new(None) };
}

/// Calls `step` right before the implementation is next polled with `finish`.
pub(super) fn arm_race(step: Step) {
    RACE.set(Some(Race { step, moved: None }));
}

/// Returns the step, and its result if it was called.
pub(super) fn disarm_race() -> Option<(Step, Option<bool>)> {
    RACE.take().map(|Race { step, moved }| (step, moved))
}

fn run_race(finish: bool) {
    RACE.with_borrow_mut(|race| {
        if let Some(Race { step, moved: moved @ None }) = race.as_mut().filter(|_| finish) {
            *moved = Some(step());
        }
    });
}

/// The implementation is pinned apart, so that it can be taken out again.
pub(super) struct Probe<P> {
    inner: Pin<Box<P>>,
    seen: SharedSeen,
}

impl<P> Probe<P> {
    pub(super) fn new(inner: P, seen: SharedSeen) -> Self {
        Self { inner: Box::pin(inner), seen }
    }
}

impl<D, P> StreamProducer<D> for Probe<P>
where
    D: 'static,
    P: StreamProducer<D>,
{
    type Item = P::Item;
    type Buffer = P::Buffer;

    fn poll_produce<'a>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'a, D>,
        mut destination: Destination<'a, Self::Item, Self::Buffer>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let this = self.get_mut();
        run_race(finish);
        let wanted = destination.remaining(store.as_context_mut());
        let answer = this.inner.as_mut().poll_produce(
            cx,
            store.as_context_mut(),
            destination.reborrow(),
            finish,
        );
        let left = destination.remaining(store.as_context_mut());
        let mut seen = lock(&this.seen);
        let (Some(wanted), Some(left)) = (wanted, left) else {
            // The host reads, and Wasmtime does not tell how much there is.
            seen.check_answer(cx, &answer, finish)?;
            return answer;
        };
        let buffer = destination.take_buffer();
        let produced = (wanted - left) + buffer.remaining().len();
        destination.set_buffer(buffer);
        seen.moved += produced;
        if wanted == 0 && produced > 0 {
            seen.report(Finding::TookOnZeroLength, format!("{produced} items"));
        } else if produced > wanted {
            seen.report(Finding::Overfilled, format!("{produced} items, {wanted} asked for"));
        }
        match answer {
            Poll::Pending if produced > 0 => {
                seen.report(Finding::PendingAfterProducing, format!("{produced} items"));
            }
            Poll::Ready(Ok(StreamResult::Cancelled)) if produced > 0 => {
                seen.report(Finding::LostOnCancel, format!("`Cancelled` with {produced} items"));
            }
            Poll::Ready(Ok(StreamResult::Completed)) if wanted > 0 && produced == 0 => {
                seen.report(
                    Finding::CompletedWithNothing,
                    format!("{wanted} items were asked for"),
                );
            }
            Poll::Ready(Ok(StreamResult::Completed)) if !finish => {
                let ready = seen.ready.map(|all| (all + produced).saturating_sub(seen.moved));
                if let Some(ready) = ready.filter(|ready| produced < wanted.min(*ready)) {
                    let detail =
                        format!("{produced} items of {wanted} asked for, and {ready} were ready");
                    seen.report(Finding::PartlyFilled, detail);
                }
            }
            Poll::Ready(Ok(StreamResult::Dropped)) if produced > wanted => {
                seen.report(
                    Finding::LateEnd,
                    format!("`Dropped` with {produced} items, {wanted} asked for"),
                );
            }
            _ => {}
        }
        seen.check_stream_answer(&answer, finish, wanted, produced);
        seen.check_answer(cx, &answer, finish)?;
        answer
    }

    fn try_into(me: Pin<Box<Self>>, ty: TypeId) -> Result<Box<dyn Any>, Pin<Box<Self>>> {
        let Self { inner, seen } = *Pin::into_inner(me);
        P::try_into(inner, ty).map_err(|inner| Box::pin(Self { inner, seen }))
    }
}

impl<D, C> StreamConsumer<D> for Probe<C>
where
    D: 'static,
    C: StreamConsumer<D, Item: 'static>,
{
    type Item = C::Item;

    fn poll_consume(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'_, D>,
        mut source: Source<'_, Self::Item>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let this = self.get_mut();
        run_race(finish);
        let before = source.remaining(store.as_context_mut());
        let answer =
            this.inner.as_mut().poll_consume(cx, store.as_context_mut(), source.reborrow(), finish);
        let left = source.remaining(store.as_context_mut());

        let mut seen = lock(&this.seen);
        let offered = before + seen.in_op;
        seen.in_op += before - left;
        seen.moved += before - left;
        let taken = seen.in_op;
        if answer.is_ready() {
            seen.in_op = 0;
        }
        match answer {
            Poll::Ready(Ok(StreamResult::Completed)) if offered > 0 && taken == 0 => {
                seen.report(Finding::CompletedWithNothing, format!("{offered} items were offered"));
            }
            Poll::Ready(Ok(StreamResult::Completed))
                if !finish && left > 0 && seen.ready.is_some() =>
            {
                let detail = format!("{taken} of {offered} items, with room for all");
                seen.report(Finding::PartlyFilled, detail);
            }
            _ => {}
        }
        seen.check_stream_answer(&answer, finish, offered, taken);
        seen.check_answer(cx, &answer, finish)?;
        answer
    }
}

impl<D, P: FutureProducer<D>> FutureProducer<D> for Probe<P> {
    type Item = P::Item;

    fn poll_produce(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        finish: bool,
    ) -> Poll<Result<Option<Self::Item>>> {
        let this = self.get_mut();
        run_race(finish);
        let answer = this.inner.as_mut().poll_produce(cx, store, finish);
        let mut seen = lock(&this.seen);
        if !finish && matches!(answer, Poll::Ready(Ok(None))) {
            seen.report(Finding::CancelledUnasked, String::new());
        }
        seen.check_answer(cx, &answer, finish)?;
        answer
    }
}

impl<D: 'static, C: FutureConsumer<D, Item: 'static>> FutureConsumer<D> for Probe<C> {
    type Item = C::Item;

    fn poll_consume(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'_, D>,
        mut source: Source<'_, Self::Item>,
        finish: bool,
    ) -> Poll<Result<()>> {
        let this = self.get_mut();
        run_race(finish);
        let answer =
            this.inner.as_mut().poll_consume(cx, store.as_context_mut(), source.reborrow(), finish);
        let left = source.remaining(store.as_context_mut());
        let mut seen = lock(&this.seen);
        seen.moved = usize::from(left == 0);
        if !finish && left > 0 && matches!(answer, Poll::Ready(Ok(()))) {
            seen.report(Finding::CompletedWithNothing, "the value was not taken".to_owned());
        }
        seen.check_answer(cx, &answer, finish)?;
        answer
    }
}
