//! Streams and futures: from handles of a guest to host objects, and back.

use std::future::Future;

use wasmtime::Result;
use wasmtime::component::{FutureReader, Lift, Lower, StreamProducer, StreamReader};

use super::{Crossing, IntoGuest, IntoHost};
use crate::from_guest::{GuestItems, GuestReader, GuestValue, value_consumer_by};
use crate::to_guest::FromHost;
use crate::{
    BoxProducer, ByteProducer, ByteSource, ItemProducer, ItemSource, ValueProducer,
    completion::Holding, items::Deliver, values,
};

impl<D: 'static, T: IntoHost<D>> IntoHost<D> for StreamReader<T> {
    type Host = T::Stream;
    type Stream = GuestItems<T::Stream>;

    fn into_host(self, at: &mut Crossing<'_, D>) -> Result<T::Stream> {
        T::stream_into_host(self, at)
    }
}

impl<D: 'static, T: IntoHost<D>> IntoHost<D> for FutureReader<T> {
    type Host = GuestValue<T::Host>;
    type Stream = GuestItems<Self::Host>;

    fn into_host(self, at: &mut Crossing<'_, D>) -> Result<GuestValue<T::Host>> {
        let (consumer, value) = value_consumer_by(at.nested);
        self.pipe(at.store(), consumer.nested())?;
        Ok(value)
    }
}

impl From<GuestItems<u8>> for GuestReader {
    fn from(items: GuestItems<u8>) -> Self {
        Self::new(items.into_handoff())
    }
}

impl<D: 'static> IntoGuest<D> for GuestReader {
    type Guest = StreamReader<u8>;

    fn into_guest(self, at: &mut Crossing<'_, D>) -> Result<StreamReader<u8>> {
        at.stream(ByteProducer::new(FromHost::new(self.into_handoff())))
    }
}

impl<D: 'static, T: IntoGuest<D>> IntoGuest<D> for GuestItems<T> {
    type Guest = StreamReader<T::Guest>;

    fn into_guest(self, at: &mut Crossing<'_, D>) -> Result<StreamReader<T::Guest>> {
        at.stream(ItemProducer::new(FromHost::new(self.into_handoff())).nested())
    }
}

/// A `future<T>` must resolve: if the guest that writes it gives no value, the one that reads it traps.
impl<D: 'static, T: IntoGuest<D>> IntoGuest<D> for GuestValue<T> {
    type Guest = FutureReader<T::Guest>;

    fn into_guest(self, at: &mut Crossing<'_, D>) -> Result<FutureReader<T::Guest>> {
        at.future(values::try_future(self).nested())
    }
}

impl<D: 'static, S: ByteSource, C: Holding> IntoGuest<D> for ByteProducer<S, C>
where
    Self: StreamProducer<D, Item = u8>,
{
    type Guest = StreamReader<u8>;

    fn into_guest(self, at: &mut Crossing<'_, D>) -> Result<StreamReader<u8>> {
        at.stream(self)
    }
}

impl<D: 'static, S: ItemSource, V, C: Holding> IntoGuest<D> for ItemProducer<S, V, C>
where
    V: Deliver<D, S::Item>,
    V::Wire: Lower + Lift + Send + Sync + 'static,
    Self: StreamProducer<D, Item = V::Wire>,
{
    type Guest = StreamReader<V::Wire>;

    fn into_guest(self, at: &mut Crossing<'_, D>) -> Result<StreamReader<V::Wire>> {
        at.stream(self)
    }
}

impl<D: 'static, T> IntoGuest<D> for BoxProducer<D, T>
where
    T: Lower + Lift + Send + Sync + 'static,
{
    type Guest = StreamReader<T>;

    fn into_guest(self, at: &mut Crossing<'_, D>) -> Result<StreamReader<T>> {
        at.stream(self)
    }
}

impl<D: 'static, F, V> IntoGuest<D> for ValueProducer<F, V>
where
    F: Future + Send + 'static,
    V: Deliver<D, F::Output>,
    V::Wire: Lower + Lift + Send + Sync + 'static,
{
    type Guest = FutureReader<V::Wire>;

    fn into_guest(self, at: &mut Crossing<'_, D>) -> Result<FutureReader<V::Wire>> {
        at.future(self)
    }
}
