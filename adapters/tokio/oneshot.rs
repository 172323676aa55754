use ::tokio::sync::oneshot::Sender;
use wasmtime::{Result, StoreContextMut};

use crate::{IntoHost, Nested, Receive as _, ValueConsumer, ValueSink};

/// Sends the value of a guest's `future<T>` into a tokio oneshot channel.
///
/// The inverse is [`future`](crate::future) or [`try_future`](crate::try_future) with the channel's receiver.
///
/// # Partial writes
/// A future has one value: there are none.
///
/// # Cancellation
/// A write that the guest cancels sends nothing; the next one does.
///
/// # Zero-length operations
/// A future has none.
///
/// # Errors
/// None reach the guest: if the receiver was dropped, the value is dropped.
///
/// # Drop
/// If the guest's end goes away without a value, or the reader is closed, the receiver gets its `RecvError`.
///
/// ```
/// use wasmtime::{Engine, Store, component::FutureReader};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let reader = FutureReader::new(&mut store, wasmtime_streams::future(async { 7_u32 }))?;
///
/// let (tx, rx) = tokio::sync::oneshot::channel();
/// reader.pipe(&mut store, wasmtime_streams::tokio_oneshot(tx))?;
/// assert_eq!(store.run_concurrent(async |_| rx.await).await?, Ok(7));
/// # Ok(())
/// # }
/// ```
pub fn tokio_oneshot<T>(sender: Sender<T>) -> ValueConsumer<T, TokioOneshot<T>> {
    ValueConsumer::new(TokioOneshot(sender))
}

/// The sink of [`tokio_oneshot`].
#[derive(Debug)]
pub struct TokioOneshot<T>(Sender<T>);

impl<D: 'static, T: IntoHost<D>> ValueSink<D, T> for TokioOneshot<T::Host> {
    fn accept(self, store: StoreContextMut<'_, D>, value: T) -> Result<()> {
        let value = Nested::default().receive(store, value)?;
        // The receiver may be gone: then nobody wants the value.
        self.0.send(value).or(Ok(()))
    }
}
