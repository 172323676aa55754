use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::task::{Context, Poll, Waker, ready};

use super::spin::SpinBudget;
use super::{Shared, State, register, wake};
use crate::sync::atomic::Ordering;
use crate::sync::{Arc, MutexGuard, thread_id};

/// The reading side. Dropping it refuses further writes, and wakes the writer.
pub(crate) struct Reader<T, E> {
    shared: Arc<Shared<T, E>>,
    /// Taken from the queue, and read without the lock.
    chunk: VecDeque<T>,
    spin: SpinBudget,
}

/// The locked state after a reader has read its chunk and asked for the next one.
struct NextChunk<'a, T, E> {
    state: MutexGuard<'a, State<T, E>>,
    /// There was one.
    found: bool,
    /// Of a writer that waited for the room that the read chunk leaves.
    writer: Option<Waker>,
    epoch: u32,
}

impl<'a, T, E> NextChunk<'a, T, E> {
    #[inline]
    fn new(shared: &'a Shared<T, E>, chunk: &mut VecDeque<T>) -> Self {
        let mut state = shared.lock();
        state.reader_thread = thread_id();
        // Invariant 4: the chunk was read, so there is room.
        let writer = match mem::take(&mut state.taken) {
            0 => None,
            _ => state.writer.take(),
        };
        let epoch = shared.advance_epoch(&mut state);
        let next = state.chunks.pop_front();
        let found = next.is_some();
        if let Some(next) = next {
            state.queued -= next.len();
            state.taken = next.len();
            let read = Vec::from(mem::replace(chunk, next.into()));
            if (1..=shared.max_spare).contains(&read.capacity()) {
                state.spares.push(read);
            }
        }
        Self { state, found, writer, epoch }
    }

    /// Unlocks, then wakes the writer: invariant 1.
    #[inline]
    fn unlock(self) {
        drop(self.state);
        wake(self.writer);
    }
}

impl<T, E> Reader<T, E> {
    pub(super) fn new(shared: Arc<Shared<T, E>>) -> Self {
        Self { shared, chunk: VecDeque::new(), spin: SpinBudget::new() }
    }

    /// Waits for items. At the end the chunk is empty. The error comes once, after all items.
    #[inline]
    pub(crate) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<&mut VecDeque<T>, E>> {
        ready!(self.poll_ready(cx));
        if self.chunk.is_empty()
            && let Some(Err(error)) = self.shared.lock().closed.replace(Ok(()))
        {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(&mut self.chunk))
    }

    /// Waits for an item, the end or the error.
    #[inline]
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.chunk.is_empty() {
            return Poll::Ready(());
        }
        let Self { shared, chunk, spin } = self;
        let next = NextChunk::new(shared, chunk);
        if next.found {
            next.unlock();
            return Poll::Ready(());
        }
        Self::poll_wait(shared, chunk, spin, next, cx)
    }

    /// The queue was empty: spins if the writer is on another thread, then parks.
    #[inline(never)]
    fn poll_wait<'a>(
        shared: &'a Shared<T, E>,
        chunk: &mut VecDeque<T>,
        spin: &mut SpinBudget,
        mut next: NextChunk<'a, T, E>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if next.state.closed.is_none() && next.state.on_two_threads() {
            let epoch = next.epoch;
            next.unlock();
            spin.wait(&shared.epoch, epoch);
            next = NextChunk::new(shared, chunk);
            if next.found {
                next.unlock();
                return Poll::Ready(());
            }
        }
        let state = &mut next.state;
        // Invariant 8: an idle hand-over holds no memory.
        if chunk.capacity() > 0 {
            state.spares.push(mem::take(chunk).into());
        }
        shared.release_idle_buffers(state);
        if state.closed.is_some() {
            next.unlock();
            return Poll::Ready(());
        }
        let stale = register(&mut state.reader, cx);
        next.unlock();
        drop(stale);
        Poll::Pending
    }

    /// Takes memory in exchange for a chunk that was moved out, unless it is longer than any chunk.
    #[inline]
    pub(crate) fn give_storage(&mut self, storage: Vec<T>) {
        if storage.capacity() <= self.shared.max_spare {
            self.chunk = storage.into();
        }
    }

    /// Refuses further writes: invariant 7. What was written before can still be read.
    pub(crate) fn refuse(&self) {
        let mut state = self.shared.lock();
        let waker = state.refuse();
        self.shared.advance_epoch(&mut state);
        drop(state);
        wake(waker);
    }

    /// What was written and not read. A write that is under way on another thread fails: invariant 5.
    pub(crate) fn into_unread(mut self) -> Vec<T> {
        let mut unread = Vec::from(mem::take(&mut self.chunk));
        let mut state = self.shared.lock();
        // Invariant 5: nothing is accepted any more.
        state.reader_gone = true;
        let waker = state.refuse();
        let rest = mem::take(&mut state.chunks);
        state.queued = 0;
        drop(state);
        wake(waker);
        unread.extend(rest.into_iter().flatten());
        unread
    }

    /// Whether all was read and the writer has closed in order.
    pub(crate) fn is_at_end(&self) -> bool {
        if !self.chunk.is_empty() || !self.shared.closed.load(Ordering::Acquire) {
            return false;
        }
        let state = self.shared.lock();
        state.chunks.is_empty() && matches!(state.closed, Some(Ok(())))
    }
}

impl<E> Reader<u8, E> {
    /// Drops bytes from the front of the chunk.
    pub(crate) fn consume(&mut self, n: usize) {
        if n < self.chunk.len() {
            self.chunk.drain(..n);
        } else {
            self.chunk.clear();
        }
    }
}

impl<T, E> Drop for Reader<T, E> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.reader_gone = true;
        let waker = state.refuse();
        let unread = mem::take(&mut state.chunks);
        let mut spares = mem::take(&mut state.spares);
        let stale = state.reader.take();
        self.shared.advance_epoch(&mut state);
        drop(state);
        wake(waker);
        drop(stale);
        // Items are dropped outside of the lock: invariant 1.
        for mut chunk in unread.into_iter().chain([mem::take(&mut self.chunk).into()]) {
            chunk.clear();
            spares.push(chunk);
        }
        (self.shared.memory.give)(&mut spares);
    }
}

impl<T, E> fmt::Debug for Reader<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}
