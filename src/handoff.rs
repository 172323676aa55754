//! A bounded hand-over from one task to another: what stands between a stream and a host object on the other side of it.
//!
//! Whole chunks cross, not single items: the writer fills one buffer, the reader empties another, and they are swapped
//! when the reader has none left. Nothing is copied while the lock is held, so both sides run at the same time. A reader
//! that waits gives its memory back: an idle hand-over holds no buffer.

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

struct State<T, E> {
    /// What the reader takes next. It is away while the writer fills it.
    filling: Vec<T>,
    /// Set once, by the writer: no more comes. The error is gone once it was read.
    closed: Option<Result<(), E>>,
    /// Nobody takes what is written any more, though the reader may still be there.
    refused: bool,
    /// It was refused before it was closed.
    left_early: bool,
    reader_gone: bool,
    writer: Option<Waker>,
    reader: Option<Waker>,
}

impl<T, E> State<T, E> {
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
    half: usize,
}

impl<T, E> Shared<T, E> {
    fn lock(&self) -> MutexGuard<'_, State<T, E>> {
        // Nothing is run under the lock that could leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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

/// The reader is gone: nobody takes what is written any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReaderGone;

/// Both ends. They hold at most `capacity` items together, at least 2: half of them being filled, half being read.
pub(crate) fn handoff<T, E>(capacity: usize) -> (Writer<T, E>, Reader<T, E>) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            filling: Vec::new(),
            closed: None,
            refused: false,
            left_early: false,
            reader_gone: false,
            writer: None,
            reader: None,
        }),
        half: (capacity / 2).max(1),
    });
    (Writer { shared: shared.clone() }, Reader { shared, chunk: VecDeque::new() })
}

/// The end that is written to. Dropping it is the end of the data.
pub(crate) struct Writer<T, E> {
    shared: Arc<Shared<T, E>>,
}

impl<T, E> Writer<T, E> {
    /// Waits for room, and lets `fill` append to the buffer: at most as many as it is told.
    pub(crate) fn poll_fill<R>(
        &self,
        cx: &mut Context<'_>,
        fill: impl FnOnce(&mut Vec<T>, usize) -> R,
    ) -> Poll<Result<R, ReaderGone>> {
        let mut state = self.shared.lock();
        if state.is_shut() {
            return Poll::Ready(Err(ReaderGone));
        }
        let room = self.shared.half.saturating_sub(state.filling.len());
        if room == 0 {
            let stale = register(&mut state.writer, cx);
            drop(state);
            drop(stale);
            return Poll::Pending;
        }
        let mut filling = Filling { shared: &self.shared, items: mem::take(&mut state.filling) };
        drop(state);
        Poll::Ready(Ok(fill(&mut filling.items, room)))
    }

    /// Waits for room.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<(), ReaderGone>> {
        let mut state = self.shared.lock();
        if state.is_shut() {
            return Poll::Ready(Err(ReaderGone));
        }
        if state.filling.len() < self.shared.half {
            return Poll::Ready(Ok(()));
        }
        let stale = register(&mut state.writer, cx);
        drop(state);
        drop(stale);
        Poll::Pending
    }

    /// Appends one item, if there is room for it.
    pub(crate) fn push(&self, item: T) -> Result<(), T> {
        let mut state = self.shared.lock();
        if state.is_shut() || state.filling.len() >= self.shared.half {
            return Err(item);
        }
        state.filling.push(item);
        let waiting = state.reader.take();
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
        let waiting = state.reader.take();
        // Nobody writes any more: it must not keep the task of the writer in memory.
        let stale = state.writer.take();
        drop(state);
        drop(stale);
        wake(waiting);
    }

    /// Whether the reader went away before this was closed.
    pub(crate) fn was_left(&self) -> bool {
        self.shared.lock().left_early
    }
}

impl Writer<u8, ()> {
    /// How many bytes to append to a buffer of `len`, and room for just them: never more than half of the capacity.
    fn reserve(buffer: &mut Vec<u8>, more: usize, half: usize) {
        let needed = buffer.len() + more;
        if needed > buffer.capacity() {
            let target = needed.max((2 * buffer.capacity()).min(half));
            buffer.reserve_exact(target - buffer.len());
        }
    }
}

impl<E> Writer<u8, E> {
    /// Waits for room, and copies what there is room for.
    pub(crate) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize, ReaderGone>> {
        let half = self.shared.half;
        self.poll_fill(cx, |buffer, room| {
            let n = room.min(bytes.len());
            Writer::reserve(buffer, n, half);
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

/// The buffer while it is filled, outside of the lock. It goes back when this is dropped, a panic of `fill` included.
struct Filling<'a, T, E> {
    shared: &'a Shared<T, E>,
    items: Vec<T>,
}

impl<T, E> Drop for Filling<'_, T, E> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if state.reader_gone {
            return;
        }
        state.filling = mem::take(&mut self.items);
        let waiting = if state.filling.is_empty() { None } else { state.reader.take() };
        drop(state);
        wake(waiting);
    }
}

/// The end that is read from. Dropping it tells the writer, and wakes it.
pub(crate) struct Reader<T, E> {
    shared: Arc<Shared<T, E>>,
    chunk: VecDeque<T>,
}

impl<T, E> Reader<T, E> {
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
        let mut state = self.shared.lock();
        if state.filling.is_empty() {
            let spare = mem::take(&mut state.filling);
            let ended = state.closed.is_some();
            let stale = if ended { None } else { register(&mut state.reader, cx) };
            drop(state);
            drop((spare, stale));
            self.chunk = VecDeque::new();
            return if ended { Poll::Ready(()) } else { Poll::Pending };
        }
        let empty = mem::take(&mut self.chunk).into();
        let full = mem::replace(&mut state.filling, empty);
        let waiting = state.writer.take();
        drop(state);
        self.chunk = full.into();
        wake(waiting);
        Poll::Ready(())
    }

    /// Refuses what is written from now on; what was written before stays to be read.
    pub(crate) fn refuse(&self) {
        let waiting = self.shared.lock().refuse();
        wake(waiting);
    }

    /// What was written and is not read.
    pub(crate) fn into_unread(mut self) -> Vec<T> {
        let mut unread = Vec::from(mem::take(&mut self.chunk));
        let mut rest = mem::take(&mut self.shared.lock().filling);
        unread.append(&mut rest);
        unread
    }

    /// Whether all was read and the writer has closed in order.
    pub(crate) fn is_at_end(&self) -> bool {
        if !self.chunk.is_empty() {
            return false;
        }
        let state = self.shared.lock();
        state.filling.is_empty() && matches!(state.closed, Some(Ok(())))
    }
}

impl<E> Reader<u8, E> {
    /// Drops bytes from the front of the chunk.
    pub(crate) fn consume(&mut self, n: usize) {
        self.chunk.drain(..n.min(self.chunk.len()));
    }
}

impl<T, E> Drop for Reader<T, E> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.reader_gone = true;
        let waiting = state.refuse();
        let unread = mem::take(&mut state.filling);
        let stale = state.reader.take();
        drop(state);
        wake(waiting);
        drop((unread, stale));
    }
}

impl<T, E> fmt::Debug for Reader<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}
