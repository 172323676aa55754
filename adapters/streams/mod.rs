//! The futures crate's `Stream`, of items or of chunks of bytes, as a stream that the guest reads.
//!
//! | I have … | the guest sees … | use … |
//! |---|---|---|
//! | a `Stream` of items | `stream<T>`, reads | [`items`](items()) |
//! | a `TryStream` of items | `stream<T>`, reads | [`try_items`](try_items()) |
//! | a `Peekable` stream of items | `stream<T>`, reads | [`peekable`](peekable()) |
//! | a `Peekable` stream of `Result`s | `stream<T>`, reads | [`try_peekable`](try_peekable()) |
//! | a `Stream` of chunks: `Bytes`, any `Buf` | `stream<u8>`, reads | [`chunks`](chunks()) |
//! | a `TryStream` of chunks | `stream<u8>`, reads | [`try_chunks`](try_chunks()) |
//!
//! For bytes take the chunks: [`items`](items()) makes a stream of `Vec<u8>` a `stream<list<u8>>`. Take the `try_` form
//! where the stream can fail: its first error ends the guest's stream, and the host gets it from the completion. Given
//! to [`items`](items()), a stream of `Result`s passes its errors to the guest, as `result` items. Take a peekable
//! stream for a guest that asks by zero-length reads whether an item is ready: the others cannot tell.
//!
//! A completion, and so [`transform`](crate::transform()), needs a stream that is `Unpin`. What an `async` block or the
//! combinators of `async-stream` make is not: give `streams::items(Box::pin(stream))`.
//!
//! The other direction is [`sinks`](crate::sinks), or [`from_guest::items`](crate::from_guest::items()), which gives a
//! `Stream`.
//!
//! Items that can fail:
//!
//! ```
//! use futures::stream;
//! use wasmtime::{Engine, Store, component::StreamReader};
//! use wasmtime_streams::{End, iterators, streams};
//!
//! # fn main() -> wasmtime::Result<()> {
//! let mut store = Store::new(&Engine::default(), ());
//! let rows = stream::iter([Ok("a".to_owned()), Err("connection lost")]);
//! let (rows, done) = streams::try_items(rows).with_completion();
//! let rows = StreamReader::new(&mut store, rows)?; // for a guest
//! # rows.pipe(&mut store, iterators::collect::<String>(9))?;
//!
//! let done = futures::executor::block_on(store.run_concurrent(async |_| done.await))?;
//! assert!(matches!(done.end, End::Failed("connection lost")));
//! assert_eq!(done.moved, 1);
//! # Ok(())
//! # }
//! ```
//!
//! Chunks, here of an HTTP client:
//!
//! ```
//! use bytes::Bytes;
//! use futures::stream;
//! use wasmtime::{Engine, Store, component::StreamReader};
//! use wasmtime_streams::{iterators, streams};
//!
//! # fn main() -> wasmtime::Result<()> {
//! let mut store = Store::new(&Engine::default(), ());
//! let chunks = stream::iter([Bytes::from("hello "), Bytes::from("world")]);
//! let body = StreamReader::new(&mut store, streams::chunks(chunks))?;
//!
//! let (text, done) = iterators::collect_bytes(100).with_completion();
//! body.pipe(&mut store, text)?; // or a guest gets it
//! let done = futures::executor::block_on(store.run_concurrent(async |_| done.await))?;
//! assert_eq!(done.inner.into_inner(), b"hello world");
//! # Ok(())
//! # }
//! ```

mod chunks;
mod items;
mod peekable;

pub use self::chunks::{Chunks, TryChunks, chunks, try_chunks};
pub use self::items::{Items, TryItems, items, try_items};
pub use self::peekable::{PeekableItems, TryPeekableItems, peekable, try_peekable};
