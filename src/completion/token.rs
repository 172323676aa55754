use crate::sync::{Arc, Weak};

/// Kept in a store's data, it shows a [completion](crate::Completion::watch_store) whether the store still lives.
///
/// Wasmtime reports the end of a stream to a producer or consumer only by dropping it. It drops them also with a store
/// in which a guest has trapped, or has never dropped its end. A store's data is dropped before its streams, and this
/// token with the data. So keep the token in the store's data, and nowhere else.
///
/// Two cases are not detected: [`into_data`](wasmtime::Store::into_data) takes the data out and keeps the token
/// alive, and the source of a stream from host to host, without a guest, is dropped before the data.
///
/// ```
/// use wasmtime::{Engine, Store, component::StreamReader};
/// use wasmtime_streams::{End, StoreToken, iterators};
///
/// struct Data {
///     token: StoreToken,
/// }
///
/// # fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), Data { token: StoreToken::new() });
/// let (sink, done) = iterators::collect_bytes(1 << 20).with_completion();
/// let done = done.watch_store(&store.data().token);
/// # let stream = StreamReader::new(&mut store, iterators::items([1_u8, 2]))?;
/// stream.pipe(&mut store, sink)?;
///
/// drop(store); // it never ran, and nothing moved
/// assert!(matches!(futures::executor::block_on(done).end, End::Abandoned));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct StoreToken(Arc<()>);

impl StoreToken {
    /// A token for the data of one store.
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn downgrade(&self) -> Weak<()> {
        Arc::downgrade(&self.0)
    }
}
