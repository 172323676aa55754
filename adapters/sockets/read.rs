use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::socket::SocketRead;
use crate::tokio_io::poll_read;
use crate::{ByteProducer, ByteSource, EndReason, Then, relay::Splice};

/// Reads a `stream<u8>` from a tokio socket or pipe: a `TcpStream`, a `UnixStream`, the owned read half of one, or a
/// `pipe::Receiver`.
///
/// The inverse is [`write`](crate::sockets::write()). Unlike those of [`tokio_io::read`](crate::tokio_io::read()),
/// zero-length reads wait for readiness. For both directions of one connection use its `into_split`.
///
/// # Partial writes
/// Each guest read is one read of the socket, straight into guest memory; a short read completes it.
///
/// # Cancellation
/// A cancelled read returns at once. The adapter holds nothing between reads, so nothing is lost.
///
/// # Zero-length operations
/// A zero-length read waits until the socket has bytes, reaches its end, or fails. It consumes nothing. On Unix it asks
/// the kernel: after a read that filled its buffer, tokio still reports the socket as readable.
///
/// # Errors
/// An error, such as a reset by the peer, ends the stream and is [`End::Failed`](crate::End::Failed) in the completion.
///
/// # Drop
/// The socket is dropped with the stream, or the completion hands it back. Dropping a whole socket closes it; dropping
/// a read half does so only once the write half is dropped too. A peer that leaves before the end of its data looks
/// like the end of the data, unless it resets the connection, which is an error: if that matters, put a length or an
/// end marker into the data ([How streams end](crate::ends)).
///
/// ```
/// use tokio::io::AsyncWriteExt as _;
/// use tokio::net::{TcpListener, TcpStream};
/// use wasmtime::{Engine, Store, component::StreamReader};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let mut peer = TcpStream::connect(listener.local_addr()?).await?;
/// peer.write_all(b"hello").await?;
/// drop(peer);
///
/// let mut store = Store::new(&Engine::default(), ());
/// let (socket, _) = listener.accept().await?;
/// let reader = StreamReader::new(&mut store, wasmtime_streams::sockets::read(socket))?;
///
/// let (writer, done) = wasmtime_streams::tokio_io::write(Vec::new()).with_completion();
/// reader.pipe(&mut store, writer)?;
/// let done = store.run_concurrent(async |_| done.await).await?;
/// assert_eq!(done.inner.into_inner(), b"hello");
/// # Ok(())
/// # }
/// ```
pub fn read<R>(socket: R) -> ByteProducer<Read<R>>
where
    R: SocketRead + Send + 'static,
{
    ByteProducer::new(Read { socket })
}

pin_project! {
    /// The source of [`read`].
    #[derive(Debug)]
    pub struct Read<R> {
        #[pin]
        socket: R,
    }
}

impl<R> Read<R> {
    accessors!(socket: R);
}

impl<R> Splice for Read<R> {}

impl<R: SocketRead + Send + 'static> ByteSource for Read<R> {
    type Error = io::Error;

    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<(usize, Then)>> {
        poll_read(self.project().socket, cx, buf)
    }

    fn poll_readable(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<Then, io::Error>>> {
        // A socket at its end is readable too.
        Some(self.project().socket.poll_readable(cx).map_ok(|()| Then::Stop))
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}
