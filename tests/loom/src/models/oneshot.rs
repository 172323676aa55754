//! The value between two tasks (`src/oneshot.rs`).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use loom::thread;

use crate::oneshot::{Receiver, oneshot};
use crate::task::{Owning, Task};

super::models!(oneshot:
    UNBOUNDED(
        a_value_is_received_or_given_back,
        a_value_wakes_whoever_waits,
        a_sender_that_is_dropped_wakes_whoever_waits,
        only_the_newest_waker_is_kept_and_woken,
        a_waker_may_own_the_receiver,
        a_waker_that_is_replaced_may_own_the_sender,
    )
);

fn poll<T>(receiver: &mut Receiver<T>, cx: &mut Context<'_>) -> Poll<Option<T>> {
    Pin::new(receiver).poll(cx)
}

/// Oneshot, invariant 1: stored for the receiver, or given back, or dropped with the receiver that has not taken it.
fn a_value_is_received_or_given_back() {
    let (tx, mut rx) = oneshot();
    let value = Arc::new(());
    let sent = value.clone();
    let sender = thread::spawn(move || tx.send(sent));
    let received = match poll(&mut rx, &mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => None,
    };
    drop(rx);
    let back = sender.join().unwrap().err();
    assert!(received.is_none() || back.is_none());
    let held = usize::from(received.is_some()) + usize::from(back.is_some());
    // Nobody else has it.
    assert_eq!(Arc::strong_count(&value), 1 + held);
}

/// Oneshot, invariants 1 and 2: the value comes once.
fn a_value_wakes_whoever_waits() {
    let (tx, mut rx) = oneshot();
    let sender = thread::spawn(move || tx.send(7));
    let task = Task::new();
    assert_eq!(task.block_on(|cx| poll(&mut rx, cx)), Some(7));
    assert_eq!(sender.join().unwrap(), Ok(()));
    assert_eq!(task.poll(|cx| poll(&mut rx, cx)), Poll::Ready(None));
}

/// Oneshot, invariant 2.
fn a_sender_that_is_dropped_wakes_whoever_waits() {
    let (tx, mut rx) = oneshot::<u8>();
    let sender = thread::spawn(move || drop(tx));
    assert_eq!(Task::new().block_on(|cx| poll(&mut rx, cx)), None);
    sender.join().unwrap();
}

/// Oneshot, invariant 3.
fn only_the_newest_waker_is_kept_and_woken() {
    let (tx, mut rx) = oneshot();
    let sender = thread::spawn(move || tx.send(7));
    let (first, second) = (Task::new(), Task::new());
    let received = match first.poll(|cx| poll(&mut rx, cx)) {
        Poll::Ready(value) => value,
        Poll::Pending => second.block_on(|cx| poll(&mut rx, cx)),
    };
    assert_eq!(received, Some(7));
    sender.join().unwrap().unwrap();
    assert_eq!((first.wakers(), second.wakers()), (0, 0));
}

/// Oneshot, the lock: a waker is called after the unlock.
fn a_waker_may_own_the_receiver() {
    let (tx, mut rx) = oneshot();
    let sender = thread::spawn(move || tx.send(7));
    let owner = Owning::empty();
    let polled = poll(&mut rx, &mut Context::from_waker(&owner.waker()));
    match polled {
        Poll::Ready(value) => assert_eq!(value, Some(7)),
        Poll::Pending => owner.own(rx),
    }
    sender.join().unwrap().unwrap();
}

/// Oneshot, the lock: a waker is dropped after the unlock.
fn a_waker_that_is_replaced_may_own_the_sender() {
    let (tx, mut rx) = oneshot::<u8>();
    let owner = Owning::empty();
    let waker = owner.waker();
    owner.own(tx);
    drop(owner);
    assert!(poll(&mut rx, &mut Context::from_waker(&waker)).is_pending());
    drop(waker);
    let receiver = thread::spawn(move || {
        assert_eq!(Task::new().block_on(|cx| poll(&mut rx, cx)), None);
    });
    receiver.join().unwrap();
}
