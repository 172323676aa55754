use ::tokio::sync::oneshot::Sender;
use wasmtime::{Result, StoreContextMut};

use crate::{
    ValueConsumer,
    items::{IntoHost, Nested, Receive as _},
    values::ValueSink,
};

/// Sends the value of a guest's `future<T>` into a tokio oneshot channel.
///
/// The inverse is [`future`](crate::values::future()) or [`try_future`](crate::values::try_future()) over the channel's
/// receiver.
///
/// # Partial writes
/// There are none: a future has one value.
///
/// # Cancellation
/// A cancelled write sends nothing; the next one does.
///
/// # Zero-length operations
/// A future has none.
///
/// # Errors
/// None reach the guest: if the receiver is dropped, the value is dropped.
///
/// # Drop
/// If the guest's end is dropped without a value, or the reader is closed, the receiver gets `RecvError`.
///
/// ```
/// use wasmtime::{Engine, Store, component::FutureReader};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let reader = FutureReader::new(&mut store, wasmtime_streams::values::future(async { 7_u32 }))?;
///
/// let (tx, rx) = tokio::sync::oneshot::channel();
/// reader.pipe(&mut store, wasmtime_streams::channels::oneshot_sender(tx))?;
/// assert_eq!(store.run_concurrent(async |_| rx.await).await?, Ok(7));
/// # Ok(())
/// # }
/// ```
pub fn oneshot_sender<T>(sender: Sender<T>) -> ValueConsumer<T, OneshotSender<T>> {
    ValueConsumer::new(OneshotSender(sender))
}

/// The sink of [`oneshot_sender`](oneshot_sender()).
#[derive(Debug)]
pub struct OneshotSender<T>(Sender<T>);

impl<D: 'static, T: IntoHost<D>> ValueSink<D, T> for OneshotSender<T::Host> {
    fn accept(self, store: StoreContextMut<'_, D>, value: T) -> Result<()> {
        let value = Nested::default().receive(store, value)?;
        // Without a receiver the value is dropped: that is no error of the guest.
        self.0.send(value).or(Ok(()))
    }
}
