use std::borrow::Borrow;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tokio::net::UdpSocket;

use super::ready::{ROUNDS, concerns_one_peer, is_read_closed, poll_receivable};
use crate::{EndReason, ItemProducer, ItemSource, Then, relay::Splice};

/// The largest datagram, in bytes.
const LARGEST: usize = 64 * 1024;

/// Receives datagrams from a tokio [`UdpSocket`], as a stream of whole datagrams with their senders.
///
/// A [`SocketAddr`] is not a WIT type: [`deliver_with`](crate::ItemProducer::deliver_with) makes what the guest gets.
/// The inverse is [`send_to`](crate::sockets::send_to()). For both directions give an `Arc<UdpSocket>` to each adapter.
/// Two streams cannot share a socket for the same direction, since tokio wakes only one of them.
///
/// # Partial writes
/// Each guest read takes the datagrams that have arrived, at most as many as the guest asks for and as fit a
/// [batch](crate::ItemProducer::batch), 64 by default. The others stay in the socket, which drops what it has no room
/// for.
///
/// # Cancellation
/// A cancelled read returns at once. Nothing is received for it.
///
/// # Zero-length operations
/// A zero-length read waits until a datagram has arrived. It takes nothing from the socket. On Unix it asks the kernel.
///
/// # Errors
/// An error that the network reports for a datagram sent earlier (an ICMP message: "connection refused") concerns no
/// received datagram: it is skipped and [counted](Datagrams::skipped). Any other error ends the stream, after the
/// datagrams before it, and is [`End::Failed`](crate::End::Failed) in the completion. The stream has no end of its own,
/// unless the host shuts the socket down for reading.
///
/// # Drop
/// The socket is dropped with the stream, or the completion hands it back. A waiting stream holds no memory: the buffer
/// for the largest datagram exists only while a batch is received.
///
/// ```
/// use std::{net::SocketAddr, sync::Arc};
/// use tokio::net::UdpSocket;
/// use wasmtime::{Engine, Store, StoreContextMut, component::StreamReader};
///
/// type Datagram = (Vec<u8>, String, u16); // `tuple<list<u8>, string, u16>`
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await?);
/// let peer = UdpSocket::bind("127.0.0.1:0").await?;
/// peer.connect(socket.local_addr()?).await?;
/// peer.send(b"hello").await?;
///
/// let mut store = Store::new(&Engine::default(), ());
/// let received = wasmtime_streams::sockets::datagrams(socket.clone()).deliver_with(
///     |_: StoreContextMut<'_, ()>, (bytes, from): (Vec<u8>, SocketAddr)| {
///         Ok((bytes, from.ip().to_string(), from.port()))
///     },
/// );
/// let reader = StreamReader::new(&mut store, received)?;
///
/// let sent = wasmtime_streams::sockets::send_to(socket).receive_with(
///     |_: StoreContextMut<'_, ()>, (bytes, ip, port): Datagram| {
///         Ok((bytes, Some(SocketAddr::new(ip.parse()?, port))))
///     },
/// );
/// reader.pipe(&mut store, sent)?;
///
/// let mut echo = [0; 16];
/// let len = store.run_concurrent(async |_| peer.recv(&mut echo).await).await??;
/// assert_eq!(&echo[..len], b"hello");
/// # Ok(())
/// # }
/// ```
pub fn datagrams<S>(socket: S) -> ItemProducer<Datagrams<S>>
where
    S: Borrow<UdpSocket> + Send + 'static,
{
    ItemProducer::new(Datagrams { socket, skipped: 0 })
}

/// The source of [`datagrams`].
#[derive(Debug)]
pub struct Datagrams<S> {
    socket: S,
    skipped: u64,
}

impl<S> Datagrams<S> {
    accessors!(socket: S);

    /// How many errors were skipped because they concern no received datagram.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }
}

// The socket is never pinned.
impl<S> Unpin for Datagrams<S> {}

impl<S> Splice for Datagrams<S> {}

impl<S> ItemSource for Datagrams<S>
where
    S: Borrow<UdpSocket> + Send + 'static,
{
    type Item = (Vec<u8>, SocketAddr);
    type Error = io::Error;

    fn poll_items(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        max: usize,
        out: &mut Vec<Self::Item>,
    ) -> Poll<io::Result<Then>> {
        let this = self.get_mut();
        let socket = this.socket.borrow();
        // Allocates only when a datagram is likely to be there.
        ready!(socket.poll_recv_ready(cx))?;
        let mut scratch = Vec::with_capacity(LARGEST);
        let (mut got, mut rounds) = (0, 0);
        while got < max {
            scratch.clear();
            match socket.try_recv_buf_from(&mut scratch) {
                Ok((_, from)) => {
                    out.push((scratch.as_slice().to_vec(), from));
                    got += 1;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && rounds < ROUNDS => {
                    ready!(socket.poll_recv_ready(cx))?;
                    rounds += 1;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if is_read_closed(socket) {
                        return Poll::Ready(Ok(Then::End(EndReason::Finished)));
                    }
                    break;
                }
                Err(error) if concerns_one_peer(&error) => {
                    this.skipped += 1;
                    // The core bounds how often a source is asked again in one poll.
                    break;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(Then::More))
    }

    fn poll_readable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Option<Poll<io::Result<Then>>> {
        // A socket that is shut down for reading is readable too.
        Some(poll_receivable(self.get_mut().socket.borrow(), cx).map_ok(|()| Then::Stop))
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}
