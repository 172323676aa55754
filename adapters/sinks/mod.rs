//! The futures crate's `Sink`, of items or of chunks of bytes, and its oneshot channel, for what the guest writes.
//!
//! | I have … | the guest sees … | use … |
//! |---|---|---|
//! | a `Sink` of items: a channel's sender, a sink of yours | `stream<T>`, writes | [`items`](items()) |
//! | a `Sink` of `Bytes` | `stream<u8>`, writes | [`chunks`](chunks()) |
//! | a `oneshot::Sender` | `future<T>`, writes | [`oneshot`](oneshot()) |
//! | a `oneshot::Receiver` | `future<T>`, reads | [`values::try_future`](crate::values::try_future()) |
//!
//! For items into a tokio channel take `channels::mpsc_sender` rather than a `Sink` around its sender: it reserves room for
//! a whole batch, and holds no item outside the channel. For bytes into a channel of `Bytes` take [`chunks`](chunks()) over
//! tokio-util's `PollSender`. For code of yours that consumes the data take
//! [`from_guest::items`](crate::from_guest::items()), a `Stream`, which also reports a cut.
//!
//! A sink is flushed after each guest write. The flush of a channel's sender waits for the receiver, so give it
//! [`Flush::OnClose`](crate::Flush::OnClose). The [completion](crate::Completion) closes the sink.
//!
//! Items into a channel:
//!
//! ```
//! use futures::{StreamExt as _, channel::mpsc};
//! use wasmtime::{Engine, Store, component::StreamReader};
//! use wasmtime_streams::{Flush, iterators, sinks};
//!
//! # fn main() -> wasmtime::Result<()> {
//! let mut store = Store::new(&Engine::default(), ());
//! let stream = StreamReader::new(&mut store, iterators::items([1_u32, 2, 3]))?; // or a guest's
//!
//! let (tx, rx) = mpsc::channel(8);
//! stream.pipe(&mut store, sinks::items(tx).flush(Flush::OnClose))?;
//! let sum = store.run_concurrent(async |_| rx.fold(0, async |sum, n: u32| sum + n).await);
//! assert_eq!(futures::executor::block_on(sum)?, 6);
//! # Ok(())
//! # }
//! ```
//!
//! Bytes, in chunks of at most 4 KiB:
//!
//! ```
//! use bytes::Bytes;
//! use futures::{StreamExt as _, channel::mpsc};
//! use wasmtime::{Engine, Store, component::StreamReader};
//! use wasmtime_streams::{Flush, iterators, sinks};
//!
//! # fn main() -> wasmtime::Result<()> {
//! let mut store = Store::new(&Engine::default(), ());
//! let stream = StreamReader::new(&mut store, iterators::items([7_u8; 10_000]))?; // or a guest's
//!
//! let (tx, rx) = mpsc::channel::<Bytes>(8);
//! stream.pipe(&mut store, sinks::chunks(tx).max_chunk(4096).flush(Flush::OnClose))?;
//! let sizes = store.run_concurrent(async |_| rx.map(|chunk| chunk.len()).collect::<Vec<_>>().await);
//! let sizes = futures::executor::block_on(sizes)?;
//! assert_eq!(sizes.iter().sum::<usize>(), 10_000);
//! assert!(sizes.iter().all(|size| *size <= 4096));
//! # Ok(())
//! # }
//! ```

mod chunks;
mod items;
mod oneshot;

pub use self::chunks::{Chunks, chunks};
pub use self::items::{Items, items};
pub use self::oneshot::{Oneshot, oneshot};
