use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::tokio::net::TcpStream;
use ::tokio::net::tcp::OwnedWriteHalf;
use pin_project_lite::pin_project;

use super::socket::SocketWrite;
use crate::tokio_io::poll_write;
use crate::{ByteConsumer, ByteSink, End, EndReason};

/// Writes a guest's `stream<u8>` to a tokio socket or pipe: a `TcpStream`, a `UnixStream`, the owned write half of one,
/// or a `pipe::Sender`.
///
/// The inverse is [`read`](crate::sockets::read()). Unlike those of [`tokio_io::write`](crate::tokio_io::write()),
/// zero-length writes wait for readiness. For both directions of one connection use its `into_split`.
///
/// # Partial writes
/// A guest write returns exactly the number of bytes that the socket accepted. The adapter calls the socket again while
/// it makes progress.
///
/// # Cancellation
/// A cancelled write returns at once with what was accepted.
///
/// # Zero-length operations
/// A zero-length write waits until the socket has room, or has failed. On Unix it asks the kernel; elsewhere it relies
/// on tokio, which may report room too early.
///
/// # Errors
/// An error, such as a peer that has left, ends the stream for the guest and is [`End::Failed`](crate::End::Failed) in
/// the completion. Accepted bytes may not have arrived: a socket does not report that. A peer that leaves shows only at a
/// write: where the guest writes seldom, end the stream by the read half,
/// `.until(EndReason::ReceiverDropped, read_to_its_end)`.
///
/// # Drop
/// The [completion](crate::Completion) shuts the socket down for writing, so that the peer sees the end of the data,
/// and hands it back. Without a completion the socket is dropped as it is, which closes a whole socket and shuts down a
/// write half. A pipe has no shutdown: its reader sees the end when the sender that was handed back is dropped. The
/// peer cannot tell a socket that is dropped at a cut from the end of the data. The completion hands the socket back
/// open, so a TCP connection can be [reset](Write::reset) then. Unix sockets and pipes have no reset:
/// send a length or a last message instead ([How streams end](crate::ends)).
///
/// ```
/// use tokio::io::AsyncReadExt as _;
/// use tokio::net::{TcpListener, TcpStream};
/// use wasmtime::{Engine, Store, component::StreamReader};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let mut peer = TcpStream::connect(listener.local_addr()?).await?;
/// let (socket, _) = listener.accept().await?;
///
/// let mut store = Store::new(&Engine::default(), ());
/// let reader = StreamReader::new(&mut store, wasmtime_streams::tokio_io::read(&b"hello"[..]))?;
/// let (writer, done) = wasmtime_streams::sockets::write(socket).with_completion();
/// reader.pipe(&mut store, writer)?;
/// let done = store.run_concurrent(async |_| done.await).await?;
/// assert!(done.end.is_finished());
///
/// // The connection is still open; only this direction is shut down.
/// let mut received = Vec::new();
/// peer.read_to_end(&mut received).await?;
/// assert_eq!(received, b"hello");
/// # Ok(())
/// # }
/// ```
pub fn write<W>(socket: W) -> ByteConsumer<Write<W>>
where
    W: SocketWrite + Send + 'static,
{
    ByteConsumer::new(Write { socket })
}

pin_project! {
    /// The sink of [`write`].
    #[derive(Debug)]
    pub struct Write<W> {
        #[pin]
        socket: W,
    }
}

impl<W> Write<W> {
    accessors!(socket: W);
}

impl Write<TcpStream> {
    /// Closes the connection by a TCP reset, so that the peer sees an error and not the end of the data: for a stream that was
    /// cut short.
    ///
    /// Data that the peer has not read by then is lost to it. After a limit the completion has shut the socket down already,
    /// and the peer may see the end first.
    ///
    /// # Errors
    ///
    /// That of `set_zero_linger`; the socket is then only closed.
    pub fn reset(self) -> io::Result<()> {
        self.socket.set_zero_linger()
    }
}

impl Write<OwnedWriteHalf> {
    /// Closes the connection by a TCP reset, as that of a whole socket does. The reset is sent once the read half is dropped as
    /// well.
    ///
    /// A write half that is only dropped shuts down first, and the peer sees the end of the data.
    ///
    /// # Errors
    ///
    /// That of `set_zero_linger`; the half is then only dropped.
    pub fn reset(self) -> io::Result<()> {
        self.socket.as_ref().set_zero_linger()?;
        // Without the shutdown of its drop.
        self.socket.forget();
        Ok(())
    }
}

impl<W: SocketWrite + Send + 'static> ByteSink for Write<W> {
    type Error = io::Error;

    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize, End<io::Error>>> {
        poll_write(self.project().socket, cx, buf)
    }

    fn poll_writable(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<(), End<io::Error>>>> {
        Some(self.project().socket.poll_writable(cx).map_err(End::Failed))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), End<io::Error>>> {
        self.project().socket.poll_flush(cx).map_err(End::Failed)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), End<io::Error>>> {
        self.project().socket.poll_shutdown(cx).map_err(End::Failed)
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}
