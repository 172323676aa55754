//! Producers and consumers of any kind, as one short type each.

use std::any::{Any, TypeId};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use wasmtime::component::{
    Destination, Source, StreamConsumer, StreamProducer, StreamResult, VecBuffer,
};
use wasmtime::{Result, StoreContextMut};

type Boxed<P> = Pin<Box<P>>;

trait Produce<D, T>: Send {
    fn poll_produce<'a>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'a, D>,
        destination: Destination<'a, T, VecBuffer<T>>,
        finish: bool,
    ) -> Poll<Result<StreamResult>>;

    fn try_into(self: Boxed<Self>, ty: TypeId) -> Result<Box<dyn Any>, Boxed<dyn Produce<D, T>>>;
}

impl<D, T, P> Produce<D, T> for P
where
    P: StreamProducer<D, Item = T, Buffer = VecBuffer<T>>,
{
    fn poll_produce<'a>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'a, D>,
        destination: Destination<'a, T, VecBuffer<T>>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        StreamProducer::poll_produce(self, cx, store, destination, finish)
    }

    fn try_into(self: Boxed<Self>, ty: TypeId) -> Result<Box<dyn Any>, Boxed<dyn Produce<D, T>>> {
        P::try_into(self, ty).map_err(|me| me as _)
    }
}

/// Any producer of a `stream<T>`, for stores with data of the type `D`; made by `boxed`.
pub struct BoxProducer<D, T>(Boxed<dyn Produce<D, T>>);

impl<D, T> fmt::Debug for BoxProducer<D, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxProducer").finish_non_exhaustive()
    }
}

impl<D: 'static, T: Send + Sync + 'static> StreamProducer<D> for BoxProducer<D, T> {
    type Item = T;
    type Buffer = VecBuffer<T>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'a, D>,
        destination: Destination<'a, T, VecBuffer<T>>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        self.0.as_mut().poll_produce(cx, store, destination, finish)
    }

    fn try_into(me: Boxed<Self>, ty: TypeId) -> Result<Box<dyn Any>, Boxed<Self>> {
        Pin::into_inner(me).0.try_into(ty).map_err(|inner| Box::pin(Self(inner)))
    }
}

trait Consume<D, T>: Send {
    fn poll_consume(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        source: Source<'_, T>,
        finish: bool,
    ) -> Poll<Result<StreamResult>>;
}

impl<D, T, C: StreamConsumer<D, Item = T>> Consume<D, T> for C {
    fn poll_consume(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        source: Source<'_, T>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        StreamConsumer::poll_consume(self, cx, store, source, finish)
    }
}

/// Any consumer of a `stream<T>`, for stores with data of the type `D`; made by `boxed`.
pub struct BoxConsumer<D, T>(Boxed<dyn Consume<D, T>>);

impl<D, T> fmt::Debug for BoxConsumer<D, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxConsumer").finish_non_exhaustive()
    }
}

impl<D: 'static, T: Send + Sync + 'static> StreamConsumer<D> for BoxConsumer<D, T> {
    type Item = T;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        source: Source<'_, T>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        self.0.as_mut().poll_consume(cx, store, source, finish)
    }
}

impl<S: crate::ByteSource, C: crate::completion::Holding> crate::ByteProducer<S, C> {
    /// Hides the type behind a short one, for example for the field of a struct. The box is always `Unpin`.
    pub fn boxed<D: 'static>(self) -> BoxProducer<D, u8> {
        BoxProducer(Box::pin(self))
    }
}

impl<S: crate::ItemSource, V, C: crate::completion::Holding> crate::ItemProducer<S, V, C> {
    /// Hides the type behind a short one, for example for the field of a struct. The box is always `Unpin`.
    pub fn boxed<D: 'static, T>(self) -> BoxProducer<D, T>
    where
        Self: StreamProducer<D, Item = T, Buffer = VecBuffer<T>>,
    {
        BoxProducer(Box::pin(self))
    }
}

impl<S: crate::ByteSink, C: crate::completion::Holding> crate::ByteConsumer<S, C> {
    /// Hides the type behind a short one, for example for the field of a struct. The box is always `Unpin`.
    pub fn boxed<D: 'static>(self) -> BoxConsumer<D, u8> {
        BoxConsumer(Box::pin(self))
    }
}

impl<S: crate::ItemSink, W, V, C: crate::completion::Holding> crate::ItemConsumer<S, W, V, C> {
    /// Hides the type behind a short one, for example for the field of a struct. The box is always `Unpin`.
    pub fn boxed<D: 'static>(self) -> BoxConsumer<D, W>
    where
        Self: StreamConsumer<D, Item = W>,
    {
        BoxConsumer(Box::pin(self))
    }
}
