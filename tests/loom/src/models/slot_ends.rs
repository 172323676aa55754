//! The slot (`src/completion/slot.rs`): the one end, and who gets the object.

use loom::thread;

use super::object::{Object, poll_done, release, resolved, sink, source};
use crate::sync::Arc;
use crate::task::{Task, block_on};
use crate::{End, EndReason};

super::models!(slot_ends:
    BOUNDED(
        an_orphan_is_dropped_though_a_cancel_comes_first,
        a_stream_whose_completion_is_gone_needs_no_slot,
        a_cancel_beside_the_drop_of_the_completion_is_not_lost,
        ended_may_drop_the_stream,
        the_stream_goes_on_while_the_completion_takes_the_object,
        an_orphan_is_dropped_once_the_stream_has_ended,
        an_orphan_is_dropped_though_a_cancel_finds_the_stream_ended,
    ),
    UNBOUNDED(
        an_end_and_a_cancel_are_one_end,
        a_handle_that_outlives_the_completion_still_cancels,
        a_pipe_that_fails_beside_a_drop_is_one_end,
        a_pipe_that_succeeds_beside_a_drop_is_one_end,
    )
);

/// Slot, invariant 6: the object is notified once, of the end that the completion gives.
fn an_end_and_a_cancel_are_one_end() {
    let (object, seen) = Object::new();
    let (mut stream, done) = source(object);
    let handle = done.cancel_handle();
    let canceller = thread::spawn(move || handle.cancel());
    stream.end(EndReason::Finished);
    drop(stream);
    canceller.join().unwrap();
    let end = resolved(done).end.reason();
    assert_eq!(end, seen.end());
    assert!(matches!(end, EndReason::Finished | EndReason::Cancelled));
}

/// Slot, invariant 6: the stream never finds the slot open again.
fn the_stream_goes_on_while_the_completion_takes_the_object() {
    let (object, seen) = Object::new();
    let (mut stream, mut done) = source(object);
    let guest = thread::spawn(move || {
        stream.end(EndReason::Finished);
        assert!(!stream.ready());
        assert!(!stream.ready());
        drop(stream);
    });
    let completed = block_on(|cx| poll_done(&mut done, cx));
    assert!(completed.end.is_finished());
    drop(completed);
    guest.join().unwrap();
    assert_eq!(seen.end(), EndReason::Finished);
    assert!(seen.is_dropped());
}

/// Slot, invariant 7: `ended` runs outside of the lock, with the end set, so it may drop the stream, and the real end
/// comes back to the completion.
fn ended_may_drop_the_stream() {
    let owned = Arc::new(std::sync::Mutex::new(None));
    let own = owned.clone();
    let (object, seen) = Object::new();
    let (stream, mut done) = source(object.on_end(move || {
        let stream = own.lock().unwrap().take();
        drop(stream);
    }));
    *owned.lock().unwrap() = Some(stream);
    let handle = done.cancel_handle();
    let canceller = thread::spawn(move || handle.cancel());
    let task = Task::new();
    let completed = task.block_on(|cx| poll_done(&mut done, cx));
    canceller.join().unwrap();
    assert!(matches!(completed.end, End::Cancelled));
    assert_eq!(seen.end(), EndReason::Cancelled);
    // Invariant 4: it waits while the object is notified.
    assert!(task.wakes() <= 4, "the completion is woken {} times", task.wakes());
}

/// Slot, invariant 9: the contents move out of the slot, and back for the end, and no task is kept.
fn a_stream_whose_completion_is_gone_needs_no_slot() {
    let (object, seen) = Object::new();
    let (mut stream, mut done) = source(object);
    let task = Task::new();
    assert!(task.poll(|cx| poll_done(&mut done, cx)).is_pending());
    let handle = done.cancel_handle();
    let host = thread::spawn(move || {
        release(done);
        release(handle);
    });
    assert!(stream.ready());
    assert!(stream.ready());
    host.join().unwrap();
    assert!(stream.ready());
    assert_eq!(task.wakers(), 0, "the slot keeps the waker of a completion that is gone");
    drop(stream);
    assert_eq!(seen.end(), EndReason::PeerDropped);
    assert!(seen.is_dropped());
}

