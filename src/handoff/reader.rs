use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use super::patience::{Patience, here};
use super::{Shared, register, wake};

/// The end that is read from. Dropping it tells the writer, and wakes it.
pub(crate) struct Reader<T, E> {
    shared: Arc<Shared<T, E>>,
    chunk: VecDeque<T>,
    patience: Patience,
}

impl<T, E> Reader<T, E> {
    pub(super) fn new(shared: Arc<Shared<T, E>>) -> Self {
        Self { shared, chunk: VecDeque::new(), patience: Patience::new() }
    }

    /// Waits for items, of which there is at least one; none are there at the end. The error comes once, after all items.
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
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.chunk.is_empty() {
            return Poll::Ready(());
        }
        let Self { shared, chunk, patience } = self;
        let mut looked = false;
        loop {
            let mut state = shared.lock();
            state.reader_at = here();
            // What was read makes room.
            let writer = match mem::take(&mut state.lent) {
                0 => None,
                _ => state.writer.take(),
            };
            let turn = shared.turn(&mut state);
            if let Some(next) = state.chunks.pop_front() {
                state.waiting -= next.len();
                state.lent = next.len();
                let read = Vec::from(mem::replace(chunk, next.into()));
                if read.capacity() > 0 {
                    state.spares.push(read);
                }
                drop(state);
                wake(writer);
                return Poll::Ready(());
            }
            if state.closed.is_some() {
                shared.rest(&mut state);
                drop(state);
                drop(writer);
                *chunk = VecDeque::new();
                return Poll::Ready(());
            }
            if !looked && state.is_apart() {
                looked = true;
                drop(state);
                wake(writer);
                patience.wait(&shared.turn, turn);
                continue;
            }
            let stale = register(&mut state.reader, cx);
            // An idle hand-over holds no memory.
            if chunk.capacity() > 0 {
                state.spares.push(mem::take(chunk).into());
            }
            shared.rest(&mut state);
            drop(state);
            drop(stale);
            wake(writer);
            return Poll::Pending;
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

    /// What was written and is not read.
    pub(crate) fn into_unread(mut self) -> Vec<T> {
        let mut unread = Vec::from(mem::take(&mut self.chunk));
        let rest = mem::take(&mut self.shared.lock().chunks);
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
        let spare = mem::take(&mut state.spares);
        let stale = state.reader.take();
        self.shared.turn(&mut state);
        drop(state);
        wake(waiting);
        drop((unread, spare, stale));
    }
}

impl<T, E> fmt::Debug for Reader<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}
