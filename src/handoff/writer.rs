use std::fmt;
use std::mem;
use std::task::{Context, Poll, Waker, ready};

use super::memory::LARGE;
use super::spin::SpinBudget;
use super::{Shared, State, register, wake};
use crate::EndReason;
use crate::sync::atomic::Ordering;
use crate::sync::{Arc, MutexGuard, thread_id};

/// The reader refuses writes or was dropped, or the writer was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReaderGone;

/// The writing side. Only [`close`](Self::close) with `Ok` is the end of the data; dropping it shows the reader a cut.
pub(crate) struct Writer<T, E: From<EndReason>> {
    shared: Arc<Shared<T, E>>,
    spin: SpinBudget,
    /// What a fill appended for a reader that was gone afterwards.
    unsent: Vec<T>,
}

/// The locked state, and how many items there is room for.
type Room<'a, T, E> = (MutexGuard<'a, State<T, E>>, usize);

impl<T, E: From<EndReason>> Writer<T, E> {
    pub(super) fn new(shared: Arc<Shared<T, E>>) -> Self {
        Self { shared, spin: SpinBudget::new(), unsent: Vec::new() }
    }

    #[inline]
    fn poll_room_locked<'a>(
        shared: &'a Shared<T, E>,
        spin: &mut SpinBudget,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Room<'a, T, E>, ReaderGone>> {
        let mut state = shared.lock();
        state.writer_thread = thread_id();
        let room = shared.room(&state);
        state.writer_waits = room == 0;
        if room > 0 && !state.rejects_writes() {
            return Poll::Ready(Ok((state, room)));
        }
        Self::poll_wait(shared, spin, state, cx)
    }

    /// No room, or no reader: spins if the reader is on another thread, then parks.
    #[inline(never)]
    fn poll_wait<'a>(
        shared: &'a Shared<T, E>,
        spin: &mut SpinBudget,
        mut state: MutexGuard<'a, State<T, E>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Room<'a, T, E>, ReaderGone>> {
        if !state.rejects_writes() && state.on_two_threads() {
            let epoch = shared.epoch.load(Ordering::Relaxed);
            drop(state);
            spin.wait(&shared.epoch, epoch);
            state = shared.lock();
        }
        if state.rejects_writes() {
            return Poll::Ready(Err(ReaderGone));
        }
        let room = shared.room(&state);
        state.writer_waits = room == 0;
        if room > 0 {
            return Poll::Ready(Ok((state, room)));
        }
        let stale = register(&mut state.writer, cx);
        drop(state);
        drop(stale);
        Poll::Pending
    }

    /// Waits for room, and calls `fill` with a chunk and the number of items that it may append. `wanted` is how many
    /// it has.
    ///
    /// If the reader goes away meanwhile, what `fill` has appended is [unsent](Self::take_unsent).
    pub(crate) fn poll_fill<R>(
        &mut self,
        cx: &mut Context<'_>,
        wanted: usize,
        fill: impl FnOnce(&mut Vec<T>, usize) -> R,
    ) -> Poll<Result<R, ReaderGone>> {
        let Self { shared, spin, unsent } = self;
        let (mut state, room) = ready!(Self::poll_room_locked(shared, spin, cx))?;
        // Invariant 5: into memory of its own, which `put` then appends to the queue.
        let left =
            state.chunks.back().map_or(0, |last| shared.max_chunk.saturating_sub(last.len()));
        let room = room.min(if left == 0 { shared.max_chunk } else { left });
        let chunk = shared.empty_chunk(&mut state, wanted.min(room), room);
        drop(state);
        let mut filling = Filling { shared, chunk, unsent };
        let answer = fill(&mut filling.chunk, room);
        Poll::Ready(if filling.put() { Ok(answer) } else { Err(ReaderGone) })
    }

    /// What was taken by a fill that ended in [`ReaderGone`]; nobody else has it.
    pub(crate) fn take_unsent(&mut self) -> Vec<T> {
        mem::take(&mut self.unsent)
    }

    /// Waits for room.
    pub(crate) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ReaderGone>> {
        let Self { shared, spin, .. } = self;
        // A write need not follow.
        Self::poll_room_locked(shared, spin, cx)
            .map_ok(|(mut state, _)| shared.release_idle_buffers(&mut state))
    }

    /// The guest cancelled the write that waited for room.
    pub(crate) fn cancelled(&self) {
        let mut state = self.shared.lock();
        state.writer_waits = false;
        self.shared.release_idle_buffers(&mut state);
    }

    /// Appends one item, if there is room for it.
    pub(crate) fn push(&mut self, item: T) -> Result<(), T> {
        let mut state = self.shared.lock();
        let room = self.shared.room(&state);
        if state.rejects_writes() || room == 0 {
            return Err(item);
        }
        let mut chunk = self.shared.open_chunk(&mut state, 1, room);
        let before = chunk.len();
        grow(&mut chunk, 1, self.shared.max_chunk);
        chunk.push(item);
        let waker = self.shared.put(&mut state, chunk, before);
        drop(state);
        wake(waker);
        Ok(())
    }

    /// Ends the hand-over. The reader gets what was written before, then `end`. Only the first call counts: invariant
    /// 6.
    pub(crate) fn close(&self, end: Result<(), E>) {
        let mut state = self.shared.lock();
        if state.closed.is_some() {
            return;
        }
        state.closed = Some(end);
        self.shared.closed.store(true, Ordering::Release);
        let waker = state.reader.take();
        // Invariant 9.
        let stale = state.writer.take();
        state.writer_waits = false;
        self.shared.release_idle_buffers(&mut state);
        self.shared.advance_epoch(&mut state);
        drop(state);
        drop(stale);
        wake(waker);
    }

    /// Whether the reader refused writes before this side was closed.
    pub(crate) fn was_left(&self) -> bool {
        self.shared.lock().refused_before_close
    }
}

