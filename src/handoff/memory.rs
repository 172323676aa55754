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
    pub(super) give: fn(&mut Vec<Vec<T>>),
}

impl<T> Memory<T> {
    /// That of the allocator.
    pub(super) const PLAIN: Self = Self { take: Vec::new, give: Vec::clear };
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

fn give(memory: &mut Vec<Vec<u8>>) {
    if !memory.is_empty() {
        let mut spare = spare();
        for mut memory in memory.drain(..) {
            if spare.len() < SPARES && (WORTH_KEEPING..=CHUNK).contains(&memory.capacity()) {
                memory.clear();
                spare.push(memory);
            }
        }
    }
}
