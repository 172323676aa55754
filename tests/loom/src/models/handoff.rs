//! The hand-over (`src/handoff/mod.rs`): what crosses, and who is woken.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use loom::thread;

use crate::EndReason;
use crate::handoff::{Reader, Writer, byte_handoff, handoff};
use crate::sync::{atomic::AtomicBool, step};
use crate::task::{Owning, Task, block_on};

super::models!(handoff:
    UNBOUNDED(
        a_side_that_has_ended_keeps_no_task,
        a_waker_of_the_writer_may_own_the_writer,
        the_reader_is_woken_by_the_waker_of_its_last_poll,
        a_reader_that_goes_away_wakes_the_writer,
        a_write_that_crosses_chunks_is_acknowledged_exactly,
        what_is_acknowledged_is_read_or_handed_back,
        what_a_fill_took_is_handed_back_or_unsent,
        a_write_after_a_refusal_is_not_accepted,
        a_writer_that_is_dropped_is_a_cut,
        a_fill_of_nothing_is_not_the_end,
        a_waker_of_the_reader_may_own_the_reader,
        a_writer_that_was_closed_keeps_no_task,
    ),
    BOUNDED(
        bytes_cross_in_order_and_none_is_lost,
        items_never_get_further_ahead_than_the_capacity,
        room_that_was_seen_is_still_there,
    )
);

/// Reads until the end; `Err` is a cut.
pub(super) fn read_all<T>(reader: &mut Reader<T, EndReason>) -> (Vec<T>, Result<(), EndReason>) {
    let task = Task::new();
    let mut all = Vec::new();
    loop {
        let read = task.block_on(|cx| {
            reader.poll_chunk(cx).map(|chunk| {
                let chunk = chunk?;
                let n = chunk.len();
                all.extend(chunk.drain(..));
                Ok(n)
            })
        });
        match read {
            Ok(0) => return (all, Ok(())),
            Ok(_) => {}
            Err(error) => return (all, Err(error)),
        }
    }
}

/// Hand-over, invariants 3, 4 and 6, and the atomics: no wake-up is lost, and the end comes after the last byte.
fn bytes_cross_in_order_and_none_is_lost() {
    let (mut writer, mut reader) = byte_handoff::<EndReason>(2);
    let writes = thread::spawn(move || {
        let task = Task::new();
        for byte in 1..=3 {
            assert_eq!(task.block_on(|cx| writer.poll_write(cx, &[byte])), Ok(1));
        }
        writer.close(Ok(()));
    });
    assert_eq!(read_all(&mut reader), (vec![1, 2, 3], Ok(())));
    assert!(reader.is_at_end());
    writes.join().unwrap();
}

/// Hand-over, invariant 3: no chunk in the queue is empty.
fn a_fill_of_nothing_is_not_the_end() {
    let (mut writer, mut reader) = handoff::<u8, EndReason>(2);
    let writes = thread::spawn(move || {
        let filled = writer.poll_fill(&mut Context::from_waker(Waker::noop()), 1, |_, _| ());
        assert!(filled.is_ready_and_ok());
        writer.push(1).unwrap();
        writer.close(Ok(()));
    });
    assert_eq!(read_all(&mut reader), (vec![1], Ok(())));
    writes.join().unwrap();
}

/// Hand-over, invariant 2: what the reader holds counts until it comes back.
fn items_never_get_further_ahead_than_the_capacity() {
    let (mut writer, mut reader) = handoff::<usize, EndReason>(2);
    let done = Arc::new(AtomicUsize::new(0));
    let read = done.clone();
    let writes = thread::spawn(move || {
        let mut written = 0;
        for _ in 0..3 {
            let more = block_on(|cx| {
                writer.poll_fill(cx, 2, |chunk, room| {
                    let more = room.min(2);
                    chunk.extend(0..more);
                    more
                })
            });
            written += more.unwrap();
            step();
            let ahead = written - done.load(Ordering::Relaxed);
            assert!(ahead <= 2, "{ahead} items are ahead");
        }
    });
    let task = Task::new();
    loop {
        let chunk = task.block_on(|cx| {
            let chunk = reader.poll_chunk(cx);
            chunk.map_ok(|chunk| chunk.drain(..).count())
        });
        match chunk {
            // With the reader until it asks for the next chunk.
            Ok(n) if n > 0 => {
                step();
                read.fetch_add(n, Ordering::Relaxed);
            }
            _ => break,
        }
    }
    writes.join().unwrap();
}

