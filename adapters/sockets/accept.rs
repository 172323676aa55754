use std::future::Future as _;
use std::io;
use std::panic::catch_unwind;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ::tokio::runtime::Handle;
use ::tokio::time::{Sleep, sleep};

use super::ready::{concerns_one_peer, is_exhausted};
use super::socket::SocketAccept;
use crate::shared::timer::{NoTimer, Timed};
use crate::{EndReason, ItemProducer, ItemSource, Then, relay::Splice};

/// Accepts connections from a tokio `TcpListener` or `UnixListener`, as a stream for the guest.
///
/// A connection is not a WIT type: [`deliver_with`](crate::ItemProducer::deliver_with) turns it into one on delivery,
/// usually a resource in the store's table. Its `peer_addr` names the peer. There is no inverse. Call this function
/// inside tokio's runtime, with which the connections are registered.
///
/// # Partial writes
/// Each guest read takes the waiting connections, at most as many as the guest asks for and as fit a
/// [batch](crate::ItemProducer::batch), 64 by default. The others stay in the listener's backlog, so the guest's reads
/// bound the number of open file descriptors.
///
/// # Cancellation
/// A cancelled read returns at once. Nothing is accepted for it.
///
/// # Zero-length operations
/// A zero-length read completes at once: a listener cannot report a waiting connection without accepting it.
///
/// # Errors
/// An error that concerns one connection only (the peer left before it was accepted, its network is down) is skipped
/// and [counted](Accept::skipped). When file descriptors or memory run out, which peers can cause, the adapter accepts
/// nothing for 10 ms to 1 s and [counts](Accept::paused) the pause; the connections stay in the backlog. Any other
/// error ends the stream, after the connections before it, and is [`End::Failed`](crate::End::Failed) in the
/// completion; the listener that the completion hands back can be used again. Running out of descriptors or memory also
/// ends the stream if there is no tokio runtime with time enabled.
///
/// # Drop
/// The listener is closed with the stream, or the completion hands it back. Connections that could not be delivered are
/// closed.
///
/// ```
/// use tokio::net::{TcpListener, TcpStream};
/// use wasmtime::{Engine, Store, StoreContextMut, component::StreamReader};
///
/// # #[cfg(not(feature = "futures"))] fn main() {}
/// # #[cfg(feature = "futures")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let peer = TcpStream::connect(listener.local_addr()?).await?;
///
/// let mut store = Store::new(&Engine::default(), Vec::new());
/// let connections = wasmtime_streams::sockets::accept(listener).deliver_with(
///     // With a `ResourceTable` in the store: `Ok(store.data_mut().table.push(connection)?)`.
///     |mut store: StoreContextMut<'_, Vec<TcpStream>>, connection| {
///         store.data_mut().push(connection);
///         Ok(store.data().len() as u32)
///     },
/// );
/// let reader = StreamReader::new(&mut store, connections)?;
///
/// let (tx, mut rx) = futures::channel::mpsc::unbounded();
/// reader.pipe(&mut store, wasmtime_streams::sinks::items(tx))?;
/// let first = store.run_concurrent(async |_| futures::StreamExt::next(&mut rx).await).await?;
/// assert_eq!(first, Some(1));
/// assert_eq!(store.data()[0].peer_addr()?, peer.local_addr()?);
/// # Ok(())
/// # }
/// ```
pub fn accept<L>(listener: L) -> ItemProducer<Accept<L>>
where
    L: SocketAccept + Send + 'static,
    L::Connection: Send + 'static,
{
    ItemProducer::new(Accept {
        listener,
        runtime: Handle::try_current().ok(),
        skipped: 0,
        paused: 0,
        pause: None,
        next_pause: FIRST_PAUSE,
    })
}

/// The first pause after descriptors or memory have run out; each further one is twice as long, up to [`LAST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_secs(1);

type Pause = Pin<Box<Timed<Sleep>>>;

/// The source of [`accept`].
#[derive(Debug)]
pub struct Accept<L> {
    listener: L,
    // tokio registers a connection with the runtime that is entered; the store may be polled outside of it.
    runtime: Option<Handle>,
    skipped: u64,
    paused: u64,
    pause: Option<Pause>,
    next_pause: Duration,
}

impl<L> Accept<L> {
    accessors!(listener: L);

    /// How often accepting paused because descriptors or memory had run out.
    pub fn paused(&self) -> u64 {
        self.paused
    }

    /// Waits for the end of the pause; an error if the timer's runtime is gone.
    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), NoTimer>> {
        let Some(pause) = &mut self.pause else { return Poll::Ready(Ok(())) };
        let waited = ready!(pause.as_mut().poll(cx));
        self.pause = None;
        Poll::Ready(waited)
    }

    /// Starts a pause.
    fn pause(&mut self) -> Result<(), NoTimer> {
        // `sleep` panics outside of a runtime with time enabled.
        let sleep = catch_unwind(|| sleep(self.next_pause)).map_err(|_| NoTimer)?;
        self.pause = Some(Box::pin(Timed::new(sleep)));
        self.next_pause = (self.next_pause * 2).min(LAST_PAUSE);
        self.paused += 1;
        Ok(())
    }

    /// How many connections failed before they could be accepted.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }
}

// The listener is never pinned.
impl<L> Unpin for Accept<L> {}

impl<L> Splice for Accept<L> {}

impl<L> ItemSource for Accept<L>
where
    L: SocketAccept + Send + 'static,
    L::Connection: Send + 'static,
{
    type Item = L::Connection;
    type Error = io::Error;

    fn poll_items(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        max: usize,
        out: &mut Vec<L::Connection>,
    ) -> Poll<io::Result<Then>> {
        let this = self.get_mut();
        let runtime = this.runtime.clone();
        let _entered = runtime.as_ref().map(Handle::enter);
        if ready!(this.poll_pause(cx)).is_err() {
            return Poll::Ready(Err(io::Error::other("the runtime of the listener was shut down")));
        }
        for _ in 0..max {
            match ready!(this.listener.poll_accept(cx)) {
                Ok(connection) => {
                    this.next_pause = FIRST_PAUSE;
                    out.push(connection);
                }
                Err(error) if concerns_one_peer(&error) => {
                    this.skipped += 1;
                    // The core bounds how often a source is asked again in one poll.
                    break;
                }
                Err(error) if is_exhausted(&error) && this.pause().is_ok() => {
                    // Registers the waker: the new pause has not ended yet.
                    ready!(this.poll_pause(cx).map(|_| ()));
                    break;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(Then::More))
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}
