use std::collections::VecDeque;
use std::fmt;
use std::task::{Context, Poll, ready};

use wasmtime::component::{Lift, Lower, StreamReader};
use wasmtime::{AsContextMut, Result};

use super::{FromHost, cut};
use crate::handoff::{Writer, handoff};
use crate::{Cut, EndReason, ItemProducer, items::Plain};

/// A sink for the host, and the `stream<T>` that a guest reads from it: a `Sink` with the feature `futures`.
///
/// At most `capacity` items, and at least 2, wait or are held for the guest. Sending waits while that is full; the
/// store must run meanwhile. [Closing](HostSink::close) the sink is the end of the data; dropping it without that cuts
/// the stream short.
///
/// # Errors
///
/// Those of [`StreamReader::new`], if the store's table is full.
///
/// ```
/// use wasmtime::{Engine, Store};
/// use wasmtime_streams::{to_guest, iterators};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let (mut sink, stream) = to_guest::sink::<u32>(&mut store, 8)?;
/// # let (collected, done) = iterators::collect::<u32>(1000).with_completion();
/// # stream.pipe(&mut store, collected)?; // here a guest would get it
///
/// let sends = tokio::spawn(async move {
///     sink.send_item(1).await?;
///     sink.send_batch((2..=100).collect()).await.map_err(|unsent| unsent.error)?;
///     sink.close();
///     Ok::<_, wasmtime_streams::Cut>(())
/// });
/// // The store has to run meanwhile: here until the stream was read.
/// let done = store.run_concurrent(async |_| done.await).await?;
/// assert_eq!(done.inner.into_inner().len(), 100);
/// # sends.await.unwrap().unwrap();
/// # Ok(())
/// # }
/// ```
pub fn sink<T>(store: impl AsContextMut, capacity: usize) -> Result<(HostSink<T>, StreamReader<T>)>
where
    T: Plain + Lower + Lift,
{
    let (sink, producer) = item_producer(capacity);
    Ok((sink, StreamReader::new(store, producer)?))
}

/// The two parts of [`sink`](sink()), for a producer with limits, timeouts, a completion, or a delivery step.
pub fn item_producer<T: Send + 'static>(
    capacity: usize,
) -> (HostSink<T>, ItemProducer<FromHost<T>>) {
    let (writer, reader) = handoff(capacity);
    (HostSink { writer }, ItemProducer::new(FromHost::new(reader)))
}

/// The host's end of a guest's `stream<T>`; made by [`sink`](sink()).
pub struct HostSink<T> {
    writer: Writer<T, EndReason>,
}

impl<T> Unpin for HostSink<T> {}

impl<T> fmt::Debug for HostSink<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostSink").finish_non_exhaustive()
    }
}

/// Items that could not be sent, and why.
#[non_exhaustive]
#[derive(Debug)]
pub struct Unsent<T> {
    /// Why.
    pub error: Cut,
    /// The items not sent, first one first.
    pub items: T,
}

impl<T> HostSink<T> {
    /// Waits for room for one item.
    ///
    /// # Errors
    ///
    /// [`Cut`], also after [`close`](Self::close).
    pub fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Cut>> {
        self.writer.poll_room(cx).map_err(Into::into)
    }

    /// Sends an item if there is room.
    ///
    /// # Errors
    ///
    /// The item, if there is no room or the guest has dropped its end.
    pub fn try_send(&mut self, item: T) -> Result<(), T> {
        self.writer.push(item)
    }

    /// Waits for room for one item, and sends as many of `items` as there is room for, first ones first.
    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        items: &mut VecDeque<T>,
    ) -> Poll<Result<(), Cut>> {
        let sent = ready!(self.writer.poll_fill(cx, items.len(), |buffer, room| {
            buffer.extend(items.drain(..room.min(items.len())));
        }));
        if sent.is_err() {
            self.writer.take_unsent().into_iter().rev().for_each(|item| items.push_front(item));
        }
        Poll::Ready(sent.map_err(Into::into))
    }

    /// Ends the data, after all items sent. Nothing can be sent any more.
    pub fn close(&mut self) {
        self.writer.close(Ok(()));
    }

    /// Cuts the stream short: see [`HostWriter::abort`](super::HostWriter::abort).
    pub fn abort(&mut self, reason: EndReason) {
        self.writer.close(Err(cut(reason)));
    }
}
