//! Bytes of the futures crate's `AsyncRead`, `AsyncBufRead` and `AsyncWrite`.
//!
//! Needs the feature `futures`, which is on by default, and no tokio.
//!
//! | I have … | the guest … | use |
//! |---|---|---|
//! | an `AsyncRead` | reads a `stream<u8>` | [`read`](read()) |
//! | an `AsyncBufRead`: a `BufReader` | reads a `stream<u8>` | [`buf_read`](buf_read()) |
//! | an `AsyncWrite` | writes a `stream<u8>` | [`write`](write()) |
//!
//! Take [`buf_read`](buf_read()) rather than [`read`](read()) for a reader that has a buffer: the guest can then wait
//! for bytes with a zero-length read. If a type implements the traits of both tokio and futures, take `tokio_io`, or
//! `sockets` for a socket. There is no need for a bridge such as tokio-util's `compat`, which would hide the inner
//! object and make tokio a dependency.
//!
//! To read a guest's output as an `AsyncRead`, or to write its input as an `AsyncWrite`, take
//! [`from_guest::reader`](crate::from_guest::reader()) and [`to_guest::writer`](crate::to_guest::writer()).
//!
//! # Examples
//!
//! A reader with a buffer to the guest. Here the host collects the bytes; the stream could as well be a guest's
//! argument:
//!
//! ```
//! use futures::{executor::block_on, io::{BufReader, Cursor}};
//! use wasmtime::{Engine, Store, component::StreamReader};
//! use wasmtime_streams::{futures_io, iterators};
//!
//! # fn main() -> wasmtime::Result<()> {
//! let mut store = Store::new(&Engine::default(), ());
//! let file = BufReader::new(Cursor::new("hello"));
//! let stream = StreamReader::new(&mut store, futures_io::buf_read(file))?;
//!
//! let (bytes, done) = iterators::collect_bytes(100).with_completion();
//! stream.pipe(&mut store, bytes)?;
//! let done = block_on(store.run_concurrent(async |_| done.await))?;
//! assert_eq!(done.inner.into_inner(), b"hello");
//! # Ok(())
//! # }
//! ```
//!
//! A guest's output, up to a limit:
//!
//! ```
//! use futures::{executor::block_on, io::AllowStdIo};
//! # use wasmtime::{Engine, Store, component::StreamReader};
//! # use wasmtime_streams::iterators;
//! use wasmtime_streams::{End, futures_io};
//!
//! # fn main() -> wasmtime::Result<()> {
//! # let mut store = Store::new(&Engine::default(), ());
//! # let output = StreamReader::new(&mut store, iterators::items(*b"hello"))?;
//! let file = AllowStdIo::new(Vec::new());
//! let (file, done) = futures_io::write(file).limit(4).with_completion();
//! output.pipe(&mut store, file)?; // `output` is a guest's `stream<u8>`
//! let done = block_on(store.run_concurrent(async |_| done.await))?;
//! assert!(matches!(done.end, End::LimitReached));
//! assert_eq!(done.inner.into_inner().into_inner(), b"hell");
//! # Ok(())
//! # }
//! ```

mod buf_read;
mod read;
mod write;

pub use self::buf_read::{BufRead, buf_read};
pub use self::read::{Read, read};
pub use self::write::{Write, write};
