//! The form in which interfaces have a stream that can fail: the stream, and a `future<result<_, E>>` with how it
//! ended.

use wasmtime::component::{ComponentType, FutureReader, Lift, Lower, StreamReader};
use wasmtime::{AsContextMut, Result};

use crate::items::AsIs;
use crate::{
    ByteConsumer, ByteProducer, ByteSink, ByteSource, Completion, End, ItemConsumer, ItemProducer,
    ItemSink, ItemSource,
    items::{Deliver, Receive},
    values,
};

/// The value of an interface's future.
type Outcome<W> = std::result::Result<(), W>;

/// A future that resolves as soon as the end is known, even if the guest has not dropped its stream.
fn ended<S, E, W>(
    store: impl AsContextMut,
    completion: Completion<S, E>,
    map: impl FnOnce(End<E>) -> Outcome<W> + Send + 'static,
) -> Result<FutureReader<Outcome<W>>>
where
    S: Unpin + Send + 'static,
    E: Send + 'static,
    W: ComponentType + Lower + Lift + Send + Sync + 'static,
{
    FutureReader::new(
        store,
        values::future(async move { map(completion.await.end) }).with_step(AsIs),
    )
}

/// Returns both or closes the stream: a reader that is only dropped would stay in the store's table.
fn both<T, W>(
    store: impl AsContextMut,
    mut stream: StreamReader<T>,
    ended: Result<FutureReader<Outcome<W>>>,
) -> Result<(StreamReader<T>, FutureReader<Outcome<W>>)> {
    match ended {
        Ok(ended) => Ok((stream, ended)),
        Err(error) => {
            stream.close(store)?;
            Err(error)
        }
    }
}

/// Like `ended`, with an executor that drives the completion.
fn driven<S, E, W>(
    store: impl AsContextMut,
    completion: Completion<S, E>,
    drive: impl FnOnce(crate::completion::Drive),
    map: impl FnOnce(End<E>) -> Outcome<W> + Send + 'static,
) -> Result<FutureReader<Outcome<W>>>
where
    S: Unpin + Send + 'static,
    E: Send + 'static,
    W: ComponentType + Lower + Lift + Send + Sync + 'static,
{
    let done = completion.driven_by(drive);
    let done = async move { map(done.await.map_or(End::Abandoned, |done| done.end)) };
    FutureReader::new(store, values::future(done).with_step(AsIs))
}

impl<S: ByteSource + Unpin> ByteProducer<S> {
    /// The stream and a future with how it ended, as in `tuple<stream<u8>, future<result<_, W>>>`.
    ///
    /// `map` turns the end into the interface's own result; [`End::into_result`] helps. The future resolves once, as
    /// soon as the end is known, even if the guest drops the stream first. A guest need not read it.
    ///
    /// # Errors
    ///
    /// Those of [`StreamReader::new`], if the store's table is full.
    ///
    /// ```
    /// use wasmtime::{Engine, Store};
    ///
    /// # #[cfg(feature = "tokio")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> wasmtime::Result<()> {
    /// let mut store = Store::new(&Engine::default(), ());
    /// // The interface's error is a string here.
    /// let (stream, ended) = wasmtime_streams::tokio_io::read(&b"hello"[..])
    ///     .into_wit(&mut store, |end| end.into_result().map_err(|error| error.to_string()))?;
    /// # let (sink, done) = wasmtime_streams::iterators::collect_bytes(100).with_completion();
    /// # stream.pipe(&mut store, sink)?; // a guest would get both
    /// # let ended = wasmtime_streams::from_guest::value(&mut store, ended)?;
    /// # let run = store.run_concurrent(async |_| (done.await, ended.await)).await?;
    /// # assert_eq!(run.1, Ok(Ok(())));
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "tokio"))] fn main() {}
    /// ```
    pub fn into_wit<W>(
        self,
        mut store: impl AsContextMut,
        map: impl FnOnce(End<S::Error>) -> Outcome<W> + Send + 'static,
    ) -> Result<(StreamReader<u8>, FutureReader<Outcome<W>>)>
    where
        W: ComponentType + Lower + Lift + Send + Sync + 'static,
    {
        let (producer, completion) = self.with_completion();
        let stream = StreamReader::new(store.as_context_mut(), producer)?;
        let ended = ended(store.as_context_mut(), completion, map);
        both(store, stream, ended)
    }
}

impl<S: ItemSource + Unpin, V> ItemProducer<S, V> {
    /// The stream and a future with how it ended; see [`ByteProducer::into_wit`].
    ///
    /// # Errors
    ///
    /// Those of [`StreamReader::new`], if the store's table is full.
    pub fn into_wit<D, W>(
        self,
        mut store: impl AsContextMut<Data = D>,
        map: impl FnOnce(End<S::Error>) -> Outcome<W> + Send + 'static,
    ) -> Result<(StreamReader<V::Wire>, FutureReader<Outcome<W>>)>
    where
        D: 'static,
        V: Deliver<D, S::Item>,
        V::Wire: Lower + Lift + Send + Sync + 'static,
        W: ComponentType + Lower + Lift + Send + Sync + 'static,
    {
        let (producer, completion) = self.with_completion();
        let stream = StreamReader::new(store.as_context_mut(), producer)?;
        let ended = ended(store.as_context_mut(), completion, map);
        both(store, stream, ended)
    }
}

