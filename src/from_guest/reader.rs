use std::task::{Context, Poll, ready};

use wasmtime::component::StreamReader;
use wasmtime::{AsContextMut, Result};

use super::{ToHost, checked};
use crate::handoff::{Reader, byte_handoff};
use crate::{ByteConsumer, Cut, EndReason};

/// Takes a guest's `stream<u8>` as a reader: `AsyncRead` and `AsyncBufRead` of tokio with the feature `tokio`, of the
/// futures crate with `futures`. Reading by `AsyncBufRead` saves a copy: it lends the bytes where they are.
///
/// At most `capacity` bytes, and at least 2, wait or are held by the reader. The store must run while the reader is
/// used.
///
/// # Errors
///
/// Those of [`StreamReader::pipe`], if the reader was closed. A reader does not know its store: one of another store is
/// refused only if this store has nothing, or a guest's stream of another type, under its number.
///
/// ```
/// # #[cfg(feature = "tokio")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _};
/// use wasmtime::{Engine, Store, component::StreamReader};
///
/// let mut store = Store::new(&Engine::default(), ());
/// let stream = StreamReader::new(&mut store, wasmtime_streams::tokio_io::read(&b"one\ntwo\n"[..]))?; // or a guest's
/// let mut reader = wasmtime_streams::from_guest::reader(&mut store, stream, 64 * 1024)?;
///
/// // The store runs in a task of its own; here until the data is read.
/// let (done, read) = tokio::sync::oneshot::channel::<()>();
/// let store = tokio::spawn(async move { store.run_concurrent(async |_| read.await).await });
/// let (mut line, mut rest) = (String::new(), String::new());
/// reader.read_line(&mut line).await?;
/// reader.read_to_string(&mut rest).await?;
/// assert_eq!((&*line, &*rest), ("one\n", "two\n"));
/// drop(done);
/// # let _ = store.await;
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "tokio"))] fn main() {}
/// ```
pub fn reader(
    mut store: impl AsContextMut,
    stream: StreamReader<u8>,
    capacity: usize,
) -> Result<GuestReader> {
    let stream = checked(&mut store, stream)?;
    let (consumer, reader) = consumer(capacity);
    stream.pipe(store, consumer)?;
    Ok(reader)
}

/// The two parts of [`reader`](reader()), for a consumer with limits, timeouts, a completion.
///
/// If one of these cuts the stream short, the reader returns a [`Cut`] after the data before it.
pub fn consumer(capacity: usize) -> (ByteConsumer<ToHost<u8>>, GuestReader) {
    let (writer, reader) = byte_handoff(capacity);
    (ByteConsumer::new(ToHost::new(writer)), GuestReader::new(reader))
}

/// Reads a guest's `stream<u8>`; made by [`reader`](reader()).
///
/// Can be moved to any task. Dropping it discards unread data; the guest's next write returns `Dropped`.
#[derive(Debug)]
pub struct GuestReader {
    reader: Reader<u8, EndReason>,
    /// What cut the stream short, once a read returned it.
    cut: Option<EndReason>,
}

impl GuestReader {
    pub(crate) fn new(reader: Reader<u8, EndReason>) -> Self {
        Self { reader, cut: None }
    }

    pub(crate) fn into_handoff(self) -> Reader<u8, EndReason> {
        self.reader
    }

    /// Waits for bytes and lends them: none at the end. Then [`consume`](Self::consume) those that are done with.
    ///
    /// # Errors
    ///
    /// [`Cut`], after all bytes, if the stream was cut short on the host: at every call from then on, so that code that
    /// reads on after an error does not take it for the end of the data.
    pub fn poll_fill_buf(&mut self, cx: &mut Context<'_>) -> Poll<Result<&[u8], Cut>> {
        match ready!(self.reader.poll_chunk(cx)) {
            Ok(chunk) if !chunk.is_empty() => return Poll::Ready(Ok(chunk.as_slices().0)),
            Ok(_) => {}
            Err(reason) => self.cut = Some(reason),
        }
        Poll::Ready(self.cut.map_or(Ok(&[]), |reason| Err(Cut(reason))))
    }

    /// Drops `bytes` bytes from the front of what was lent.
    pub fn consume(&mut self, bytes: usize) {
        self.reader.consume(bytes);
    }

    /// Waits for bytes and copies them to the front of `buf`; returns how many, 0 at the end.
    ///
    /// # Errors
    ///
    /// As for [`poll_fill_buf`](Self::poll_fill_buf).
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Cut>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let bytes = ready!(self.poll_fill_buf(cx))?;
        let n = bytes.len().min(buf.len());
        buf[..n].copy_from_slice(&bytes[..n]);
        self.consume(n);
        Poll::Ready(Ok(n))
    }
}
