//! The fixed bounds of the core. A guest names any length it likes; these are what is done by it in one go.

/// How many bytes a host reader is offered at a time when no guest is in between.
pub(crate) const HOST_CAPACITY: usize = 64 * 1024;

/// After this many bytes an operation completes, though the source or sink could go on: a bound on the time in which one
/// stream keeps everything else in its store waiting.
pub(crate) const BYTES_PER_OP: usize = 1024 * 1024;

/// The same for the items of one guest write.
pub(crate) const ITEMS_PER_OP: usize = 64 * 1024;

/// How often in one poll a source may answer "nothing, ask again" before it has to let others run.
pub(crate) const EMPTY_STEPS: usize = 64;

/// How many items are moved at a time by default.
///
/// Plain items: as many as 64 KiB hold. Items that own heap data: 64, since each may be as large as the guest likes, and
/// lifting is charged against Wasmtime's hostcall fuel per batch.
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