/// Slot, invariant 9: the contents move out only when nobody else can reach the slot.
fn a_cancel_beside_the_drop_of_the_completion_is_not_lost() {
    let (object, seen) = Object::new();
    let (mut stream, done) = source(object);
    let handle = done.cancel_handle();
    let host = thread::spawn(move || {
        release(done);
        handle.cancel();
        release(handle);
    });
    stream.ready();
    stream.ready();
    host.join().unwrap();
    assert!(!stream.ready());
    assert_eq!(seen.end(), EndReason::Cancelled);
    drop(stream);
    assert!(seen.is_dropped());
}

/// Slot, invariant 9: a handle can still reach the slot.
fn a_handle_that_outlives_the_completion_still_cancels() {
    let (object, seen) = Object::new();
    let (mut stream, done) = source(object);
    let handle = done.cancel_handle();
    drop(done);
    let canceller = thread::spawn(move || {
        handle.cancel();
        release(handle);
    });
    stream.ready();
    canceller.join().unwrap();
    assert!(!stream.ready());
    assert_eq!(seen.end(), EndReason::Cancelled);
}

/// Slot, invariant 10: a `Drive` that is dropped ends the stream and drops the object, also while the guest keeps its end.
fn an_orphan_is_dropped_once_the_stream_has_ended() {
    let (object, seen) = Object::new();
    let (mut stream, done) = sink(object);
    let mut driven = None;
    let result = done.driven_by(|drive| driven = Some(drive));
    let executor = thread::spawn(move || release(driven));
    stream.ready();
    executor.join().unwrap();
    assert_eq!(seen.end(), EndReason::Abandoned);
    assert!(seen.is_dropped(), "the object is kept though nobody takes it");
    drop((stream, result));
}

/// Slot, invariant 10: whoever ends the stream meanwhile.
fn an_orphan_is_dropped_though_a_cancel_comes_first() {
    let (object, seen) = Object::new();
    let (mut stream, done) = sink(object);
    let handle = done.cancel_handle();
    let mut driven = None;
    let result = done.driven_by(|drive| driven = Some(drive));
    let executor = thread::spawn(move || release(driven));
    let canceller = thread::spawn(move || {
        handle.cancel();
        release(handle);
    });
    stream.ready();
    executor.join().unwrap();
    canceller.join().unwrap();
    assert!(matches!(seen.end(), EndReason::Abandoned | EndReason::Cancelled));
    assert!(seen.is_dropped(), "the object is kept though nobody takes it");
    drop((stream, result));
}

/// Slot, invariant 10: a cancel that finds the stream ended has the lock for a moment.
fn an_orphan_is_dropped_though_a_cancel_finds_the_stream_ended() {
    let (object, seen) = Object::new();
    let (mut stream, done) = sink(object);
    let handle = done.cancel_handle();
    let mut driven = None;
    let result = done.driven_by(|drive| driven = Some(drive));
    stream.end(EndReason::Finished);
    let executor = thread::spawn(move || release(driven));
    handle.cancel();
    executor.join().unwrap();
    assert_eq!(seen.end(), EndReason::Finished);
    assert!(seen.is_dropped(), "the object is kept though nobody takes it");
    drop((stream, result));
}

/// Slot, the atomic `piping`: a failed pipe cuts the stream short, though the consumer is dropped at the same time.
fn a_pipe_that_fails_beside_a_drop_is_one_end() {
    let (object, seen) = Object::new();
    let (stream, done) = sink(object);
    let piping = done.piping();
    let guest = thread::spawn(move || drop(stream));
    drop(piping);
    guest.join().unwrap();
    assert_eq!(seen.end(), EndReason::Abandoned);
    assert!(matches!(resolved(done).end, End::Abandoned));
}

/// Slot, the atomic `piping`: one of the two ends the stream, in either order.
fn a_pipe_that_succeeds_beside_a_drop_is_one_end() {
    let (object, seen) = Object::new();
    let (stream, done) = sink(object);
    let piping = done.piping();
    let guest = thread::spawn(move || drop(stream));
    piping.done();
    guest.join().unwrap();
    assert_eq!(seen.end(), EndReason::Finished);
    assert!(resolved(done).end.is_finished());
}
