//! `future<T>`: one value to the guest, or one value from it.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use wasmtime::component::{FutureConsumer, FutureProducer, Lift, Source};
use wasmtime::{AsContextMut, Error, Result, StoreContextMut};

use crate::items::With;
use crate::items::{Deliver, Identity, Nested};

pin_project! {
    /// A `future<T>` from a Rust future, for [`FutureReader::new`](wasmtime::component::FutureReader::new).
    ///
    /// Made by [`future`] and [`try_future`]. When the guest cancels its read, it is answered at once; the Rust future is
    /// kept, and the guest's next read goes on waiting for it.
    #[derive(Debug)]
    #[must_use = "a producer does nothing until it is given to `FutureReader::new`"]
    pub struct ValueProducer<F, V = Identity> {
        #[pin]
        future: F,
        deliver: V,
    }
}

/// A `future<T>` that resolves with the output of a Rust future.
///
/// A `future<T>` must resolve: a host has no way to say "never" but a trap. So a oneshot receiver, whose sender may be
/// dropped, needs a value for that case, as here, or the trap of [`try_future`]. So does a task, which may panic: tokio's
/// `JoinHandle` as `handle.map(|ended| …)`.
///
/// When the guest drops its end, the Rust future is dropped. For a `JoinHandle` that means that its task goes on,
/// detached; give tokio-util's `AbortOnDropHandle` to end it then.
///
/// ```
/// # #[cfg(feature = "futures")] {
/// use futures::FutureExt as _;
///
/// let (tx, rx) = futures::channel::oneshot::channel::<u32>();
/// let producer = wasmtime_streams::values::future(rx.map(|sent| sent.unwrap_or(0)));
/// # let _ = (tx, producer);
/// # }
/// ```
pub fn future<F>(future: F) -> ValueProducer<F>
where
    F: Future + Send + 'static,
{
    ValueProducer { future, deliver: Identity }
}

/// A `future<T>` that resolves with what a Rust future succeeds with.
///
/// An error is a trap, and fails everything that runs in the store; for an error that the guest should see, give
/// [`future`] one whose output is the interface's own `result`.
///
/// It takes a oneshot receiver as it is: that its sender was dropped is then a trap. The same holds for a tokio
/// `JoinHandle`, whose error is that its task panicked or was aborted; what becomes of the task when the guest drops its
/// end is said at [`future`].
///
/// ```
/// # #[cfg(feature = "tokio")] {
/// let (tx, rx) = tokio::sync::oneshot::channel::<u32>();
/// let producer = wasmtime_streams::values::try_future(rx);
/// # let _ = (tx, producer);
/// # }
/// ```
pub fn try_future<F, T, E>(future: F) -> ValueProducer<F, OrTrap>
where
    F: Future<Output = Result<T, E>> + Send + 'static,
    E: Into<Error>,
{
    ValueProducer { future, deliver: OrTrap(Identity) }
}

/// The delivery step of [`try_future`]: the value, or the error as a trap.
#[derive(Clone, Copy, Debug)]
pub struct OrTrap<V = Identity>(V);

impl<D: 'static, T, E: Into<Error>, V: Deliver<D, T>> Deliver<D, Result<T, E>> for OrTrap<V> {
    type Wire = V::Wire;

    fn deliver(&mut self, store: StoreContextMut<'_, D>, outcome: Result<T, E>) -> Result<V::Wire> {
        self.0.deliver(store, outcome.map_err(Into::into)?)
    }
}

impl<F> ValueProducer<F, OrTrap> {
    /// Gives a value that is a stream or future in the guest, or has some in it: see [`ItemProducer::nested`].
    ///
    /// [`ItemProducer::nested`]: crate::ItemProducer::nested
    pub fn nested(self) -> ValueProducer<F, OrTrap<Nested>> {
        self.with_step(OrTrap(Nested::default()))
    }
}

impl<F, V> ValueProducer<F, V> {
    pub(crate) fn with_step<W>(self, deliver: W) -> ValueProducer<F, W> {
        ValueProducer { future: self.future, deliver }
    }
}

impl<F: Future> ValueProducer<F> {
    /// Gives a value that is a stream or future in the guest, or has some in it: see [`ItemProducer::nested`].
    ///
    /// [`ItemProducer::nested`]: crate::ItemProducer::nested
    pub fn nested(self) -> ValueProducer<F, Nested> {
        self.with_step(Nested::default())
    }

