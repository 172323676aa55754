//! Memory of chunks, which is used again while a hand-over is at work, and given back while it is not.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// How long a chunk becomes, in bytes.
pub(super) const CHUNK: usize = 64 * 1024;

/// Memory of chunks of bytes, for whichever hand-over needs some next: at most 1 MiB in the whole process.
static SPARE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
const SPARES: usize = 16;

/// What is smaller is as quickly allocated.
const WORTH_KEEPING: usize = 4 * 1024;

/// Where the memory of chunks comes from, and where it goes when a reader waits.
#[derive(Clone, Copy)]
pub(super) struct Memory<T> {
    pub(super) take: fn() -> Vec<T>,
    pub(super) give: fn(Vec<Vec<T>>),
}

impl<T> Memory<T> {
    /// That of the allocator.
    pub(super) const PLAIN: Self = Self { take: Vec::new, give: drop };
}

impl Memory<u8> {
    /// That of other hand-overs.
    pub(super) const SHARED: Self = Self { take, give };
}

fn spare() -> MutexGuard<'static, Vec<Vec<u8>>> {
    SPARE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take() -> Vec<u8> {
    spare().pop().unwrap_or_default()
}

fn give(memory: Vec<Vec<u8>>) {
    let mut worth: Vec<_> = memory;
    worth.retain(|memory| (WORTH_KEEPING..=CHUNK).contains(&memory.capacity()));
    if worth.is_empty() {
        return;
    }
    worth.iter_mut().for_each(Vec::clear);
    let mut spare = spare();
    let free = SPARES.saturating_sub(spare.len());
    spare.extend(worth.drain(..free.min(worth.len())));
}