impl<S: ByteSink + Unpin> ByteConsumer<S> {
    /// Pipes a guest's stream and returns a future with how it ended: a `future<result<_, W>>`.
    ///
    /// The guest's read of the future flushes and closes the sink before it resolves. If the guest does not read it,
    /// the sink is dropped as it is. [`pipe_wit_on`](Self::pipe_wit_on) closes it in any case.
    ///
    /// # Errors
    ///
    /// Those of [`StreamReader::pipe`] and [`FutureReader::new`]; the stream is then cut short.
    pub fn pipe_wit<W>(
        self,
        mut store: impl AsContextMut,
        stream: StreamReader<u8>,
        map: impl FnOnce(End<S::Error>) -> Outcome<W> + Send + 'static,
    ) -> Result<FutureReader<Outcome<W>>>
    where
        W: ComponentType + Lower + Lift + Send + Sync + 'static,
    {
        let (consumer, completion) = self.with_completion();
        completion.pipe(|| stream.pipe(store.as_context_mut(), consumer))?;
        let cancel = completion.cancel_handle();
        ended(store, completion, map).inspect_err(|_| cancel.cancel())
    }

    /// Like [`pipe_wit`](Self::pipe_wit), but the task that `drive` gets flushes and closes the sink: see
    /// [`Completion::driven_by`]. If that task is dropped, the end is [`End::Abandoned`].
    ///
    /// # Errors
    ///
    /// As for [`pipe_wit`](Self::pipe_wit).
    pub fn pipe_wit_on<W>(
        self,
        mut store: impl AsContextMut,
        stream: StreamReader<u8>,
        drive: impl FnOnce(crate::completion::Drive),
        map: impl FnOnce(End<S::Error>) -> Outcome<W> + Send + 'static,
    ) -> Result<FutureReader<Outcome<W>>>
    where
        W: ComponentType + Lower + Lift + Send + Sync + 'static,
    {
        let (consumer, completion) = self.with_completion();
        completion.pipe(|| stream.pipe(store.as_context_mut(), consumer))?;
        let cancel = completion.cancel_handle();
        driven(store, completion, drive, map).inspect_err(|_| cancel.cancel())
    }
}

impl<S, X, V> ItemConsumer<S, X, V>
where
    S: ItemSink + Unpin,
    X: Lift + Send + Sync + 'static,
{
    /// Pipes a guest's stream and returns a future with how it ended; see [`ByteConsumer::pipe_wit`].
    ///
    /// # Errors
    ///
    /// Those of [`StreamReader::pipe`] and [`FutureReader::new`]; the stream is then cut short.
    pub fn pipe_wit<D, W>(
        self,
        mut store: impl AsContextMut<Data = D>,
        stream: StreamReader<X>,
        map: impl FnOnce(End<S::Error>) -> Outcome<W> + Send + 'static,
    ) -> Result<FutureReader<Outcome<W>>>
    where
        D: 'static,
        V: Receive<D, X, Item = S::Item>,
        W: ComponentType + Lower + Lift + Send + Sync + 'static,
    {
        let (consumer, completion) = self.with_completion();
        completion.pipe(|| stream.pipe(store.as_context_mut(), consumer))?;
        let cancel = completion.cancel_handle();
        ended(store, completion, map).inspect_err(|_| cancel.cancel())
    }

    /// Like [`pipe_wit`](Self::pipe_wit), but the task that `drive` gets flushes and closes the sink: see
    /// [`Completion::driven_by`]. If that task is dropped, the end is [`End::Abandoned`].
    ///
    /// # Errors
    ///
    /// As for [`pipe_wit`](Self::pipe_wit).
    pub fn pipe_wit_on<D, W>(
        self,
        mut store: impl AsContextMut<Data = D>,
        stream: StreamReader<X>,
        drive: impl FnOnce(crate::completion::Drive),
        map: impl FnOnce(End<S::Error>) -> Outcome<W> + Send + 'static,
    ) -> Result<FutureReader<Outcome<W>>>
    where
        D: 'static,
        V: Receive<D, X, Item = S::Item>,
        W: ComponentType + Lower + Lift + Send + Sync + 'static,
    {
        let (consumer, completion) = self.with_completion();
        completion.pipe(|| stream.pipe(store.as_context_mut(), consumer))?;
        let cancel = completion.cancel_handle();
        driven(store, completion, drive, map).inspect_err(|_| cancel.cancel())
    }
}
