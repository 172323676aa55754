//! WASI 0.3: stdio of a guest over this crate's adapters.
//!
//! Needs the feature `wasi`. Wasmtime calls its own support of WASI 0.3 experimental, and changes it in minor versions
//! as well; this module needs `wasmtime-wasi` for [`cli`] alone.
//!
//! | I want … | use |
//! |---|---|
//! | a guest of `wasi:cli/command`, with its stdio over any producer and consumers | [`cli`](cli()) |
//! | its stdio alone, beside any other interfaces | [`stdio`](stdio()) |
//! | the streams themselves | [`Stdio`] |
//! | the stdio of the process | [`Stdio::inherit`], or [`process_stdin`], [`process_stdout`], [`process_stderr`] |
//! | the `error-code` of a stream that ended | [`stdio_end`] |
//!
//! # Where it differs from Wasmtime's own stdio
//!
//! Both keep the interface. Wasmtime's, in `wasmtime-wasi` 48, does this:
//!
//! | | `wasmtime-wasi` | here |
//! |---|---|---|
//! | what the host supplies | a boxed `AsyncRead` or `AsyncWrite` | any [`ByteProducer`](crate::ByteProducer) or [`ByteConsumer`](crate::ByteConsumer) with its limits, deadlines and meters |
//! | the end of the run | output can be lost: nothing waits for its flush, and nothing shuts it down | [`Stdio::closing`] flushes and shuts down, and says how each stream ended and how much moved |
//! | several streams at once over one object | a copy of the object each | one object, operation by operation |
//! | the stdin of the process | reads ahead of the guest | reads what the guest asks for |
//! | the stdout of the process | a full pipe blocks the executor | a thread writes |
//! | a zero-length read | "ready" at once | waits, where the object can tell ([contract](crate::contract#zero-length-operations)) |
//!
//! # Examples
//!
//! A component's stdout, up to 64 KiB of it. Here no guest is linked, so nothing is written:
//!
//! ```
//! use wasmtime::{Engine, Store, component::Linker};
//! use wasmtime_streams::{iterators, wasi};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> wasmtime::Result<()> {
//! let engine = Engine::default();
//! let mut linker = Linker::<wasi::Stdio>::new(&engine);
//! wasi::stdio(&mut linker, |stdio| stdio)?;
//!
//! let (stdout, done) = iterators::collect_bytes(64 * 1024).with_completion();
//! let mut store = Store::new(&engine, wasi::Stdio::new().stdout(stdout));
//! // … instantiate a component with `linker`, and run it …
//! store.data_mut().closing().await;
//! assert_eq!(done.await.inner.into_inner(), b"");
//! # Ok(())
//! # }
//! ```
//!
//! The stdio of the process, with a limit on what the guest may print:
//!
//! ```
//! use wasmtime_streams::wasi::{self, Stdio};
//!
//! # fn main() -> std::io::Result<()> {
//! let stdio = Stdio::new()
//!     .stdin(wasi::process_stdin()?)
//!     .stdout(wasi::process_stdout()?.limit(1 << 20))
//!     .stderr(wasi::process_stderr()?.limit(1 << 16));
//! # drop(stdio);
//! # Ok(())
//! # }
//! ```

mod cli;
mod files;
mod stdio;
mod tcp;

pub use self::cli::cli;
pub use self::files::{
    At, DirectoryEntry, FileError, FileType, Listing, OffsetRead, OffsetWrite, ReadAt, WriteAt,
    entries, file_end, files, read_at, write_at,
};
#[cfg(unix)]
pub use self::files::{OpenDirectory, directory};
pub use self::stdio::{
    Stdio, StdioEnd, StdioEnds, StdioError, StdioInput, StdioOutput, process_stderr, process_stdin,
    process_stdout, stdio, stdio_end,
};
pub use self::tcp::{SocketError, Tcp, TcpSocket, socket_end, tcp};
