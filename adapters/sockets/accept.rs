use std::future::Future as _;
use std::io;
use std::panic::catch_unwind;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ::tokio::runtime::Handle;
use ::tokio::time::{Sleep, sleep};

use super::ready::{is_exhausted, is_of_one_peer};
use super::socket::SocketAccept;
use crate::shared::timer::{NoTimer, Timed};
use crate::{EndReason, ItemProducer, ItemSource, Then, relay::Splice};

/// A stream of the connections that a tokio `TcpListener` or `UnixListener` accepts.
///
/// A connection is no WIT type: it becomes one when it is delivered, by
/// [`deliver_with`](crate::ItemProducer::deliver_with), usually a resource in the store's table. Its `peer_addr` says
/// whose it is. There is no inverse. Call this where tokio's runtime is entered: the connections belong to it.
///
/// # Partial writes
/// Each guest read takes the connections that are waiting, no more than it asks for and than a
/// [batch](crate::ItemProducer::batch), 64 by default. The others stay in the listener's backlog, so the guest's reads
/// bound the file descriptors that are in use.
///
/// # Cancellation
/// Answered at once. Nothing is accepted for a read that is cancelled.
///
/// # Zero-length operations
/// A listener cannot tell whether somebody waits without accepting: they complete at once.
///
/// # Errors
/// What concerns one connection only (the peer was gone before it was accepted, its network is down) is passed over and
/// [counted](Accept::skipped). When descriptors or memory run out, which peers can bring about, nothing is accepted
/// for a while, 10 ms to 1 s, which is [counted](Accept::paused) as well; the connections stay in the backlog. Any
/// other error ends the stream, after the connections before it, and is [`End::Failed`](crate::End::Failed) in the
/// completion; the listener that it hands back can be used again. So does one of these without a tokio runtime with time
/// enabled.
///
/// # Drop
/// The listener is closed with the stream, or handed back by the completion. Connections that could not be delivered are
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

/// How long nothing is accepted once descriptors or memory have run out; doubled each time, up to [`LAST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_secs(1);

type Pause = Pin<Box<Timed<Sleep>>>;

/// The source of [`accept`].
#[derive(Debug)]
pub struct Accept<L> {
    listener: L,
    // A connection is registered with the runtime in which it is accepted; the store may be polled elsewhere.
    runtime: Option<Handle>,
    skipped: u64,
    paused: u64,
    pause: Option<Pause>,
    next_pause: Duration,
}

impl<L> Accept<L> {
    accessors!(listener: L);

    /// How often nothing was accepted for a while, since descriptors or memory had run out.
    pub fn paused(&self) -> u64 {
        self.paused
    }

    /// Waits until the pause is over; an error if there is no timer to wait for.
    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), NoTimer>> {
        let Some(pause) = &mut self.pause else { return Poll::Ready(Ok(())) };
        let over = ready!(pause.as_mut().poll(cx));
        self.pause = None;
        Poll::Ready(over)
    }

    /// Begins a pause.
    fn pause(&mut self) -> Result<(), NoTimer> {
        // tokio panics where there are no timers.
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
                Err(error) if is_of_one_peer(&error) => {
                    this.skipped += 1;
                    // The core bounds how often that may happen in one poll.
                    break;
                }
                Err(error) if is_exhausted(&error) && this.pause().is_ok() => {
                    // It registers the waker, and is not over yet.
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
