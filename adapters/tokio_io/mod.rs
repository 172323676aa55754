//! Bytes of tokio's `AsyncRead`, `AsyncBufRead` and `AsyncWrite`: files, standard streams, decoders.
//!
//! Needs the feature `tokio`, which is on by default.
//!
//! | I have … | the guest … | use |
//! |---|---|---|
//! | an `AsyncRead`: a file, stdin, a decoder | reads a `stream<u8>` | [`read`](read()) |
//! | an `AsyncBufRead`: a `BufReader` | reads a `stream<u8>` | [`buf_read`](buf_read()) |
//! | an `AsyncWrite`: a file, stdout, an encoder | writes a `stream<u8>` | [`write`](write()) |
//! | a protocol to speak with the guest | reads and writes | [`duplex`](duplex()) |
//!
//! Take [`buf_read`](buf_read()) rather than [`read`](read()) for a reader that has a buffer: the guest can then wait
//! for bytes with a zero-length read. Take [`sockets`](crate::sockets) for a socket or a pipe: the guest can then wait
//! for bytes and for room. To read a guest's output as an `AsyncRead`, or to write its input as an `AsyncWrite`, take
//! [`from_guest::reader`](crate::from_guest::reader()) and [`to_guest::writer`](crate::to_guest::writer()).
//!
//! # Examples
//!
//! A file to the guest. Here a host writer reads the stream; it could as well be a guest's argument:
//!
//! ```
//! use tokio::fs::File;
//! use wasmtime::{Engine, Store, component::StreamReader};
//! use wasmtime_streams::tokio_io;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> wasmtime::Result<()> {
//! let mut store = Store::new(&Engine::default(), ());
//! let file = File::open("Cargo.toml").await?;
//! let stream = StreamReader::new(&mut store, tokio_io::read(file))?;
//!
//! let (copy, done) = tokio_io::write(Vec::new()).with_completion();
//! stream.pipe(&mut store, copy)?;
//! let done = store.run_concurrent(async |_| done.await).await?;
//! assert_eq!(done.inner.into_inner(), tokio::fs::read("Cargo.toml").await?);
//! # Ok(())
//! # }
//! ```
//!
//! A guest's output to a file, which gets its name only if the output is complete:
//!
//! ```
//! use tokio::fs::{self, File};
//! # use wasmtime::{Engine, Store, component::StreamReader};
//! # use wasmtime_streams::tokio_io;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> wasmtime::Result<()> {
//! # let name = format!("wasmtime-streams-{}", std::process::id());
//! # let (part, path) = (std::env::temp_dir().join(format!("{name}.part")), std::env::temp_dir().join(name));
//! # let mut store = Store::new(&Engine::default(), ());
//! # let output = StreamReader::new(&mut store, tokio_io::read(&b"hello"[..]))?;
//! let (file, done) = tokio_io::write(File::create(&part).await?).with_completion();
//! output.pipe(&mut store, file)?; // `output` is a guest's `stream<u8>`
//! let done = store.run_concurrent(async |_| done.await).await?;
//! match done.end.into_result() {
//!     Ok(()) => fs::rename(&part, &path).await?,
//!     Err(cut) => {
//!         fs::remove_file(&part).await?;
//!         return Err(cut.into());
//!     }
//! }
//! # assert_eq!(fs::read(&path).await?, b"hello");
//! # fs::remove_file(&path).await?;
//! # Ok(())
//! # }
//! ```

mod buf_read;
mod duplex;
mod read;
mod write;

pub use self::buf_read::{BufRead, buf_read};
pub use self::duplex::duplex;
pub(crate) use self::read::poll_read;
pub use self::read::{Read, read};
pub(crate) use self::write::poll_write;
pub use self::write::{Write, write};
