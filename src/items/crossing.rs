use wasmtime::component::{FutureAny, Lift, Lower, StreamAny, StreamProducer, StreamReader};
use wasmtime::component::{FutureProducer, FutureReader};
use wasmtime::{AsContextMut as _, Result, StoreContextMut};

use super::Nested;
use crate::from_guest::GuestItems;

/// Values without handles: they mean the same on the host and in every store.
///
/// Numbers, `bool`, `char` and strings, and lists, options, results and tuples of plain values.
/// [`plain!`](crate::plain) makes a record, variant, enum or flags type of yours plain. Streams, futures and resources
/// are not plain, so an adapter does not take them as they are: see [`nested`](crate::ItemConsumer::nested),
/// [`receive_with`](crate::ItemConsumer::receive_with) and [`deliver_with`](crate::ItemProducer::deliver_with).
#[diagnostic::on_unimplemented(
    message = "`{Self}` may hold handles, which are valid in one store only and must not be kept as they are",
    label = "not known to be a plain value",
    note = "a record, variant, enum or flags type of yours without handles: `wasmtime_streams::plain!({Self});`",
    note = "chunks of bytes, such as `Bytes`, for a `stream<u8>`: `streams::chunks`, `sinks::chunks`",
    note = "streams and futures: `.nested()`; resources: `.deliver_with(..)` and `.receive_with(..)`"
)]
pub trait Plain: Send + Sync + 'static {}

/// Items that a guest writes, and what they become on the host when they are lifted.
///
/// | an item of the guest … | becomes … |
/// |---|---|
/// | number, `bool`, `char`, `string` | the same |
/// | `list`, `option`, `result`, `tuple` | the same, with its parts converted |
/// | `stream<u8>` | a [`GuestReader`](crate::from_guest::GuestReader) |
/// | `stream<T>` | [`GuestItems`] of what `T` becomes |
/// | `future<T>` | a [`GuestValue`](crate::from_guest::GuestValue) of what `T` becomes |
/// | record, variant, enum or flags without handles | the same: one line, [`plain!`](crate::plain) |
/// | record or variant with handles | a type of yours: implement this trait for it |
/// | resource | an object of yours: implement this trait for `Resource<R>` and the data of your store |
///
/// A step with store access ([`receive_with`](crate::ItemConsumer::receive_with)) needs none of this.
///
/// ```
/// use wasmtime::component::{ComponentType, Lift, Lower, Resource, ResourceTable, StreamReader};
/// use wasmtime_streams::{from_guest, items::{Crossing, IntoHost}};
///
/// #[derive(ComponentType, Lift, Lower)]
/// #[component(record)]
/// struct Upload {
///     name: String,
///     body: StreamReader<u8>,
/// }
///
/// struct HostUpload {
///     name: String,
///     body: from_guest::GuestReader,
/// }
///
/// impl<D: 'static> IntoHost<D> for Upload {
///     type Host = HostUpload;
///     type Stream = from_guest::GuestItems<HostUpload>;
///
///     fn into_host(self, at: &mut Crossing<'_, D>) -> wasmtime::Result<HostUpload> {
///         Ok(HostUpload { name: self.name, body: self.body.into_host(at)? })
///     }
/// }
///
/// // A resource, for stores with this data:
/// struct Data { table: ResourceTable }
/// struct Connection(u32);
///
/// impl IntoHost<Data> for Resource<Connection> {
///     type Host = Connection;
///     type Stream = from_guest::GuestItems<Connection>;
///
///     fn into_host(self, at: &mut Crossing<'_, Data>) -> wasmtime::Result<Connection> {
///         Ok(at.store().data_mut().table.delete(self)?)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "it is not known what `{Self}` becomes on the host, in a store with data of the type `{D}`",
    label = "an item that may hold handles",
    note = "for a record of yours without handles: `wasmtime_streams::plain!({Self});`",
    note = "else implement `IntoHost`, or use a step with store access: `receive_with`"
)]
pub trait IntoHost<D: 'static>: Lift + Send + Sync + 'static {
    /// What it becomes. If that is the type itself, there are no handles in it.
    type Host: Send + 'static;

    /// What a stream of such items becomes if it is itself an item: `GuestItems<Self::Host>`.
    type Stream: From<GuestItems<Self::Host>> + Send + 'static;

