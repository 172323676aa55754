//! WASI 0.3: stdio, files, directories and TCP sockets of a guest over this crate's adapters.
//!
//! Needs the feature `wasi`. Wasmtime calls its own support of WASI 0.3, on which this stands, experimental, and may
//! change it in a minor version.
//!
//! | I want … | use |
//! |---|---|
//! | to run a guest of `wasi:cli/command`, with its stdio over any producer and consumers | [`cli`](cli()): all of WASI in one call |
//! | its stdio alone, beside any other interfaces | [`stdio`](stdio()), [`Stdio`] |
//! | the stdio of the process | [`Stdio::inherit`], or [`process_stdin`], [`process_stdout`], [`process_stderr`] |
//! | the streams of its files and directories | [`files`](files()) |
//! | a file, or any object of mine, that is read or written at an offset | [`read_at`](read_at()), [`write_at`](write_at()) |
//! | a `stream<directory-entry>` of a directory, or of anything else | [`directory`](directory()), [`entries`](entries()) |
//! | its TCP sockets, or an object of mine that it sees as a socket | [`tcp`](tcp()), [`Tcp`], [`TcpSocket`] |
//! | the `error-code` of a stream that ended | [`stdio_end`], [`file_end`], [`socket_end`] |
//!
//! # Where it differs from Wasmtime's own host
//!
//! Both keep the interfaces, and the same guests run on both. On purpose they differ in this:
//!
//! | | `wasmtime-wasi` 48 | here |
//! |---|---|---|
//! | what the host supplies | a boxed `AsyncRead` or `AsyncWrite` | any [`ByteProducer`](crate::ByteProducer) or [`ByteConsumer`](crate::ByteConsumer) with its limits, deadlines and meters |
//! | the end of the run | output can be lost: nothing waits for its flush, and nothing shuts it down | [`Stdio::closing`] flushes and shuts down, and says how each stream ended and how much moved |
//! | several streams at once over one object | a copy of the object each | one object, operation by operation |
//! | the stdin of the process | reads ahead of the guest | reads what the guest asks for |
//! | the stdout of the process | a full pipe blocks the executor | a thread writes |
//! | a zero-length read | "ready" at once | waits, where the object can tell ([contract](crate::contract#zero-length-reads)) |
//! | an operation on a file | at most 8 KiB, each on a thread | at most 256 KiB; on Linux a read of cached data needs no thread |
//! | a cancelled operation on a file | waits for the operating system | is answered at once; what was read goes into the next read |
//! | a write that fails | 0 bytes were taken | the bytes of that operation, at most 256 KiB, were taken; the result future has the error on both |
//! | a socket or a named pipe in a listing | `other` | its own type |
//! | a listing | a thread of tokio's pool for as long as the guest does not read | a thread for each batch |
//! | the checks of addresses for TCP | those of the `WasiCtx` | those of [`Tcp`], which denies everything by default |
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
