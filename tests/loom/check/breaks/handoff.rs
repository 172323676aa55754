//! The hand-over, broken.

use super::{Break, DEADLOCK, broken};

const HANDOFF: &str = "src/handoff/mod.rs";
const READER: &str = "src/handoff/reader.rs";
const WRITER: &str = "src/handoff/writer.rs";

pub(super) const ALL: &[Break] = &[
    // The reader is woken under the lock.
    broken(
        "handoff 1a",
        WRITER,
        &[(
            "        let waker = self.shared.put(&mut state, chunk, before);\n        drop(state);\n        wake(waker);\n        Ok(())",
            "        let waker = self.shared.put(&mut state, chunk, before);\n        wake(waker);\n        drop(state);\n        Ok(())",
        )],
        "handoff::a_waker_of_the_reader_may_own_the_reader",
        DEADLOCK,
    ),
    // The writer is woken under the lock.
    broken(
        "handoff 1b",
        READER,
        &[(
            "        drop(self.state);\n        wake(self.writer);",
            "        wake(self.writer);\n        drop(self.state);",
        )],
        "handoff::a_waker_of_the_writer_may_own_the_writer",
        DEADLOCK,
    ),
    // What the reader holds does not count.
    broken(
        "handoff 2a",
        HANDOFF,
        &[("state.queued + state.taken", "state.queued")],
        "handoff::items_never_get_further_ahead_than_the_capacity",
        "items are ahead",
    ),
    // What the reader has taken still counts as queued.
    broken(
        "handoff 2b",
        READER,
        &[("            state.queued -= next.len();\n", "")],
        "handoff::room_that_was_seen_is_still_there",
        DEADLOCK,
    ),
    // An empty chunk is put in the queue.
    broken(
        "handoff 3",
        WRITER,
        &[(
            "        if chunk.is_empty() {\n            state.spares.push(chunk);\n            return None;\n        }\n",
            "",
        )],
        "handoff::a_fill_of_nothing_is_not_the_end",
        "left: ([], Ok(()))",
    ),
    // The reader unlocks, then registers.
    broken(
        "handoff 4a",
        READER,
        &[(
            "        let stale = register(&mut state.reader, cx);\n        next.unlock();\n",
            "        next.unlock();\n        let stale = register(&mut shared.lock().reader, cx);\n",
        )],
        "handoff::bytes_cross_in_order_and_none_is_lost",
        DEADLOCK,
    ),
    // The writer unlocks, then registers.
    broken(
        "handoff 4b",
        WRITER,
        &[(
            "        let stale = register(&mut state.writer, cx);\n        drop(state);\n",
            "        drop(state);\n        let stale = register(&mut shared.lock().writer, cx);\n",
        )],
        "handoff::bytes_cross_in_order_and_none_is_lost",
        DEADLOCK,
    ),
    // A close does not wake the reader.
    broken(
        "handoff 4c",
        WRITER,
        &[(
            "        let waker = state.reader.take();\n        // Invariant 9.",
            "        let waker = None;\n        // Invariant 9.",
        )],
        "handoff::bytes_cross_in_order_and_none_is_lost",
        DEADLOCK,
    ),
    // A reader that comes back does not wake the writer.
    broken(
        "handoff 4d",
        READER,
        &[("            _ => state.writer.take(),", "            _ => None,")],
        "handoff::bytes_cross_in_order_and_none_is_lost",
        DEADLOCK,
    ),
    // A reader that goes away does not wake the writer.
    broken(
        "handoff 4e",
        READER,
        &[(
            "        let waker = state.refuse();\n        let unread",
            "        state.refuse();\n        let waker = None;\n        let unread",
        )],
        "handoff::a_reader_that_goes_away_wakes_the_writer",
        DEADLOCK,
    ),
    // The first waker stays.
    broken(
        "handoff 4f",
        HANDOFF,
        &[("Some(waker) if waker.will_wake(cx.waker()) => None,", "Some(_) => None,")],
        "handoff::the_reader_is_woken_by_the_waker_of_its_last_poll",
        DEADLOCK,
    ),
    // A write that copied without the lock does not look for the reader.
    broken(
        "handoff 5a",
        WRITER,
        &[(
            "            if state.reader_gone {\n                drop(state);\n                // The first part",
            "            if false {\n                drop(state);\n                // The first part",
        )],
        "handoff::what_is_acknowledged_is_read_or_handed_back",
        "left: []",
    ),
    // A fill does not look for the reader.
    broken(
        "handoff 5b",
        WRITER,
        &[(
            "        if state.reader_gone {\n            drop(state);\n            **unsent = chunk;",
            "        if false {\n            drop(state);\n            **unsent = chunk;",
        )],
        "handoff::what_a_fill_took_is_handed_back_or_unsent",
        "left: []",
    ),
    // The queue is taken, and later the writer is told.
    broken(
        "handoff 5c",
        READER,
        &[(
            "        state.reader_gone = true;\n        let waker = state.refuse();\n        let rest = mem::take(&mut state.chunks);\n        state.queued = 0;\n",
            "        let rest = mem::take(&mut state.chunks);\n        state.queued = 0;\n        drop(state);\n        let mut state = self.shared.lock();\n        state.reader_gone = true;\n        let waker = state.refuse();\n",
        )],
        "handoff::what_is_acknowledged_is_read_or_handed_back",
        "left: []",
    ),
    // What a write has put in the queue before is not acknowledged.
    broken(
        "handoff 5d",
        WRITER,
        &[(
            "if first > 0 { Ok(first) } else { Err(ReaderGone) }",
            "if first > n { Ok(first) } else { Err(ReaderGone) }",
        )],
        "handoff::a_write_that_crosses_chunks_is_acknowledged_exactly",
        "left: [1, 2]",
    ),
    // The last close counts.
    broken(
        "handoff 6a",
        WRITER,
        &[("        if state.closed.is_some() {\n            return;\n        }\n", "")],
        "handoff::bytes_cross_in_order_and_none_is_lost",
        "Err(Abandoned)",
    ),
    // The error comes before the items.
    broken(
        "handoff 6b",
        READER,
        &[(
            "        if self.chunk.is_empty()\n            && let Some(Err(error))",
            "        if let Some(Err(error))",
        )],
        "handoff::a_writer_that_is_dropped_is_a_cut",
        "left: ([], Err(Abandoned))",
    ),
    // Writes are accepted after a refusal.
    broken(
        "handoff 7a",
        HANDOFF,
        &[("        self.refused || self.closed.is_some()", "        self.closed.is_some()")],
        "handoff::a_write_after_a_refusal_is_not_accepted",
        "after the refusal is accepted",
    ),
    // A refusal after the close counts.
    broken(
        "handoff 7b",
        HANDOFF,
        &[(
            "        self.refused_before_close |= self.closed.is_none();",
            "        self.refused_before_close = true;",
        )],
        "handoff::a_write_after_a_refusal_is_not_accepted",
        "a refusal after the close is none",
    ),
    // A reader that finds nothing keeps the spare memory.
    broken(
        "handoff 8a",
        READER,
        &[("        shared.release_idle_buffers(state);\n", "")],
        "memory::an_idle_hand_over_holds_no_memory",
        "an idle hand-over holds",
    ),
    // A cancelled write still waits for room.
    broken(
        "handoff 8b",
        WRITER,
        &[(
            "    pub(crate) fn cancelled(&self) {\n        let mut state = self.shared.lock();\n        state.writer_waits = false;\n",
            "    pub(crate) fn cancelled(&self) {\n        let mut state = self.shared.lock();\n",
        )],
        "memory::a_write_that_is_cancelled_leaves_no_memory",
        "an idle hand-over holds",
    ),
    // A refusal leaves the writer's waker.
    broken(
        "handoff 9a",
        HANDOFF,
        &[("        self.writer.take()\n", "        self.writer.clone()\n")],
        "handoff::a_side_that_has_ended_keeps_no_task",
        "a refusal keeps the writer's task",
    ),
    // A reader that is dropped leaves its own.
    broken(
        "handoff 9b",
        READER,
        &[("        let stale = state.reader.take();\n", "        let stale = None::<Waker>;\n")],
        "handoff::a_side_that_has_ended_keeps_no_task",
        "a reader that is gone keeps its task",
    ),
    // A close leaves the writer's waker.
    broken(
        "handoff 9c",
        WRITER,
        &[(
            "        let stale = state.writer.take();\n        state.writer_waits",
            "        let stale = None::<Waker>;\n        state.writer_waits",
        )],
        "handoff::a_writer_that_was_closed_keeps_no_task",
        "a close keeps the writer's task",
    ),
    // The hint never says that the writer has closed.
    broken(
        "handoff 0",
        WRITER,
        &[("        self.shared.closed.store(true, Ordering::Release);\n", "")],
        "handoff::bytes_cross_in_order_and_none_is_lost",
        "reader.is_at_end()",
    ),
];
