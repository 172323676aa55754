use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::futures::stream::{Peekable, Stream};
use pin_project_lite::pin_project;

use super::items::{poll_items, try_poll_items};
use crate::{EndReason, ItemProducer, ItemSource, Then, relay::Splice};

/// A `stream<T>` of the items of a futures [`Peekable`] stream: like [`items`](crate::streams::items()), with
/// zero-length reads that wait until an item is ready.
///
/// `StreamExt::peekable` makes any stream peekable. The inverse is [`sinks::items`](crate::sinks::items()). For items
/// that can fail, use [`try_peekable`](try_peekable()).
///
/// # Partial writes
/// Each guest read takes all items that are ready, up to what the guest asked for and the
/// [batch](crate::ItemProducer::batch). The stream is polled for no more than that.
///
/// # Cancellation
/// Answered at once. Items are taken only in the poll that delivers them, so none is lost.
///
/// # Zero-length operations
/// They wait until an item is ready or the stream ends. The item is taken from the stream and stays in the `Peekable`.
///
/// # Errors
/// There are none.
///
/// # Drop
/// The stream is dropped with the guest's end, or handed back by the completion, with an item that was peeked at. A
/// stream that ends early, such as a channel whose sender a panicking task has dropped, looks like the end of the data:
/// [`try_peekable`](try_peekable()) can report a failure ([How streams end](crate::ends)).
///
/// ```
/// use futures::{StreamExt as _, channel::mpsc, stream};
/// use wasmtime::{Engine, Store, component::StreamReader};
///
/// # fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let numbers = stream::iter([1_u32, 2, 3]).peekable();
/// let reader = StreamReader::new(&mut store, wasmtime_streams::streams::peekable(numbers))?;
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
pub fn peekable<S>(stream: Peekable<S>) -> ItemProducer<PeekableItems<S>>
where
    S: Stream + Send + 'static,
    S::Item: Send,
{
    ItemProducer::new(PeekableItems { stream })
}

/// A `stream<T>` of the items of a futures [`Peekable`] stream of `Result`s: like [`peekable`](peekable()), with items
/// that can fail.
///
/// The inverse is [`sinks::items`](crate::sinks::items()).
///
/// # Partial writes
/// As for [`peekable`](peekable()).
///
/// # Cancellation
/// As for [`peekable`](peekable()).
///
/// # Zero-length operations
/// As for [`peekable`](peekable()). An error counts as ready; it stays in the `Peekable` for the next read.
///
/// # Errors
/// The first error ends the stream, after the items before it, and is [`End::Failed`](crate::End::Failed) in the
/// completion.
///
/// # Drop
/// As for [`peekable`](peekable()).
///
/// ```
/// use futures::{StreamExt as _, stream};
/// use wasmtime::{Engine, Store, component::StreamReader};
/// use wasmtime_streams::End;
///
/// # fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let numbers = stream::iter([Ok(1_u32), Ok(2), Err("broken")]).peekable();
/// let (numbers, done) = wasmtime_streams::streams::try_peekable(numbers).with_completion();
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
pub fn try_peekable<S, T, E>(stream: Peekable<S>) -> ItemProducer<TryPeekableItems<S>>
where
    S: Stream<Item = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    ItemProducer::new(TryPeekableItems { stream })
}

pin_project! {
    /// The source of [`peekable`](peekable()).
    pub struct PeekableItems<S: Stream> {
        #[pin]
        stream: Peekable<S>,
    }
}

impl<S: Stream> PeekableItems<S> {
    accessors!(stream: Peekable<S>);
}

impl<S> fmt::Debug for PeekableItems<S>
where
    S: Stream + fmt::Debug,
    S::Item: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeekableItems").field("stream", &self.stream).finish()
    }
}

impl<S: Stream> Splice for PeekableItems<S> {}

impl<S> ItemSource for PeekableItems<S>
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

    fn poll_readable(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<Then, Infallible>>> {
        Some(self.project().stream.poll_peek(cx).map(|next| Ok(peeked(next))))
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}

pin_project! {
    /// The source of [`try_peekable`](try_peekable()).
    pub struct TryPeekableItems<S: Stream> {
        #[pin]
        stream: Peekable<S>,
    }
}

impl<S: Stream> TryPeekableItems<S> {
    accessors!(stream: Peekable<S>);
}

impl<S> fmt::Debug for TryPeekableItems<S>
where
    S: Stream + fmt::Debug,
    S::Item: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryPeekableItems").field("stream", &self.stream).finish()
    }
}

impl<S: Stream> Splice for TryPeekableItems<S> {}

impl<S, T, E> ItemSource for TryPeekableItems<S>
where
    S: Stream<Item = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    type Item = T;
    type Error = E;

    fn poll_items(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        max: usize,
        out: &mut Vec<T>,
    ) -> Poll<Result<Then, E>> {
        try_poll_items(self.project().stream, cx, max, out)
    }

    fn poll_readable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Option<Poll<Result<Then, E>>> {
        Some(self.project().stream.poll_peek(cx).map(|next| {
            Ok(match next {
                // A peeked error cannot be moved out: the next read returns it, or a second question in a row.
                Some(Err(_)) => Then::Stop,
                next => peeked(next),
            })
        }))
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}

fn peeked<T>(next: Option<&T>) -> Then {
    match next {
        Some(_) => Then::More,
        None => Then::End(EndReason::Finished),
    }
}
