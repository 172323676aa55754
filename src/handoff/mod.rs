//! The hand-over: a bounded queue from one task to another, behind `from_guest`, `to_guest`, `relay` and `body`.
//!
//! Whole chunks cross, not single items: the writer appends to the last chunk, the reader takes the first one and
//! empties it without the lock. A reader that waits gives its memory back, so an idle hand-over holds no buffer. Where
//! the two sides run on two threads, a side that finds nothing to do spins for a moment before it parks (`spin`).
//!
//! # The lock `Shared::state`
//!
//! It guards the queue of chunks, the counts, the spare memory, the end and both wakers.
//!
//! - *Who takes it:* the writer in each `poll_write`, `poll_fill`, `poll_room` and `push`, in `cancelled`, `close` and
//!   `was_left`, and when it is dropped; the reader when its chunk is empty, in `refuse`, `into_unread` and
//!   `is_at_end`, and when it is dropped. Each side is used by one task, so at most two threads compete for it.
//! - *Who waits for it:* both sides. That is fine because a holder never waits for anything but the pool in `memory`:
//!   it does a few steps, allocates one chunk, or copies at most one chunk of bytes.
//! - *What is done outside of it:* wakers are called after the unlock, and so are wakers and items dropped. `poll_fill`
//!   runs its `fill` without it, and `poll_write` copies without it into a chunk of its own where the reader is on
//!   another thread. The reader empties its chunk without it.
//! - *Why:* a waker may own the task that owns the other side, and dropping that side takes the lock. `fill` lifts
//!   items from a guest, and the drop of an item is user code: both may take the other side apart. Under the lock
//!   each of them would deadlock on its own thread. Of a waker only `clone` and `will_wake` run under the lock.
//! - *Order:* `state`, then the pool of `memory`. Nothing is locked while the pool is.
//!
//! # Invariants
//!
//! 1. No user code runs under the lock, except `clone` and `will_wake` of a waker. *Tests:*
//!    `what_was_acknowledged_comes_back_though_a_write_is_under_way` in `tests/streams/handed_over.rs` takes the reader
//!    apart from within a fill; so does `tests/streams/handed_back.rs` from another thread.
//! 2. `queued` is the number of items in `chunks`, and `taken` the number that the reader got with its last chunk,
//!    until it comes back for the next one. `queued + taken` is at most `capacity`. Only the writer adds to the sum, so
//!    the room that it saw is still there when it comes back from a fill. *Tests:* `tests/streams/from_guest.rs` and
//!    `to_guest.rs` (`..._no_further_ahead_than_the_capacity`), and
//!    `items_never_get_further_ahead_than_the_capacity_and_none_is_lost` in `tests/peers/handoffs.rs` with three
//!    threads.
//! 3. No chunk in the queue is empty, and all but the last one are full. So a hand-over of bytes holds at most its
//!    capacity and one chunk, the reader's; one of items also the chunk that is being filled. *Tests:*
//!    `tests/idle/held.rs`, `tests/idle/pieces.rs`, and `a_write_that_crosses_the_end_of_a_chunk_is_accepted_whole` in
//!    `tests/streams/handed_over.rs`.
//! 4. A side registers its waker in the same critical section in which it finds nothing to do. The writer takes the
//!    reader's waker with each chunk that it puts in the queue and when it closes. The reader takes the writer's waker
//!    when it comes back from a chunk, when it refuses and when it goes away. So no wake-up is lost. *Test:*
//!    `bytes_between_three_threads_lose_no_wake_up` in `tests/peers/handoffs.rs`.
//! 5. Whenever the lock is free, each accepted item is in the queue or with the reader. The writer fills only memory of
//!    its own without the lock, and checks `reader_gone` before it adds that to the queue. `into_unread` sets
//!    `reader_gone` and takes the queue in one critical section. So each item is either handed back by the reader or
//!    refused to the writer, never both and never neither. *Tests:* `every_byte_...` and `every_item_...` in
//!    `tests/streams/handed_over.rs`, `tests/streams/handed_back.rs`, and
//!    `an_end_that_is_dropped_at_any_moment_is_reported_to_the_other` in `tests/peers/handoffs.rs`.
//! 6. `closed` is set once: to `Ok` by `close` alone, and to an error also by the drop of a writer that was not closed.
//!    The reader gets it after the last item; an error once, then the end. *Tests:* `tests/streams/handed_over_cuts.rs`
//!    and `handed_over_writers.rs`.
//! 7. After `refused` no write that begins is accepted. `refused_before_close` records whether that came before
//!    `closed`: it is what makes an end `ReceiverDropped`. *Tests:* `tests/streams/from_guest_ends.rs`,
//!    `a_completion_says_whether_the_reader_stayed_to_the_end` above all.
//! 8. Memory that was read goes to `spares`, from where the writer takes it. `spares` are given back when the reader
//!    finds nothing while no write waits for room, and when the reader goes away. A write waits (`writer_waits`) from
//!    the poll that finds no room until the next one, a cancel or the close. Memory longer than `max_spare` is never
//!    kept. *Tests:* `tests/idle/main.rs`.
//! 9. A side that has ended keeps no task alive: closing and refusing take the writer's waker, and the reader takes its
//!    own when it is dropped. *Tests:* `an_end_that_is_over_keeps_no_task_in_memory` in `tests/streams/from_guest_ends.rs`,
//!    `tests/streams/dropped_futures.rs`.
//!
//! # The atomics
//!
//! Both are written under the lock only, and read without it as hints. Every decision is made again under the lock.
//!
//! - `closed` is `true` once `State::closed` is set. It saves `is_at_end` the lock while the writer is open.
//! - `epoch` changes with each step that the other side may wait for. A side that spins watches it: a change that it
//!   misses costs it a park, no wake-up, for the waker is registered afterwards, under the lock.

