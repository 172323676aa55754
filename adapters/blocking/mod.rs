//! Bytes of the standard library's blocking `Read` and `Write`, on threads that may block.
//!
//! Needs no feature; the two functions that use tokio's blocking threads need `tokio`, which is on by default.
//!
//! | I have … | the guest … | use |
//! |---|---|---|
#![cfg_attr(
    feature = "tokio",
    doc = "| a `Read`, and tokio | reads a `stream<u8>` | [`read`](read()) |"
)]
#![cfg_attr(
    feature = "tokio",
    doc = "| a `Write`, and tokio | writes a `stream<u8>` | [`write`](write()) |"
)]
//! | a `Read`, and threads of my own | reads a `stream<u8>` | [`read_on`](read_on()) |
//! | a `Write`, and threads of my own | writes a `stream<u8>` | [`write_on`](write_on()) |
//!
//! With tokio take `read` and `write`, unless the object must stay on a thread of yours or may block for very long:
//! tokio bounds its blocking threads, and a runtime that is shut down waits for them. For files and standard streams
//! tokio has non-blocking types, which `tokio_io` takes. For bytes that are in memory take
//! [`iterators::items`](crate::iterators::items()) and [`iterators::collect_bytes`](crate::iterators::collect_bytes()),
//! which need no thread.
//!
//! # Examples
//!
//! A reader to the guest, and a guest's output to a writer, on a thread for each read and write:
//!
//! ```
//! use std::{io::Read as _, thread};
//! use futures::executor::block_on;
//! use wasmtime::{Engine, Store, component::StreamReader};
//! use wasmtime_streams::blocking::{self, Job};
//!
//! # fn main() -> wasmtime::Result<()> {
//! let on_a_thread = |job: Job| drop(thread::spawn(|| job.run()));
//! let mut store = Store::new(&Engine::default(), ());
//! let reader = (&b"hello, "[..]).chain(&b"world"[..]); // any `Read`
//! let stream = StreamReader::new(&mut store, blocking::read_on(reader, on_a_thread))?;
//!
//! let (writer, done) = blocking::write_on(Vec::new(), on_a_thread).with_completion();
//! stream.pipe(&mut store, writer)?;
//! let done = block_on(store.run_concurrent(async |_| done.await))?;
//! assert_eq!(done.inner.into_inner().unwrap(), b"hello, world");
//! # Ok(())
//! # }
//! ```
//!
//! A guest's output to an encoder, which is finished only if the output is complete:
//!
//! ```
//! # use std::io::BufWriter;
//! # use wasmtime::{Engine, Store, component::StreamReader};
//! # #[cfg(feature = "tokio")]
//! use wasmtime_streams::blocking;
//!
//! # #[cfg(not(feature = "tokio"))] fn main() {}
//! # #[cfg(feature = "tokio")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> wasmtime::Result<()> {
//! # let mut store = Store::new(&Engine::default(), ());
//! # let output = StreamReader::new(&mut store, wasmtime_streams::iterators::items(*b"hello"))?;
//! # let encoder = BufWriter::new(Vec::new());
//! let (writer, done) = blocking::write(encoder).with_completion();
//! output.pipe(&mut store, writer)?; // `output` is a guest's `stream<u8>`
//! let done = store.run_concurrent(async |_| done.await).await?;
//! if done.end.is_finished() {
//!     let encoder = done.inner.into_inner().expect("no write is pending");
//!     // `encoder.finish()`, or whatever ends its format.
//! #    assert_eq!(encoder.get_ref(), b"hello");
//! }
//! # Ok(())
//! # }
//! ```

pub(crate) mod buffered;
pub(crate) mod job;
#[cfg(feature = "tokio")]
mod pool;
mod read;
mod write;

pub use self::job::Job;
#[cfg(feature = "tokio")]
pub use self::pool::{read, write};
pub use self::read::{Read, read_on};
pub use self::write::{Write, write_on};
