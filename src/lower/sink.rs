use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};

use wasmtime::component::{Lift, Lower, StreamReader};
use wasmtime::{AsContextMut, Result};

use super::{FromHost, PeerDropped};
use crate::handoff::{Writer, handoff};
use crate::{EndReason, ItemProducer};

/// A sink of the host's and the `stream<T>` that a guest reads from it: with the feature `futures` it is a `Sink`.
///
/// `capacity` is in items: so many may wait or be in the hands of the reader; at least 2. Sending
/// waits while that is full; the store must run meanwhile. Closing the sink, or dropping it, is the end of the data.
///
/// # Errors
///
/// Those of [`StreamReader::new`], if the store's table is full.
///
/// ```
/// use wasmtime::{Engine, Store};
/// use wasmtime_streams::{collect, lower};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let (mut sink, stream) = lower::sink::<u32>(&mut store, 8)?;
/// # let (collected, done) = collect::<u32>(1000).with_completion();
/// # stream.pipe(&mut store, collected)?; // here a guest would get it
///
/// let sends = tokio::spawn(async move {
///     sink.send_item(1).await?;
///     sink.send_batch((2..=100).collect()).await.map_err(|unsent| unsent.error)
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
    T: Lower + Lift + Send + Sync + 'static,
{
    let (sink, producer) = item_producer(capacity);
    Ok((sink, StreamReader::new(store, producer)?))
}

/// The two parts of [`sink`], for a producer with limits, timeouts, a completion, or a delivery step.
pub fn item_producer<T: Send + 'static>(
    capacity: usize,
) -> (HostSink<T>, ItemProducer<FromHost<T>>) {
    let (writer, reader) = handoff(capacity);
    (HostSink { writer }, ItemProducer::new(FromHost::new(reader)))
}

/// The host's end of a guest's `stream<T>`; made by [`sink`].
pub struct HostSink<T> {
    writer: Writer<T, EndReason>,
}

impl<T> Unpin for HostSink<T> {}

impl<T> fmt::Debug for HostSink<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostSink").finish_non_exhaustive()
    }
}

/// What could not be sent, and why.
#[non_exhaustive]
#[derive(Debug)]
pub struct Unsent<T> {
    /// Why.
    pub error: PeerDropped,
    /// What was not sent, first one first.
    pub items: T,
}

impl<T> HostSink<T> {
    /// Waits for room for one item.
    ///
    /// # Errors
    ///
    /// [`PeerDropped`], also once it was closed.
    pub fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), PeerDropped>> {
        self.writer.poll_room(cx).map_err(Into::into)
    }

    /// Sends an item, if there is room.
    ///
    /// # Errors
    ///
    /// The item, if there is no room, or nobody takes it any more.
    pub fn try_send(&mut self, item: T) -> Result<(), T> {
        self.writer.push(item)
    }

    /// Sends an item. Cancel safe: a send that is dropped before it is done has sent nothing.
    ///
    /// # Errors
    ///
    /// [`PeerDropped`]. The item is dropped.
    pub async fn send_item(&mut self, item: T) -> Result<(), PeerDropped> {
        poll_fn(|cx| self.poll_room(cx)).await?;
        self.try_send(item).map_err(|_| PeerDropped)
    }

    /// Sends all of `batch`, as many at a time as there is room for. If it is dropped before it is done, what was not sent
    /// is dropped with it.
    ///
    /// # Errors
    ///
    /// [`Unsent`], with what was not sent.
    pub async fn send_batch(&mut self, batch: Vec<T>) -> Result<(), Unsent<VecDeque<T>>> {
        let mut items = VecDeque::from(batch);
        while !items.is_empty() {
            let sent = poll_fn(|cx| {
                self.writer.poll_fill(cx, items.len(), |buffer, room| {
                    buffer.extend(items.drain(..room.min(items.len())));
                })
            });
            if let Err(gone) = sent.await {
                return Err(Unsent { error: gone.into(), items });
            }
        }
        Ok(())
    }

    /// The end of the data, as dropping it is.
    pub fn close(&mut self) {
        self.writer.close(Ok(()));
    }
}
