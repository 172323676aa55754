use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::socket::SocketRead;
use crate::tokio_io::poll_read;
use crate::{ByteProducer, ByteSource, EndReason, Then, relay::Splice};

/// A `stream<u8>` that reads from a tokio socket or pipe: a `TcpStream`, a `UnixStream`, the owned read half of one, or
/// a `pipe::Receiver`.
///
/// The inverse is [`write`](crate::sockets::write). Unlike [`tokio_io::read`](crate::tokio_io::read) it answers
/// zero-length reads truly. For both directions of one connection use its `into_split`.
///
/// # Partial writes
/// Each guest read is one read of the socket, straight into the guest's memory; a short read completes it.
///
/// # Cancellation
/// Answered at once. Nothing is held between reads, so nothing is lost.
///
/// # Zero-length operations
/// They wait until the socket has bytes, is at its end, or has failed. Nothing is taken from it. On Unix this asks the
/// kernel: after a read that filled its buffer tokio still takes the socket for readable.
///
/// # Errors
/// An error, such as a reset by the peer, ends the stream and is [`End::Failed`](crate::End::Failed) in the completion.
///
/// # Drop
/// The socket is dropped with the stream, or handed back by the completion. A whole socket is closed by that; a read
/// half is not until the write half is gone, too. A peer that is gone in the midst of its data looks like one that came
/// to the end of it, unless the connection was reset, which is an error: where that matters the data tells its length,
/// or its last part says that it is the last ([How streams end](crate::ends)).
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
        // The end makes a socket readable, too.
        Some(self.project().socket.poll_readable(cx).map_ok(|()| Then::Stop))
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}
