//! Guest streams as host objects: a guest's output to read from, on any task and any executor.
//!
//! | the guest gave … | take it as … | which is |
//! |---|---|---|
//! | `stream<u8>` | [`reader`] | tokio's and futures' `AsyncRead` and `AsyncBufRead` |
//! | `stream<T>` | [`items`] | futures' `Stream` or `TryStream`, with whole batches for who wants them |
//! | `future<T>` | [`value`] | a `Future` |
//!
//! The way back, a writer of the host's whose other end the guest reads, is [`lower`](crate::to_guest); [`run`] does the
//! usual case in one call, and [`relay`](crate::relay) connects two stores.
//!
//! **Who polls the store?** A stream moves only while someone polls its store: inside of
//! [`run_concurrent`](wasmtime::Store::run_concurrent), or in a call into the guest. The objects here may be used on any
//! task, but while nobody polls the store they wait. Let the store run in a task of its own, or beside the use of the
//! object, as [`run`](run()) does.
//!
//! Each holds at most what its capacity says; when that is full the guest waits. Whole chunks cross between the tasks, not
//! single items. No task is spawned, and an object that waits holds no buffer.
//!
//! # Partial writes
//! A guest's write takes what there is room for, the capacity at most while nobody reads, and completes with that.
//! It waits only if there is no room at all.
//!
//! # Cancellation
//! A guest's write that is cancelled has moved nothing, for one that could move something is complete. On the host's side
//! all that waits can be dropped and done again: nothing is taken until it is returned.
//!
//! # Zero-length operations
//! A zero-length write waits for room. The host sees nothing of it.
//!
//! # Errors
//! There are none of its own. What cuts a stream short on the host's side (a limit, a timeout, a cancel on the [consumer])
//! is told after all that came before it: as a [`Cut`] by a reader, at every read from then on, and once by
//! [`try_next_item`](GuestItems::try_next_item) of items. Their plain form ends with `None` then, and
//! [`GuestItems::cut`] says so. Also a consumer that is dropped without being told of the end, by a wrapper that hands on
//! less than it gets, is a cut.
//!
//! A guest that traps only ends its stream when its store is dropped, and then looks like one that has ended it in order.
//! Where half of the data must not be taken for all of it, let a completion watch the store: the end is then a
//! [`Cut`] that says [`Abandoned`](crate::EndReason::Abandoned). [`run`](run()) needs no such care: it returns the trap.
//!
//! ```
//! use wasmtime::{Engine, Store, component::StreamReader};
//! use wasmtime_streams::{StoreToken, EndReason, from_guest};
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
//! When the host's end is dropped, what it holds is lost. A guest's write that is parked is woken and sees the other end
//! dropped; else the guest learns it at its next write. The guest's own end, by its drop or its store's, is told after all
//! that it wrote.
//!
//! [consumer]: consumer()

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
