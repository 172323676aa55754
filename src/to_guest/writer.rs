use std::task::{Context, Poll};

use wasmtime::component::StreamReader;
use wasmtime::{AsContextMut, Result};

use super::{FromHost, cut};
use crate::handoff::{Writer, byte_handoff};
use crate::{ByteProducer, Cut, EndReason};

/// A writer of the host's and the `stream<u8>` that a guest reads from it: tokio's `AsyncWrite` with the feature `tokio`,
/// that of the futures crate with `futures`.
///
/// `capacity` is in bytes: so many may wait or be in the hands of the reader; at least 2. A write waits while that is full;
/// the store must run meanwhile. A flush does not wait for the guest to read. Shutting the writer down is the end of the
/// data; to drop it without that cuts the stream short.
///
/// # Errors
///
/// Those of [`StreamReader::new`], if the store's table is full.
///
/// ```
/// # #[cfg(feature = "tokio")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// use tokio::io::AsyncWriteExt as _;
/// use wasmtime::{Engine, Store};
///
/// let mut store = Store::new(&Engine::default(), ());
/// let (mut writer, stream) = wasmtime_streams::to_guest::writer(&mut store, 64 * 1024)?;
/// # let (sink, done) = wasmtime_streams::iterators::collect_bytes(1000).with_completion();
/// # stream.pipe(&mut store, sink)?; // here a guest would get it
///
/// let writes = tokio::spawn(async move {
///     writer.write_all(b"hello").await?;
///     writer.shutdown().await
/// });
/// // The store has to run meanwhile: here until the stream was read.
/// let done = store.run_concurrent(async |_| done.await).await?;
/// assert_eq!(done.inner.into_inner(), b"hello");
/// writes.await.unwrap()?;
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "tokio"))] fn main() {}
/// ```
pub fn writer(store: impl AsContextMut, capacity: usize) -> Result<(HostWriter, StreamReader<u8>)> {
    let (writer, producer) = producer(capacity);
    Ok((writer, StreamReader::new(store, producer)?))
}

/// The two parts of [`writer`], for a producer with limits, timeouts, a completion.
pub fn producer(capacity: usize) -> (HostWriter, ByteProducer<FromHost<u8>>) {
    let (writer, reader) = byte_handoff(capacity);
    (HostWriter { writer }, ByteProducer::new(FromHost::new(reader)))
}

/// The host's end of a guest's `stream<u8>`; made by [`writer`].
#[derive(Debug)]
pub struct HostWriter {
    writer: Writer<u8, EndReason>,
}

impl HostWriter {
    /// Waits for room, and copies what there is room for; says how many bytes.
    ///
    /// # Errors
    ///
    /// [`Cut`], also once it was closed.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Cut>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.writer.poll_write(cx, buf).map_err(Into::into)
    }

    /// Waits for room.
    ///
    /// # Errors
    ///
    /// [`Cut`], also once it was closed.
    pub fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Cut>> {
        self.writer.poll_room(cx).map_err(Into::into)
    }

    /// The end of the data. It comes after all that was written; nothing can be written any more.
    pub fn close(&mut self) {
        self.writer.close(Ok(()));
    }

    /// Cuts the stream short, after all that was written: it is not the end of the data. The completion of the
    /// [producer](producer()) says why, and so does the `future<result>` of [`into_wit`](ByteProducer::into_wit) to the guest,
    /// which without that only sees its stream end.
    ///
    /// To drop the writer is the same with [`EndReason::Abandoned`], which also stands for [`EndReason::Finished`] here. After
    /// [`close`](Self::close) it changes nothing.
    pub fn abort(&mut self, reason: EndReason) {
        self.writer.close(Err(cut(reason)));
    }
}
