//! Guest streams as host objects: the host reads a guest's output, on any task and any executor.
//!
//! | I have … | the guest sees … | use … |
//! |---|---|---|
//! | code that reads an `AsyncRead` or `AsyncBufRead` | `stream<u8>`, writes | [`reader`](reader()) |
//! | code that reads a `Stream` or `TryStream`, or whole batches | `stream<T>`, writes | [`items`](items()) |
//! | code that awaits a `Future` | `future<T>`, writes | [`value`](value()) |
//! | a guest to call, and such code to run beside the call | `stream<u8>`, writes | [`run`](run()) |
//! | the same, for items | `stream<T>`, writes | [`run_items`](run_items()) |
//! | limits, timeouts, a completion as well | `stream<u8>`, writes | [`consumer`](consumer()) |
//! | the same, for items, or a receiving step | `stream<T>`, writes | [`item_consumer`](item_consumer()) |
//! | a future to pipe later | `future<T>`, writes | [`value_consumer`](value_consumer()) |
//!
//! [`run`](run()) polls the store for you, and returns a trap. With the others you do: a stream moves only while
//! someone polls its store, inside [`run_concurrent`](wasmtime::Store::run_concurrent) or a call into the guest. The
//! objects can be used on any task, but wait while nobody polls the store. Run the store in a task of its own, or use
//! the object inside the closure:
//!
//! ```
//! # #[cfg(feature = "tokio")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> wasmtime::Result<()> {
//! use tokio::io::AsyncBufReadExt as _;
//! use wasmtime::{Engine, Store, component::StreamReader};
//! use wasmtime_streams::{from_guest, iterators};
//!
//! let mut store = Store::new(&Engine::default(), ());
//! let stream = StreamReader::new(&mut store, iterators::items(*b"one\ntwo\n"))?; // or a guest's
//! let mut lines = from_guest::reader(&mut store, stream, 64 * 1024)?.lines();
//! let count = store.run_concurrent(async |_| {
//!     let mut count = 0;
//!     while lines.next_line().await?.is_some() {
//!         count += 1;
//!     }
//!     std::io::Result::Ok(count)
//! });
//! assert_eq!(count.await??, 2);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "tokio"))] fn main() {}
//! ```
//!
//! The inverse is [`to_guest`](crate::to_guest): the host writes, and the guest reads. [`relay`](crate::relay) connects
//! two stores.
//!
//! Each object holds at most its capacity; when that is full, the guest waits. Tasks exchange whole chunks, not single
//! items. No task is spawned, and an object that waits holds no buffer.
//!
//! # Nested streams
//! [`items`](items()) turns a `stream<stream<u8>>` into [`GuestItems`] of [`GuestReader`]s, and a stream or future
//! anywhere in an item into its host object: see [`items`](crate::items). With [`item_consumer`](item_consumer()), call
//! [`nested`](crate::ItemConsumer::nested) on the consumer, or [`receive_by`](crate::ItemConsumer::receive_by) with a
//! [`Nested`](crate::items::Nested) that sets the capacity of each inner stream. Dropping an object closes its stream:
//!
//! ```
//! # #[cfg(feature = "tokio")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> wasmtime::Result<()> {
//! use wasmtime::{Engine, Store, component::StreamReader};
//! use wasmtime_streams::{End, from_guest, iterators, tokio_io};
//!
//! let mut store = Store::new(&Engine::default(), ());
//! let (endless, end) = tokio_io::read(tokio::io::repeat(0)).with_completion();
//! let streams = StreamReader::new(&mut store, iterators::items([endless]).nested())?; // or a guest's
//! let mut files = from_guest::items(&mut store, streams, 8)?;
//! let end = store.run_concurrent(async |_| {
//!     drop(files.next_item().await); // the guest's next write would return `Dropped`
//!     end.await
//! });
//! assert!(matches!(end.await?.end, End::PeerDropped));
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "tokio"))] fn main() {}
//! ```
//!
//! # Partial writes
//! A guest's write takes what there is room for, at most the capacity while nobody reads, and completes with that. It
//! waits only if there is no room at all.
//!
//! # Cancellation
//! A cancelled guest write has moved nothing: one that can move something completes at once. On the host every wait is
//! cancel-safe: nothing is taken until it is returned.
//!
//! # Zero-length operations
//! A zero-length write waits for room. The host sees nothing of it.
//!
//! # Errors
//! There are none of its own. What cuts a stream short on the host (a limit, a timeout, a cancel of the
//! [consumer](consumer())) is reported after all data before it, as a [`Cut`]: by a reader at every read from then on,
//! by [`try_next_item`](GuestItems::try_next_item) once. The plain form of items then ends with `None`, and
//! [`GuestItems::cut`] has the reason. A consumer dropped without notice of its end, by a wrapper that forwards too
//! little, is a cut, too.
//!
//! A guest that traps ends its stream only when its store is dropped, and that looks like an end in order. Where
//! partial data must not be taken for all of it, let a completion watch the store: the stream then ends with a [`Cut`]
//! whose reason is [`Abandoned`](crate::EndReason::Abandoned). [`run`](run()) does not need this: it returns the trap.
//!
//! ```
//! use wasmtime::{Engine, Store, component::StreamReader};
//! use wasmtime_streams::{Cut, EndReason, StoreToken, from_guest};
//!
//! # fn main() -> wasmtime::Result<()> {
//! let mut store = Store::new(&Engine::default(), StoreToken::new());
//! # let stream = StreamReader::new(&mut store, wasmtime_streams::iterators::items([1_u8, 2]))?;
//! let (consumer, mut items) = from_guest::item_consumer(64);
//! let (consumer, done) = consumer.with_completion();
//! drop(done.watch_store(store.data())); // it need not be awaited
//! stream.pipe(&mut store, consumer)?;
//!
//! drop(store); // as after a trap
//! let next = futures::executor::block_on(items.try_next_item());
//! assert_eq!(next, Err(Cut(EndReason::Abandoned)));
//! # Ok(())
//! # }
//! ```
//!
//! # Drop
//! Dropping the host object discards the data in it. A parked guest write is woken and returns `Dropped`; otherwise the
//! guest's next write does. When the guest's end is dropped, by the guest or with its store, the host gets all written
//! data first.
//!
//! [`Cut`]: crate::Cut

mod check;
mod items;
mod reader;
mod run;
mod sink;
mod value;

use self::check::checked;
pub use self::items::{GuestItems, TryGuestItems, item_consumer, items};
pub use self::reader::{GuestReader, consumer, reader};
pub use self::run::{run, run_items};
pub use self::sink::ToHost;
pub(crate) use self::value::value_consumer_by;
pub use self::value::{GuestValue, ToHostValue, value, value_consumer};
