use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts what moves, for a progress bar or metrics to read while it runs.
///
/// Clones count together, and so do the streams that are given the same meter. Made before the stream:
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
    /// A meter that stands at 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many bytes or items the guest has got or given.
    pub fn moved(&self) -> u64 {
        self.0.moved.load(Ordering::Relaxed)
    }

    /// In how many of the guest's reads or writes they moved. Those that moved nothing do not count.
    pub fn operations(&self) -> u64 {
        self.0.operations.load(Ordering::Relaxed)
    }

    /// `first` of an operation: a write that is held may take more in a later poll.
    pub(crate) fn count(&self, moved: usize, first: bool) {
        if moved > 0 {
            self.0.moved.fetch_add(moved as u64, Ordering::Relaxed);
            self.0.operations.fetch_add(u64::from(first), Ordering::Relaxed);
        }
    }
}
