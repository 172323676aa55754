use std::convert::Infallible;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::futures::stream::{Stream, TryStream};
use pin_project_lite::pin_project;

use crate::{EndReason, ItemProducer, ItemSource, Then, relay::Splice};

/// A `stream<T>` of the items of a futures [`Stream`].
///
/// The inverse is [`sinks::items`](crate::sinks::items()). For items that can fail, use [`try_items`](try_items()); for
/// chunks of bytes, [`chunks`](crate::streams::chunks()).
///
/// # Partial writes
/// Each guest read takes all items that are ready, up to what the guest asked for and the
/// [batch](crate::ItemProducer::batch).
///
/// # Cancellation
/// Answered at once. Items are taken only in the poll that delivers them, so none is lost.
///
/// # Zero-length operations
/// They complete at once: a stream cannot tell whether an item is ready without taking it. A
/// [`peekable`](crate::streams::peekable()) one can.
///
/// # Errors
/// There are none.
///
/// # Drop
/// The stream is dropped with the guest's end, or handed back by the completion. A stream that ends early, such as a
/// channel whose sender a panicking task has dropped, looks like the end of the data: [`try_items`](try_items()) can
/// report a failure ([How streams end](crate::ends)).
///
/// ```
/// use futures::{SinkExt as _, StreamExt as _, channel::mpsc, stream};
/// use wasmtime::{Engine, Store, component::StreamReader};
///
/// # fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let numbers = wasmtime_streams::streams::items(stream::iter([1_u32, 2, 3]));
/// let reader = StreamReader::new(&mut store, numbers)?;
///
/// let (tx, rx) = mpsc::unbounded::<u32>();
/// let (sink, done) = wasmtime_streams::sinks::items(tx).with_completion();
/// reader.pipe(&mut store, sink)?;
/// let got = futures::executor::block_on(store.run_concurrent(async |_| {
///     done.await;
///     rx.collect::<Vec<_>>().await
/// }))?;
/// assert_eq!(got, [1, 2, 3]);
/// # Ok(())
/// # }
/// ```
pub fn items<S>(stream: S) -> ItemProducer<Items<S>>
where
    S: Stream + Send + 'static,
    S::Item: Send,
{
    ItemProducer::new(Items { stream })
}

/// A `stream<T>` of the items of a futures [`TryStream`]: like [`items`](items()), with items that can fail.
///
/// The inverse is [`sinks::items`](crate::sinks::items()).
///
/// # Partial writes
/// As for [`items`](items()).
///
/// # Cancellation
/// As for [`items`](items()).
///
/// # Zero-length operations
/// As for [`items`](items()); [`try_peekable`](crate::streams::try_peekable()) can tell.
///
/// # Errors
/// The first error ends the stream, after the items before it, and is [`End::Failed`](crate::End::Failed) in the
/// completion.
///
/// # Drop
/// As for [`items`](items()).
///
/// ```
/// use futures::stream;
/// use wasmtime::{Engine, Store, component::StreamReader};
/// use wasmtime_streams::End;
///
/// # fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let numbers = stream::iter([Ok(1_u32), Ok(2), Err("broken")]);
/// let (numbers, done) = wasmtime_streams::streams::try_items(numbers).with_completion();
/// let reader = StreamReader::new(&mut store, numbers)?;
///
/// let (tx, _rx) = futures::channel::mpsc::unbounded::<u32>();
/// reader.pipe(&mut store, wasmtime_streams::sinks::items(tx))?;
/// let done = futures::executor::block_on(store.run_concurrent(async |_| done.await))?;
/// assert!(matches!(done.end, End::Failed("broken")));
/// assert_eq!(done.moved, 2);
/// # Ok(())
/// # }
/// ```
pub fn try_items<S>(stream: S) -> ItemProducer<TryItems<S>>
where
    S: TryStream + Send + 'static,
    S::Ok: Send + 'static,
    S::Error: Send + 'static,
{
    ItemProducer::new(TryItems { stream })
}

pin_project! {
    /// The source of [`items`](items()).
    #[derive(Debug)]
    pub struct Items<S> {
        #[pin]
        stream: S,
    }
}

