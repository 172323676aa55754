use std::sync::{Arc, Weak};

/// Kept in a store's data, it tells a [completion](crate::Completion::watch_store) whether the store still lives.
///
/// Wasmtime tells a producer or consumer of its end only by dropping it, and it does that too when a store is dropped in
/// which a guest has trapped, or has never dropped its end. But a store's data is dropped before its streams, and with
/// the data this token. So keep it there and nowhere else.
///
/// In two cases nothing can be told: if the data is taken out by [`into_data`](wasmtime::Store::into_data), which keeps
/// the token alive, and by the source of a stream from host to host, without a guest, which is dropped first.
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
/// drop(store); // nobody has run it, and nothing was moved
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
