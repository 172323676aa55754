use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::task::{Context, Poll, ready};

use wasmtime::component::StreamReader;
use wasmtime::{AsContextMut, Result};

use super::{ToHost, checked};
use crate::handoff::{Reader, handoff};
use crate::{Cut, EndReason, ItemConsumer, items::IntoHost};

/// Takes a guest's `stream<T>` as [`GuestItems`]: a `Stream` with the feature `futures`.
///
/// At most `capacity` items, and at least 2, wait or are held by the reader. The store must run while items are
/// awaited. Streams and futures in the items become [host objects](crate::items).
///
/// `None` ends the stream, and [`GuestItems::cut`] then says whether the data is complete. If nobody checks that, take
/// the items as `Result`s: by [`try_next_item`](GuestItems::try_next_item) or
/// [`into_try_stream`](GuestItems::into_try_stream).
///
/// # Errors
///
/// Those of [`StreamReader::pipe`], if the reader was closed. A reader does not know its store: one of another store is
/// refused only if this store has nothing, or a guest's stream of another type, under its number.
///
/// ```
/// use wasmtime::{Engine, Store, component::StreamReader};
/// use wasmtime_streams::from_guest;
///
/// # #[cfg(feature = "futures")]
/// # fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let stream = StreamReader::new(&mut store, wasmtime_streams::streams::items(futures::stream::iter(0..1000_u32)))?;
/// let mut items = from_guest::items(&mut store, stream, 512)?;
///
/// // The items can be taken in the closure, beside the guest's call, or in another task.
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
pub fn items<D, T>(
    mut store: impl AsContextMut<Data = D>,
    stream: StreamReader<T>,
    capacity: usize,
) -> Result<GuestItems<T::Host>>
where
    D: 'static,
    T: IntoHost<D>,
{
    let stream = checked(&mut store, stream)?;
    let (consumer, items) = item_consumer(capacity);
    stream.pipe(store, consumer.nested())?;
    Ok(items)
}

/// The two parts of [`items`](items()), for a consumer with limits, timeouts, a completion, or a receiving step.
pub fn item_consumer<T: Send + 'static>(
    capacity: usize,
) -> (ItemConsumer<ToHost<T>>, GuestItems<T>) {
    let (writer, reader) = handoff(capacity);
    (ItemConsumer::new(ToHost::new(writer)), GuestItems { reader, cut: None, ended: false })
}

/// The items of a guest's `stream<T>`; made by [`items`](items()).
///
/// It has two forms. In the plain one, [`next_item`](Self::next_item) and the `Stream` of the futures crate, the end is
/// `None`, and [`cut`](Self::cut) says afterwards whether the data was complete. In the fallible one,
/// [`try_next_item`](Self::try_next_item) and the `Stream` of [`into_try_stream`](Self::into_try_stream), a stream that
/// was cut short gives a [`Cut`] first, which cannot be taken for the end of the data.
///
/// Can be moved to any task. Dropping it discards unread items; the guest's next write returns `Dropped`.
pub struct GuestItems<T> {
    reader: Reader<T, EndReason>,
    cut: Option<EndReason>,
    /// `None` was returned.
    ended: bool,
}

impl<T> Unpin for GuestItems<T> {}

impl<T> fmt::Debug for GuestItems<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuestItems").finish_non_exhaustive()
    }
}

impl<T> GuestItems<T> {
    pub(crate) fn into_handoff(self) -> Reader<T, EndReason> {
        self.reader
    }

    fn poll<R>(
        &mut self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&mut VecDeque<T>) -> Option<R>,
    ) -> Poll<Result<Option<R>, Cut>> {
        Poll::Ready(match ready!(self.reader.poll_chunk(cx)) {
            Ok(chunk) => {
                let taken = take(chunk);
                self.ended = taken.is_none();
                Ok(taken)
            }
            Err(reason) => {
                self.cut = Some(reason);
                Err(Cut(reason))
            }
        })
    }

    /// The plain form: a cut is the end.
    fn or_end<R>(&mut self, polled: Poll<Result<Option<R>, Cut>>) -> Poll<Option<R>> {
        polled.map(|polled| {
            polled.unwrap_or_else(|_| {
                self.ended = true;
                None
            })
        })
    }

    /// Waits for an item; `None` at the end.
    pub fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let polled = self.poll_try_item(cx);
        self.or_end(polled)
    }

    /// Waits for items and takes all that are there; `None` at the end.
    pub fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Option<Vec<T>>> {
        let polled = self.poll_try_batch(cx);
        self.or_end(polled)
    }

    /// Waits for an item; `None` at the end of the data.
    ///
    /// # Errors
    ///
    /// [`Cut`], once, after all items, if the stream was cut short on the host's side; then `None`.
    pub fn poll_try_item(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<T>, Cut>> {
        self.poll(cx, VecDeque::pop_front)
    }

    /// Waits for items and takes all that are there; `None` at the end of the data.
    ///
    /// # Errors
    ///
    /// As for [`poll_try_item`](Self::poll_try_item).
    pub fn poll_try_batch(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Vec<T>>, Cut>> {
        self.poll(cx, |chunk| (!chunk.is_empty()).then(|| mem::take(chunk).into()))
    }

    /// The same stream as `Result`s: a `TryStream` with the feature `futures`.
    pub fn into_try_stream(self) -> TryGuestItems<T> {
        TryGuestItems(self)
    }

    /// Whether all items are taken and no more will come.
    pub fn is_at_end(&self) -> bool {
        self.cut.is_some() || self.reader.is_at_end()
    }

    /// Whether `None` was returned.
    #[allow(dead_code)] // used by the feature `futures` only
    pub(crate) fn is_ended(&self) -> bool {
        self.ended
    }

    /// After the end: what cut the stream short on the host; `None` if the guest ended it.
    pub fn cut(&self) -> Option<EndReason> {
        self.cut
    }
}

/// The items of a guest's `stream<T>` as `Result`s; made by [`GuestItems::into_try_stream`].
///
/// If the stream was cut short on the host, it gives a [`Cut`] once, after all items. Then it ends.
///
/// ```
/// use wasmtime::{Engine, Store, component::StreamReader};
/// use wasmtime_streams::{Cut, EndReason, from_guest, iterators};
///
/// # #[cfg(feature = "futures")]
/// # fn main() -> wasmtime::Result<()> {
/// use futures::TryStreamExt as _;
///
/// let mut store = Store::new(&Engine::default(), ());
/// let stream = StreamReader::new(&mut store, iterators::items([1_u32, 2, 3]))?; // or a guest's
/// let (consumer, items) = from_guest::item_consumer(64);
/// stream.pipe(&mut store, consumer.limit(2))?;
///
/// let mut items = items.into_try_stream();
/// let read = futures::executor::block_on(store.run_concurrent(async |_| {
///     let first = items.try_next().await?;
///     let rest = items.try_collect::<Vec<_>>().await?;
///     Ok((first, rest))
/// }))?;
/// assert_eq!(read, Err(Cut(EndReason::LimitReached))); // not two items as if they were all
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "futures"))] fn main() {}
/// ```
#[derive(Debug)]
pub struct TryGuestItems<T>(GuestItems<T>);

impl<T> TryGuestItems<T> {
    /// The items.
    pub fn get_ref(&self) -> &GuestItems<T> {
        &self.0
    }

    /// The items. What is taken through it is not given here again.
    pub fn get_mut(&mut self) -> &mut GuestItems<T> {
        &mut self.0
    }

    /// The items, in the plain form.
    pub fn into_inner(self) -> GuestItems<T> {
        self.0
    }
}
