//! The hand-over (`src/handoff/mod.rs`): the memory that it holds while nothing moves.

use std::task::{Context, Waker};

use loom::thread;

use crate::handoff::{Reader, byte_handoff};
use crate::task::Task;
use crate::{ALLOCATED, EndReason};

super::models!(memory:
    UNBOUNDED(
        an_idle_hand_over_holds_no_memory,
        a_write_that_is_cancelled_leaves_no_memory,
    )
);

/// Two chunks of half of it, from the allocator.
const CAPACITY: usize = 100 * 1024;

/// Less than a chunk, and more than what loom allocates in a run.
const NOISE: usize = CAPACITY / 4;

/// Reads until nothing is there.
fn drain(reader: &mut Reader<u8, EndReason>, mut expected: usize) {
    let task = Task::new();
    while expected > 0 {
        expected -= task.block_on(|cx| {
            reader.poll_chunk(cx).map(|chunk| {
                let chunk = chunk.unwrap();
                let n = chunk.len();
                chunk.clear();
                n
            })
        });
    }
    assert!(task.poll(|cx| reader.poll_ready(cx)).is_pending());
}

/// Hand-over, invariant 8.
fn an_idle_hand_over_holds_no_memory() {
    let (mut writer, mut reader) = byte_handoff::<EndReason>(CAPACITY);
    let bytes = vec![0; CAPACITY / 2];
    let before = ALLOCATED.current_usage();
    let writes = thread::spawn(move || {
        for _ in 0..2 {
            let written = writer.poll_write(&mut Context::from_waker(Waker::noop()), &bytes);
            assert!(written.is_ready());
        }
        (writer, bytes)
    });
    drain(&mut reader, CAPACITY);
    let writer = writes.join().unwrap();
    let held = ALLOCATED.current_usage().saturating_sub(before);
    assert!(held < NOISE, "an idle hand-over holds {held} bytes");
    drop(writer);
}

/// Hand-over, invariant 8: a write waits for room from the poll that finds none until it is cancelled.
fn a_write_that_is_cancelled_leaves_no_memory() {
    let (mut writer, mut reader) = byte_handoff::<EndReason>(CAPACITY);
    let bytes = vec![0; CAPACITY / 2];
    let before = ALLOCATED.current_usage();
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..2 {
        assert!(writer.poll_write(&mut cx, &bytes).is_ready());
    }
    assert!(writer.poll_write(&mut cx, &bytes).is_pending());
    let writes = thread::spawn(move || {
        writer.cancelled();
        (writer, bytes)
    });
    drain(&mut reader, CAPACITY);
    let writer = writes.join().unwrap();
    let held = ALLOCATED.current_usage().saturating_sub(before);
    assert!(held < NOISE, "an idle hand-over holds {held} bytes");
    drop(writer);
}
