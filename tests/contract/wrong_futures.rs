//! Common mistakes of producers and consumers of futures, one in each.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use wasmtime::component::{FutureConsumer, FutureProducer, Source};
use wasmtime::{Result, StoreContextMut};
use wasmtime_streams_testing::{Finding, Made, future_consumer, future_producer};

use crate::wrong::{Peer, assert_found, narrow};

/// How a cancel goes wrong.
#[derive(Clone, Copy, PartialEq)]
enum Mistake {
    IgnoresFinish,
    NoWaker,
    LosesOnCancel,
    CancelsItself,
    TakesNothing,
}
use Mistake::*;

struct Producer {
    rx: UnboundedReceiver<u32>,
    mistake: Mistake,
}

impl<D> FutureProducer<D> for Producer {
    type Item = u32;

    fn poll_produce(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _: StoreContextMut<'_, D>,
        finish: bool,
    ) -> Poll<Result<Option<u32>>> {
        let Self { rx, mistake } = self.get_mut();
        let value = match mistake {
            NoWaker => rx.try_recv().ok().map_or(Poll::Pending, Poll::Ready),
            _ => rx.poll_recv(cx).map(|value| value.expect("the sender is there")),
        };
        match (mistake, value) {
            (LosesOnCancel, _) if finish => Poll::Ready(Ok(None)),
            (_, Poll::Ready(value)) => Poll::Ready(Ok(Some(value))),
            (IgnoresFinish, Poll::Pending) => Poll::Pending,
            (CancelsItself, Poll::Pending) => Poll::Ready(Ok(None)),
            (_, Poll::Pending) if finish => Poll::Ready(Ok(None)),
            _ => Poll::Pending,
        }
    }
}

#[track_caller]
fn assert_found_in_producer(mistake: Mistake, finding: Finding, rule: &str) {
    let check = future_producer(7, move || {
        let (tx, rx) = unbounded_channel();
        let mut left = 1;
        Made::new(Producer { rx, mistake }).step(move || {
            // The sender stays open.
            left > 0 && tx.send(7).is_ok() && std::mem::take(&mut left) > 0
        })
    });
    assert_found(check, finding, rule);
}

#[test]
fn finish_is_ignored_by_a_producer() {
    assert_found_in_producer(
        IgnoresFinish,
        Finding::PendingOnFinish,
        "Cancellation keeps the stream",
    );
}

#[test]
fn a_producer_registers_no_waker() {
    assert_found_in_producer(NoWaker, Finding::LostWakeup, "Register the current waker");
}

#[test]
fn a_cancelled_read_loses_the_value() {
    assert_found_in_producer(LosesOnCancel, Finding::LostOnCancel, "Cancellation keeps the stream");
}

#[test]
fn a_producer_has_no_value_although_nobody_cancelled() {
    assert_found_in_producer(
        CancelsItself,
        Finding::CancelledUnasked,
        "Cancellation keeps the stream",
    );
}

struct Consumer {
    peer: Peer,
    mistake: Mistake,
    taken: Option<u32>,
}

impl<D> FutureConsumer<D> for Consumer
where
    D: 'static,
{
    type Item = u32;

    fn poll_consume(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        mut source: Source<'_, u32>,
        finish: bool,
    ) -> Poll<Result<()>> {
        let Self { peer, mistake, taken } = self.get_mut();
        match mistake {
            TakesNothing => return Poll::Ready(Ok(())),
            NoWaker if peer.room() == 0 && !finish => return Poll::Pending,
            // Takes the value before it waits for room.
            LosesOnCancel if taken.is_none() => source.read(store, taken)?,
            LosesOnCancel => {}
            _ if finish && *mistake != IgnoresFinish => return Poll::Ready(Ok(())),
            _ => {
                ready!(peer.poll_room(cx));
                source.read(store, taken)?;
            }
        }
        if finish && *mistake == LosesOnCancel {
            return Poll::Ready(Ok(()));
        }
        ready!(peer.poll_room(cx));
        peer.send(taken.take().into_iter().collect());
        Poll::Ready(Ok(()))
    }
}

#[track_caller]
fn assert_found_in_consumer(mistake: Mistake, finding: Finding, rule: &str) {
    let check = future_consumer(7, narrow(move |peer| Consumer { peer, mistake, taken: None }));
    assert_found(check, finding, rule);
}

#[test]
fn finish_is_ignored_by_a_consumer() {
    assert_found_in_consumer(
        IgnoresFinish,
        Finding::PendingOnFinish,
        "Cancellation keeps the stream",
    );
}

#[test]
fn a_consumer_registers_no_waker() {
    assert_found_in_consumer(NoWaker, Finding::LostWakeup, "Register the current waker");
}

#[test]
fn a_cancelled_write_loses_the_value() {
    assert_found_in_consumer(LosesOnCancel, Finding::Miscounted, "Exact partial writes");
}

#[test]
fn a_consumer_completes_without_the_value() {
    assert_found_in_consumer(TakesNothing, Finding::CompletedWithNothing, "No empty completions");
}
