//! A stream from a guest in one store to a guest in another, without a task in between.
//!
//! | I have … | each guest sees … | use … |
//! |---|---|---|
//! | a guest's bytes for a guest in another store | `stream<u8>` | [`bytes`](bytes()) |
//! | a guest's items, mapped or as they are | `stream<T>`, `stream<U>` | [`items`](items()) |
//! | limits, timeouts, counts on either side | `stream<u8>` | [`byte_parts`](byte_parts()) |
//! | the same, for items | `stream<T>` | [`item_parts`](item_parts()) |
//! | a stream that the first guest only passed on | `stream<u8>` | [`splice`](splice()) |
//! | the same, for items | `stream<T>` | [`splice_items`](splice_items()) |
//!
//! Try a splice first where the host made the stream: it moves the host's own object to the second store, and no byte
//! passes through the first one any more. A relay is for data that the first guest writes.
//!
//! Both stores must run, beside each other, on any threads: Wasmtime runs no store inside another one's
//! [`run_concurrent`](wasmtime::Store::run_concurrent), and panics if asked to. A guest's stream exists as soon as its
//! call has returned it. So call the first guest, connect the two stores, call the second guest, and then run both.
//!
//! The data between them is bounded by the capacity. The reason of an end passes on: if one side is cut short, the
//! completion of the other reports why. A guest only sees its stream end, after all data before it. If the second guest
//! drops its end, or its store is dropped, a parked write of the first guest is woken and returns `Dropped`; otherwise
//! its next write does.
//!
//! ```
//! use wasmtime::{Engine, Store, component::StreamReader};
//! use wasmtime_streams::{iterators, relay};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> wasmtime::Result<()> {
//! let engine = Engine::default();
//! let (mut one, mut two) = (Store::new(&engine, ()), Store::new(&engine, ()));
//! let stream = StreamReader::new(&mut one, iterators::items(0_u8..100))?; // the first guest's
//!
//! let (consumer, producer) = relay::byte_parts(64 * 1024);
//! stream.pipe(&mut one, consumer.limit(10))?;
//! let stream = StreamReader::new(&mut two, producer)?; // for the second guest
//! # let (all, done) = iterators::collect_bytes(100).with_completion();
//! # stream.pipe(&mut two, all)?;
//! # let first = one.run_concurrent(async |_| std::future::pending::<()>().await);
//! # let second = two.run_concurrent(async |_| done.await);
//! # let moved = tokio::select! { _ = first => 0, done = second => done?.moved };
//! # assert_eq!(moved, 10);
//! # Ok(())
//! # }
//! ```
//!
//! # Nested streams
//!
//! [`items`](items()) also takes a stream of streams: each inner stream becomes a host object in the first store, and a
//! stream of the second store when the second guest gets it. No handle of one store reaches the other. With
//! [`item_parts`](item_parts()), call `nested` on both parts. Dropping an object closes its stream in the first store:
//! `map` can drop one, and if the second guest leaves, those on their way are dropped.
//!
//! ```
//! # #[cfg(feature = "tokio")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> wasmtime::Result<()> {
//! # use tokio::io::AsyncReadExt as _;
//! use wasmtime::{Engine, Store, component::StreamReader};
//! use wasmtime_streams::{from_guest::{self, GuestReader}, iterators, relay};
//!
//! let engine = Engine::default();
//! let (mut one, mut two) = (Store::new(&engine, ()), Store::new(&engine, ()));
//! # let files = [iterators::items(*b"one"), iterators::items(*b"two")];
//! # let streams = StreamReader::new(&mut one, iterators::items(files).nested())?;
//! let streams: StreamReader<StreamReader<u8>> = streams; // the first guest's
//! let relayed = relay::items(&mut one, streams, &mut two, 8, |file: GuestReader| file)?;
//! let mut files = from_guest::items(&mut two, relayed.stream, 8)?; // or the second guest gets it
//! # let first = one.run_concurrent(async |_| std::future::pending::<()>().await);
//! # let second = two.run_concurrent(async |_| {
//! #     let mut text = String::new();
//! #     while let Some(mut file) = files.next_item().await {
//! #         file.read_to_string(&mut text).await?;
//! #     }
//! #     std::io::Result::Ok(text)
//! # });
//! # let text = tokio::select! { _ = first => String::new(), text = second => text?? };
//! # assert_eq!(text, "onetwo");
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "tokio"))] fn main() {}
//! ```

use std::convert::Infallible;
use std::fmt;

use wasmtime::component::{Lift, Lower, StreamConsumer, StreamProducer, StreamReader};
use wasmtime::{AsContextMut, Result, StoreContextMut};

use crate::from_guest::ToHost;
use crate::handoff::{byte_handoff, handoff};
use crate::to_guest::FromHost;
use crate::{
    ByteConsumer, ByteProducer, ByteSource, Completion, ItemConsumer, ItemProducer, ItemSource,
    StoreToken,
    items::{IntoGuest, IntoHost, Nested, Plain, Receive},
};

pub use crate::producer::Splice;