mod memory;
mod reader;
mod spin;
mod writer;

use std::collections::VecDeque;
use std::task::{Context, Waker};

use self::memory::{CHUNK, Memory};
pub(crate) use self::reader::Reader;
pub(crate) use self::writer::{ReaderGone, Writer};
use crate::EndReason;
use crate::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};

struct State<T, E> {
    /// The queue. The last chunk is away while the writer appends to it under the lock.
    chunks: VecDeque<Vec<T>>,
    /// The number of items in `chunks`.
    queued: usize,
    /// The number of items in the chunk that the reader took last, until it comes back.
    taken: usize,
    /// Memory of chunks that were read, for the writer to use again.
    spares: Vec<Vec<T>>,
    /// Set once, by the writer: nothing more comes. The reader replaces an error by `Ok` when it has got it.
    closed: Option<Result<(), E>>,
    /// Writes are refused. The reader may still read what is queued.
    refused: bool,
    /// `refused` was set before `closed`.
    refused_before_close: bool,
    /// The reader was dropped or taken apart: nothing may be added to the queue.
    reader_gone: bool,
    writer: Option<Waker>,
    reader: Option<Waker>,
    /// The writer found no room in its last poll.
    writer_waits: bool,
    /// The threads on which the two sides were polled last, or 0.
    writer_thread: usize,
    reader_thread: usize,
}

impl<T, E> State<T, E> {
    /// Whether the two sides were last polled on different threads.
    fn on_two_threads(&self) -> bool {
        let (writer, reader) = (self.writer_thread, self.reader_thread);
        writer != 0 && reader != 0 && writer != reader
    }

    fn rejects_writes(&self) -> bool {
        self.refused || self.closed.is_some()
    }

    fn refuse(&mut self) -> Option<Waker> {
        self.refused = true;
        self.refused_before_close |= self.closed.is_none();
        self.writer.take()
    }
}

struct Shared<T, E> {
    state: Mutex<State<T, E>>,
    /// A hint: `State::closed` is set.
    closed: AtomicBool,
    /// Changes each time one side has done something that the other may wait for.
    epoch: AtomicU32,
    capacity: usize,
    /// Items in a chunk at most.
    max_chunk: usize,
    /// The capacity of memory that is used again at most.
    max_spare: usize,
    memory: Memory<T>,
}

impl<T, E> Shared<T, E> {
    fn lock(&self) -> MutexGuard<'_, State<T, E>> {
        // No code that could panic leaves the state half changed: invariant 1.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Called under the lock only, so a load and a store are enough.
    fn advance_epoch(&self, _: &mut State<T, E>) -> u32 {
        let epoch = self.epoch.load(Ordering::Relaxed).wrapping_add(1);
        self.epoch.store(epoch, Ordering::Release);
        epoch
    }

    /// Gives the spare memory back if nothing is queued and no write waits for room: invariant 8.
    fn release_idle_buffers(&self, state: &mut State<T, E>) {
        if state.chunks.is_empty() && !state.writer_waits {
            (self.memory.give)(&mut state.spares);
        }
    }

    /// How many items may still be written: invariant 2.
    fn room(&self, state: &State<T, E>) -> usize {
        self.capacity.saturating_sub(state.queued + state.taken)
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Registers the waker of this poll. The caller drops the replaced one after the unlock: it may own a task whose drop
/// takes the lock.
fn register(slot: &mut Option<Waker>, cx: &Context<'_>) -> Option<Waker> {
    match slot {
        Some(waker) if waker.will_wake(cx.waker()) => None,
        _ => slot.replace(cx.waker().clone()),
    }
}

/// A hand-over of items. Both sides together hold at most `capacity` items; a capacity below 2 counts as 2.
pub(crate) fn handoff<T, E: From<EndReason>>(capacity: usize) -> (Writer<T, E>, Reader<T, E>) {
    with_memory(capacity, usize::MAX, Memory::PLAIN)
}

/// A hand-over of bytes that the reader copies out.
pub(crate) fn byte_handoff<E: From<EndReason>>(capacity: usize) -> (Writer<u8, E>, Reader<u8, E>) {
    // Pooled buffers have the length of a full chunk: with a small capacity they would exceed it by far.
    let shared = capacity / 2 >= CHUNK;
    with_memory(capacity, CHUNK, if shared { Memory::SHARED } else { Memory::PLAIN })
}

/// A hand-over of bytes whose reader keeps the chunks.
#[cfg(feature = "http-body")]
pub(crate) fn chunk_handoff<E: From<EndReason>>(capacity: usize) -> (Writer<u8, E>, Reader<u8, E>) {
    with_memory(capacity, CHUNK, Memory::PLAIN)
}

fn with_memory<T, E: From<EndReason>>(
    capacity: usize,
    max_chunk: usize,
    memory: Memory<T>,
) -> (Writer<T, E>, Reader<T, E>) {
    let capacity = capacity.max(2);
    let state = State {
        chunks: VecDeque::new(),
        queued: 0,
        taken: 0,
        spares: Vec::new(),
        closed: None,
        refused: false,
        refused_before_close: false,
        reader_gone: false,
        writer: None,
        reader: None,
        writer_waits: false,
        writer_thread: 0,
        reader_thread: 0,
    };
    // At least two chunks, so that one is filled while another is read.
    let max_chunk = max_chunk.min(capacity / 2);
    let shared = Arc::new(Shared {
        state: Mutex::new(state),
        closed: AtomicBool::new(false),
        epoch: AtomicU32::new(0),
        capacity,
        max_chunk,
        max_spare: max_chunk.max(memory.min_reused),
        memory,
    });
    (Writer::new(shared.clone()), Reader::new(shared))
}
