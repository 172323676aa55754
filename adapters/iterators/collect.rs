use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::{End, EndReason, ItemConsumer, ItemSink, Take};

/// Collects up to `limit` items of a guest's `stream<T>` into a `Vec`.
///
/// The inverse is [`items`](crate::iterators::items()). For bytes, use
/// [`collect_bytes`](crate::iterators::collect_bytes()).
///
/// The [completion](crate::ItemConsumer::with_completion) reports the end and has the `Vec`:
/// [`End::Finished`](crate::End::Finished) if the guest dropped its end,
/// [`End::LimitReached`](crate::End::LimitReached) if it wrote more than `limit`, and
/// [`End::Abandoned`](crate::End::Abandoned) if the store was dropped, where the completion [watches
/// it](crate::Completion::watch_store).
///
/// # Partial writes
/// Each guest write is taken whole, up to the limit and to 65,536 items an operation. Exactly `limit` items are taken;
/// the rest stays with the guest, whose write returns `Dropped`. The `Vec` grows with the data, by doubling, and not
/// beyond `limit`.
///
/// # Cancellation
/// A write never waits, so there is nothing to cancel.
///
/// # Zero-length operations
/// They complete at once, at the limit too: only one more item exceeds it.
///
/// # Errors
/// There are none.
///
/// # Drop
/// Without a completion the collected items are dropped. There is nothing to close.
///
/// ```
/// use wasmtime::{Engine, Store, component::StreamReader};
/// use wasmtime_streams::End;
///
/// # fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let reader = StreamReader::new(&mut store, wasmtime_streams::iterators::items(1_u32..))?;
///
/// let (sink, done) = wasmtime_streams::iterators::collect(3).with_completion();
/// reader.pipe(&mut store, sink)?;
/// let done = futures::executor::block_on(store.run_concurrent(async |_| done.await))?;
/// assert!(matches!(done.end, End::LimitReached));
/// assert_eq!(done.inner.into_inner(), [1, 2, 3]);
/// # Ok(())
/// # }
/// ```
pub fn collect<T: Send + 'static>(limit: usize) -> ItemConsumer<Collect<T>> {
    ItemConsumer::new(Collect { items: Vec::new(), limit })
}

/// The sink of [`collect`](collect()).
#[derive(Debug)]
pub struct Collect<T> {
    items: Vec<T>,
    limit: usize,
}

impl<T> Collect<T> {
    accessors!(items: Vec<T>);
}

// The items are never pinned.
impl<T> Unpin for Collect<T> {}

/// How many items to take next, so that doubling does not reserve room for more than `limit`.
pub(super) fn room<T>(items: &mut Vec<T>, limit: usize) -> usize {
    let left = limit.saturating_sub(items.len());
    if items.capacity().saturating_mul(2) <= limit {
        return left;
    }
    if items.len() == items.capacity() {
        items.reserve_exact(left);
    }
    left.min(items.capacity() - items.len())
}

impl<T: Send + 'static> ItemSink for Collect<T> {
    type Item = T;
    type Error = Infallible;

    fn poll_accept(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        items: &mut dyn Take<T>,
    ) -> Poll<Result<(), End<Infallible>>> {
        let Self { items: collected, limit } = self.get_mut();
        while items.remaining() > 0 {
            let room = room(collected, *limit);
            if room == 0 {
                return Poll::Ready(Err(End::LimitReached));
            }
            items.take(room, collected);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_writable(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Option<Poll<Result<(), End<Infallible>>>> {
        Some(Poll::Ready(Ok(())))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), End<Infallible>>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), End<Infallible>>> {
        Poll::Ready(Ok(()))
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}
