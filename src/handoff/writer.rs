use std::fmt;
use std::mem;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::task::{Context, Poll, Waker, ready};

use super::memory::LARGE;
use super::patience::{Patience, here};
use super::{Shared, State, register, wake};

/// The reader is gone: nobody takes what is written any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReaderGone;

/// The end that is written to. Dropping it is the end of the data.
pub(crate) struct Writer<T, E> {
    shared: Arc<Shared<T, E>>,
    patience: Patience,
}

/// The state, locked, and how many items there is room for.
type Room<'a, T, E> = (MutexGuard<'a, State<T, E>>, usize);

impl<T, E> Writer<T, E> {
    pub(super) fn new(shared: Arc<Shared<T, E>>) -> Self {
        Self { shared, patience: Patience::new() }
    }

    #[inline]
    fn poll_locked<'a>(
        shared: &'a Shared<T, E>,
        patience: &mut Patience,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Room<'a, T, E>, ReaderGone>> {
        let mut state = shared.lock();
        state.writer_at = here();
        let room = shared.room(&state);
        state.writer_waits = room == 0;
        if room > 0 && !state.is_shut() {
            return Poll::Ready(Ok((state, room)));
        }
        Self::poll_wait(shared, patience, state, cx)
    }

    /// There is no room, or nobody to write for.
    #[inline(never)]
    fn poll_wait<'a>(
        shared: &'a Shared<T, E>,
        patience: &mut Patience,
        mut state: MutexGuard<'a, State<T, E>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Room<'a, T, E>, ReaderGone>> {
        if !state.is_shut() && state.is_apart() {
            let turn = shared.turn.load(Ordering::Relaxed);
            drop(state);
            patience.wait(&shared.turn, turn);
            state = shared.lock();
        }
        if state.is_shut() {
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

    /// Waits for room, and lets `fill` append to a chunk: at most as many as it is told. `wanted` is how many there are.
    pub(crate) fn poll_fill<R>(
        &mut self,
        cx: &mut Context<'_>,
        wanted: usize,
        fill: impl FnOnce(&mut Vec<T>, usize) -> R,
    ) -> Poll<Result<R, ReaderGone>> {
        let Self { shared, patience } = self;
        let (mut state, room) = ready!(Self::poll_locked(shared, patience, cx))?;
        let (chunk, room) = shared.open(&mut state, wanted, room);
        drop(state);
        let before = chunk.len();
        let mut filling = Filling { shared, chunk, before };
        Poll::Ready(Ok(fill(&mut filling.chunk, room)))
    }

    /// Waits for room.
    pub(crate) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ReaderGone>> {
        let Self { shared, patience } = self;
        // Nothing need follow.
        Self::poll_locked(shared, patience, cx).map_ok(|(mut state, _)| shared.rest(&mut state))
    }

    /// Nobody waits for room any more.
    pub(crate) fn cancelled(&self) {
        let mut state = self.shared.lock();
        state.writer_waits = false;
        self.shared.rest(&mut state);
    }

    /// Appends one item, if there is room for it.
    pub(crate) fn push(&mut self, item: T) -> Result<(), T> {
        let mut state = self.shared.lock();
        let room = self.shared.room(&state);
        if state.is_shut() || room == 0 {
            return Err(item);
        }
        let (mut chunk, _) = self.shared.open(&mut state, 1, room);
        let before = chunk.len();
        chunk.push(item);
        let waiting = self.shared.put(&mut state, chunk, before);
        drop(state);
        wake(waiting);
        Ok(())
    }

    /// Ends it: what was written before is still read, then this. Only the first call counts.
    pub(crate) fn close(&self, end: Result<(), E>) {
        let mut state = self.shared.lock();
        if state.closed.is_some() {
            return;
        }
        state.closed = Some(end);
        self.shared.closed.store(true, Ordering::Release);
        let waiting = state.reader.take();
        // Nobody writes any more: it must not keep the task of the writer in memory.
        let stale = state.writer.take();
        state.writer_waits = false;
        self.shared.rest(&mut state);
        self.shared.turn(&mut state);
        drop(state);
        drop(stale);
        wake(waiting);
    }

    /// Whether the reader went away before this was closed.
    pub(crate) fn was_left(&self) -> bool {
        self.shared.lock().left_early
    }
}

/// Appends bytes to a chunk, whose memory grows by doubling, but not beyond `most` for that.
#[inline]
fn append(chunk: &mut Vec<u8>, bytes: &[u8], most: usize) {
    let needed = chunk.len() + bytes.len();
    if needed > chunk.capacity() {
        let target = needed.max((2 * chunk.capacity()).min(most));
        chunk.reserve_exact(target - chunk.len());
    }
    chunk.extend_from_slice(bytes);
}

impl<E> Writer<u8, E> {
    /// Waits for room, and copies what there is room for.
    #[inline]
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize, ReaderGone>> {
        let Self { shared, patience } = self;
        let (mut state, room) = ready!(Self::poll_locked(shared, patience, cx))?;
        let (mut chunk, room) = shared.open(&mut state, bytes.len(), room);
        let before = chunk.len();
        let n = room.min(bytes.len());
        if state.is_apart() {
            drop(state);
            append(&mut chunk, &bytes[..n], shared.chunk);
            state = shared.lock();
        } else {
            // Nobody waits for the lock meanwhile: to take it twice would be for nothing.
            append(&mut chunk, &bytes[..n], shared.chunk);
        }
        let waiting = shared.put(&mut state, chunk, before);
        drop(state);
        wake(waiting);
        Poll::Ready(Ok(n))
    }
}

impl<T, E> Drop for Writer<T, E> {
    fn drop(&mut self) {
        self.close(Ok(()));
    }
}

impl<T, E> fmt::Debug for Writer<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl<T, E> Shared<T, E> {
    /// A chunk to append to, and for how many items; it is away from the others until it is [`put`](Self::put) back.
    #[inline]
    fn open(&self, state: &mut State<T, E>, wanted: usize, room: usize) -> (Vec<T>, usize) {
        // What does not fit into the last chunk goes into one of its own, and the reader gets this one.
        let most = self.chunk;
        let wanted = wanted.min(room).min(most);
        match state.chunks.pop_back_if(|last| last.len() <= most - wanted) {
            Some(last) => {
                let left = most - last.len();
                (last, room.min(left))
            }
            None => {
                let enough = if wanted < LARGE { 0 } else { self.memory.enough };
                let memory = match state.spares.pop() {
                    Some(memory) if memory.capacity() >= enough => memory,
                    _ => (self.memory.take)(&mut state.spares, wanted),
                };
                (memory, room.min(most))
            }
        }
    }

    /// Puts a chunk back that had so many items before, for the reader, who is to be woken.
    #[inline]
    fn put(&self, state: &mut State<T, E>, chunk: Vec<T>, before: usize) -> Option<Waker> {
        if state.reader_gone {
            return None;
        }
        if chunk.is_empty() {
            state.spares.push(chunk);
            return None;
        }
        state.waiting += chunk.len() - before;
        state.chunks.push_back(chunk);
        self.turn(state);
        state.reader.take()
    }
}

/// A chunk while it is filled, outside of the lock. It goes back when this is dropped, a panic of `fill` included.
struct Filling<'a, T, E> {
    shared: &'a Shared<T, E>,
    chunk: Vec<T>,
    /// So many were in it already.
    before: usize,
}

impl<T, E> Drop for Filling<'_, T, E> {
    fn drop(&mut self) {
        let chunk = mem::take(&mut self.chunk);
        let mut state = self.shared.lock();
        if state.reader_gone {
            // The items are dropped outside of the lock.
            drop(state);
            return;
        }
        let waiting = self.shared.put(&mut state, chunk, self.before);
        drop(state);
        wake(waiting);
    }
}
