use std::borrow::Borrow;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tokio::net::UdpSocket;

use super::ready::{ROUNDS, is_of_one_datagram, is_of_one_peer, poll_sendable};
use crate::{End, EndReason, ItemConsumer, ItemSink, Take};

/// So many datagrams are sent in one operation: a bound on the time of one poll.
const PER_OP: usize = 1024;

/// Sends the items of a guest's stream as datagrams by a tokio [`UdpSocket`], each to its receiver; `None` is the peer
/// that the socket is connected to.
///
/// A [`SocketAddr`] is no WIT type: what the guest wrote is turned into datagrams by
/// [`receive_with`](crate::ItemConsumer::receive_with). The inverse is [`datagrams`](crate::sockets::datagrams), which
/// has an example of both. For both directions give an `Arc<UdpSocket>` to each.
///
/// # Partial writes
/// A datagram is taken from the guest once the socket has room, and sent before the next one is taken. The guest's write
/// goes on while there is room, for at most 1,024 datagrams.
///
/// # Cancellation
/// Answered at once. If one datagram is taken and not sent, for the room was gone again, it counts as written and goes
/// before those of the next write.
///
/// # Zero-length operations
/// They wait until the socket has room. On Unix this asks the kernel; elsewhere it is tokio's word.
///
/// # Errors
/// What concerns one datagram does not end the stream, for then any peer with an address that cannot be answered could
/// end it. A datagram that is too large, whose receiver has no valid address or cannot be reached, that the host's rules
/// forbid, or that the network's queue has no room for, is dropped as the network would drop it, and
/// [counted](SendTo::rejected). What the network reports of an earlier one (an ICMP message: "connection refused")
/// is passed over, and the datagram at hand is sent. Any other error, such as a socket that is shut down, ends the stream
/// for the guest and is [`End::Failed`](crate::End::Failed) in the completion; the datagram is handed back:
/// [`SendTo::into_parts`].
///
/// # Drop
/// A socket has nothing to flush or to shut down; it is closed with the stream or handed back by the
/// [completion](crate::Completion), which also sends a datagram that is taken and not sent. Without one that is lost.
/// The other side sees no end and no cut: a protocol over datagrams says both with one of its own.
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

/// A datagram, and where it goes.
type Datagram = (Vec<u8>, Option<SocketAddr>);

/// The sink of [`send_to`].
#[derive(Debug)]
pub struct SendTo<S> {
    socket: S,
    // Taken from the guest and not sent yet.
    held: Option<Datagram>,
    rejected: u64,
}

impl<S> SendTo<S> {
    accessors!(socket: S);

    /// The socket, and the datagram that was taken from the guest but not sent, if there is one.
    pub fn into_parts(self) -> (S, Option<(Vec<u8>, Option<SocketAddr>)>) {
        (self.socket, self.held)
    }

    /// How many datagrams were dropped since they could not be sent as they are.
    pub fn rejected(&self) -> u64 {
        self.rejected
    }
}

// The socket is never pinned.
impl<S> Unpin for SendTo<S> {}

impl<S: Borrow<UdpSocket>> SendTo<S> {
    /// Waits until what is held is sent, or rejected.
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
                // Of an earlier datagram, and told only once: if it is told again it is of this one.
                Err(error) if is_of_one_peer(&error) && round < ROUNDS => continue,
                Err(error) if is_of_one_peer(&error) || is_of_one_datagram(&error) => {
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
            // What is held is sent before anything is taken, and before the operation completes.
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
