use std::fmt;
use std::mem;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::task::{Context, Poll, ready};

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

    fn poll_locked<'a>(
        shared: &'a Shared<T, E>,
        patience: &mut Patience,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Room<'a, T, E>, ReaderGone>> {
        let mut looked = false;
        loop {
            let mut state = shared.lock();
            state.writer_at = here();
            if state.is_shut() {
                return Poll::Ready(Err(ReaderGone));
            }
            let room = shared.room(&state);
            if room > 0 {
                return Poll::Ready(Ok((state, room)));
            }
            if !looked && ![0, state.writer_at].contains(&state.reader_at) {
                looked = true;
                let turn = shared.turn.load(Ordering::Relaxed);
                drop(state);
                patience.wait(&shared.turn, turn);
                continue;
            }
            let stale = register(&mut state.writer, cx);
            drop(state);
            drop(stale);
            return Poll::Pending;
        }
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
        // What does not fit into the last chunk goes into one of its own, and the reader gets this one.
        let most = shared.chunk;
        let fits = most.saturating_sub(wanted.min(room).min(most));
        let (items, room) = match state.chunks.pop_back_if(|last| last.len() <= fits) {
            Some(last) => {
                let left = most - last.len();
                (last, room.min(left))
            }
            None => (state.spares.pop().unwrap_or_default(), room.min(most)),
        };
        drop(state);
        let items = if items.capacity() == 0 { (shared.memory.take)() } else { items };
        let before = items.len();
        let mut filling = Filling { shared, items, before };
        Poll::Ready(Ok(fill(&mut filling.items, room)))
    }

    /// Waits for room.
    pub(crate) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ReaderGone>> {
        Self::poll_locked(&self.shared, &mut self.patience, cx).map_ok(|_| ())
    }

    /// Appends one item, if there is room for it.
    pub(crate) fn push(&mut self, item: T) -> Result<(), T> {
        let mut state = self.shared.lock();
        if state.is_shut() || self.shared.room(&state) == 0 {
            return Err(item);
        }
        match state.chunks.back_mut().filter(|last| last.len() < self.shared.chunk) {
            Some(last) => last.push(item),
            None => {
                let mut chunk = state.spares.pop().unwrap_or_default();
                chunk.push(item);
                state.chunks.push_back(chunk);
            }
        }
        state.waiting += 1;
        let waiting = state.reader.take();
        self.shared.turn(&mut state);
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

/// Makes room for so many more bytes: by doubling, and never for more than `most`.
fn reserve(buffer: &mut Vec<u8>, more: usize, most: usize) {
    let needed = buffer.len() + more;
    if needed > buffer.capacity() {
        let target = needed.max((2 * buffer.capacity()).min(most));
        buffer.reserve_exact(target - buffer.len());
    }
}

impl<E> Writer<u8, E> {
    /// Waits for room, and copies what there is room for.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize, ReaderGone>> {
        let most = self.shared.chunk;
        self.poll_fill(cx, bytes.len(), |buffer, room| {
            let n = room.min(bytes.len());
            reserve(buffer, n, most);
            buffer.extend_from_slice(&bytes[..n]);
            n
        })
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

/// A chunk while it is filled, outside of the lock. It goes back when this is dropped, a panic of `fill` included.
struct Filling<'a, T, E> {
    shared: &'a Shared<T, E>,
    items: Vec<T>,
    /// So many were in it already.
    before: usize,
}

impl<T, E> Drop for Filling<'_, T, E> {
    fn drop(&mut self) {
        let items = mem::take(&mut self.items);
        let mut state = self.shared.lock();
        if state.reader_gone {
            drop(state);
            return;
        }
        if items.is_empty() {
            state.spares.push(items);
            return;
        }
        state.waiting += items.len() - self.before;
        state.chunks.push_back(items);
        let waiting = state.reader.take();
        self.shared.turn(&mut state);
        drop(state);
        wake(waiting);
    }
}