/// Reserves memory for `more` items, by doubling, but not beyond `most` for the sake of doubling.
#[inline]
fn grow<T>(chunk: &mut Vec<T>, more: usize, most: usize) {
    let needed = chunk.len() + more;
    if needed > chunk.capacity() {
        let target = needed.max((2 * chunk.capacity()).max(4).min(most));
        chunk.reserve_exact(target - chunk.len());
    }
}

#[inline]
fn append(chunk: &mut Vec<u8>, bytes: &[u8], most: usize) {
    grow(chunk, bytes.len(), most);
    chunk.extend_from_slice(bytes);
}

impl<E: From<EndReason>> Writer<u8, E> {
    /// Waits for room, and copies what there is room for.
    #[inline]
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize, ReaderGone>> {
        let Self { shared, spin, .. } = self;
        let (mut state, room) = ready!(Self::poll_room_locked(shared, spin, cx))?;
        let most = shared.max_chunk;
        let n = bytes.len().min(room).min(most);
        let mut bytes = &bytes[..n];
        let mut chunk = shared.open_chunk(&mut state, n, room);
        let mut before = chunk.len();
        if n > most - before {
            let (first, rest) = bytes.split_at(most - before);
            append(&mut chunk, first, most);
            chunk = shared.replace_full(&mut state, chunk, first.len(), rest.len());
            (before, bytes) = (0, rest);
        }
        // Invariant 5: what was accepted before stays in the queue, so only an empty chunk is filled without the lock.
        if before == 0 && state.on_two_threads() {
            drop(state);
            append(&mut chunk, bytes, most);
            state = shared.lock();
            if state.reader_gone {
                drop(state);
                // The first part, if there was one, was in the queue by then.
                let first = n - bytes.len();
                return Poll::Ready(if first > 0 { Ok(first) } else { Err(ReaderGone) });
            }
        } else {
            // On one thread nobody waits for the lock; else the copy is bounded by a chunk.
            append(&mut chunk, bytes, most);
        }
        let waker = shared.put(&mut state, chunk, before);
        drop(state);
        wake(waker);
        Poll::Ready(Ok(n))
    }
}

