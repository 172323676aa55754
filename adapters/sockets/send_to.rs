use std::borrow::Borrow;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tokio::net::UdpSocket;

use super::ready::{ROUNDS, concerns_one_datagram, concerns_one_peer, poll_sendable};
use crate::{End, EndReason, ItemConsumer, ItemSink, Take};

/// The most datagrams sent in one operation, which bounds the time of one poll.
const PER_OP: usize = 1024;

/// Sends each item of a guest's stream as a datagram on a tokio [`UdpSocket`].
///
/// An item names its receiver; `None` is the peer that the socket is connected to. A [`SocketAddr`] is not a WIT type:
/// [`receive_with`](crate::ItemConsumer::receive_with) turns what the guest wrote into datagrams. The inverse is
/// [`datagrams`](crate::sockets::datagrams()), which has an example of both. For both directions give an
/// `Arc<UdpSocket>` to each adapter.
///
/// # Partial writes
/// A datagram is taken from the guest once the socket has room, and sent before the next one is taken. A guest write
/// continues while there is room, for at most 1,024 datagrams.
///
/// # Cancellation
/// A cancelled write returns at once. A datagram that was taken but not sent, because the room was gone again, counts
/// as written and is sent before those of the next write.
///
/// # Zero-length operations
/// A zero-length write waits until the socket has room. On Unix it asks the kernel; elsewhere it relies on tokio.
///
/// # Errors
/// An error that concerns one datagram does not end the stream: otherwise any peer with an unreachable address could
/// end it. A datagram is dropped, as the network would drop it, and [counted](SendTo::rejected), if it is too large, if
/// its receiver has no valid address or cannot be reached, if the host's rules forbid it, or if the network's queue has
/// no room. An error that the network reports for an earlier datagram (an ICMP message: "connection refused") is
/// skipped, and the current datagram is sent. Any other error, such as a socket that is shut down, ends the stream for
/// the guest and is [`End::Failed`](crate::End::Failed) in the completion; [`SendTo::into_parts`] returns the unsent
/// datagram.
///
/// # Drop
/// A socket has nothing to flush or shut down: it is closed with the stream, or the [completion](crate::Completion)
/// hands it back. The completion also sends a datagram that was taken but not sent; without one that datagram is lost.
/// The other side sees neither an end nor a cut: a protocol over datagrams needs a datagram that says so.
///
/// ```
/// use std::net::SocketAddr;
/// use tokio::net::UdpSocket;
/// use wasmtime::{Engine, Store, StoreContextMut, component::StreamReader};
///
/// # #[cfg(not(feature = "futures"))] fn main() {}
/// # #[cfg(feature = "futures")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let peer = UdpSocket::bind("127.0.0.1:0").await?;
/// let to = peer.local_addr()?;
/// let mut store = Store::new(&Engine::default(), ());
/// let words = futures::stream::iter(["hello".to_owned()]);
/// let reader = StreamReader::new(&mut store, wasmtime_streams::streams::items(words))?;
///
/// let socket = UdpSocket::bind("127.0.0.1:0").await?;
/// let (consumer, done) = wasmtime_streams::sockets::send_to(socket)
///     .receive_with(move |_: StoreContextMut<'_, ()>, word: String| Ok((word.into_bytes(), Some(to))))
///     .with_completion();
/// reader.pipe(&mut store, consumer)?;
/// let done = store.run_concurrent(async |_| done.await).await?;
/// assert_eq!((done.moved, done.inner.rejected()), (1, 0));
///
/// let mut datagram = [0; 16];
/// let len = peer.recv(&mut datagram).await?;
/// assert_eq!(&datagram[..len], b"hello");
/// # Ok(())
/// # }
/// ```
pub fn send_to<S>(socket: S) -> ItemConsumer<SendTo<S>>
where
    S: Borrow<UdpSocket> + Send + 'static,
{
    ItemConsumer::new(SendTo { socket, held: None, rejected: 0 })
}

/// A datagram and its receiver.
type Datagram = (Vec<u8>, Option<SocketAddr>);

/// The sink of [`send_to`].
#[derive(Debug)]
pub struct SendTo<S> {
    socket: S,
    // Taken from the guest but not sent yet.
    held: Option<Datagram>,
    rejected: u64,
}

impl<S> SendTo<S> {
    accessors!(socket: S);

    /// The socket, and the datagram that was taken from the guest but not sent, if any.
    pub fn into_parts(self) -> (S, Option<(Vec<u8>, Option<SocketAddr>)>) {
        (self.socket, self.held)
    }

    /// How many datagrams were dropped because they could not be sent.
    pub fn rejected(&self) -> u64 {
        self.rejected
    }
}

// The socket is never pinned.
impl<S> Unpin for SendTo<S> {}

impl<S: Borrow<UdpSocket>> SendTo<S> {
    /// Waits until the held datagram is sent or rejected.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End<io::Error>>> {
        let socket = self.socket.borrow();
        let Some((bytes, to)) = &self.held else { return Poll::Ready(Ok(())) };
        for round in 1..=ROUNDS {
            let sent = match to {
                Some(to) => socket.try_send_to(bytes, *to),
                None => socket.try_send(bytes),
            };
            match sent {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(socket.poll_send_ready(cx)).map_err(End::Failed)?;
                    continue;
                }
                // The kernel reports an earlier datagram's error only once: a repeated error concerns this datagram.
                Err(error) if concerns_one_peer(&error) && round < ROUNDS => continue,
                Err(error) if concerns_one_peer(&error) || concerns_one_datagram(&error) => {
                    self.rejected += 1;
                }
                Err(error) => return Poll::Ready(Err(End::Failed(error))),
            }
            self.held = None;
            return Poll::Ready(Ok(()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S> ItemSink for SendTo<S>
where
    S: Borrow<UdpSocket> + Send + 'static,
{
    type Item = Datagram;
    type Error = io::Error;

    fn poll_accept(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        items: &mut dyn Take<Datagram>,
    ) -> Poll<Result<(), End<io::Error>>> {
        let this = self.get_mut();
        loop {
            // The held datagram is sent before another one is taken, and before the operation completes.
            ready!(this.poll_sent(cx))?;
            if items.remaining() == 0 || items.taken() >= PER_OP {
                return Poll::Ready(Ok(()));
            }
            match this.socket.borrow().poll_send_ready(cx) {
                Poll::Ready(room) => room.map_err(End::Failed)?,
                Poll::Pending if items.taken() > 0 => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
            this.held = items.take_one();
        }
    }

    fn poll_writable(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<(), End<io::Error>>>> {
        let this = self.get_mut();
        match this.poll_sent(cx) {
            Poll::Ready(Ok(())) => {}
            answer => return Some(answer),
        }
        Some(poll_sendable(this.socket.borrow(), cx).map_err(End::Failed))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), End<io::Error>>> {
        self.get_mut().poll_sent(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), End<io::Error>>> {
        self.get_mut().poll_sent(cx)
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}
