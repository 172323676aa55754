//! Host objects whose other end the guest reads: the host writes to a guest, on any task and any executor.
//!
//! | I have … | the guest sees … | use … |
//! |---|---|---|
//! | code that writes to an `AsyncWrite` | `stream<u8>`, reads | [`writer`](writer()) |
//! | code that sends items or batches to a `Sink` | `stream<T>`, reads | [`sink`](sink()) |
//! | code that sends one value | `future<T>`, reads | [`value`](value()) |
//! | limits, timeouts, a completion as well | `stream<u8>`, reads | [`producer`](producer()) |
//! | the same, for items, or a delivery step | `stream<T>`, reads | [`item_producer`](item_producer()) |
//! | a future to hand to a store later | `future<T>`, reads | [`value_producer`](value_producer()) |
//!
//! If a reader or a `Stream` already has the data, give the guest that instead: `tokio_io::read`, `streams::items`.
//! What is here is for code that produces data as it goes.
//!
//! ```
//! use wasmtime::{Engine, Store};
//! use wasmtime_streams::{iterators, to_guest};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> wasmtime::Result<()> {
//! let mut store = Store::new(&Engine::default(), ());
//! let (mut lines, stream) = to_guest::sink::<String>(&mut store, 8)?;
//! let task = tokio::spawn(async move {
//!     lines.send_item("hello".to_owned()).await?;
//!     lines.close(); // else the stream is cut short
//!     Ok::<_, wasmtime_streams::Cut>(())
//! });
//! let (collected, done) = iterators::collect::<String>(100).with_completion();
//! stream.pipe(&mut store, collected)?; // or a guest gets the stream
//! let done = store.run_concurrent(async |_| done.await).await?;
//! assert_eq!(done.inner.into_inner(), ["hello"]);
//! # task.await.unwrap().unwrap();
//! # Ok(())
//! # }
//! ```
//!
//! The inverse is [`from_guest`](crate::from_guest), which says who must poll the store meanwhile. The capacities bound
//! memory in the same way.
//!
//! # Nested streams
//! An item can itself be a stream or future for the guest: any producer of this crate, or what `from_guest` returned.
//! Make the parts with [`item_producer`](item_producer()) and call [`nested`](crate::ItemProducer::nested) on the
//! producer: see [`items`](crate::items). Each inner stream is made when the guest gets its item. Dropping an item that
//! was not delivered drops its host object and leaves nothing in the store; when the guest drops an inner stream, its
//! host object is dropped.
//!
//! ```
//! # #[cfg(feature = "tokio")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> wasmtime::Result<()> {
//! # use tokio::io::AsyncReadExt as _;
//! use wasmtime::{Engine, Store, component::StreamReader};
//! use wasmtime_streams::{to_guest, tokio_io};
//!
//! let mut store = Store::new(&Engine::default(), ());
//! let (mut files, producer) = to_guest::item_producer(8);
//! let stream: StreamReader<StreamReader<u8>> = StreamReader::new(&mut store, producer.nested())?;
//! files.send_item(tokio_io::read(&b"contents"[..])).await?;
//! files.close();
//! # let mut files = wasmtime_streams::from_guest::items(&mut store, stream, 8)?; // a guest would get it
//! # let mut text = String::new();
//! # store.run_concurrent(async |_| files.next_item().await.unwrap().read_to_string(&mut text).await).await??;
//! # assert_eq!(text, "contents");
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "tokio"))] fn main() {}
//! ```
//!
//! # Partial writes
//! A guest's read takes all data that was written, up to what it asked for. A host's write takes what there is room
//! for.
//!
//! # Cancellation
//! A cancelled guest read takes nothing. A dropped [`send_batch`](HostSink::send_batch) loses the items not yet sent;
//! every other operation of the host is cancel-safe.
//!
//! # Zero-length operations
//! A zero-length read waits until data was written or the host has ended the stream.
//!
//! # Errors
//! There are none for the guest. The host's writes fail with [`Cut`](crate::Cut) once the guest has dropped its end, or
//! its store was dropped.
//!
//! # Drop
//! The host ends the data by `close`, or by `poll_shutdown` or `poll_close` of the ecosystem's trait. Dropping the
//! host's end without that cuts the stream short, like an `abort` with [`Abandoned`](crate::EndReason::Abandoned): a
//! task that fails or panics does not end its data in order. In both cases data written before is still delivered. The
//! guest sees its stream end; the completion of the [producer](producer()) has the reason. If the guest must know it
//! too, [`into_wit`](crate::ByteProducer::into_wit) gives it a `future<result>` beside the stream.
//!
//! When the guest drops its end, a waiting host write is woken and fails; otherwise the host's next write fails. A
//! completion hands back [what the guest did not read](FromHost::into_unread).

mod sink;
mod source;
mod value;
mod writer;

pub use self::sink::{HostSink, Unsent, item_producer, sink};
pub use self::source::FromHost;
pub use self::value::{FromHostValue, HostValue, value, value_producer};
pub use self::writer::{HostWriter, producer, writer};
use crate::EndReason;

/// The reason of an abort: never the end of the data.
fn cut(reason: EndReason) -> EndReason {
    if reason == EndReason::Finished { EndReason::Abandoned } else { reason }
}