/// A stream connected to another store.
#[non_exhaustive]
pub struct Relayed<T, I = T> {
    /// The stream in the second store, for its guest.
    pub stream: StreamReader<T>,
    /// Reports how the first guest's stream ended. It may be dropped.
    pub from: Completion<ToHost<I>, Infallible>,
    /// Reports how the second guest's stream ended. It may be dropped.
    pub to: Completion<FromHost<I>, Infallible>,
}

impl<T, I> Relayed<T, I> {
    /// Tells a store dropped with its stream in it, as after a trap, from a guest that drops its end: the completions
    /// on both sides then report [`Abandoned`](crate::End::Abandoned). The data of each store holds its token; see
    /// [`StoreToken`]. Without it, partial data of a guest that traps looks complete.
    ///
    /// The two completions are independent: if one is dropped, the other still reports it.
    pub fn watch_stores(self, from: &StoreToken, to: &StoreToken) -> Self {
        let Self { stream, from: one, to: two } = self;
        Self { stream, from: one.watch_store(from), to: two.watch_store(to) }
    }
}

impl<T, I> fmt::Debug for Relayed<T, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relayed").finish_non_exhaustive()
    }
}

/// Connects a guest's `stream<u8>` in the store `from` to a new one in the store `to`.
///
/// At most `capacity` bytes, and at least 2, wait in between. `look` sees the bytes that pass.
///
/// # Errors
///
/// Those of [`StreamReader::pipe`] and [`StreamReader::new`].
///
/// ```
/// use wasmtime::{Engine, Store, component::StreamReader};
/// use wasmtime_streams::{relay, iterators};
///
/// # #[cfg(feature = "tokio")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let engine = Engine::default();
/// let (mut one, mut two) = (Store::new(&engine, ()), Store::new(&engine, ()));
/// let stream = StreamReader::new(&mut one, wasmtime_streams::tokio_io::read(&b"hello"[..]))?; // a guest's
///
/// let relayed = relay::bytes(&mut one, stream, &mut two, 64 * 1024, |bytes| println!("{bytes:?}"))?;
/// let (sink, done) = iterators::collect_bytes(100).with_completion();
/// relayed.stream.pipe(&mut two, sink)?; // the other guest would get it
///
/// let first = one.run_concurrent(async |_| relayed.from.await);
/// let second = two.run_concurrent(async |_| done.await);
/// let (first, second) = tokio::try_join!(first, second)?;
/// assert!(first.end.is_finished());
/// assert_eq!(second.inner.into_inner(), b"hello");
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "tokio"))] fn main() {}
/// ```
pub fn bytes(
    from: impl AsContextMut,
    stream: StreamReader<u8>,
    to: impl AsContextMut,
    capacity: usize,
    look: impl FnMut(&[u8]) + Send + 'static,
) -> Result<Relayed<u8>> {
    let (consumer, producer) = byte_parts(capacity);
    let (consumer, from_done) = consumer.with_completion();
    let (producer, to_done) = producer.with_completion();
    let relayed = connect(from, stream, consumer.inspect(look), to, producer)?;
    Ok(Relayed { stream: relayed, from: from_done, to: to_done })
}

/// Connects a guest's `stream<T>` in the store `from` to a new one in the store `to`, with each item mapped by `map`.
///
/// At most `capacity` items, and at least 2, wait in between. Whole batches cross at once. Streams and futures in the
/// items are [host objects](crate::items) in between.
///
/// # Errors
///
/// Those of [`StreamReader::pipe`] and [`StreamReader::new`].
///
/// ```
/// use futures::{executor::block_on, future::join};
/// use wasmtime::{Engine, Store, component::StreamReader};
/// use wasmtime_streams::{relay, iterators};
///
/// # fn main() -> wasmtime::Result<()> {
/// let engine = Engine::default();
/// let (mut one, mut two) = (Store::new(&engine, ()), Store::new(&engine, ()));
/// let stream = StreamReader::new(&mut one, iterators::items([1_u32, 2, 3]))?; // a guest's
///
/// let relayed = relay::items(&mut one, stream, &mut two, 64, |n: u32| format!("item {n}"))?;
/// let (sink, done) = iterators::collect::<String>(100).with_completion();
/// relayed.stream.pipe(&mut two, sink)?; // the other guest would get it
///
/// // Here both stores run on one thread. With two, each `run_concurrent` has a task or thread of its own.
/// let first = one.run_concurrent(async |_| relayed.from.await);
/// let second = two.run_concurrent(async |_| done.await);
/// let (first, second) = block_on(join(first, second));
/// assert_eq!(first?.moved, 3);
/// assert_eq!(second?.inner.into_inner(), ["item 1", "item 2", "item 3"]);
/// # Ok(())
/// # }
/// ```
pub fn items<D, E, T, U>(
    from: impl AsContextMut<Data = D>,
    stream: StreamReader<T>,
    to: impl AsContextMut<Data = E>,
    capacity: usize,
    map: impl FnMut(T::Host) -> U + Send + 'static,
) -> Result<Relayed<U::Guest, U>>
where
    D: 'static,
    E: 'static,
    T: IntoHost<D>,
    U: IntoGuest<E>,
{
    let (consumer, producer) = item_parts(capacity);
    let (consumer, from_done) = consumer.with_completion();
    let (producer, to_done) = producer.with_completion();
    let consumer: ItemConsumer<ToHost<U>, T, _, _> = consumer.receive_by(Map(map));
    let relayed = connect(from, stream, consumer, to, producer.nested())?;
    Ok(Relayed { stream: relayed, from: from_done, to: to_done })
}

