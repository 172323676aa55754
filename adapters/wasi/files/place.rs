//! Where a buffer begins.
//!
//! Some processors (AMD's of the third and fourth generation, for example) copy several times slower in the kernel
//! where the destination begins 1 to 31 bytes after the source, modulo the page size. The page cache has the bytes of a
//! file at their offset in a page, and large allocations of hosts and guests mostly begin 8 or 16 bytes into one.

/// The page size, or a part of it.
const PAGE: u64 = 4096;

/// How many bytes are copied through memory of our own at a time.
#[cfg(target_os = "linux")]
pub(super) const PIECE: usize = 32 * 1024;

/// The distance modulo the page size between `buf` and the bytes of a file from `offset` on.
fn distance(buf: &[u8], offset: u64) -> u64 {
    (buf.as_ptr().addr() as u64).wrapping_sub(offset) % PAGE
}

/// Whether a copy through memory of our own is faster.
#[cfg(target_os = "linux")]
pub(super) fn copies_slowly(buf: &[u8], offset: u64) -> bool {
    cfg!(target_arch = "x86_64")
        && buf.len() as u64 > PAGE
        && (1..32).contains(&distance(buf, offset))
}

/// A buffer that ends with `len` bytes for a file from `offset` on, and where these begin.
pub(super) fn buffer(len: usize, offset: u64) -> (Vec<u8>, usize) {
    if len as u64 <= PAGE {
        return (vec![0; len], 0);
    }
    let mut bytes = vec![0; len + PAGE as usize];
    // Less than a page.
    let from = ((PAGE / 2).wrapping_sub(distance(&bytes, offset)) % PAGE) as usize;
    bytes.truncate(from + len);
    (bytes, from)
}
