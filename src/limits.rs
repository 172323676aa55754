//! The fixed bounds of the core. A guest can name any length; these bound what is done at once. Rule "Bounded memory".

/// The buffer that a source is offered when a host reads and no guest is in between.
pub(crate) const HOST_CAPACITY: usize = 64 * 1024;

/// After this many bytes an operation completes, though the source or sink could go on. It bounds the time for which
/// one stream keeps its store to itself.
pub(crate) const BYTES_PER_OP: usize = 1024 * 1024;

/// After this many items a guest write completes.
pub(crate) const ITEMS_PER_OP: usize = 64 * 1024;

/// How often in one poll a source may answer "nothing yet, ask again" before other tasks run.
pub(crate) const EMPTY_STEPS: usize = 64;

/// The default batch: as many items as 64 KiB hold, or 64 items if they own heap data.
///
/// An item with heap data may have any size, and Wasmtime charges what is lifted for a batch against its hostcall fuel.
pub(crate) const fn default_batch<T>() -> usize {
    if std::mem::needs_drop::<T>() {
        return 64;
    }
    match size_of::<T>() {
        0 | 1 => 64 * 1024,
        large if large >= 64 * 1024 => 1,
        size => 64 * 1024 / size,
    }
}
