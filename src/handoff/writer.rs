use std::fmt;
use std::mem;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::task::{Context, Poll, Waker, ready};

use super::memory::LARGE;
use super::patience::{Patience, here};
use super::{Shared, State, register, wake};
use crate::EndReason;

/// The reader is gone: nobody takes what is written any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReaderGone;

/// The end that is written to. Only [`close`](Self::close) is the end of the data: dropping it shows the reader a cut.
pub(crate) struct Writer<T, E: From<EndReason>> {
    shared: Arc<Shared<T, E>>,
    patience: Patience,
    /// What a fill took for a reader that was gone when it was done.
    unsent: Vec<T>,
}

/// The state, locked, and how many items there is room for.
type Room<'a, T, E> = (MutexGuard<'a, State<T, E>>, usize);

impl<T, E: From<EndReason>> Writer<T, E> {
    pub(super) fn new(shared: Arc<Shared<T, E>>) -> Self {
        Self { shared, patience: Patience::new(), unsent: Vec::new() }
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
    ///
    /// If the reader goes away meanwhile, nobody gets what `fill` has appended: it is [unsent](Self::take_unsent).
    pub(crate) fn poll_fill<R>(
        &mut self,
        cx: &mut Context<'_>,
        wanted: usize,
        fill: impl FnOnce(&mut Vec<T>, usize) -> R,
    ) -> Poll<Result<R, ReaderGone>> {
        let Self { shared, patience, unsent } = self;
        let (mut state, room) = ready!(Self::poll_locked(shared, patience, cx))?;
        // Invariant 5: always into memory of its own, which then goes to the end of the last chunk.
        let left = state.chunks.back().map_or(0, |last| shared.chunk.saturating_sub(last.len()));
        let room = room.min(if left == 0 { shared.chunk } else { left });
        let chunk = shared.memory(&mut state, wanted.min(room), room);
        drop(state);
        let mut filling = Filling { shared, chunk, unsent };
        let answer = fill(&mut filling.chunk, room);
        Poll::Ready(if filling.put() { Ok(answer) } else { Err(ReaderGone) })
    }

    /// What was taken by a fill that came to [`ReaderGone`], and is with nobody else.
    pub(crate) fn take_unsent(&mut self) -> Vec<T> {
        mem::take(&mut self.unsent)
    }

    /// Waits for room.
    pub(crate) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ReaderGone>> {
        let Self { shared, patience, .. } = self;
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
        let mut chunk = self.shared.open(&mut state, 1, room);
        let before = chunk.len();
        grow(&mut chunk, 1, self.shared.chunk);
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

/// Makes room for so many more in a chunk, whose memory grows by doubling, but not beyond `most` for that.
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
        let Self { shared, patience, .. } = self;
        let (mut state, room) = ready!(Self::poll_locked(shared, patience, cx))?;
        let most = shared.chunk;
        let n = bytes.len().min(room).min(most);
        let mut bytes = &bytes[..n];
        let mut chunk = shared.open(&mut state, n, room);
        let mut before = chunk.len();
        if n > most - before {
            let (first, rest) = bytes.split_at(most - before);
            append(&mut chunk, first, most);
            chunk = shared.next(&mut state, chunk, first.len(), rest.len());
            (before, bytes) = (0, rest);
        }
        // Invariant 5: what was accepted before stays in the queue, so only a chunk of its own is filled without the lock.
        if before == 0 && state.is_apart() {
            drop(state);
            append(&mut chunk, bytes, most);
            state = shared.lock();
            if state.reader_gone {
                drop(state);
                // The first part, if there was one, was still handed over.
                let first = n - bytes.len();
                return Poll::Ready(if first > 0 { Ok(first) } else { Err(ReaderGone) });
            }
        } else {
            // Nobody waits for the lock meanwhile, or not for longer than a copy takes.
            append(&mut chunk, bytes, most);
        }
        let waiting = shared.put(&mut state, chunk, before);
        drop(state);
        wake(waiting);
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
    /// The chunk to append to: the last one, as long as it is not full. It is away from the others, under the lock, until it is
    /// [`put`](Self::put) back.
    #[inline]
    fn open(&self, state: &mut State<T, E>, wanted: usize, room: usize) -> Vec<T> {
        match state.chunks.pop_back_if(|last| last.len() < self.chunk) {
            Some(last) => last,
            None => self.memory(state, wanted, room),
        }
    }

    /// An empty chunk for so many items, of which no more than `room` can follow.
    #[inline]
    fn memory(&self, state: &mut State<T, E>, wanted: usize, room: usize) -> Vec<T> {
        let enough = if wanted < LARGE { 0 } else { self.memory.enough };
        match state.spares.pop() {
            Some(memory) if memory.capacity() >= enough => memory,
            _ => (self.memory.take)(&mut state.spares, wanted, room),
        }
    }

    /// Puts a chunk back that is full now, by so many items more, and gives the next one, for `wanted` items.
    #[cold]
    fn next(&self, state: &mut State<T, E>, full: Vec<T>, more: usize, wanted: usize) -> Vec<T> {
        state.waiting += more;
        state.chunks.push_back(full);
        self.memory(state, wanted, self.room(state))
    }

    /// Puts a chunk back that had so many items before, for the reader, who is to be woken.
    #[inline]
    fn put(&self, state: &mut State<T, E>, chunk: Vec<T>, before: usize) -> Option<Waker> {
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

/// Memory while it is filled, outside of the lock. What is in there goes to the reader when this is dropped, a panic of the
/// fill included.
struct Filling<'a, T, E> {
    shared: &'a Shared<T, E>,
    chunk: Vec<T>,
    unsent: &'a mut Vec<T>,
}

impl<T, E> Filling<'_, T, E> {
    /// Whether there is a reader to give it to.
    fn put(&mut self) -> bool {
        let Self { shared, chunk, unsent } = self;
        let mut chunk = mem::take(chunk);
        if chunk.capacity() > shared.largest {
            chunk.shrink_to(shared.largest);
        }
        let mut state = shared.lock();
        if state.reader_gone {
            drop(state);
            **unsent = chunk;
            return false;
        }
        let added = chunk.len();
        let waiting = match state.chunks.back_mut() {
            // There is room in there, for only the reader has changed anything since.
            Some(last) if added > 0 && last.len() < shared.chunk => {
                grow(last, added, shared.chunk);
                last.append(&mut chunk);
                state.spares.push(chunk);
                state.waiting += added;
                shared.turn(&mut state);
                state.reader.take()
            }
            _ => shared.put(&mut state, chunk, 0),
        };
        drop(state);
        wake(waiting);
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
