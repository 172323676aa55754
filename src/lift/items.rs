use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use wasmtime::component::{Lift, StreamReader};
use wasmtime::{AsContextMut, Result};

use super::ToHost;
use crate::handoff::{Reader, handoff};
use crate::{EndReason, ItemConsumer};

/// Takes a guest's `stream<T>` as a stream of the host's: with the feature `futures` it is a `Stream`.
///
/// `capacity` is in items: so many may wait or be in the hands of who takes them; at least 2. The store
/// must run while items are waited for.
///
/// The stream ends with `None` however it ends: [`GuestItems::cut`] says whether that is the end of the guest's data.
///
/// # Errors
///
/// Those of [`StreamReader::pipe`], if the reader was closed or belongs to another store.
///
/// ```
/// use wasmtime::{Engine, Store, component::StreamReader};
/// use wasmtime_streams::lift;
///
/// # #[cfg(feature = "futures")]
/// # fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let stream = StreamReader::new(&mut store, wasmtime_streams::stream(futures::stream::iter(0..1000_u32)))?;
/// let mut items = lift::items(&mut store, stream, 512)?;
///
/// // Whoever takes the items may as well stand in the closure, beside the guest's call.
/// let sum = futures::executor::block_on(store.run_concurrent(async |_| {
///     let mut sum = 0;
///     while let Some(batch) = items.next_batch().await {
///         sum += batch.iter().sum::<u32>();
///     }
///     sum
/// }))?;
/// assert_eq!(sum, 499_500);
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "futures"))] fn main() {}
/// ```
pub fn items<T>(
    store: impl AsContextMut,
    stream: StreamReader<T>,
    capacity: usize,
) -> Result<GuestItems<T>>
where
    T: Lift + Send + Sync + 'static,
{
    let (consumer, items) = item_consumer(capacity);
    stream.pipe(store, consumer)?;
    Ok(items)
}

/// The two parts of [`items`], for a consumer with limits, timeouts, a completion, or a receiving step.
pub fn item_consumer<T: Send + 'static>(
    capacity: usize,
) -> (ItemConsumer<ToHost<T>>, GuestItems<T>) {
    let (writer, reader) = handoff(capacity);
    (ItemConsumer::new(ToHost::new(writer)), GuestItems { reader, cut: None })
}

/// A guest's `stream<T>`, to take items from; made by [`items`].
///
/// It may be moved to any task. What it holds is lost when it is dropped; the guest then sees its other end dropped.
pub struct GuestItems<T> {
    reader: Reader<T, EndReason>,
    cut: Option<EndReason>,
}

impl<T> Unpin for GuestItems<T> {}

impl<T> fmt::Debug for GuestItems<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuestItems").finish_non_exhaustive()
    }
}

impl<T> GuestItems<T> {
    fn poll<R>(
        &mut self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&mut std::collections::VecDeque<T>) -> Option<R>,
    ) -> Poll<Option<R>> {
        Poll::Ready(match ready!(self.reader.poll_chunk(cx)) {
            Ok(chunk) => take(chunk),
            Err(why) => {
                self.cut = Some(why);
                None
            }
        })
    }

    /// Waits for an item; `None` at the end.
    pub fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll(cx, |chunk| chunk.pop_front())
    }

    /// Waits for items, and takes all that are there; `None` at the end.
    pub fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Option<Vec<T>>> {
        self.poll(cx, |chunk| (!chunk.is_empty()).then(|| std::mem::take(chunk).into()))
    }

    /// The next item; `None` at the end. Cancel safe: an item is taken only when it is returned.
    pub async fn next_item(&mut self) -> Option<T> {
        poll_fn(|cx| self.poll_item(cx)).await
    }

    /// All items that are there, at least one; `None` at the end. Cancel safe.
    pub async fn next_batch(&mut self) -> Option<Vec<T>> {
        poll_fn(|cx| self.poll_batch(cx)).await
    }

    /// Whether all items were taken and no more come.
    pub fn is_at_end(&self) -> bool {
        self.cut.is_some() || self.reader.is_at_end()
    }

    /// After the end: what cut the stream short on the host's side; `None` if the guest ended it.
    pub fn cut(&self) -> Option<EndReason> {
        self.cut
    }
}