    /// Converts the item.
    ///
    /// Convert all handles of the item before returning the first error: one that is left raw is never freed.
    ///
    /// # Errors
    ///
    /// An error ends the stream, after the items before it, and is reported as
    /// [`End::Undeliverable`](crate::End::Undeliverable).
    fn into_host(self, at: &mut Crossing<'_, D>) -> Result<Self::Host>;

    #[doc(hidden)]
    fn stream_into_host(
        stream: StreamReader<Self>,
        at: &mut Crossing<'_, D>,
    ) -> Result<Self::Stream> {
        let (consumer, items) =
            crate::from_guest::item_consumer(at.nested.capacity::<Self::Host>());
        let consumer = consumer.receive_by(at.nested);
        stream.pipe(at.store(), consumer)?;
        Ok(items.into())
    }
}

/// Items of the host, and what they become when they are delivered to a guest.
///
/// The inverse of [`IntoHost`]: plain values stay as they are, and what [`from_guest`](crate::from_guest) returned
/// becomes a stream or future again, in any store. Besides, each [`ByteProducer`](crate::ByteProducer) becomes a
/// `stream<u8>`, each [`ItemProducer`](crate::ItemProducer) a `stream<T>` and each
/// [`ValueProducer`](crate::ValueProducer) a `future<T>`: whatever an adapter of this crate returns can be an item.
///
/// Nothing is made in the store before the guest gets it: an item that is not delivered is only dropped.
///
/// ```
/// use wasmtime::component::{ComponentType, Lift, Lower, StreamReader};
/// use wasmtime_streams::{ByteProducer, items::{Crossing, IntoGuest}};
/// # #[cfg(feature = "tokio")] {
/// use wasmtime_streams::tokio_io;
/// use tokio::fs::File;
///
/// #[derive(ComponentType, Lift, Lower)]
/// #[component(record)]
/// struct Download {
///     name: String,
///     body: StreamReader<u8>,
/// }
///
/// struct HostDownload {
///     name: String,
///     body: ByteProducer<tokio_io::Read<File>>,
/// }
///
/// impl<D: 'static> IntoGuest<D> for HostDownload {
///     type Guest = Download;
///
///     fn into_guest(self, at: &mut Crossing<'_, D>) -> wasmtime::Result<Download> {
///         Ok(Download { name: self.name, body: self.body.into_guest(at)? })
///     }
/// }
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "it is not known what `{Self}` becomes in a guest, in a store with data of the type `{D}`",
    label = "an item that may hold handles",
    note = "for a record of yours without handles: `wasmtime_streams::plain!({Self});`",
    note = "else implement `IntoGuest`, or use a step with store access: `deliver_with`"
)]
pub trait IntoGuest<D: 'static>: Send + 'static {
    /// What it becomes. If that is the type itself, there are no handles in it.
    type Guest: Lower + Lift + Send + Sync + 'static;

    /// Converts the item. If it fails, the streams and futures that it made through `at` are closed again.
    ///
    /// # Errors
    ///
    /// An error ends the stream, after the items before it, and is reported as
    /// [`End::Undeliverable`](crate::End::Undeliverable).
    fn into_guest(self, at: &mut Crossing<'_, D>) -> Result<Self::Guest>;
}

/// Access to the store while an item crosses between a guest and the host; see [`IntoHost`] and [`IntoGuest`].
pub struct Crossing<'a, D: 'static> {
    store: StoreContextMut<'a, D>,
    pub(super) nested: Nested,
    /// The streams and futures made for the current item.
    made: Vec<Made>,
}

enum Made {
    Stream(StreamAny),
    Future(FutureAny),
}

impl<'a, D: 'static> Crossing<'a, D> {
    #[inline]
    pub(crate) fn new(store: StoreContextMut<'a, D>, nested: Nested) -> Self {
        Self { store, nested, made: Vec::new() }
    }

    /// The store.
    pub fn store(&mut self) -> StoreContextMut<'_, D> {
        self.store.as_context_mut()
    }

    /// Converts an item for the guest. If that fails, what was made for it is closed.
    pub(crate) fn give<I: IntoGuest<D>>(&mut self, item: I) -> Result<I::Guest> {
        let guests = item.into_guest(self);
        let failed = guests.is_err();
        for made in self.made.drain(..) {
            // The item's error is reported, not one of closing.
            let _ = match (failed, made) {
                (true, Made::Stream(mut stream)) => stream.close(self.store.as_context_mut()),
                (true, Made::Future(mut future)) => future.close(self.store.as_context_mut()),
                (false, _) => Ok(()),
            };
        }
        guests
    }

    pub(super) fn stream<T>(
        &mut self,
        from: impl StreamProducer<D, Item = T>,
    ) -> Result<StreamReader<T>>
    where
        T: Lower + Lift + Send + Sync + 'static,
    {
        let stream = StreamReader::new(self.store(), from)?;
        let stream = stream.try_into_stream_any(self.store())?;
        self.made.push(Made::Stream(stream.clone()));
        stream.try_into_stream_reader()
    }

    pub(super) fn future<T>(
        &mut self,
        from: impl FutureProducer<D, Item = T>,
    ) -> Result<FutureReader<T>>
    where
        T: Lower + Lift + Send + Sync + 'static,
    {
        let future = FutureReader::new(self.store(), from)?;
        let future = future.try_into_future_any(self.store())?;
        self.made.push(Made::Future(future.clone()));
        future.try_into_future_reader()
    }
}

impl<D> std::fmt::Debug for Crossing<'_, D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Crossing").finish_non_exhaustive()
    }
}
