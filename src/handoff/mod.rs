//! A bounded hand-over from one task to another: what stands between a stream and a host object on the other side of it.
//!
//! Whole chunks cross, not single items: the writer appends to the last one, the reader takes the first one away and empties
//! it without the lock. A reader that waits gives its memory back: an idle hand-over holds no buffer. Where the two sides
//! are on two threads, who finds nothing to do looks again for a moment before it sleeps.
//!
//! The lock `state` guards the queue of chunks, the counts, the spare memory, the end and both wakers. Invariants:
//!
//! 1. No code of a user's runs under the lock: wakers are called, and wakers and items dropped, after the unlock, and a fill
//!    that lifts items runs without it. What is held under it is a few steps, or the copy of what fits into one chunk.
//! 2. `waiting` is how many items are in `chunks`, and `lent` how many the reader took with its last chunk, until it comes back
//!    for the next one. `waiting + lent` is at most `capacity`. Only the writer adds to it, so the room that the writer saw
//!    is still there when it comes back from a fill.
//! 3. No chunk is empty, and all but the last one are full. So the memory is bounded: a chunk's, once more than the capacity
//!    has, and for items the one that is being filled.
//! 4. Each side registers its waker in the same step in which it finds nothing to do, under the lock. The writer takes the
//!    reader's waker with each chunk that it puts, and at its end; the reader takes the writer's when it comes back from a
//!    chunk, and when it refuses. So no wake-up is lost. `turn` changes with each of these steps, for a side that spins.
//! 5. What was accepted is in the queue, or with the reader, whenever the lock is free. The writer fills only memory of its own
//!    without the lock, and looks at `reader_gone` before it adds that to the queue; `into_unread` sets it and takes the
//!    queue in one step. So each item is either handed back or refused.
//! 6. `closed` is set once: in order by `close` alone, and as a cut by the drop of a writer that was not closed. The reader is
//!    told after the last item, of an error once. The atomic `closed` is set under the lock as well, and is only a hint.
//! 7. After `refused`, nothing that the writer begins is accepted. `left_early` keeps whether that came before `closed`.
//! 8. Memory that was read goes to `spares`, from where the writer takes it. It goes back to where it came from when the reader
//!    finds nothing and no write waits for room (`writer_waits`, until that write comes back, is cancelled, or the writer
//!    closes), and when the reader goes away. What is longer than a chunk is never kept.
//!
//! The tests: `streams::lift_ends::an_end_that_is_over_keeps_no_task_in_memory` and `streams::reentrancy` for 1;
//! `streams::lift`, `streams::lower` and `peers::handoffs::items_never_get_further_ahead_than_the_capacity_and_none_is_lost`
//! for 2; `idle::held` and `streams::handed_over::a_write_that_crosses_the_end_of_a_chunk_is_accepted_whole` for 3;
//! `peers::handoffs::bytes_between_three_threads_lose_no_wake_up` for 4; the rest of `streams::handed_over` for 5;
//! `streams::handed_over_cuts` for 6 and 7; `idle` for 8.

mod memory;
mod patience;
mod reader;
mod writer;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use self::memory::{CHUNK, Memory};
pub(crate) use self::reader::Reader;
pub(crate) use self::writer::{ReaderGone, Writer};
use crate::EndReason;

struct State<T, E> {
    /// What the reader takes next, none of them empty. The last one is away while the writer adds to it.
    chunks: VecDeque<Vec<T>>,
    /// How many items are in there.
    waiting: usize,
    /// How many the reader took last, and has not come back from.
    lent: usize,
    /// The memory of chunks that were read.
    spares: Vec<Vec<T>>,
    /// Set once, by the writer: no more comes. The error is gone once it was read.
    closed: Option<Result<(), E>>,
    /// Nobody takes what is written any more, though the reader may still be there.
    refused: bool,
    /// It was refused before it was closed.
    left_early: bool,
    reader_gone: bool,
    writer: Option<Waker>,
    reader: Option<Waker>,
    /// The writer found no room, and has not been back.
    writer_waits: bool,
    /// The threads on which the two sides were last, or 0.
    writer_at: usize,
    reader_at: usize,
}

