//! Items one an operation, as most code by hand moves them.

use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{Sink, Stream};
use wasmtime::component::{
    Destination, Lift, Lower, Source, StreamConsumer, StreamProducer, StreamResult,
};
use wasmtime::{AsContextMut, Result, StoreContextMut};

/// From a stream to the guest.
pub(crate) struct OneRead<S>(pub(crate) S);

impl<D, S> StreamProducer<D> for OneRead<S>
where
    D: 'static,
    S: Stream<Item: Lift + Lower + Send + Sync + 'static> + Unpin + Send + 'static,
{
    type Item = S::Item;
    type Buffer = Option<S::Item>;

    fn poll_produce<'a>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _: StoreContextMut<'a, D>,
        mut destination: Destination<'a, S::Item, Option<S::Item>>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        match Pin::new(&mut self.get_mut().0).poll_next(cx) {
            Poll::Ready(Some(item)) => {
                destination.set_buffer(Some(item));
                Poll::Ready(Ok(StreamResult::Completed))
            }
            Poll::Ready(None) => Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Pending if finish => Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// From the guest to a sink.
pub(crate) struct OneWrite<S, T> {
    sink: S,
    items: PhantomData<fn(T)>,
}

impl<S, T> OneWrite<S, T> {
    pub(crate) fn new(sink: S) -> Self {
        Self { sink, items: PhantomData }
    }
}

impl<D, S, T> StreamConsumer<D> for OneWrite<S, T>
where
    D: 'static,
    S: Sink<T, Error: Into<wasmtime::Error>> + Unpin + Send + 'static,
    T: Lift + Send + Sync + 'static,
{
    type Item = T;

    fn poll_consume(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        mut source: Source<'_, T>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let mut sink = Pin::new(&mut self.get_mut().sink);
        if sink.as_mut().poll_ready(cx).map_err(Into::into)?.is_pending() {
            return if finish { Poll::Ready(Ok(StreamResult::Cancelled)) } else { Poll::Pending };
        }
        let mut item = None;
        source.read(store, &mut item)?;
        if let Some(item) = item {
            sink.start_send(item).map_err(Into::into)?;
        }
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

/// From the guest to a closure with store access.
pub(crate) struct OneCall<F, T> {
    call: F,
    items: PhantomData<fn(T)>,
}

impl<F, T> OneCall<F, T> {
    pub(crate) fn new(call: F) -> Self {
        Self { call, items: PhantomData }
    }
}

impl<D, F, T> StreamConsumer<D> for OneCall<F, T>
where
    D: 'static,
    F: FnMut(StoreContextMut<'_, D>, T) -> Result<()> + Unpin + Send + 'static,
    T: Lift + Send + Sync + 'static,
{
    type Item = T;

    fn poll_consume(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut store: StoreContextMut<'_, D>,
        mut source: Source<'_, T>,
        _: bool,
    ) -> Poll<Result<StreamResult>> {
        let mut item = None;
        source.read(store.as_context_mut(), &mut item)?;
        if let Some(item) = item {
            (self.get_mut().call)(store, item)?;
        }
        Poll::Ready(Ok(StreamResult::Completed))
    }
}
