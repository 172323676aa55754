//! Items in batches, for one kind of stream and one kind of consumer: without cancellation, readiness or a completion.

use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use wasmtime::component::{
    Destination, Lift, Lower, Source, StreamConsumer, StreamProducer, StreamResult, VecBuffer,
};
use wasmtime::{AsContextMut, Result, StoreContextMut};

/// Items in a batch at most, whatever the guest asks for.
const MOST: usize = 16 * 1024;

/// From a stream to the guest, as many items as it asks for.
pub(crate) struct BatchRead<S>(pub(crate) S);

impl<D, S> StreamProducer<D> for BatchRead<S>
where
    D: 'static,
    S: Stream<Item: Lift + Lower + Send + Sync + 'static> + Unpin + Send + 'static,
{
    type Item = S::Item;
    type Buffer = VecBuffer<S::Item>;

    fn poll_produce<'a>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'a, D>,
        mut destination: Destination<'a, S::Item, VecBuffer<S::Item>>,
        _: bool,
    ) -> Poll<Result<StreamResult>> {
        let stream = &mut self.get_mut().0;
        let wanted = destination.remaining(store).unwrap_or(MOST).min(MOST);
        let mut items = Vec::with_capacity(wanted);
        let result = loop {
            if items.len() == wanted {
                break StreamResult::Completed;
            }
            match Pin::new(&mut *stream).poll_next(cx) {
                Poll::Ready(Some(item)) => items.push(item),
                Poll::Ready(None) => break StreamResult::Dropped,
                Poll::Pending if items.is_empty() => return Poll::Pending,
                Poll::Pending => break StreamResult::Completed,
            }
        };
        destination.set_buffer(items.into());
        Poll::Ready(Ok(result))
    }
}

/// From the guest to a closure, as many items as it writes.
pub(crate) struct BatchWrite<F, T> {
    call: F,
    items: PhantomData<fn(T)>,
}

impl<F, T> BatchWrite<F, T> {
    pub(crate) fn new(call: F) -> Self {
        Self { call, items: PhantomData }
    }
}

impl<D, F, T> StreamConsumer<D> for BatchWrite<F, T>
where
    D: 'static,
    F: FnMut(Vec<T>) + Unpin + Send + 'static,
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
        let offered = source.remaining(store.as_context_mut()).min(MOST);
        let mut items = Vec::with_capacity(offered);
        source.read(store, &mut items)?;
        (self.get_mut().call)(items);
        Poll::Ready(Ok(StreamResult::Completed))
    }
}
