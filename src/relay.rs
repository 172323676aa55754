//! A stream from a guest in one store to a guest in another, without a task in between.
//!
//! Both stores have to run, on any threads, beside each other: Wasmtime runs no store inside of another one's
//! [`run_concurrent`](wasmtime::Store::run_concurrent), and panics if it is asked to. A guest's stream is there as soon as
//! its call has returned it, so call the first guest, connect the two stores, call the second guest, and then run both.
//!
//! What waits between them is bounded by the capacity, and the reason of an end passes on: if one side is cut short, the
//! completion of the other says why. A guest only sees that its stream has ended, after all that was on its way. If the
//! second guest drops its end, or its store is dropped, a write of the first one that is parked is woken and sees its
//! other end dropped; else the first guest learns it at its next write.
//!
//! [`bytes()`] and [`items`] do it in one call. For limits, timeouts or counts on either side there are their parts,
//! [`byte_parts`] and [`item_parts`]. A stream that the first guest only passed on needs no relay: [`splice`] takes the
//! host's own object back out of it, and hands it to the second store.

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

/// A stream that was connected to another store.
#[non_exhaustive]
pub struct Relayed<T, I = T> {
    /// The stream in the second store, for its guest.
    pub stream: StreamReader<T>,
    /// How the first guest's stream ended. It may be dropped.
    pub from: Completion<ToHost<I>, Infallible>,
    /// How the second guest's stream ended. It may be dropped.
    pub to: Completion<FromHost<I>, Infallible>,
}

impl<T, I> Relayed<T, I> {
    /// Tells a store that was dropped with its stream in it, as after a trap, from a guest that dropped its end: the
    /// completions on both sides then say [`Abandoned`](crate::End::Abandoned). Each token is one that the data of its store
    /// holds; see [`StoreToken`]. Without it what a guest wrote before it trapped looks like all there is.
    ///
    /// The two do not depend on each other: one completion may be dropped, and the other still says it.
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
/// At most `capacity` bytes, and at least 2, wait in between. `look` sees what passes.
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

/// Connects a guest's `stream<T>` in the store `from` to a new one in the store `to`, of what `map` makes of its items.
///
/// At most `capacity` items, and at least 2, wait in between. Batches cross at once.
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
/// // Here both stores run on one thread. On two each `run_concurrent` stands in a task or thread of its own.
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

/// The receiving step of [`items`].
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

/// Both ends, or none: a reader that is only dropped stays in its store's table, and its writer waits for ever.
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

/// The two parts of [`bytes()`]: where the first store's stream goes, and where the second's comes from.
pub fn byte_parts(capacity: usize) -> (ByteConsumer<ToHost<u8>>, ByteProducer<FromHost<u8>>) {
    let (writer, reader) = byte_handoff(capacity);
    (ByteConsumer::new(ToHost::new(writer)), ByteProducer::new(FromHost::new(reader)))
}

/// The two parts of [`items`].
pub fn item_parts<T: Send + 'static>(
    capacity: usize,
) -> (ItemConsumer<ToHost<T>>, ItemProducer<FromHost<T>>) {
    let (writer, reader) = handoff(capacity);
    (ItemConsumer::new(ToHost::new(writer)), ItemProducer::new(FromHost::new(reader)))
}

/// Moves a stream to another store without its guest, if that only passed on what the host had made: a
/// [`spliceable`](ByteProducer::spliceable) producer over an `S`. The stream goes on where it stands.
///
/// # Errors
///
/// The stream as it was, if it is no such stream. A failure of the second store's table, which loses the source, is the
/// inner error.
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

/// The same for items.
///
/// # Errors
///
/// As for [`splice`].
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