/// Hand-over, invariant 2: only the writer adds, so one item fits after `poll_room`.
fn room_that_was_seen_is_still_there() {
    let (mut writer, mut reader) = handoff::<u8, EndReason>(2);
    let writes = thread::spawn(move || {
        let task = Task::new();
        for item in 1..=3 {
            task.block_on(|cx| writer.poll_room(cx)).unwrap();
            writer.push(item).unwrap();
        }
        writer.close(Ok(()));
    });
    assert_eq!(read_all(&mut reader), (vec![1, 2, 3], Ok(())));
    writes.join().unwrap();
}

/// Takes a reader apart that may have read a part, as another task does it beside a write.
fn unread<T>(mut reader: Reader<T, EndReason>) -> Vec<T> {
    // The writer sees a reader on another thread.
    let _ = reader.poll_ready(&mut Context::from_waker(Waker::noop()));
    reader.into_unread()
}

/// Hand-over, invariant 5: a byte is acknowledged, or refused to the writer, never both and never neither.
fn what_is_acknowledged_is_read_or_handed_back() {
    let (mut writer, reader) = byte_handoff::<EndReason>(4);
    let reads = thread::spawn(move || unread(reader));
    let mut cx = Context::from_waker(Waker::noop());
    let acknowledged = match writer.poll_write(&mut cx, &[1, 2]) {
        Poll::Ready(Ok(n)) => n,
        Poll::Ready(Err(_)) => 0,
        Poll::Pending => panic!("there is room"),
    };
    assert_eq!(reads.join().unwrap(), [1, 2][..acknowledged]);
}

/// Hand-over, invariants 3 and 5, where a write fills one chunk and begins the next.
fn a_write_that_crosses_chunks_is_acknowledged_exactly() {
    let (mut writer, reader) = byte_handoff::<EndReason>(4);
    let reads = thread::spawn(move || unread(reader));
    let mut cx = Context::from_waker(Waker::noop());
    let mut acknowledged = 0;
    for bytes in [&[1][..], &[2, 3]] {
        match writer.poll_write(&mut cx, bytes) {
            Poll::Ready(Ok(n)) => acknowledged += n,
            Poll::Ready(Err(_)) => break,
            Poll::Pending => panic!("there is room"),
        }
    }
    assert_eq!(reads.join().unwrap(), [1, 2, 3][..acknowledged]);
}

/// Hand-over, invariant 5: what a fill has taken is with the reader or with the writer.
fn what_a_fill_took_is_handed_back_or_unsent() {
    let (mut writer, reader) = handoff::<u8, EndReason>(4);
    let reads = thread::spawn(move || unread(reader));
    let mut cx = Context::from_waker(Waker::noop());
    let mut taken = Vec::new();
    let filled = writer.poll_fill(&mut cx, 2, |chunk, _| {
        taken = vec![1, 2];
        chunk.extend([1, 2]);
    });
    let mut all = reads.join().unwrap();
    let unsent = writer.take_unsent();
    assert_eq!(unsent.is_empty(), filled.is_ready_and_ok() || taken.is_empty());
    all.extend(unsent);
    assert_eq!(all, taken);
}

trait IsReadyAndOk {
    fn is_ready_and_ok(&self) -> bool;
}

impl<T, E> IsReadyAndOk for Poll<Result<T, E>> {
    fn is_ready_and_ok(&self) -> bool {
        matches!(self, Poll::Ready(Ok(_)))
    }
}

/// Hand-over, invariant 7: and `was_left` says whether the refusal came before the close.
fn a_write_after_a_refusal_is_not_accepted() {
    let (mut writer, mut reader) = handoff::<u8, EndReason>(2);
    let refused = Arc::new(AtomicBool::new(false));
    let refuses = refused.clone();
    let reads = thread::spawn(move || {
        reader.refuse();
        refuses.store(true, Ordering::Release);
        read_all(&mut reader)
    });
    let before = refused.load(Ordering::Acquire);
    let pushed = writer.push(1).is_ok();
    writer.close(Ok(()));
    let left = writer.was_left();
    assert!(!(before && pushed), "a write that began after the refusal is accepted");
    assert!(pushed || left, "the writer was refused and does not know it");
    assert!(!before || left, "the refusal came before the close");
    let (items, end) = reads.join().unwrap();
    assert_eq!((items.len(), end), (usize::from(pushed), Ok(())));
    assert_eq!(writer.was_left(), left, "a refusal after the close is none");
}

