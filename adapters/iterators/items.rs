use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::{EndReason, ItemProducer, ItemSource, Then, relay::Splice};

/// A `stream<T>` of the items of an iterator, or of anything that can be iterated.
///
/// The inverse is [`collect`](crate::iterators::collect()). For items that can fail, use [`try_items`](try_items()).
/// The iterator runs inside the guest's read: if it blocks, send its items through a channel instead.
///
/// # Partial writes
/// Each guest read takes what the guest asked for, up to the [batch](crate::ItemProducer::batch).
///
/// # Cancellation
/// A read never waits, and items are taken only in the poll that delivers them.
///
/// # Zero-length operations
/// They complete at once and take no item: only the read that takes an item shows whether there is one.
///
/// # Errors
/// There are none.
///
/// # Drop
/// The iterator is dropped with the guest's end, or handed back by the completion with its remaining items.
///
/// ```
/// use wasmtime::{Engine, Store, component::StreamReader};
///
/// # fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let reader = StreamReader::new(&mut store, wasmtime_streams::iterators::items(1_u32..=3))?;
///
/// let (sink, done) = wasmtime_streams::iterators::collect(100).with_completion();
/// reader.pipe(&mut store, sink)?;
/// let done = futures::executor::block_on(store.run_concurrent(async |_| done.await))?;
/// assert_eq!(done.inner.into_inner(), [1, 2, 3]);
/// # Ok(())
/// # }
/// ```
pub fn items<I>(items: I) -> ItemProducer<Items<I::IntoIter>>
where
    I: IntoIterator,
    I::Item: Send + 'static,
    I::IntoIter: Send + 'static,
{
    ItemProducer::new(Items { iter: items.into_iter() })
}

/// A `stream<T>` of the items of an iterator of `Result`s: like [`items`](items()), with items that can fail.
///
/// The inverse is [`collect`](crate::iterators::collect()).
///
/// # Partial writes
/// As for [`items`](items()).
///
/// # Cancellation
/// As for [`items`](items()).
///
/// # Zero-length operations
/// As for [`items`](items()).
///
/// # Errors
/// The first error ends the stream, after the items before it, and is [`End::Failed`](crate::End::Failed) in the
/// completion.
///
/// # Drop
/// As for [`items`](items()).
///
/// ```
/// use wasmtime::{Engine, Store, component::StreamReader};
/// use wasmtime_streams::End;
///
/// # fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let lines = ["1", "2", "x"].into_iter().map(str::parse::<u32>);
/// let (numbers, done) = wasmtime_streams::iterators::try_items(lines).with_completion();
/// let reader = StreamReader::new(&mut store, numbers)?;
///
/// reader.pipe(&mut store, wasmtime_streams::iterators::collect(100))?;
/// let done = futures::executor::block_on(store.run_concurrent(async |_| done.await))?;
/// assert!(matches!(done.end, End::Failed(_)));
/// assert_eq!(done.moved, 2);
/// # Ok(())
/// # }
/// ```
pub fn try_items<I, T, E>(items: I) -> ItemProducer<TryItems<I::IntoIter>>
where
    I: IntoIterator<Item = Result<T, E>>,
    I::IntoIter: Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    ItemProducer::new(TryItems { iter: items.into_iter() })
}

/// The source of [`items`](items()).
#[derive(Debug)]
pub struct Items<I> {
    iter: I,
}

impl<I> Items<I> {
    accessors!(iter: I);
}

// The iterator is never pinned.
impl<I> Unpin for Items<I> {}

impl<I> Splice for Items<I> {}

impl<I> ItemSource for Items<I>
where
    I: Iterator + Send + 'static,
    I::Item: Send + 'static,
{
    type Item = I::Item;
    type Error = Infallible;

    fn poll_items(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        max: usize,
        out: &mut Vec<I::Item>,
    ) -> Poll<Result<Then, Infallible>> {
        let (iter, before) = (&mut self.get_mut().iter, out.len());
        out.extend(iter.by_ref().take(max));
        Poll::Ready(Ok(match out.len() - before == max && !is_exhausted(iter) {
            true => Then::More,
            false => Then::End(EndReason::Finished),
        }))
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}

/// The source of [`try_items`](try_items()).
#[derive(Debug)]
pub struct TryItems<I> {
    iter: I,
}

impl<I> TryItems<I> {
    accessors!(iter: I);
}

// The iterator is never pinned.
impl<I> Unpin for TryItems<I> {}

impl<I> Splice for TryItems<I> {}

impl<I, T, E> ItemSource for TryItems<I>
where
    I: Iterator<Item = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    type Item = T;
    type Error = E;

    fn poll_items(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        max: usize,
        out: &mut Vec<T>,
    ) -> Poll<Result<Then, E>> {
        let iter = &mut self.get_mut().iter;
        for _ in 0..max {
            match iter.next() {
                Some(Ok(item)) => out.push(item),
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => return Poll::Ready(Ok(Then::End(EndReason::Finished))),
            }
        }
        Poll::Ready(Ok(if is_exhausted(iter) {
            Then::End(EndReason::Finished)
        } else {
            Then::More
        }))
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}

/// Rule "The end goes with the last items": `size_hint` can show the end without taking an item.
fn is_exhausted(iter: &impl Iterator) -> bool {
    iter.size_hint() == (0, Some(0))
}
