use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::http::HeaderMap;
use wasmtime::{Result, StoreContextMut};

use super::BodyError;
use crate::oneshot::{Receiver, Sender, oneshot};
use crate::{ValueConsumer, values::ValueSink};

/// Makes HTTP trailers, for [`GuestBody::with_trailers`](crate::body::GuestBody::with_trailers), out of a guest's
/// `future<T>`.
///
/// The inverse is [`ByteProducer::with_trailers`](crate::ByteProducer::with_trailers). `make` turns what the guest gave
/// (such as a `result<option<trailers>, error-code>`) into headers, with store access: it takes a resource out of its
/// table. An `Err` of the inner `Result` is the guest's own error, and fails the body.
///
/// # Partial writes
/// None: a future has one value.
///
/// # Cancellation
/// A write that the guest cancels gives nothing; its next write does.
///
/// # Zero-length operations
/// None: a future has no such operations.
///
/// # Errors
/// An error of `make` itself is a trap in the guest, and [`BodyError::Aborted`] in the body.
///
/// # Drop
/// If the guest's end goes away without a value, as after a trap, the body fails with [`BodyError::Aborted`].
///
/// ```
/// use http::HeaderMap;
/// use http_body_util::BodyExt as _;
/// use wasmtime::component::{FutureReader, StreamReader};
/// use wasmtime::{Engine, Store, StoreContextMut};
/// use wasmtime_streams::body::{self, BodyError};
///
/// # #[cfg(feature = "tokio")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// // In place of a guest: its stream, and then a checksum.
/// let stream = StreamReader::new(&mut store, wasmtime_streams::tokio_io::read(&b"hello"[..]))?;
/// let future = FutureReader::new(&mut store, wasmtime_streams::values::future(async { 532_u32 }))?;
///
/// let (trailers_consumer, trailers) = body::trailers_from_guest(|_: StoreContextMut<'_, ()>, sum: u32| {
///     let mut headers = HeaderMap::new();
///     headers.insert("checksum", sum.into());
///     Ok(Ok::<_, BodyError>(Some(headers)))
/// });
/// let (consumer, body) = body::from_guest(64 * 1024, None);
/// stream.pipe(&mut store, consumer)?;
/// future.pipe(&mut store, trailers_consumer)?;
/// let body = body.with_trailers(trailers);
/// let body = store.run_concurrent(async |_| body.collect().await).await?.unwrap();
/// assert_eq!(body.trailers().unwrap()["checksum"], "532");
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "tokio"))] fn main() {}
/// ```
pub fn trailers_from_guest<D, T, F, E>(
    make: F,
) -> (ValueConsumer<T, TrailersSink<F>>, GuestTrailers)
where
    D: 'static,
    F: FnOnce(StoreContextMut<'_, D>, T) -> Result<Result<Option<HeaderMap>, E>> + Send + 'static,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let (tx, rx) = oneshot();
    (ValueConsumer::new(TrailersSink { make, tx }), GuestTrailers(rx))
}

type Trailers = Result<Option<HeaderMap>, BodyError>;

/// The sink of [`trailers_from_guest`].
pub struct TrailersSink<F> {
    make: F,
    tx: Sender<Trailers>,
}

impl<F> fmt::Debug for TrailersSink<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrailersSink").finish_non_exhaustive()
    }
}

impl<D, T, F, E> ValueSink<D, T> for TrailersSink<F>
where
    D: 'static,
    F: FnOnce(StoreContextMut<'_, D>, T) -> Result<Result<Option<HeaderMap>, E>> + Send + 'static,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    fn accept(self, store: StoreContextMut<'_, D>, value: T) -> Result<()> {
        let trailers = (self.make)(store, value)?;
        // Fails only if the body was dropped: nobody waits for them.
        let _ = self.tx.send(trailers.map_err(|error| BodyError::Trailers(error.into())));
        Ok(())
    }
}

/// The trailers that a guest gives, made by [`trailers_from_guest`].
#[must_use = "futures do nothing unless they are awaited"]
#[derive(Debug)]
pub struct GuestTrailers(Receiver<Trailers>);

impl Future for GuestTrailers {
    type Output = Trailers;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Trailers> {
        let trailers = ready!(Pin::new(&mut self.0).poll(cx));
        Poll::Ready(trailers.unwrap_or(Err(BodyError::Aborted)))
    }
}
