use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use wasmtime::component::{FutureReader, Lift};
use wasmtime::{AsContextMut, Result, StoreContextMut};

use crate::oneshot::{Receiver, Sender, oneshot};
use crate::{ValueConsumer, ValueSink};

/// Takes a guest's `future<T>` as a Rust future, which may be awaited on any task. The store must run meanwhile.
///
/// # Errors
///
/// Those of [`FutureReader::pipe`], if the reader was closed or belongs to another store.
///
/// ```
/// use wasmtime::{Engine, Store, component::FutureReader};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let future = FutureReader::new(&mut store, wasmtime_streams::future(async { 7_u32 }))?; // or a guest's
/// let value = wasmtime_streams::lift::value(&mut store, future)?;
///
/// // The store has to run until the value is there.
/// assert_eq!(store.run_concurrent(async |_| value.await).await?, Ok(7));
/// # Ok(())
/// # }
/// ```
pub fn value<T>(store: impl AsContextMut, future: FutureReader<T>) -> Result<GuestValue<T>>
where
    T: Lift + Send + Sync + 'static,
{
    let (consumer, value) = value_consumer();
    future.pipe(store, consumer)?;
    Ok(value)
}

/// The two parts of [`value`], to pipe later.
pub fn value_consumer<T: Send + 'static>() -> (ValueConsumer<T, ToHostValue<T>>, GuestValue<T>) {
    let (tx, rx) = oneshot();
    (ValueConsumer::new(ToHostValue(tx)), GuestValue(rx))
}

/// The value of a guest's `future<T>`; made by [`value`].
#[must_use = "futures do nothing unless they are awaited"]
#[derive(Debug)]
pub struct GuestValue<T>(Receiver<T>);

/// The guest dropped its end without a value, or has trapped and its store was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoValue;

impl fmt::Display for NoValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the guest gave no value: it dropped its end, or its store is gone")
    }
}

impl Error for NoValue {}

impl<T> Future for GuestValue<T> {
    type Output = Result<T, NoValue>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(ready!(Pin::new(&mut self.0).poll(cx)).ok_or(NoValue))
    }
}

/// The sink of [`value`].
#[derive(Debug)]
pub struct ToHostValue<T>(Sender<T>);

impl<D: 'static, T: Send + 'static> ValueSink<D, T> for ToHostValue<T> {
    fn accept(self, _: StoreContextMut<'_, D>, value: T) -> Result<()> {
        // Whoever has dropped the future does not want the value any more.
        self.0.send(value).or(Ok(()))
    }
}
