use std::io;

use ::tokio::runtime::Handle;

use super::{Job, Read, Write, read_on, write_on};
use crate::{ByteConsumer, ByteProducer};

/// Reads a `stream<u8>` from a blocking [`std::io::Read`], on tokio's blocking threads.
///
/// The inverse is [`write`](crate::blocking::write()). This is [`read_on`](crate::blocking::read_on()) with
/// [`spawn_blocking`](::tokio::task::spawn_blocking). For files and standard input tokio has types of its own, which
/// [`tokio_io::read`](crate::tokio_io::read()) takes.
///
/// # Panics
/// If called outside of a tokio runtime.
///
/// # Partial writes
/// As for [`read_on`](crate::blocking::read_on()).
///
/// # Cancellation
/// As for [`read_on`](crate::blocking::read_on()). Shutting down the runtime waits for a pending read.
///
/// # Zero-length operations
/// As for [`read_on`](crate::blocking::read_on()).
///
/// # Errors
/// As for [`read_on`](crate::blocking::read_on()). Once the runtime is shut down the stream fails.
///
/// # Drop
/// As for [`read_on`](crate::blocking::read_on()).
///
/// ```
/// use std::io::Read as _;
/// use wasmtime::{Engine, Store, component::StreamReader};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let decoder = std::io::repeat(b'x').take(3);
/// let reader = StreamReader::new(&mut store, wasmtime_streams::blocking::read(decoder))?;
///
/// let (sink, done) = wasmtime_streams::iterators::collect_bytes(100).with_completion();
/// reader.pipe(&mut store, sink)?;
/// let done = store.run_concurrent(async |_| done.await).await?;
/// assert_eq!(done.inner.into_inner(), b"xxx");
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn read<R>(reader: R) -> ByteProducer<Read<R>>
where
    R: io::Read + Send + 'static,
{
    read_on(reader, blocking_threads())
}

/// Writes a guest's `stream<u8>` to a blocking [`std::io::Write`], on tokio's blocking threads.
///
/// The inverse is [`read`](crate::blocking::read()). This is [`write_on`](crate::blocking::write_on()) with
/// [`spawn_blocking`](::tokio::task::spawn_blocking). For files and standard output tokio has types of its own, which
/// [`tokio_io::write`](crate::tokio_io::write()) takes.
///
/// # Panics
/// If called outside of a tokio runtime.
///
/// # Partial writes
/// As for [`write_on`](crate::blocking::write_on()).
///
/// # Cancellation
/// As for [`write_on`](crate::blocking::write_on()). Shutting down the runtime waits for a pending write.
///
/// # Zero-length operations
/// As for [`write_on`](crate::blocking::write_on()).
///
/// # Errors
/// As for [`write_on`](crate::blocking::write_on()). Once the runtime is shut down the stream fails.
///
/// # Drop
/// As for [`write_on`](crate::blocking::write_on()).
///
/// ```
/// use wasmtime::{Engine, Store, component::StreamReader};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let reader = StreamReader::new(&mut store, wasmtime_streams::iterators::items(*b"hello"))?;
///
/// let (writer, done) = wasmtime_streams::blocking::write(Vec::new()).with_completion();
/// reader.pipe(&mut store, writer)?;
/// let done = store.run_concurrent(async |_| done.await).await?;
/// assert_eq!(done.inner.into_inner().unwrap(), b"hello");
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn write<W>(writer: W) -> ByteConsumer<Write<W>>
where
    W: io::Write + Send + 'static,
{
    write_on(writer, blocking_threads())
}

/// Takes the current runtime once, when the stream is made: the store may be polled outside of it.
#[track_caller]
fn blocking_threads() -> impl FnMut(Job) + Send + 'static {
    let runtime = Handle::current();
    move |job| drop(runtime.spawn_blocking(|| job.run()))
}
