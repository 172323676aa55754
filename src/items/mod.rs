//! What may cross as an item: plain values as they are, streams, futures and resources as host objects.
//!
//! | I have … | the guest sees … | use … |
//! |---|---|---|
//! | numbers, `bool`, `char`, strings, and lists, options, results, tuples of them | the same | no step |
//! | a record, variant, enum or flags type without handles | the same | [`plain!`](crate::plain), one line |
//! | a guest's stream of streams | `stream<stream<u8>>`, writes | [`from_guest::items`], [`.nested()`][into] |
//! | producers, or what `from_guest` returned | `stream<stream<u8>>`, reads | [`.nested()`][out] |
//! | a record or variant with streams in it | `stream<r>` | [`IntoHost`], [`IntoGuest`], then `.nested()` |
//! | host objects that become resources | `stream<own<R>>`, reads | [`deliver_with`] |
//! | a guest's resources | `stream<own<R>>`, writes | [`receive_with`] |
//! | a step that is a type, not a closure | any | [`Deliver`], [`Receive`] |
//!
//! Take `nested` where the type alone says what an item becomes: streams and futures, at any depth. Take a closure, by
//! [`deliver_with`] or [`receive_with`], where the conversion needs your data in the store, such as a resource table.
//! If resources stand in records, or beside streams, implement [`IntoHost`] and [`IntoGuest`] for them, for stores with
//! your data; `nested` then converts them, too. [`Nested`] sets how much each stream in an item holds.
//!
//! An item becomes a host object in the poll that lifts it, and gets a handle in the poll that delivers it. Dropping a
//! host object closes its stream; an item that the guest does not get never enters the store.
//!
//! # A stream of streams
//!
//! A guest's `stream<stream<u8>>` is a stream of readers, each an `AsyncRead`:
//!
//! ```
//! # #[cfg(feature = "tokio")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> wasmtime::Result<()> {
//! use tokio::io::AsyncReadExt as _;
//! use wasmtime::{Engine, Store, component::StreamReader};
//! use wasmtime_streams::{from_guest, iterators};
//!
//! let mut store = Store::new(&Engine::default(), ());
//! # let files = [iterators::items(*b"one"), iterators::items(*b"two")];
//! # let streams = StreamReader::new(&mut store, iterators::items(files).nested())?;
//! let streams: StreamReader<StreamReader<u8>> = streams; // a guest's
//! let mut files = from_guest::items(&mut store, streams, 8)?; // 8 wait at most
//! let read = store.run_concurrent(async |_| {
//!     let mut text = String::new();
//!     while let Some(mut file) = files.next_item().await {
//!         file.read_to_string(&mut text).await?;
//!     }
//!     std::io::Result::Ok(text)
//! });
//! assert_eq!(read.await??, "onetwo");
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "tokio"))] fn main() {}
//! ```
//!
//! A `stream<stream<u8>>` for a guest is a stream of producers, of any kind:
//!
//! ```
//! # #[cfg(feature = "tokio")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> wasmtime::Result<()> {
//! # use tokio::io::AsyncReadExt as _;
//! use wasmtime::{Engine, Store, component::StreamReader};
//! use wasmtime_streams::{iterators, tokio_io};
//!
//! let mut store = Store::new(&Engine::default(), ());
//! let files = [tokio_io::read(&b"one"[..]), tokio_io::read(&b"two"[..])]; // of one type: `boxed` helps
//! let files = iterators::items(files).nested(); // or any other producer of such items
//! let streams: StreamReader<StreamReader<u8>> = StreamReader::new(&mut store, files)?; // for a guest
//! # let mut files = wasmtime_streams::from_guest::items(&mut store, streams, 8)?;
//! # let mut text = String::new();
//! # store.run_concurrent(async |_| files.next_item().await.unwrap().read_to_string(&mut text).await).await??;
//! # assert_eq!(text, "one");
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "tokio"))] fn main() {}
//! ```
//!
//! # Raw handles do not compile
//!
//! A handle is a number in the table of one store, and Wasmtime's readers have no `Drop`: one that is kept raw is never
//! freed, and means something else in another store. So a type that may hold handles does not compile as a plain item:
//!
//! ```compile_fail,E0277
//! use wasmtime::{Result, Store, component::StreamReader};
//! use wasmtime_streams::iterators;
//!
//! fn take(store: &mut Store<()>, streams: StreamReader<StreamReader<u8>>) -> Result<()> {
//!     // error: `StreamReader<u8>` may hold handles
//!     streams.pipe(store, iterators::collect::<StreamReader<u8>>(9))
//! }
//! ```
//!
//! The host form of a `StreamReader<u8>` is a [`GuestReader`](crate::from_guest::GuestReader):
//!
//! ```
//! # use wasmtime::{Result, Store, component::StreamReader};
//! # use wasmtime_streams::{from_guest::GuestReader, iterators};
//! fn take(store: &mut Store<()>, streams: StreamReader<StreamReader<u8>>) -> Result<()> {
//!     streams.pipe(store, iterators::collect::<GuestReader>(9).nested())
//! }
//! ```
//!
//! A closure of [`receive_with`] does get the raw handle: it must close it or convert it, also where it fails.
//!
//! [`from_guest::items`]: crate::from_guest::items()
//! [into]: crate::ItemConsumer::nested
//! [out]: crate::ItemProducer::nested
//! [`deliver_with`]: crate::ItemProducer::deliver_with
//! [`receive_with`]: crate::ItemConsumer::receive_with

mod crossing;
mod deliver;
mod handles;
mod nested;
mod values;

pub use self::crossing::{Crossing, IntoGuest, IntoHost, Plain};
pub(crate) use self::deliver::{AsIs, receive_each};
pub use self::deliver::{Deliver, Identity, Receive, With};
pub use self::nested::Nested;
pub(crate) use self::values::is_text_or_list;
