//! Frames of tokio-util's `FramedRead` and `FramedWrite`: lines, length-delimited frames, any codec.
//!
//! Needs the feature `codec`.
//!
//! | I have … | the guest … | use |
//! |---|---|---|
//! | a `FramedRead` | reads a `stream<T>` | [`read`](read()) |
//! | a `FramedWrite` | writes a `stream<T>` | [`write`](write()) |
//!
//! Take them if the guest should see whole frames as items; for the plain bytes of the same socket take `sockets`.
//! Frames that are not WIT types are converted by [`deliver_with`](crate::ItemProducer::deliver_with) and
//! [`receive_with`](crate::ItemConsumer::receive_with). A `Framed`, which has both directions, is a `Stream` and a
//! `Sink`: split it, and give the halves to [`streams::try_items`](crate::streams::try_items()) and
//! [`sinks::items`](crate::sinks::items()); or split the socket, and give each half its codec.
//!
//! # Examples
//!
//! Lines as a `stream<string>`:
//!
//! ```
//! use tokio_util::codec::{FramedRead, LinesCodec};
//! use wasmtime::{Engine, Store, component::StreamReader};
//! use wasmtime_streams::{codec, iterators};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> wasmtime::Result<()> {
//! let mut store = Store::new(&Engine::default(), ());
//! let lines = FramedRead::new(&b"one\ntwo\n"[..], LinesCodec::new_with_max_length(4096));
//! let stream = StreamReader::new(&mut store, codec::read(lines))?; // a guest's argument
//!
//! # let (lines, done) = iterators::collect::<String>(10).with_completion();
//! # stream.pipe(&mut store, lines)?;
//! # let done = store.run_concurrent(async |_| done.await).await?;
//! # assert_eq!(done.inner.into_inner(), ["one", "two"]);
//! # Ok(())
//! # }
//! ```
//!
//! A guest's `stream<list<u8>>` as length-delimited frames:
//!
//! ```
//! use bytes::Bytes;
//! use tokio_util::codec::{FramedWrite, LengthDelimitedCodec};
//! use wasmtime::{Engine, Store, StoreContextMut, component::StreamReader};
//! # use wasmtime_streams::iterators;
//! use wasmtime_streams::codec;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> wasmtime::Result<()> {
//! # let mut store = Store::new(&Engine::default(), ());
//! # let messages = StreamReader::new(&mut store, iterators::items([b"hello".to_vec()]))?;
//! let frames = FramedWrite::new(Vec::new(), LengthDelimitedCodec::new());
//! let (frames, done) = codec::write(frames)
//!     .receive_with(|_: StoreContextMut<'_, ()>, frame: Vec<u8>| Ok(Bytes::from(frame)))
//!     .with_completion();
//! messages.pipe(&mut store, frames)?; // `messages` is a guest's `stream<list<u8>>`
//! let done = store.run_concurrent(async |_| done.await).await?;
//! assert_eq!(done.inner.into_inner().into_inner(), b"\0\0\0\x05hello");
//! # Ok(())
//! # }
//! ```

mod read;
mod write;

pub use self::read::{Read, read};
pub use self::write::{Write, write};
