//! The slot (`src/completion/slot.rs`): who is woken, and what a waker may do.

use std::task::{Context, Waker};

use loom::thread;

use super::object::{Object, poll_done, resolved, sink, source};
use crate::task::{Owning, Task, block_on};
use crate::{End, EndReason};

super::models!(slot_wakes:
    BOUNDED(
        a_cancel_wakes_both_sides,
        a_cancel_gives_up_a_close_that_is_under_way,
        a_waker_that_is_replaced_may_own_the_stream,
        the_completion_is_woken_though_another_has_the_lock_when_it_looks,
        the_completion_wakes_the_waker_of_its_last_poll,
    ),
    UNBOUNDED(
        the_end_of_a_stream_wakes_the_completion,
        a_cancel_wakes_a_parked_operation,
        a_waker_may_own_the_stream,
    )
);

/// Slot, invariant 4: the completion registers before it looks, and whoever ends the stream wakes it.
fn the_end_of_a_stream_wakes_the_completion() {
    let (object, seen) = Object::new();
    let (stream, mut done) = source(object);
    let guest = thread::spawn(move || drop(stream));
    let task = Task::new();
    let completed = task.block_on(|cx| poll_done(&mut done, cx));
    guest.join().unwrap();
    assert!(matches!(completed.end, End::PeerDropped));
    assert_eq!(seen.end(), EndReason::PeerDropped);
    // It waits without asking again.
    assert!(task.wakes() <= 2, "the completion is woken {} times", task.wakes());
}

/// Slot, invariant 5: the operation is registered before the unlock, so whoever ends the stream wakes it.
fn a_cancel_wakes_a_parked_operation() {
    let (object, seen) = Object::new();
    let (mut stream, done) = source(object);
    let canceller = thread::spawn(move || {
        done.cancel();
        done
    });
    block_on(|cx| stream.poll_pending(cx));
    let done = canceller.join().unwrap();
    assert_eq!(seen.end(), EndReason::Cancelled);
    assert!(matches!(resolved(done).end, End::Cancelled));
}

/// Slot, invariants 4 and 5, with both sides waiting.
fn a_cancel_wakes_both_sides() {
    let (object, seen) = Object::new();
    let (mut stream, mut done) = source(object);
    let handle = done.cancel_handle();
    let guest = thread::spawn(move || block_on(|cx| stream.poll_pending(cx)));
    let canceller = thread::spawn(move || handle.cancel());
    let completed = block_on(|cx| poll_done(&mut done, cx));
    guest.join().unwrap();
    canceller.join().unwrap();
    assert!(matches!(completed.end, End::Cancelled));
    assert_eq!(seen.end(), EndReason::Cancelled);
}

/// Slot, invariant 4: an operation that finds the stream ended has the lock for a moment. A completion that looks then
/// is woken after the unlock, by that operation.
fn the_completion_is_woken_though_another_has_the_lock_when_it_looks() {
    let (object, seen) = Object::new();
    let (mut stream, mut done) = source(object);
    let handle = done.cancel_handle();
    let guest = thread::spawn(move || {
        handle.cancel();
        assert!(!stream.ready());
        stream.act(|| ());
        stream
    });
    let completed = block_on(|cx| poll_done(&mut done, cx));
    let stream = guest.join().unwrap();
    drop(stream);
    assert!(matches!(completed.end, End::Cancelled));
    assert_eq!(seen.end(), EndReason::Cancelled);
}

/// Slot, invariant 4: a cancel wakes a completion that waits for a close, and the close is given up.
fn a_cancel_gives_up_a_close_that_is_under_way() {
    let (mut object, seen) = Object::new();
    object.slow_close = usize::MAX;
    let (stream, mut done) = sink(object);
    let handle = done.cancel_handle();
    let canceller = thread::spawn(move || handle.cancel());
    let guest = thread::spawn(move || drop(stream));
    let completed = block_on(|cx| poll_done(&mut done, cx));
    canceller.join().unwrap();
    guest.join().unwrap();
    assert!(matches!(completed.end, End::Cancelled));
    assert!(matches!(seen.end(), EndReason::Cancelled | EndReason::Finished));
}

/// Slot, invariant 4: the newest waker counts.
fn the_completion_wakes_the_waker_of_its_last_poll() {
    let (object, _) = Object::new();
    let (stream, mut done) = source(object);
    let guest = thread::spawn(move || drop(stream));
    let first = Task::new();
    if first.poll(|cx| poll_done(&mut done, cx)).is_pending() {
        block_on(|cx| poll_done(&mut done, cx));
    }
    guest.join().unwrap();
    drop(done);
    assert_eq!(first.wakers(), 0);
}

/// Slot, invariant 8: the parked operation's waker owns the stream, and drops it when it is woken.
fn a_waker_may_own_the_stream() {
    let (object, seen) = Object::new();
    let (mut stream, done) = source(object);
    let handle = done.cancel_handle();
    let owner = Owning::empty();
    let mut cx_waker = owner.waker();
    let canceller = thread::spawn(move || handle.cancel());
    let polled = stream.poll_pending(&mut Context::from_waker(&cx_waker));
    if polled.is_pending() {
        owner.own(stream);
        // A task that was woken meanwhile is polled again, or dropped.
        cx_waker = Waker::noop().clone();
    }
    canceller.join().unwrap();
    drop(cx_waker);
    assert_eq!(seen.end(), EndReason::Cancelled);
    assert!(matches!(resolved(done).end, End::Cancelled));
    drop(owner);
}

/// Slot, invariant 8: the completion's waker owns the stream, and goes when another takes its place.
fn a_waker_that_is_replaced_may_own_the_stream() {
    let (object, seen) = Object::new();
    let (stream, mut done) = source(object);
    let handle = done.cancel_handle();
    let owner = Owning::empty();
    let waker = owner.waker();
    owner.own(stream);
    drop(owner);
    let polled = poll_done(&mut done, &mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    drop(waker);
    // Nobody but the slot has the waker now.
    let canceller = thread::spawn(move || handle.cancel());
    let completed = block_on(|cx| poll_done(&mut done, cx));
    canceller.join().unwrap();
    assert_eq!(completed.end.reason(), seen.end());
    assert!(matches!(seen.end(), EndReason::Cancelled | EndReason::PeerDropped));
}