impl<S> Items<S> {
    accessors!(stream: S);
}

impl<S> Splice for Items<S> {}

impl<S> ItemSource for Items<S>
where
    S: Stream + Send + 'static,
    S::Item: Send,
{
    type Item = S::Item;
    type Error = Infallible;

    fn poll_items(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        max: usize,
        out: &mut Vec<S::Item>,
    ) -> Poll<Result<Then, Infallible>> {
        poll_items(self.project().stream, cx, max, out)
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}

pin_project! {
    /// The source of [`try_items`](try_items()).
    #[derive(Debug)]
    pub struct TryItems<S> {
        #[pin]
        stream: S,
    }
}

impl<S> TryItems<S> {
    accessors!(stream: S);
}

impl<S> Splice for TryItems<S> {}

impl<S> ItemSource for TryItems<S>
where
    S: TryStream + Send + 'static,
    S::Ok: Send + 'static,
    S::Error: Send + 'static,
{
    type Item = S::Ok;
    type Error = S::Error;

    fn poll_items(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        max: usize,
        out: &mut Vec<S::Ok>,
    ) -> Poll<Result<Then, S::Error>> {
        try_poll_items(self.project().stream, cx, max, out)
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}

/// Takes all items that are ready, up to `max`; the stream is polled no further.
pub(super) fn poll_items<S: Stream>(
    mut stream: Pin<&mut S>,
    cx: &mut Context<'_>,
    max: usize,
    out: &mut Vec<S::Item>,
) -> Poll<Result<Then, Infallible>> {
    let answer = collect(max, out, || stream.as_mut().poll_next(cx).map(|next| next.map(Ok)));
    end_known(answer, || stream.size_hint())
}

/// The same, up to the first error.
pub(super) fn try_poll_items<S: TryStream>(
    mut stream: Pin<&mut S>,
    cx: &mut Context<'_>,
    max: usize,
    out: &mut Vec<S::Ok>,
) -> Poll<Result<Then, S::Error>> {
    let answer = collect(max, out, || stream.as_mut().try_poll_next(cx));
    end_known(answer, || stream.size_hint())
}

/// Rule "The end goes with the last items": `size_hint` can show the end without a poll.
#[inline]
pub(super) fn end_known<E>(
    answer: Poll<Result<Then, E>>,
    size_hint: impl FnOnce() -> (usize, Option<usize>),
) -> Poll<Result<Then, E>> {
    match answer {
        Poll::Ready(Ok(Then::More)) if size_hint() == (0, Some(0)) => {
            Poll::Ready(Ok(Then::End(EndReason::Finished)))
        }
        answer => answer,
    }
}

/// A single item needs no loop: the call of `collect_many` would be a good part of its cost.
fn collect<T, E>(
    max: usize,
    out: &mut Vec<T>,
    mut next: impl FnMut() -> Poll<Option<Result<T, E>>>,
) -> Poll<Result<Then, E>> {
    if max == 1 {
        return next().map(|next| match next {
            Some(item) => {
                out.push(item?);
                Ok(Then::More)
            }
            None => Ok(Then::End(EndReason::Finished)),
        });
    }
    collect_many(max, out, next)
}

/// A function of its own keeps the variables of the loop in registers, which saves a third of the time per item.
#[inline(never)]
fn collect_many<T, E>(
    max: usize,
    out: &mut Vec<T>,
    mut next: impl FnMut() -> Poll<Option<Result<T, E>>>,
) -> Poll<Result<Then, E>> {
    let mut items = mem::take(out);
    let end = items.len().saturating_add(max);
    let answer = loop {
        if items.len() == end {
            break Poll::Ready(Ok(Then::More));
        }
        match next() {
            Poll::Ready(Some(Ok(item))) => items.push(item),
            Poll::Ready(Some(Err(error))) => break Poll::Ready(Err(error)),
            Poll::Ready(None) => break Poll::Ready(Ok(Then::End(EndReason::Finished))),
            Poll::Pending => break Poll::Pending,
        }
    };
    *out = items;
    answer
}
