//! Memory of chunks, which is used again while a hand-over is at work, and given back while it is not.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// How long a chunk becomes, in bytes.
pub(super) const CHUNK: usize = 64 * 1024;

/// The memory of a whole chunk: a little longer.
///
/// A copy is up to a third slower where its destination stands a little behind its source modulo the size of a page, and
/// blocks whose length is a number of pages stand so when they were allocated one after the other.
const FULL: usize = CHUNK + 1024;

/// Memory for whichever hand-over needs some next: at most 1 MiB in the whole process.
static SPARE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
const SPARES: usize = 15;

/// So much is taken at a time, as far as there is some.
const BATCH: usize = 4;

/// What is smaller is as quickly allocated.
const LARGE: usize = CHUNK / 4;

/// Where chunks get their memory from, and where that goes when a reader waits.
#[derive(Clone, Copy)]
pub(super) struct Memory<T> {
    /// Memory for so many items, of the spares if there are any.
    pub(super) take: fn(&mut Vec<Vec<T>>, usize) -> Vec<T>,
    pub(super) give: fn(&mut Vec<Vec<T>>),
}

impl<T> Memory<T> {
    /// That of the allocator.
    pub(super) const PLAIN: Self =
        Self { take: |spares, _| spares.pop().unwrap_or_default(), give: Vec::clear };
}

impl Memory<u8> {
    /// That of other hand-overs whose chunks are as long.
    pub(super) const SHARED: Self = Self { take, give };
}

fn spare() -> MutexGuard<'static, Vec<Vec<u8>>> {
    SPARE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take(spares: &mut Vec<Vec<u8>>, wanted: usize) -> Vec<u8> {
    if let Some(memory) = spares.pop()
        && (wanted < LARGE || memory.capacity() >= FULL)
    {
        return memory;
    }
    if wanted < LARGE {
        return Vec::new();
    }
    let mut spare = spare();
    let left = spare.len().saturating_sub(BATCH);
    spares.extend(spare.drain(left..));
    drop(spare);
    spares.pop().unwrap_or_else(|| Vec::with_capacity(FULL))
}

fn give(spares: &mut Vec<Vec<u8>>) {
    if !spares.is_empty() {
        let mut spare = spare();
        let room = SPARES.saturating_sub(spare.len());
        spare.extend(spares.drain(..).filter(|memory| memory.capacity() == FULL).take(room));
    }
}
