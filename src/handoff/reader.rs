use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::task::{Context, Poll, Waker, ready};

use super::patience::{Patience, here};
use super::{Shared, State, register, wake};

/// The end that is read from. Dropping it tells the writer, and wakes it.
pub(crate) struct Reader<T, E> {
    shared: Arc<Shared<T, E>>,
    chunk: VecDeque<T>,
    patience: Patience,
}

/// What a reader that has read its chunk sees when it looks for another one.
struct Look<'a, T, E> {
    state: MutexGuard<'a, State<T, E>>,
    /// It has got another chunk.
    found: bool,
    /// Of a writer that waited for room, of which there is some now.
    writer: Option<Waker>,
    turn: u32,
}

impl<'a, T, E> Look<'a, T, E> {
    #[inline]
    fn new(shared: &'a Shared<T, E>, chunk: &mut VecDeque<T>) -> Self {
        let mut state = shared.lock();
        state.reader_at = here();
        // What was read makes room.
        let writer = match mem::take(&mut state.lent) {
            0 => None,
            _ => state.writer.take(),
        };
        let turn = shared.turn(&mut state);
        let next = state.chunks.pop_front();
        let found = next.is_some();
        if let Some(next) = next {
            state.waiting -= next.len();
            state.lent = next.len();
            let read = Vec::from(mem::replace(chunk, next.into()));
            if (1..=shared.largest).contains(&read.capacity()) {
                state.spares.push(read);
            }
        }
        Self { state, found, writer, turn }
    }

    /// Lets go of the lock.
    #[inline]
    fn done(self) {
        drop(self.state);
        wake(self.writer);
    }
}

impl<T, E> Reader<T, E> {
    pub(super) fn new(shared: Arc<Shared<T, E>>) -> Self {
        Self { shared, chunk: VecDeque::new(), patience: Patience::new() }
    }

    /// Waits for items, of which there is at least one; none are there at the end. The error comes once, after all items.
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

    /// Waits until there is an item, the end or the error.
    #[inline]
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.chunk.is_empty() {
            return Poll::Ready(());
        }
        let Self { shared, chunk, patience } = self;
        let look = Look::new(shared, chunk);
        if look.found {
            look.done();
            return Poll::Ready(());
        }
        Self::poll_wait(shared, chunk, patience, look, cx)
    }

    /// There was nothing.
    #[inline(never)]
    fn poll_wait<'a>(
        shared: &'a Shared<T, E>,
        chunk: &mut VecDeque<T>,
        patience: &mut Patience,
        mut look: Look<'a, T, E>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if look.state.closed.is_none() && look.state.is_apart() {
            let turn = look.turn;
            look.done();
            patience.wait(&shared.turn, turn);
            look = Look::new(shared, chunk);
            if look.found {
                look.done();
                return Poll::Ready(());
            }
        }
        let state = &mut look.state;
        // One that is idle or at its end holds no memory.
        if chunk.capacity() > 0 {
            state.spares.push(mem::take(chunk).into());
        }
        shared.rest(state);
        if state.closed.is_some() {
            look.done();
            return Poll::Ready(());
        }
        let stale = register(&mut state.reader, cx);
        look.done();
        drop(stale);
        Poll::Pending
    }

    /// Takes memory in exchange for that of a chunk which was taken away, unless it is longer than any chunk.
    #[inline]
    pub(crate) fn give_storage(&mut self, storage: Vec<T>) {
        if storage.capacity() <= self.shared.largest {
            self.chunk = storage.into();
        }
    }

    /// Refuses what is written from now on; what was written before stays to be read.
    pub(crate) fn refuse(&self) {
        let mut state = self.shared.lock();
        let waiting = state.refuse();
        self.shared.turn(&mut state);
        drop(state);
        wake(waiting);
    }

    /// What was written and is not read. A write that is under way on another thread comes to nothing: its writer is told.
    pub(crate) fn into_unread(mut self) -> Vec<T> {
        let mut unread = Vec::from(mem::take(&mut self.chunk));
        let mut state = self.shared.lock();
        // Invariant 5: from here on nothing is accepted.
        state.reader_gone = true;
        let waiting = state.refuse();
        let rest = mem::take(&mut state.chunks);
        state.waiting = 0;
        drop(state);
        wake(waiting);
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
        let waiting = state.refuse();
        let unread = mem::take(&mut state.chunks);
        let mut spares = mem::take(&mut state.spares);
        let stale = state.reader.take();
        self.shared.turn(&mut state);
        drop(state);
        wake(waiting);
        drop(stale);
        // The items are dropped outside of the lock.
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
