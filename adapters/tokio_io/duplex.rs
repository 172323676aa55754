use tokio::io::{Join, join};
use wasmtime::component::StreamReader;
use wasmtime::{AsContextMut, Result};

use crate::from_guest::{self, GuestReader};
use crate::to_guest::{self, HostWriter};

/// Both directions at once, for a protocol: what the host writes is the `stream<u8>` that is returned for the guest, and
/// what the host reads is the guest's `output`.
///
/// The directions are independent: shutting down the writer leaves the reader open, and the guest may end its output
/// while it still reads. To shut it down is the end of the data; to drop the pair without that cuts the guest's input short,
/// as [`lower`] says. `into_inner` takes them apart. `capacity` bytes each way, as in [`from_guest::reader`] and
/// [`to_guest::writer`]. The store must run while the pair is used.
///
/// This is for a guest that gives its output first, as to an import. One that is called with its input, and then returns its
/// output, takes the same steps in another order: [`to_guest::writer`], the call, [`from_guest::reader`], and tokio's
/// [`join`](::tokio::io::join()) of the two.
///
/// # Errors
///
/// As for these two.
///
/// ```
/// use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
/// use wasmtime::{Engine, Store};
/// use wasmtime_streams::{to_guest, tokio_io};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// // A guest would be called with the input, and give its output. Here the output is what was written before.
/// let (mut guest, output) = to_guest::writer(&mut store, 1024)?;
/// guest.write_all(b"welcome").await?;
/// guest.shutdown().await?;
/// let (mut socket, input) = duplex(&mut store, output, 1024)?;
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
