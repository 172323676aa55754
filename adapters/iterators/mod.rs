//! Iterators that the guest reads, and closures and collectors for what the guest writes; no runtime is needed.
//!
//! | I have … | the guest sees … | use … |
//! |---|---|---|
//! | an iterator, a range, a `Vec` | `stream<T>`, reads | [`items`](items()) |
//! | an iterator of `Result`s whose first error ends the stream | `stream<T>`, reads | [`try_items`](try_items()) |
//! | a closure to call with each item | `stream<T>`, writes | [`for_each`](for_each()) |
//! | a closure to call with each batch | `stream<T>`, writes | [`for_each_batch`](for_each_batch()) |
//! | a limit up to which to collect items | `stream<T>`, writes | [`collect`](collect()) |
//! | a limit up to which to collect bytes | `stream<u8>`, writes | [`collect_bytes`](collect_bytes()) |
//!
//! With `Result`s, [`items`](items()) gives the guest each of them as a `result`; [`try_items`](try_items()) gives it
//! the values, and reports the error to the host. An iterator that blocks stops the whole store: send its items through
//! a channel instead.
//!
//! A closure runs in the guest's write, with store access, and must not block. [`for_each_batch`](for_each_batch()) is
//! the faster one. If an item has to wait for something, take the stream as a host object:
//! [`from_guest::items`](crate::from_guest::items()). The collectors are for data that fits in memory.
//!
//! From an iterator into a `Vec`:
//!
//! ```
//! use wasmtime::{Engine, Store, component::StreamReader};
//! use wasmtime_streams::{End, iterators};
//!
//! # fn main() -> wasmtime::Result<()> {
//! let mut store = Store::new(&Engine::default(), ());
//! let numbers = StreamReader::new(&mut store, iterators::items(1_u32..))?; // for a guest
//!
//! let (first, done) = iterators::collect(3).with_completion();
//! numbers.pipe(&mut store, first)?; // or a guest's stream
//! let done = futures::executor::block_on(store.run_concurrent(async |_| done.await))?;
//! assert!(matches!(done.end, End::LimitReached));
//! assert_eq!(done.inner.into_inner(), [1, 2, 3]);
//! # Ok(())
//! # }
//! ```
//!
//! Into the data of the store:
//!
//! ```
//! use wasmtime::{Engine, Store, StoreContextMut, component::StreamReader};
//! use wasmtime_streams::iterators;
//!
//! # fn main() -> wasmtime::Result<()> {
//! let mut store = Store::new(&Engine::default(), 0);
//! let numbers = StreamReader::new(&mut store, iterators::items([1_u32, 2, 3]))?; // or a guest's
//!
//! let add = |mut store: StoreContextMut<'_, u32>, n: u32| {
//!     *store.data_mut() += n;
//!     Ok(())
//! };
//! let (consumer, done) = iterators::for_each(add).with_completion();
//! numbers.pipe(&mut store, consumer)?;
//! futures::executor::block_on(store.run_concurrent(async |_| done.await))?;
//! assert_eq!(*store.data(), 6);
//! # Ok(())
//! # }
//! ```

mod collect;
mod collect_bytes;
mod for_each;
mod items;

pub use self::collect::{Collect, collect};
pub use self::collect_bytes::{CollectBytes, collect_bytes};
pub use self::for_each::{Calls, EachBatch, EachItem, for_each, for_each_batch};
pub use self::items::{Items, TryItems, items, try_items};
