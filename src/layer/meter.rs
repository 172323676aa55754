use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts bytes or items and operations, for a progress bar or metrics to read while a stream runs.
///
/// Clones share their counts, and so do all streams that are given the same meter.
///
/// ```
/// use wasmtime_streams::Meter;
///
/// let meter = Meter::new();
/// let producer = wasmtime_streams::iterators::items([1_u32, 2, 3]).metered(&meter);
/// // … and from any thread, at any time:
/// println!("{} items in {} operations", meter.moved(), meter.operations());
/// # let _ = producer;
/// ```
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    moved: AtomicU64,
    operations: AtomicU64,
}

impl Meter {
    /// A meter with all counts at 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of bytes or items that the guest has read or written.
    pub fn moved(&self) -> u64 {
        self.0.moved.load(Ordering::Relaxed)
    }

    /// The number of guest reads or writes that moved something.
    pub fn operations(&self) -> u64 {
        self.0.operations.load(Ordering::Relaxed)
    }

    /// `first`: nothing moved in this operation before. A held write may take more in a later poll.
    pub(crate) fn count(&self, moved: usize, first: bool) {
        if moved > 0 {
            self.0.moved.fetch_add(moved as u64, Ordering::Relaxed);
            self.0.operations.fetch_add(u64::from(first), Ordering::Relaxed);
        }
    }
}
