use tokio::io::{Join, join};
use wasmtime::component::StreamReader;
use wasmtime::{AsContextMut, Result};

use crate::from_guest::{self, GuestReader};
use crate::to_guest::{self, HostWriter};

/// Connects both directions of a protocol: the host reads the guest's `output`, and writes the `stream<u8>` that is
/// returned for the guest.
///
/// The directions are independent: shutting down the writer leaves the reader open, and the guest can end its output
/// while it still reads. Shutting down the writer is the end of the data; dropping the pair without that cuts the
/// guest's input short, as [`to_guest`](crate::to_guest) describes. `into_inner` separates the two. Each direction
/// buffers `capacity` bytes, as in [`from_guest::reader`] and [`to_guest::writer`]. The store must run while the pair
/// is used.
///
/// This is for a guest that gives its output first, as to an import. For a guest that is called with its input and then
/// returns its output, call [`to_guest::writer`], the guest, [`from_guest::reader`], and tokio's
/// [`join`](::tokio::io::join()) of the two.
///
/// # Errors
///
/// Those of [`from_guest::reader`] and [`to_guest::writer`].
///
/// ```
/// use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
/// use wasmtime::{Engine, Store};
/// use wasmtime_streams::{to_guest, tokio_io};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// // In place of a guest's output: text that the host wrote before.
/// let (mut guest, output) = to_guest::writer(&mut store, 1024)?;
/// guest.write_all(b"welcome").await?;
/// guest.shutdown().await?;
/// let (mut socket, input) = tokio_io::duplex(&mut store, output, 1024)?;
/// # let (sink, done) = wasmtime_streams::iterators::collect_bytes(100).with_completion();
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
pub fn duplex(
    mut store: impl AsContextMut,
    output: StreamReader<u8>,
    capacity: usize,
) -> Result<(Join<GuestReader, HostWriter>, StreamReader<u8>)> {
    let reader = from_guest::reader(store.as_context_mut(), output, capacity)?;
    let (writer, input) = to_guest::writer(store, capacity)?;
    Ok((join(reader, writer), input))
}