impl<T, E> State<T, E> {
    /// Whether the two sides are on two threads, as far as is known.
    fn is_apart(&self) -> bool {
        let (writer, reader) = (self.writer_at, self.reader_at);
        writer != 0 && reader != 0 && writer != reader
    }

    /// Whether nothing can be written any more.
    fn is_shut(&self) -> bool {
        self.refused || self.closed.is_some()
    }

    fn refuse(&mut self) -> Option<Waker> {
        self.refused = true;
        self.left_early |= self.closed.is_none();
        self.writer.take()
    }
}

struct Shared<T, E> {
    state: Mutex<State<T, E>>,
    /// Looked at without the lock.
    closed: AtomicBool,
    /// Another number each time one side has done something that the other may wait for.
    turn: AtomicU32,
    capacity: usize,
    /// How many items a chunk has at most.
    chunk: usize,
    /// How many there is memory for at most in what is used again.
    largest: usize,
    memory: Memory<T>,
}

impl<T, E> Shared<T, E> {
    fn lock(&self) -> MutexGuard<'_, State<T, E>> {
        // Nothing is run under the lock that could leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something was done that the other side may wait for. Called under the lock only, and so a store is enough.
    fn turn(&self, _: &mut State<T, E>) -> u32 {
        let turn = self.turn.load(Ordering::Relaxed).wrapping_add(1);
        self.turn.store(turn, Ordering::Release);
        turn
    }

    /// Gives memory back if nothing is there to be read, and nothing is about to be written.
    fn rest(&self, state: &mut State<T, E>) {
        if state.chunks.is_empty() && !state.writer_waits {
            (self.memory.give)(&mut state.spares);
        }
    }

    fn room(&self, state: &State<T, E>) -> usize {
        self.capacity.saturating_sub(state.waiting + state.lent)
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Registers the waker of this poll; what it replaces is dropped outside of the lock, for it may own a task that takes it.
fn register(slot: &mut Option<Waker>, cx: &Context<'_>) -> Option<Waker> {
    match slot {
        Some(waker) if waker.will_wake(cx.waker()) => None,
        _ => slot.replace(cx.waker().clone()),
    }
}

/// Both ends. They hold at most `capacity` items together, at least 2.
pub(crate) fn handoff<T, E: From<EndReason>>(capacity: usize) -> (Writer<T, E>, Reader<T, E>) {
    with_memory(capacity, usize::MAX, Memory::PLAIN)
}

/// The same for bytes that the reader copies.
pub(crate) fn byte_handoff<E: From<EndReason>>(capacity: usize) -> (Writer<u8, E>, Reader<u8, E>) {
    // Shared memory is for chunks of that length, or a hand-over would hold much more than its capacity.
    let shared = capacity / 2 >= CHUNK;
    with_memory(capacity, CHUNK, if shared { Memory::SHARED } else { Memory::PLAIN })
}

/// The same for bytes that the reader takes away with the chunk they are in.
#[cfg(feature = "http-body")]
pub(crate) fn chunk_handoff<E: From<EndReason>>(capacity: usize) -> (Writer<u8, E>, Reader<u8, E>) {
    with_memory(capacity, CHUNK, Memory::PLAIN)
}

fn with_memory<T, E: From<EndReason>>(
    capacity: usize,
    chunk: usize,
    memory: Memory<T>,
) -> (Writer<T, E>, Reader<T, E>) {
    let capacity = capacity.max(2);
    let state = State {
        chunks: VecDeque::new(),
        waiting: 0,
        lent: 0,
        spares: Vec::new(),
        closed: None,
        refused: false,
        left_early: false,
        reader_gone: false,
        writer: None,
        reader: None,
        writer_waits: false,
        writer_at: 0,
        reader_at: 0,
    };
    // Two at least, so that one is filled while another is read.
    let chunk = chunk.min(capacity / 2);
    let shared = Arc::new(Shared {
        state: Mutex::new(state),
        closed: AtomicBool::new(false),
        turn: AtomicU32::new(0),
        capacity,
        chunk,
        largest: chunk.max(memory.enough),
        memory,
    });
    (Writer::new(shared.clone()), Reader::new(shared))
}
