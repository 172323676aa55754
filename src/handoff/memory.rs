//! Memory of chunks: used again while a hand-over moves data, given back while it is idle.

use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The length of a full chunk, in bytes.
pub(super) const CHUNK: usize = 64 * 1024;

/// The capacity of pooled memory: longer than a chunk, so that two allocations in a row do not begin at the same offset
/// in a page.
const FULL: usize = CHUNK + 1024;

/// The offset in a page at which a chunk should begin.
///
/// A copy is up to a third slower where its destination begins up to 64 bytes after its source, modulo the page size.
/// Large buffers of guests and hosts mostly begin near the start of a page.
const PREFERRED: RangeInclusive<usize> = 512..=3584;
const PAGE: usize = 4096;

/// Allocations tried to get that offset.
const TRIES: usize = 8;

/// Buffers for whichever hand-over needs one next: at most 1 MiB in the whole process.
///
/// A hand-over locks it under its own lock. Under this one buffers are only moved, or freed: it is never held for long,
/// and nothing else is locked.
static POOL: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
const POOL_MAX: usize = 15;

/// Buffers taken from the pool at once.
const POOL_BATCH: usize = 4;

/// Below this length an allocation is as fast as the pool.
pub(super) const LARGE: usize = CHUNK / 4;

/// Where the memory of chunks comes from, and where it goes while a hand-over is idle.
#[derive(Clone, Copy)]
pub(super) struct Memory<T> {
    /// The least capacity of a spare that is used for [`LARGE`] items or more; for fewer, any spare is used.
    pub(super) min_reused: usize,
    /// `(spares, wanted, room)`: memory for `wanted` items, where no spare will do. At most `room` can be written
    /// before something is read.
    pub(super) take: fn(&mut Vec<Vec<T>>, usize, usize) -> Vec<T>,
    /// Takes the spares back.
    pub(super) give: fn(&mut Vec<Vec<T>>),
}

impl<T> Memory<T> {
    /// From the allocator, and back to it.
    pub(super) const PLAIN: Self =
        Self { min_reused: 0, take: |_, _, _| Vec::new(), give: Vec::clear };
}

impl Memory<u8> {
    /// From the pool of all hand-overs with chunks of that length.
    pub(super) const SHARED: Self = Self { min_reused: FULL, take, give };
}

fn pool() -> MutexGuard<'static, Vec<Vec<u8>>> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take(spares: &mut Vec<Vec<u8>>, wanted: usize, room: usize) -> Vec<u8> {
    if wanted < LARGE {
        return Vec::new();
    }
    // Rule "Bounded memory": no more than can be filled.
    let batch = room.div_ceil(CHUNK).min(POOL_BATCH);
    let mut pool = pool();
    let left = pool.len().saturating_sub(batch);
    spares.extend(pool.drain(left..));
    drop(pool);
    spares.pop().unwrap_or_else(allocate)
}

fn allocate() -> Vec<u8> {
    // Kept until the end, or the allocator would offer the same memory again.
    let mut others = Vec::new();
    loop {
        let memory: Vec<u8> = Vec::with_capacity(FULL);
        if others.len() + 1 == TRIES || PREFERRED.contains(&(memory.as_ptr().addr() % PAGE)) {
            return memory;
        }
        others.push(memory);
    }
}

fn give(spares: &mut Vec<Vec<u8>>) {
    if !spares.is_empty() {
        let mut pool = pool();
        let room = POOL_MAX.saturating_sub(pool.len());
        pool.extend(spares.drain(..).filter(|memory| memory.capacity() == FULL).take(room));
    }
}
