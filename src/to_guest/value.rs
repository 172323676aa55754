use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use wasmtime::component::{FutureReader, Lift, Lower};
use wasmtime::{AsContextMut, Error, Result};

use crate::oneshot::{Receiver, Sender, oneshot};
use crate::values::{OrTrap, ValueProducer};
use crate::{items::Plain, values};

/// A sender for the host, and the `future<T>` that a guest reads its value from.
///
/// The value can be sent at any time; the guest gets it when the store runs.
///
/// A `future<T>` must resolve: if the sender is dropped without a value, a guest that reads the future traps. If there
/// may be no value, use a type for that, such as `result` or `option`.
///
/// # Errors
///
/// Those of [`FutureReader::new`], if the store's table is full.
///
/// ```
/// use wasmtime::{Engine, Store};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let (sender, future) = wasmtime_streams::to_guest::value::<u32>(&mut store)?;
/// let got = wasmtime_streams::from_guest::value(&mut store, future)?; // a guest would read it
///
/// let task = tokio::spawn(async move { sender.send(7) });
/// assert_eq!(store.run_concurrent(async |_| got.await).await?, Ok(7));
/// assert_eq!(task.await.unwrap(), Ok(()));
/// # Ok(())
/// # }
/// ```
pub fn value<T>(store: impl AsContextMut) -> Result<(HostValue<T>, FutureReader<T>)>
where
    T: Plain + Lower + Lift,
{
    let (value, producer) = value_producer();
    Ok((value, FutureReader::new(store, producer)?))
}

/// The two parts of [`value`](value()), to hand to a store later.
pub fn value_producer<T: Send + 'static>() -> (HostValue<T>, ValueProducer<FromHostValue<T>, OrTrap>)
{
    let (tx, rx) = oneshot();
    (HostValue(tx), values::try_future(FromHostValue(rx)))
}

/// Resolves with the value that [`HostValue::send`] sends, or with an error if the sender is dropped.
#[derive(Debug)]
pub struct FromHostValue<T>(Receiver<T>);

impl<T> Future for FromHostValue<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let dropped = || Error::msg("the host dropped the sender of a future before its value");
        Poll::Ready(ready!(Pin::new(&mut self.0).poll(cx)).ok_or_else(dropped))
    }
}

/// Sends the value of a guest's `future<T>`; made by [`value`](value()).
#[derive(Debug)]
#[must_use = "a guest that reads the future traps if its sender is dropped"]
pub struct HostValue<T>(Sender<T>);

impl<T> HostValue<T> {
    /// Sends the value.
    ///
    /// # Errors
    ///
    /// The value, if the guest has dropped its end.
    pub fn send(self, value: T) -> Result<(), T> {
        self.0.send(value)
    }
}
