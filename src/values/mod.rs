//! The value of a `future<T>`: from a Rust future to the guest, or from the guest to a closure.
//!
//! | I have … | the guest sees … | use … |
//! |---|---|---|
//! | a Rust future | `future<T>`, reads | [`future`](future()) |
//! | one of a `Result`: a oneshot receiver, a `JoinHandle` | `future<T>`, reads | [`try_future`](try_future()) |
//! | a closure | `future<T>`, writes | [`callback`](callback()) |
//! | a sink of your own | `future<T>`, writes | [`ValueSink`] in [`ValueConsumer::new`] |
//! | a oneshot sender | `future<T>`, writes | `channels::oneshot_sender`, `sinks::oneshot` |
//! | code that awaits the guest's value | `future<T>`, writes | [`from_guest::value`](crate::from_guest::value()) |
//! | code that sends the value later | `future<T>`, reads | [`to_guest::value`](crate::to_guest::value()) |
//!
//! A `future<T>` must resolve. With [`future`](future()) the host always has a value, if need be a `result` or `option`
//! of its interface; with [`try_future`](try_future()) an error is a trap, which fails everything that runs in the
//! store.
//!
//! To the guest, and here back:
//!
//! ```
//! use wasmtime::{Engine, Store, component::FutureReader};
//! use wasmtime_streams::{from_guest, values};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> wasmtime::Result<()> {
//! let mut store = Store::new(&Engine::default(), ());
//! let task = tokio::spawn(async { 6 * 7_u32 });
//! let answer = FutureReader::new(&mut store, values::try_future(task))?; // for a guest
//!
//! let answer = from_guest::value(&mut store, answer)?;
//! assert_eq!(store.run_concurrent(async |_| answer.await).await?, Ok(42));
//! # Ok(())
//! # }
//! ```
//!
//! From the guest, into the data of the store:
//!
//! ```
//! use wasmtime::{Engine, Store, StoreContextMut, component::FutureReader};
//! use wasmtime_streams::values;
//!
//! # fn main() -> wasmtime::Result<()> {
//! let mut store = Store::new(&Engine::default(), 0);
//! let future = FutureReader::new(&mut store, values::future(async { 7_u32 }))?; // or a guest's
//! let (tx, done) = futures::channel::oneshot::channel();
//! let keep = move |mut store: StoreContextMut<'_, u32>, n: u32| {
//!     *store.data_mut() = n;
//!     let _ = tx.send(());
//!     Ok(())
//! };
//! future.pipe(&mut store, values::callback(keep))?;
//! futures::executor::block_on(store.run_concurrent(async |_| done.await))??;
//! assert_eq!(*store.data(), 7);
//! # Ok(())
//! # }
//! ```

mod producer;

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use wasmtime::component::{FutureConsumer, Lift, Source};
use wasmtime::{AsContextMut, Result, StoreContextMut};

pub use self::producer::{Delivered, OrTrap, ValueProducer, future, try_future};
use crate::items::With;

/// Takes the value of a guest's `future<T>`, with store access.
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
/// Made by [`callback`](callback()) and the oneshot adapters. If the reader is closed first, the sink is dropped
/// without a call. A write that the guest cancels gives nothing.
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

    /// Takes a value with streams and futures in it: the sink gets its [host form](crate::items::IntoHost).
    pub fn nested<W>(self) -> ValueConsumer<W, S> {
        ValueConsumer { sink: self.sink, value: PhantomData }
    }
}

// The sink is moved out, never pinned; `FutureReader::pipe` requires `Unpin`.
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