/// The receiving step of [`items`](items()).
struct Map<F>(F);

impl<D, T, U, F> Receive<D, T> for Map<F>
where
    D: 'static,
    T: IntoHost<D>,
    F: FnMut(T::Host) -> U + Send + 'static,
{
    type Item = U;

    fn receive(&mut self, store: StoreContextMut<'_, D>, item: T) -> Result<U> {
        Nested::default().receive(store, item).map(&mut self.0)
    }

    fn discard(&mut self, store: StoreContextMut<'_, D>, item: T) {
        let _ = Nested::default().receive(store, item);
    }

    fn may_hold_handles(&self) -> bool {
        Receive::<D, T>::may_hold_handles(&Nested::default())
    }
}

/// Connects both ends or none: a reader that is only dropped stays in its store's table, and its writer waits for ever.
fn connect<D, E, T, P>(
    mut from: impl AsContextMut<Data = D>,
    mut stream: StreamReader<T>,
    consumer: impl StreamConsumer<D, Item = T>,
    mut to: impl AsContextMut<Data = E>,
    producer: P,
) -> Result<StreamReader<P::Item>>
where
    D: 'static,
    E: 'static,
    T: 'static,
    P: StreamProducer<E>,
    P::Item: Lower + Lift + Send + Sync + 'static,
{
    let mut relayed = match StreamReader::new(&mut to, producer) {
        Ok(relayed) => relayed,
        Err(error) => {
            stream.close(from)?;
            return Err(error);
        }
    };
    if let Err(error) = stream.pipe(&mut from, consumer) {
        relayed.close(to)?;
        return Err(error);
    }
    Ok(relayed)
}

/// The two parts of [`bytes`](bytes()): the consumer for the first store's stream, and the producer for the second's.
pub fn byte_parts(capacity: usize) -> (ByteConsumer<ToHost<u8>>, ByteProducer<FromHost<u8>>) {
    let (writer, reader) = byte_handoff(capacity);
    (ByteConsumer::new(ToHost::new(writer)), ByteProducer::new(FromHost::new(reader)))
}

/// The two parts of [`items`](items()).
pub fn item_parts<T: Send + 'static>(
    capacity: usize,
) -> (ItemConsumer<ToHost<T>>, ItemProducer<FromHost<T>>) {
    let (writer, reader) = handoff(capacity);
    (ItemConsumer::new(ToHost::new(writer)), ItemProducer::new(FromHost::new(reader)))
}

/// Moves a stream to another store without its guest, if that guest only passed on what the host had made: a
/// [`spliceable`](ByteProducer::spliceable) producer over an `S`. The stream continues where it is.
///
/// # Errors
///
/// The stream as it was, if it is no such stream. The inner error is one of the second store's table, and loses the
/// source.
///
/// ```
/// use wasmtime::{Engine, Store, component::StreamReader};
///
/// # #[cfg(feature = "tokio")]
/// # fn main() -> wasmtime::Result<()> {
/// use wasmtime_streams::{relay, tokio_io};
///
/// let engine = Engine::default();
/// let (mut one, mut two) = (Store::new(&engine, ()), Store::new(&engine, ()));
/// // What a guest got, and gave back untouched:
/// let stream = StreamReader::new(&mut one, tokio_io::read(&b"hello"[..]).spliceable())?;
/// let stream = match relay::splice::<tokio_io::Read<&[u8]>>(&mut one, stream, &mut two) {
///     Ok(spliced) => spliced?,
///     Err(stream) => relay::bytes(&mut one, stream, &mut two, 64 * 1024, |_| {})?.stream,
/// };
/// # drop(stream);
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "tokio"))] fn main() {}
/// ```
pub fn splice<S>(
    from: impl AsContextMut,
    stream: StreamReader<u8>,
    to: impl AsContextMut,
) -> Result<Result<StreamReader<u8>>, StreamReader<u8>>
where
    S: ByteSource + Splice + Unpin,
{
    let source = stream.try_into::<S>(from)?;
    Ok(StreamReader::new(to, ByteProducer::new(source).spliceable()))
}

/// Like [`splice`](splice()), for items.
///
/// # Errors
///
/// As for [`splice`](splice()).
pub fn splice_items<T, S>(
    from: impl AsContextMut,
    stream: StreamReader<T>,
    to: impl AsContextMut,
) -> Result<Result<StreamReader<T>>, StreamReader<T>>
where
    T: Plain + Lower + Lift,
    S: ItemSource<Item = T> + Splice + Unpin,
{
    let source = stream.try_into::<S>(from)?;
    Ok(StreamReader::new(to, ItemProducer::new(source).spliceable()))
}