impl<T, E: From<EndReason>> Drop for Writer<T, E> {
    fn drop(&mut self) {
        self.close(Err(EndReason::Abandoned.into()));
    }
}

impl<T, E: From<EndReason>> fmt::Debug for Writer<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl<T, E> Shared<T, E> {
    /// The chunk to append to: the last one, as long as it is not full. It is out of the queue until it is
    /// [`put`](Self::put) back, under the same lock unless it is empty.
    #[inline]
    fn open_chunk(&self, state: &mut State<T, E>, wanted: usize, room: usize) -> Vec<T> {
        match state.chunks.pop_back_if(|last| last.len() < self.max_chunk) {
            Some(last) => last,
            None => self.empty_chunk(state, wanted, room),
        }
    }

    /// An empty chunk for `wanted` items; at most `room` can be written before something is read.
    #[inline]
    fn empty_chunk(&self, state: &mut State<T, E>, wanted: usize, room: usize) -> Vec<T> {
        let min_reused = if wanted < LARGE { 0 } else { self.memory.min_reused };
        match state.spares.pop() {
            Some(memory) if memory.capacity() >= min_reused => memory,
            _ => (self.memory.take)(&mut state.spares, wanted, room),
        }
    }

    /// Puts a chunk in the queue that `more` items have filled, and gives an empty one for `wanted` items.
    #[cold]
    fn replace_full(
        &self,
        state: &mut State<T, E>,
        full: Vec<T>,
        more: usize,
        wanted: usize,
    ) -> Vec<T> {
        state.queued += more;
        state.chunks.push_back(full);
        self.empty_chunk(state, wanted, self.room(state))
    }

    /// Puts a chunk in the queue that had `before` items. The caller wakes the reader after the unlock.
    #[inline]
    fn put(&self, state: &mut State<T, E>, chunk: Vec<T>, before: usize) -> Option<Waker> {
        if chunk.is_empty() {
            state.spares.push(chunk);
            return None;
        }
        state.queued += chunk.len() - before;
        state.chunks.push_back(chunk);
        self.advance_epoch(state);
        state.reader.take()
    }
}

/// Memory that is filled outside of the lock. When this is dropped, its contents go into the queue, also after a panic
/// of the fill.
struct Filling<'a, T, E> {
    shared: &'a Shared<T, E>,
    chunk: Vec<T>,
    unsent: &'a mut Vec<T>,
}

impl<T, E> Filling<'_, T, E> {
    /// Puts the contents into the queue, or into `unsent`: invariant 5. Whether there is a reader.
    fn put(&mut self) -> bool {
        let Self { shared, chunk, unsent } = self;
        let mut chunk = mem::take(chunk);
        if chunk.capacity() > shared.max_spare {
            chunk.shrink_to(shared.max_spare);
        }
        let mut state = shared.lock();
        if state.reader_gone {
            drop(state);
            **unsent = chunk;
            return false;
        }
        let added = chunk.len();
        let waker = match state.chunks.back_mut() {
            // There is room in it: since then only the reader can have changed the queue.
            Some(last) if added > 0 && last.len() < shared.max_chunk => {
                grow(last, added, shared.max_chunk);
                last.append(&mut chunk);
                state.spares.push(chunk);
                state.queued += added;
                shared.advance_epoch(&mut state);
                state.reader.take()
            }
            _ => shared.put(&mut state, chunk, 0),
        };
        drop(state);
        wake(waker);
        true
    }
}

impl<T, E> Drop for Filling<'_, T, E> {
    fn drop(&mut self) {
        if !self.chunk.is_empty() {
            self.put();
        }
    }
}