/// Hand-over, invariant 6: the error comes once, after the last item.
fn a_writer_that_is_dropped_is_a_cut() {
    let (mut writer, mut reader) = handoff::<u8, EndReason>(2);
    let writes = thread::spawn(move || {
        writer.push(1).unwrap();
        drop(writer);
    });
    assert_eq!(read_all(&mut reader), (vec![1], Err(EndReason::Abandoned)));
    assert_eq!(read_all(&mut reader), (vec![], Ok(())));
    writes.join().unwrap();
}

/// Hand-over, invariant 4, for a reader that goes away.
fn a_reader_that_goes_away_wakes_the_writer() {
    let (mut writer, mut reader) = byte_handoff::<EndReason>(2);
    let writes = thread::spawn(move || {
        let task = Task::new();
        while task.block_on(|cx| writer.poll_write(cx, &[1])).is_ok() {}
        assert!(writer.was_left());
    });
    let _ = reader.poll_ready(&mut Context::from_waker(Waker::noop()));
    drop(reader);
    writes.join().unwrap();
}

/// Hand-over, invariant 4: a task with another waker polls meanwhile.
fn the_reader_is_woken_by_the_waker_of_its_last_poll() {
    let (mut writer, mut reader) = handoff::<u8, EndReason>(2);
    let writes = thread::spawn(move || {
        writer.push(1).unwrap();
        writer.close(Ok(()));
    });
    let first = Task::new();
    let _ = first.poll(|cx| reader.poll_ready(cx));
    assert_eq!(read_all(&mut reader), (vec![1], Ok(())));
    writes.join().unwrap();
    assert_eq!(first.wakers(), 0);
}

/// Hand-over, invariant 1: the reader's waker is called after the unlock.
fn a_waker_of_the_reader_may_own_the_reader() {
    let (mut writer, mut reader) = handoff::<u8, EndReason>(2);
    let writes = thread::spawn(move || {
        let _ = writer.push(1);
        writer.close(Ok(()));
    });
    let owner = Owning::empty();
    if reader.poll_ready(&mut Context::from_waker(&owner.waker())).is_pending() {
        owner.own(reader);
    }
    writes.join().unwrap();
}

/// Hand-over, invariant 1: so is the writer's, and one that is replaced is dropped after it.
fn a_waker_of_the_writer_may_own_the_writer() {
    let (mut writer, mut reader) = handoff::<u8, EndReason>(2);
    writer.push(1).unwrap();
    writer.push(2).unwrap();
    let owner = Owning::empty();
    let waker = owner.waker();
    assert!(writer.poll_room(&mut Context::from_waker(&waker)).is_pending());
    owner.own(writer);
    drop((owner, waker));
    let reads = thread::spawn(move || {
        let (items, end) = read_all(&mut reader);
        assert_eq!((items, end), (vec![1, 2], Err(EndReason::Abandoned)));
    });
    reads.join().unwrap();
}

/// Hand-over, invariant 9.
fn a_side_that_has_ended_keeps_no_task() {
    let (mut writer, mut reader) = handoff::<u8, EndReason>(2);
    let (writing, reading) = (Task::new(), Task::new());
    let task = writing.clone();
    let writes = thread::spawn(move || {
        while writer.push(1).is_ok() {}
        let _ = task.poll(|cx| writer.poll_room(cx));
        writer
    });
    let _ = reading.poll(|cx| reader.poll_ready(cx));
    reader.refuse();
    let writer = writes.join().unwrap();
    assert_eq!(writing.wakers(), 0, "a refusal keeps the writer's task");
    drop(reader);
    assert_eq!(reading.wakers(), 0, "a reader that is gone keeps its task");
    drop(writer);
}

/// Hand-over, invariant 9.
fn a_writer_that_was_closed_keeps_no_task() {
    let (mut writer, mut reader) = handoff::<u8, EndReason>(2);
    writer.push(1).unwrap();
    writer.push(2).unwrap();
    let task = Task::new();
    let _ = task.poll(|cx| writer.poll_room(cx));
    let reads = thread::spawn(move || {
        let _ = reader.poll_ready(&mut Context::from_waker(Waker::noop()));
        reader
    });
    writer.close(Ok(()));
    assert_eq!(task.wakers(), 0, "a close keeps the writer's task");
    drop((reads.join().unwrap(), writer));
}
