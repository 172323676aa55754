//! A bounded hand-over from one task to another: what stands between a stream and a host object on the other side of it.
//!
//! Whole chunks cross, not single items: the writer fills one, the reader empties another, and the lock is taken only to
//! pass one on. Nothing is copied while it is held, so both sides run at the same time. A reader that waits gives its
//! memory back: an idle hand-over holds no buffer.
//!
//! Where the two sides are on two threads, who finds nothing to do looks again for a moment before it sleeps.

mod memory;
mod patience;

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use self::memory::{CHUNK, Memory};
use self::patience::{Patience, here};

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
    /// The threads on which the two sides were last, or 0.
    writer_at: usize,
    reader_at: usize,
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
    /// Looked at without the lock.
    closed: AtomicBool,
    /// Another number each time one side has done something that the other may wait for.
    turn: AtomicU32,
    capacity: usize,
    /// How many items a chunk has at most.
    chunk: usize,
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

/// The reader is gone: nobody takes what is written any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReaderGone;

/// Both ends. They hold at most `capacity` items together, at least 2.
pub(crate) fn handoff<T, E>(capacity: usize) -> (Writer<T, E>, Reader<T, E>) {
    with_memory(capacity, Memory::PLAIN)
}

/// The same for bytes.
pub(crate) fn byte_handoff<E>(capacity: usize) -> (Writer<u8, E>, Reader<u8, E>) {
    with_memory(capacity, Memory::SHARED)
}

fn with_memory<T, E>(capacity: usize, memory: Memory<T>) -> (Writer<T, E>, Reader<T, E>) {
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
        writer_at: 0,
        reader_at: 0,
    };
    let shared = Arc::new(Shared {
        state: Mutex::new(state),
        closed: AtomicBool::new(false),
        turn: AtomicU32::new(0),
        capacity,
        // Two at least, so that one is filled while another is read.
        chunk: (CHUNK / size_of::<T>().max(1)).clamp(1, capacity / 2),
        memory,
    });
    let writer = Writer { shared: shared.clone(), patience: Patience::new() };
    (writer, Reader { shared, chunk: VecDeque::new(), patience: Patience::new() })
}

/// The end that is written to. Dropping it is the end of the data.
pub(crate) struct Writer<T, E> {
    shared: Arc<Shared<T, E>>,
    patience: Patience,
}

/// The state, locked, and how many items there is room for.
type Room<'a, T, E> = (MutexGuard<'a, State<T, E>>, usize);

impl<T, E> Writer<T, E> {
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
            drop(state);
            (self.shared.memory.give)(vec![items]);
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

/// The end that is read from. Dropping it tells the writer, and wakes it.
pub(crate) struct Reader<T, E> {
    shared: Arc<Shared<T, E>>,
    chunk: VecDeque<T>,
    patience: Patience,
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
                drop(state);
                drop(writer);
                *chunk = VecDeque::new();
                return Poll::Ready(());
            }
            if !looked && ![0, state.reader_at].contains(&state.writer_at) {
                looked = true;
                drop(state);
                wake(writer);
                patience.wait(&shared.turn, turn);
                continue;
            }
            let stale = register(&mut state.reader, cx);
            let mut spares = mem::take(&mut state.spares);
            drop(state);
            drop(stale);
            wake(writer);
            // An idle hand-over holds no memory.
            if chunk.capacity() > 0 {
                spares.push(mem::take(chunk).into());
            }
            (shared.memory.give)(spares);
            return Poll::Pending;
        }
    }

    /// For whoever knows before this reader does that nobody reads any more.
    pub(crate) fn refusal(&self) -> Refusal<T, E> {
        Refusal(self.shared.clone())
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
        self.chunk.drain(..n.min(self.chunk.len()));
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

/// Refuses what is written from the moment on when it is dropped; the reader keeps what was written before.
pub(crate) struct Refusal<T, E>(Arc<Shared<T, E>>);

impl<T, E> Drop for Refusal<T, E> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        let waiting = state.refuse();
        self.0.turn(&mut state);
        drop(state);
        wake(waiting);
    }
}

impl<T, E> fmt::Debug for Reader<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}
