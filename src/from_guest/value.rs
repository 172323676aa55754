use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use wasmtime::component::FutureReader;
use wasmtime::{AsContextMut, Result, StoreContextMut};

use crate::oneshot::{Receiver, Sender, oneshot};
use crate::{
    Cut, ValueConsumer,
    items::{IntoHost, Nested, Receive as _},
    values::ValueSink,
};

/// Takes a guest's `future<T>` as a Rust future, to await on any task. The store must run meanwhile.
///
/// # Errors
///
/// Those of [`FutureReader::pipe`], if the reader was closed. A reader does not know its store: one of another store is
/// refused only if this store has nothing, or a guest's future of another type, under its number.
///
/// ```
/// use wasmtime::{Engine, Store, component::FutureReader};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let future = FutureReader::new(&mut store, wasmtime_streams::values::future(async { 7_u32 }))?; // or a guest's
/// let value = wasmtime_streams::from_guest::value(&mut store, future)?;
///
/// // The store has to run until the value is there.
/// assert_eq!(store.run_concurrent(async |_| value.await).await?, Ok(7));
/// # Ok(())
/// # }
/// ```
pub fn value<D, T>(
    mut store: impl AsContextMut<Data = D>,
    future: FutureReader<T>,
) -> Result<GuestValue<T::Host>>
where
    D: 'static,
    T: IntoHost<D>,
{
    let future = future.try_into_future_any(&mut store)?.try_into_future_reader::<T>()?;
    let (consumer, value) = value_consumer();
    future.pipe(store, consumer.nested())?;
    Ok(value)
}

/// The two parts of [`value`](value()), to pipe later.
pub fn value_consumer<T: Send + 'static>() -> (ValueConsumer<T, ToHostValue<T>>, GuestValue<T>) {
    value_consumer_by(Nested::default())
}

/// The same, with other capacities for the streams in the value.
pub(crate) fn value_consumer_by<T: Send + 'static>(
    nested: Nested,
) -> (ValueConsumer<T, ToHostValue<T>>, GuestValue<T>) {
    let (tx, rx) = oneshot();
    (ValueConsumer::new(ToHostValue { tx, nested }), GuestValue(rx))
}

/// The value of a guest's `future<T>`; made by [`value`](value()).
///
/// Resolves with a [`Cut`] if there is none: the guest trapped and its store was dropped.
#[must_use = "futures do nothing unless they are awaited"]
#[derive(Debug)]
pub struct GuestValue<T>(Receiver<T>);

impl<T> Future for GuestValue<T> {
    type Output = Result<T, Cut>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(ready!(Pin::new(&mut self.0).poll(cx)).ok_or(Cut::ABANDONED))
    }
}

/// The sink of [`value`](value()).
#[derive(Debug)]
pub struct ToHostValue<T> {
    tx: Sender<T>,
    nested: Nested,
}

impl<D: 'static, T: IntoHost<D>> ValueSink<D, T> for ToHostValue<T::Host> {
    fn accept(mut self, store: StoreContextMut<'_, D>, value: T) -> Result<()> {
        let value = self.nested.receive(store, value)?;
        // If the Rust future was dropped, the value is dropped: that is no error of the guest.
        self.tx.send(value).or(Ok(()))
    }
}
