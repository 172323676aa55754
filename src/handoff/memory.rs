//! Memory of chunks, which is used again while a hand-over is at work, and given back while it is not.

use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How long a chunk becomes, in bytes.
pub(super) const CHUNK: usize = 64 * 1024;

/// The memory of a whole chunk: a little longer, so that two which are allocated one after the other do not begin at the
/// same place in a page.
const FULL: usize = CHUNK + 1024;

/// Where in a page a chunk should begin.
///
/// A copy is up to a third slower where its destination begins up to 64 bytes after its source, modulo the size of a page;
/// and large buffers of guests and hosts mostly begin near the start of one.
const MIDDLE: RangeInclusive<usize> = 512..=3584;
const PAGE: usize = 4096;

/// How often to ask the allocator for memory that begins there.
const TRIES: usize = 8;

/// Memory for whichever hand-over needs some next: at most 1 MiB in the whole process.
static SPARE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
const SPARES: usize = 15;

/// So much is taken at a time, as far as there is some.
const BATCH: usize = 4;

/// What is smaller is as quickly allocated.
pub(super) const LARGE: usize = CHUNK / 4;

/// Where chunks get their memory from, and where that goes when a reader waits.
#[derive(Clone, Copy)]
pub(super) struct Memory<T> {
    /// A spare as long as this will do for [`LARGE`] items or more, and any for fewer.
    pub(super) enough: usize,
    /// Memory for so many items, where no spare will do. The last number is how many can follow before something is read.
    pub(super) take: fn(&mut Vec<Vec<T>>, usize, usize) -> Vec<T>,
    pub(super) give: fn(&mut Vec<Vec<T>>),
}

impl<T> Memory<T> {
    /// That of the allocator.
    pub(super) const PLAIN: Self = Self { enough: 0, take: |_, _, _| Vec::new(), give: Vec::clear };
}

impl Memory<u8> {
    /// That of other hand-overs whose chunks are as long.
    pub(super) const SHARED: Self = Self { enough: FULL, take, give };
}

fn spare() -> MutexGuard<'static, Vec<Vec<u8>>> {
    SPARE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take(spares: &mut Vec<Vec<u8>>, wanted: usize, room: usize) -> Vec<u8> {
    if wanted < LARGE {
        return Vec::new();
    }
    // No more than will be filled: what a hand-over holds is bounded.
    let batch = room.div_ceil(CHUNK).min(BATCH);
    let mut spare = spare();
    let left = spare.len().saturating_sub(batch);
    spares.extend(spare.drain(left..));
    drop(spare);
    spares.pop().unwrap_or_else(allocate)
}

fn allocate() -> Vec<u8> {
    // What begins elsewhere is kept until then, or it would be offered again.
    let mut others = Vec::new();
    loop {
        let memory: Vec<u8> = Vec::with_capacity(FULL);
        if others.len() + 1 == TRIES || MIDDLE.contains(&(memory.as_ptr().addr() % PAGE)) {
            return memory;
        }
        others.push(memory);
    }
}

fn give(spares: &mut Vec<Vec<u8>>) {
    if !spares.is_empty() {
        let mut spare = spare();
        let room = SPARES.saturating_sub(spare.len());
        spare.extend(spares.drain(..).filter(|memory| memory.capacity() == FULL).take(room));
    }
}