    /// Makes the value that crosses to the guest out of the future's output, with store access. An error of `deliver` is
    /// a trap.
    pub fn deliver_with<D, W, V>(self, deliver: V) -> ValueProducer<F, With<V>>
    where
        D: 'static,
        V: FnMut(StoreContextMut<'_, D>, F::Output) -> Result<W> + Send + 'static,
    {
        ValueProducer { future: self.future, deliver: With(deliver) }
    }
}

impl<D, F, V> FutureProducer<D> for ValueProducer<F, V>
where
    D: 'static,
    F: Future + Send + 'static,
    V: Deliver<D, F::Output>,
{
    type Item = V::Wire;

    fn poll_produce(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        finish: bool,
    ) -> Poll<Result<Option<V::Wire>>> {
        // Rule "Cancellation keeps the stream": the future stays, and with it whatever it has done.
        if finish {
            return Poll::Ready(Ok(None));
        }
        let this = self.project();
        let output = ready!(this.future.poll(cx));
        Poll::Ready(this.deliver.deliver(store, output).map(Some))
    }
}

/// Where the value of a guest's `future<T>` goes, with store access.
pub trait ValueSink<D: 'static, T>: Send + 'static {
    /// Accepts the value. It must not wait.
    ///
    /// # Errors
    ///
    /// An error is a trap in the guest.
    fn accept(self, store: StoreContextMut<'_, D>, value: T) -> Result<()>;
}

/// Takes the value of a guest's `future<T>`, for [`FutureReader::pipe`](wasmtime::component::FutureReader::pipe).
///
/// Made by [`callback`] and the oneshot adapters. It is dropped without a call if the reader is closed first. A write that
/// the guest cancels gives nothing.
#[must_use = "a consumer does nothing until it is given to `FutureReader::pipe`"]
pub struct ValueConsumer<T, S> {
    sink: Option<S>,
    value: PhantomData<fn(T)>,
}

impl<T, S> ValueConsumer<T, S> {
    /// A consumer over `sink`.
    pub fn new(sink: S) -> Self {
        Self { sink: Some(sink), value: PhantomData }
    }

    /// Takes a value with streams and futures in it: the sink gets what it [becomes on the host](crate::items::IntoHost).
    pub fn nested<W>(self) -> ValueConsumer<W, S> {
        ValueConsumer { sink: self.sink, value: PhantomData }
    }
}

// The sink is only ever moved out, never pinned; `FutureReader::pipe` asks for this.
impl<T, S> Unpin for ValueConsumer<T, S> {}

impl<T, S> fmt::Debug for ValueConsumer<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValueConsumer").finish_non_exhaustive()
    }
}

/// Calls `call` with the value of a guest's `future<T>`, with store access. An error of `call` is a trap in the guest.
///
/// ```
/// use wasmtime::StoreContextMut;
///
/// let consumer = wasmtime_streams::values::callback(|mut store: StoreContextMut<'_, Vec<u32>>, n: u32| {
///     store.data_mut().push(n);
///     Ok(())
/// });
/// # let _ = consumer;
/// ```
pub fn callback<D, T, F>(call: F) -> ValueConsumer<T, With<F>>
where
    D: 'static,
    F: FnOnce(StoreContextMut<'_, D>, T) -> Result<()> + Send + 'static,
{
    ValueConsumer::new(With(call))
}

impl<D, T, F> ValueSink<D, T> for With<F>
where
    D: 'static,
    F: FnOnce(StoreContextMut<'_, D>, T) -> Result<()> + Send + 'static,
{
    fn accept(self, store: StoreContextMut<'_, D>, value: T) -> Result<()> {
        (self.0)(store, value)
    }
}

impl<D, T, S> FutureConsumer<D> for ValueConsumer<T, S>
where
    D: 'static,
    T: Lift + Send + Sync + 'static,
    S: ValueSink<D, T>,
{
    type Item = T;

    fn poll_consume(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut store: StoreContextMut<'_, D>,
        mut source: Source<'_, T>,
        finish: bool,
    ) -> Poll<Result<()>> {
        if finish {
            return Poll::Ready(Ok(()));
        }
        let mut value = None;
        source.read(store.as_context_mut(), &mut value)?;
        Poll::Ready(match (value, self.get_mut().sink.take()) {
            (Some(value), Some(sink)) => sink.accept(store, value),
            _ => Ok(()),
        })
    }
}
