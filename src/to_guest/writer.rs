use std::task::{Context, Poll};

use wasmtime::component::StreamReader;
use wasmtime::{AsContextMut, Result};

use super::{FromHost, cut};
use crate::handoff::{Writer, byte_handoff};
use crate::{ByteProducer, Cut, EndReason};

/// A writer for the host, and the `stream<u8>` that a guest reads from it: `AsyncWrite` of tokio with the feature
/// `tokio`, of the futures crate with `futures`.
///
/// At most `capacity` bytes, and at least 2, wait or are held for the guest. A write waits while that is full; the
/// store must run meanwhile. A flush does not wait for the guest to read. Shutting the writer down is the end of the
/// data; dropping it without that cuts the stream short.
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

/// The two parts of [`writer`](writer()), for a producer with limits, timeouts, a completion.
pub fn producer(capacity: usize) -> (HostWriter, ByteProducer<FromHost<u8>>) {
    let (writer, reader) = byte_handoff(capacity);
    (HostWriter { writer }, ByteProducer::new(FromHost::new(reader)))
}

/// The host's end of a guest's `stream<u8>`; made by [`writer`](writer()).
#[derive(Debug)]
pub struct HostWriter {
    writer: Writer<u8, EndReason>,
}

impl HostWriter {
    /// Waits for room and copies the bytes that fit; returns how many.
    ///
    /// # Errors
    ///
    /// [`Cut`], also after [`close`](Self::close).
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
    /// [`Cut`], also after [`close`](Self::close).
    pub fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Cut>> {
        self.writer.poll_room(cx).map_err(Into::into)
    }

    /// Ends the data, after all bytes written. Nothing can be written any more.
    pub fn close(&mut self) {
        self.writer.close(Ok(()));
    }

    /// Cuts the stream short, after all bytes written: not the end of the data. The completion of the
    /// [producer](producer()) reports `reason`. Without the `future<result>` of [`into_wit`](ByteProducer::into_wit)
    /// the guest only sees its stream end.
    ///
    /// Dropping the writer does the same with [`EndReason::Abandoned`], which also replaces [`EndReason::Finished`]
    /// here. After [`close`](Self::close) it has no effect.
    pub fn abort(&mut self, reason: EndReason) {
        self.writer.close(Err(cut(reason)));
    }
}
