//! The streams of a connected socket.

use wasmtime::component::{FutureReader, StreamReader};
use wasmtime::{AsContextMut as _, Result, StoreContextMut};
use wasmtime_wasi::runtime::with_ambient_tokio_runtime;

use super::connection::{Reader, Writer};
use super::error::{SocketError, socket_end};
use super::link::Get;
use crate::items::AsIs;
use crate::{ByteConsumer, ByteProducer, End, values};

/// The value of `send`'s and `receive`'s future.
type Outcome = std::result::Result<(), SocketError>;
type Ended = FutureReader<Outcome>;

/// Sends what the guest writes.
pub(super) fn send<T: 'static>(
    mut store: StoreContextMut<'_, T>,
    get: Get<T>,
    writer: Writer,
    data: StreamReader<u8>,
) -> Result<Ended> {
    let driven = writer.must_be_driven();
    let (consumer, mut completion) = ByteConsumer::new(writer).with_completion();
    if let Some(token) = &get(store.data_mut()).token {
        completion = completion.watch_store(token);
    }
    completion.pipe(|| data.pipe(store.as_context_mut(), consumer))?;
    if !driven {
        return resolved(store, async move { socket_end(completion.await.end) });
    }
    let completion = completion.driven_by(|task| {
        with_ambient_tokio_runtime(|| drop(::tokio::spawn(task)));
    });
    resolved(store, async move {
        socket_end(completion.await.map_or(End::Abandoned, |completed| completed.end))
    })
}

/// The answer to `send` of a socket that cannot send.
pub(super) fn refuse<T: 'static>(
    mut store: StoreContextMut<'_, T>,
    mut data: StreamReader<u8>,
    error: SocketError,
) -> Result<Ended> {
    data.close(store.as_context_mut())?;
    resolved(store, async move { Err(error) })
}

/// Receives, or answers with a stream that has ended.
pub(super) fn receive<T: 'static>(
    store: StoreContextMut<'_, T>,
    reader: std::result::Result<Reader, SocketError>,
) -> Result<(StreamReader<u8>, Ended)> {
    match reader {
        Ok(reader) => ByteProducer::new(reader).into_wit(store, socket_end),
        Err(error) => ByteProducer::new(Reader::Closed).into_wit(store, |_| Err(error)),
    }
}

fn resolved<T: 'static>(
    store: StoreContextMut<'_, T>,
    outcome: impl Future<Output = Outcome> + Send + 'static,
) -> Result<Ended> {
    FutureReader::new(store, values::future(outcome).with_step(AsIs))
}
