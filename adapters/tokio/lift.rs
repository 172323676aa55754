//! tokio's traits for a guest's streams as host objects.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, Join, ReadBuf, join};
use ::tokio::task::coop;
use wasmtime::component::StreamReader;
use wasmtime::{AsContextMut, Result};

use crate::lift::{self, GuestReader};
use crate::lower::{self, HostWriter};

/// It takes part in tokio's cooperative budget, as tokio's own in-memory pipes do: a guest that is always ahead does not keep
/// the thread from other tasks.
impl AsyncRead for GuestReader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let coop = ready!(coop::poll_proceed(cx));
        let this = self.get_mut();
        let bytes = ready!(this.poll_fill_buf(cx))?;
        let n = bytes.len().min(buf.remaining());
        buf.put_slice(&bytes[..n]);
        this.consume(n);
        coop.made_progress();
        Poll::Ready(Ok(()))
    }
}

impl AsyncBufRead for GuestReader {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let coop = ready!(coop::poll_proceed(cx));
        let bytes = ready!(GuestReader::poll_fill_buf(self.get_mut(), cx));
        coop.made_progress();
        Poll::Ready(bytes.map_err(Into::into))
    }

    fn consume(self: Pin<&mut Self>, bytes: usize) {
        GuestReader::consume(self.get_mut(), bytes);
    }
}

/// To flush does not wait for the guest to read; to shut down is the end of the data.
impl AsyncWrite for HostWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let coop = ready!(coop::poll_proceed(cx));
        let written = ready!(HostWriter::poll_write(self.get_mut(), cx, buf));
        coop.made_progress();
        Poll::Ready(written.map_err(Into::into))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().close();
        Poll::Ready(Ok(()))
    }
}

/// Both directions at once, for a protocol: what the host writes is the `stream<u8>` that is returned for the guest, and
/// what the host reads is the guest's `output`.
///
/// The directions are independent: shutting down the writer leaves the reader open, and the guest may end its output
/// while it still reads. To shut it down is the end of the data; to drop the pair without that cuts the guest's input short,
/// as [`lower`] says. `into_inner` takes them apart. `capacity` bytes each way, as in [`lift::reader`] and
/// [`lower::writer`]. The store must run while the pair is used.
///
/// This is for a guest that gives its output first, as to an import. One that is called with its input, and then returns its
/// output, takes the same steps in another order: [`lower::writer`], the call, [`lift::reader`], and tokio's
/// [`join`](::tokio::io::join()) of the two.
///
/// # Errors
///
/// As for these two.
///
/// ```
/// use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
/// use wasmtime::{Engine, Store};
/// use wasmtime_streams::{lower, tokio_duplex};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// // A guest would be called with the input, and give its output. Here the output is what was written before.
/// let (mut guest, output) = lower::writer(&mut store, 1024)?;
/// guest.write_all(b"welcome").await?;
/// guest.shutdown().await?;
/// let (mut socket, input) = tokio_duplex(&mut store, output, 1024)?;
/// # let (sink, done) = wasmtime_streams::collect_bytes(100).with_completion();
/// # input.pipe(&mut store, sink)?;
///
/// let done = store.run_concurrent(async |_| {
///     let mut greeting = [0; 7];
///     socket.read_exact(&mut greeting).await?;
///     socket.write_all(&greeting).await?;
///     socket.shutdown().await?;
///     wasmtime::error::Ok(done.await)
/// });
/// assert_eq!(done.await??.inner.into_inner(), b"welcome");
/// # Ok(())
/// # }
/// ```
pub fn tokio_duplex(
    mut store: impl AsContextMut,
    output: StreamReader<u8>,
    capacity: usize,
) -> Result<(Join<GuestReader, HostWriter>, StreamReader<u8>)> {
    let reader = lift::reader(store.as_context_mut(), output, capacity)?;
    let (writer, input) = lower::writer(store, capacity)?;
    Ok((join(reader, writer), input))
}
