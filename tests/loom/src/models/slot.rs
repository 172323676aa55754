//! The slot (`src/completion/slot.rs`): operations beside cancels.

use std::task::{Context, Poll, Waker};

use loom::thread;

use super::object::{Object, poll_done, release, resolved, sink, source};
use crate::sync::{Arc, Mutex, atomic::AtomicBool, atomic::Ordering};
use crate::{End, EndReason};

super::models!(slot:
    UNBOUNDED(
        a_cancel_beside_an_operation_ends_the_stream,
        a_cancel_beside_a_cancelled_operation_ends_the_stream,
        a_source_may_poll_its_own_completion,
    ),
    BOUNDED(
        a_cancel_that_has_returned_comes_before_a_drop,
        a_canceller_may_hold_a_lock_that_the_poll_waits_for,
        two_cancels_and_an_operation_end_the_stream_as_the_first,
        a_cancel_beside_several_operations_ends_the_stream,
    )
);

/// Slot, invariant 3: once both have returned, the stream has ended with the requested reason.
fn a_cancel_beside_an_operation_ends_the_stream() {
    let (object, seen) = Object::new();
    let (mut stream, done) = source(object);
    let handle = done.cancel_handle();
    let canceller = thread::spawn(move || handle.cancel());
    stream.ready();
    canceller.join().unwrap();
    assert_eq!(seen.end(), EndReason::Cancelled);
    assert!(!stream.ready());
    assert!(matches!(resolved(done).end, End::Cancelled));
    drop(stream);
    assert_eq!(seen.end(), EndReason::Cancelled);
}

/// Slot, invariant 3, for the calls that cannot wait.
fn a_cancel_beside_a_cancelled_operation_ends_the_stream() {
    let (object, seen) = Object::new();
    let (mut stream, done) = sink(object);
    let handle = done.cancel_handle();
    let canceller = thread::spawn(move || handle.cancel());
    stream.act(|| ());
    canceller.join().unwrap();
    assert_eq!(seen.end(), EndReason::Cancelled);
    assert!(matches!(resolved(done).end, End::Cancelled));
}

/// Slot, invariant 1: the cancel does not wait for the poll, which waits for a lock that the canceller holds.
fn a_canceller_may_hold_a_lock_that_the_poll_waits_for() {
    let (object, seen) = Object::new();
    let (mut stream, mut done) = source(object);
    let handle = done.cancel_handle();
    let lock = Arc::new(Mutex::new(()));
    let held = lock.clone();
    let canceller = thread::spawn(move || {
        let _held = held.lock();
        handle.cancel();
        // The completion does not wait either.
        let mut cx = Context::from_waker(Waker::noop());
        let polled = poll_done(&mut done, &mut cx);
        (polled.is_ready(), done)
    });
    let mut cx = Context::from_waker(Waker::noop());
    let _ = stream.poll_with(&mut cx, |_| {
        drop(lock.lock());
        Poll::Ready(())
    });
    let (taken, done) = canceller.join().unwrap();
    assert_eq!(seen.end(), EndReason::Cancelled);
    if !taken {
        assert!(matches!(resolved(done).end, End::Cancelled));
    }
}

/// Slot, invariant 1: nor does anything wait that the object calls from within its poll.
fn a_source_may_poll_its_own_completion() {
    let (object, seen) = Object::new();
    let (mut stream, mut done) = source(object);
    let handle = done.cancel_handle();
    let canceller = thread::spawn(move || handle.cancel());
    let mut cx = Context::from_waker(Waker::noop());
    let _ = stream.poll_with(&mut cx, |cx| {
        assert!(poll_done(&mut done, cx).is_pending());
        done.cancel();
        Poll::Ready(())
    });
    canceller.join().unwrap();
    assert_eq!(seen.end(), EndReason::Cancelled);
}

/// Slot, invariant 3: a cancel that has returned while a poll was under way is not overtaken by the drop of the guest's
/// end, though nobody polls the completion meanwhile.
fn a_cancel_that_has_returned_comes_before_a_drop() {
    let (object, seen) = Object::new();
    let (mut stream, done) = sink(object);
    let handle = done.cancel_handle();
    let returned = Arc::new(AtomicBool::new(false));
    let returns = returned.clone();
    let canceller = thread::spawn(move || {
        handle.cancel();
        returns.store(true, Ordering::Release);
    });
    stream.ready();
    let cancelled = returned.load(Ordering::Acquire);
    drop(stream);
    canceller.join().unwrap();
    if cancelled {
        assert_eq!(seen.end(), EndReason::Cancelled);
    }
    let end = resolved(done).end.reason();
    assert_eq!(end, seen.end());
    assert!(matches!(end, EndReason::Cancelled | EndReason::Finished));
}

/// Slot, invariant 2: whoever sees a request finds a reason, and only one request acts.
fn two_cancels_and_an_operation_end_the_stream_as_the_first() {
    let (object, seen) = Object::new();
    let (mut stream, done) = source(object);
    let handles = [EndReason::Cancelled, EndReason::TimedOut].map(|reason| (done.cancel_handle(), reason));
    let cancellers = handles.map(|(handle, reason)| {
        thread::spawn(move || {
            handle.cut(reason);
            release(handle);
        })
    });
    stream.ready();
    for canceller in cancellers {
        canceller.join().unwrap();
    }
    let end = resolved(done).end.reason();
    assert!(matches!(end, EndReason::Cancelled | EndReason::TimedOut));
    assert_eq!(seen.end(), end);
}

/// Slot, invariants 2 and 3: whichever of several operations the cancel meets.
fn a_cancel_beside_several_operations_ends_the_stream() {
    let (object, seen) = Object::new();
    let (mut stream, done) = source(object);
    let handle = done.cancel_handle();
    let canceller = thread::spawn(move || handle.cancel());
    stream.ready();
    stream.act(|| ());
    stream.ready();
    canceller.join().unwrap();
    assert_eq!(seen.end(), EndReason::Cancelled);
    assert!(matches!(resolved(done).end, End::Cancelled));
}
