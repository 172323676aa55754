use std::io::{Read, Write};

use ::tokio::runtime::Handle;

use crate::{ByteConsumer, ByteProducer, Job, StdRead, StdWrite, std_read, std_write};

/// A `stream<u8>` that reads from a blocking [`Read`], on the threads that tokio has for that.
///
/// The inverse is [`tokio_blocking_write`]. This is [`std_read`](crate::std_read()) with
/// [`spawn_blocking`](::tokio::task::spawn_blocking). For files and standard input tokio has types of its own, which
/// [`tokio_read`](crate::tokio_read) takes.
///
/// # Panics
/// If it is called outside of a tokio runtime, as `spawn_blocking` does.
///
/// # Partial writes
/// As for [`std_read`](crate::std_read()).
///
/// # Cancellation
/// As for [`std_read`](crate::std_read()). A runtime that is shut down waits for a read that is under way.
///
/// # Zero-length operations
/// As for [`std_read`](crate::std_read()).
///
/// # Errors
/// As for [`std_read`](crate::std_read()). Once the runtime is shut down the stream fails.
///
/// # Drop
/// As for [`std_read`](crate::std_read()).
///
/// ```
/// use std::io::Read as _;
/// use wasmtime::{Engine, Store, component::StreamReader};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let decoder = std::io::repeat(b'x').take(3);
/// let reader = StreamReader::new(&mut store, wasmtime_streams::tokio_blocking_read(decoder))?;
///
/// let (sink, done) = wasmtime_streams::collect_bytes(100).with_completion();
/// reader.pipe(&mut store, sink)?;
/// let done = store.run_concurrent(async |_| done.await).await?;
/// assert_eq!(done.inner.into_inner(), b"xxx");
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn tokio_blocking_read<R>(reader: R) -> ByteProducer<StdRead<R>>
where
    R: Read + Send + 'static,
{
    std_read(reader, blocking_threads())
}

/// Writes a guest's `stream<u8>` into a blocking [`Write`], on the threads that tokio has for that.
///
/// The inverse is [`tokio_blocking_read`]. This is [`std_write`](crate::std_write()) with
/// [`spawn_blocking`](::tokio::task::spawn_blocking). For files and standard output tokio has types of its own, which
/// [`tokio_write`](crate::tokio_write) takes.
///
/// # Panics
/// If it is called outside of a tokio runtime, as `spawn_blocking` does.
///
/// # Partial writes
/// As for [`std_write`](crate::std_write()).
///
/// # Cancellation
/// As for [`std_write`](crate::std_write()). A runtime that is shut down waits for a write that is under way.
///
/// # Zero-length operations
/// As for [`std_write`](crate::std_write()).
///
/// # Errors
/// As for [`std_write`](crate::std_write()). Once the runtime is shut down the stream fails.
///
/// # Drop
/// As for [`std_write`](crate::std_write()).
///
/// ```
/// use wasmtime::{Engine, Store, component::StreamReader};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let reader = StreamReader::new(&mut store, wasmtime_streams::iter(*b"hello"))?;
///
/// let (writer, done) = wasmtime_streams::tokio_blocking_write(Vec::new()).with_completion();
/// reader.pipe(&mut store, writer)?;
/// let done = store.run_concurrent(async |_| done.await).await?;
/// assert_eq!(done.inner.into_inner().unwrap(), b"hello");
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn tokio_blocking_write<W>(writer: W) -> ByteConsumer<StdWrite<W>>
where
    W: Write + Send + 'static,
{
    std_write(writer, blocking_threads())
}

/// The runtime is found once, where the stream is made: the guest is not polled inside of one for certain.
#[track_caller]
fn blocking_threads() -> impl FnMut(Job) + Send + 'static {
    let runtime = Handle::current();
    move |job| drop(runtime.spawn_blocking(|| job.run()))
}
