use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use wasmtime::component::{Accessor, StreamReader};
use wasmtime::{AsContextMut, Error, Result};

use super::{GuestItems, GuestReader, items, reader};
use crate::items::IntoHost;
use crate::oneshot::oneshot;

/// Calls a guest and reads its output, in one call: the store is polled until `host` is done.
///
/// `guest` calls the guest and returns its stream. `host` gets that as a [`GuestReader`] and runs beside the store, not
/// in it, so timers and `select` work as anywhere. Nothing else need poll the store.
///
/// It ends when `host` does: data that `host` did not read is dropped. What the guest has left to do stays in the store
/// and goes on when that runs again; the guest's next write returns `Dropped`.
///
/// If the guest fails, `host` is dropped where it waits, and the error is returned. If a guest keeps its writable end
/// open and writes nothing, `host` waits for ever unless it has a timeout. A guest that reads before it returns its
/// stream must not depend on `host`, which starts once the stream is there.
///
/// To write to the guest as well, make both parts of a [`to_guest::producer`](crate::to_guest::producer()) before the
/// call: one for `guest`, one for `host`.
///
/// # Errors
///
/// Those of `guest`, or a trap.
///
/// ```
/// # #[cfg(feature = "tokio")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// use tokio::io::AsyncReadExt as _;
/// use wasmtime::{Engine, Store, component::StreamReader};
/// use wasmtime_streams::from_guest;
///
/// let mut store = Store::new(&Engine::default(), ());
/// let text = from_guest::run(
///     &mut store,
///     64 * 1024,
///     // Here a guest would be called: `let (stream,) = f.call_concurrent(store, (..,)).await?;`
///     async |store| store.with(|s| StreamReader::new(s, wasmtime_streams::tokio_io::read(&b"hello"[..]))),
///     async |mut reader| {
///         let mut text = String::new();
///         reader.read_to_string(&mut text).await.map(|_| text)
///     },
/// )
/// .await??;
/// assert_eq!(text, "hello");
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "tokio"))] fn main() {}
/// ```
pub async fn run<S, R>(
    store: S,
    capacity: usize,
    guest: impl AsyncFnOnce(&Accessor<S::Data>) -> Result<StreamReader<u8>>,
    host: impl AsyncFnOnce(GuestReader) -> R,
) -> Result<R>
where
    S: AsContextMut<Data: Send + 'static>,
{
    let lifted = async |accessor: &Accessor<S::Data>| {
        let stream = guest(accessor).await?;
        accessor.with(|store| reader(store, stream, capacity))
    };
    beside(store, lifted, host).await
}

/// Like [`run`](run()), for a guest's `stream<T>`; `capacity` is in items.
///
/// # Errors
///
/// As for [`run`](run()).
pub async fn run_items<S, T, R>(
    store: S,
    capacity: usize,
    guest: impl AsyncFnOnce(&Accessor<S::Data>) -> Result<StreamReader<T>>,
    host: impl AsyncFnOnce(GuestItems<T::Host>) -> R,
) -> Result<R>
where
    S: AsContextMut<Data: Send + 'static>,
    T: IntoHost<S::Data>,
{
    let lifted = async |accessor: &Accessor<S::Data>| {
        let stream = guest(accessor).await?;
        accessor.with(|store| items(store, stream, capacity))
    };
    beside(store, lifted, host).await
}

/// Runs the store and, beside it, `host` with the object that `guest` made.
async fn beside<S, O, R>(
    mut store: S,
    guest: impl AsyncFnOnce(&Accessor<S::Data>) -> Result<O>,
    host: impl AsyncFnOnce(O) -> R,
) -> Result<R>
where
    S: AsContextMut<Data: Send + 'static>,
{
    let (give, given) = oneshot();
    let (host_runs, host_is_done) = oneshot::<()>();
    let store = store.as_context_mut().run_concurrent(async |accessor| {
        let object = guest(accessor).await?;
        // The receiver is in this function, so the send cannot fail before the store is done.
        let _ = give.send(object);
        host_is_done.await;
        wasmtime::error::Ok(())
    });
    let host = async {
        let result = match given.await {
            Some(object) => Some(host(object).await),
            None => None,
        };
        drop(host_runs);
        result
    };
    let (mut store, mut host) = (pin!(store), pin!(host));
    let mut result = None;
    let ran = poll_fn(|cx| {
        if result.is_none()
            && let Poll::Ready(ready) = host.as_mut().poll(cx)
        {
            result = Some(ready);
        }
        store.as_mut().poll(cx)
    })
    .await;
    ran.flatten()?;
    result.flatten().ok_or_else(|| Error::msg("the store stopped before its stream was used"))
}
