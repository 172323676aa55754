//! The four Wasmtime traits that can be checked.

use std::future::Future;

use wasmtime::Result;
use wasmtime::component::{FutureConsumer, FutureProducer, StreamConsumer, StreamProducer};

use super::probe::{Probe, SharedSeen};
use super::session::Side;
use super::{Guest, Item};

/// What is checked, and which of its ends the guest has. Sealed.
pub trait Role<D: 'static, T: Item>: sealed::Open<D, T> {}

impl<D: 'static, T: Item, R: sealed::Open<D, T>> Role<D, T> for R {}

mod sealed {
    use super::*;

    #[allow(unreachable_pub, missing_docs)] // sealed: cannot be named outside
    pub trait Open<D: 'static, T: Item>: Sized + 'static {
        const SIDE: Side;

        fn open(
            self,
            guest: &Guest<'_, D, T>,
            seen: SharedSeen,
        ) -> impl Future<Output = Result<u32>>;
    }
}
pub(super) use self::sealed::Open;

/// A [`StreamProducer`].
#[derive(Debug)]
pub struct StreamOut<P>(pub(super) P);

/// A [`StreamConsumer`].
#[derive(Debug)]
pub struct StreamIn<C>(pub(super) C);

/// A [`FutureProducer`].
#[derive(Debug)]
pub struct FutureOut<P>(pub(super) P);

/// A [`FutureConsumer`].
#[derive(Debug)]
pub struct FutureIn<C>(pub(super) C);

impl<D: Send + 'static, P: StreamProducer<D, Item: Item>> Open<D, P::Item> for StreamOut<P> {
    const SIDE: Side = Side::Reads;

    async fn open(self, guest: &Guest<'_, D, P::Item>, seen: SharedSeen) -> Result<u32> {
        Ok(guest.source(Probe::new(self.0, seen)).await)
    }
}

impl<D: Send + 'static, C: StreamConsumer<D, Item: Item>> Open<D, C::Item> for StreamIn<C> {
    const SIDE: Side = Side::Writes;

    async fn open(self, guest: &Guest<'_, D, C::Item>, seen: SharedSeen) -> Result<u32> {
        Ok(guest.sink(Probe::new(self.0, seen)).await)
    }
}

impl<D: Send + 'static, P: FutureProducer<D, Item: Item>> Open<D, P::Item> for FutureOut<P> {
    const SIDE: Side = Side::ReadsFuture;

    async fn open(self, guest: &Guest<'_, D, P::Item>, seen: SharedSeen) -> Result<u32> {
        Ok(guest.future_source(Probe::new(self.0, seen)).await)
    }
}

impl<D: Send + 'static, C: FutureConsumer<D, Item: Item> + Unpin> Open<D, C::Item> for FutureIn<C> {
    const SIDE: Side = Side::WritesFuture;

    async fn open(self, guest: &Guest<'_, D, C::Item>, seen: SharedSeen) -> Result<u32> {
        Ok(guest.future_sink(Probe::new(self.0, seen)).await)
    }
}
