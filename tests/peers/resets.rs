//! What the peer of a TCP connection sees of a stream that was cut short.

use std::io::ErrorKind;

use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use wasmtime_streams::testing::Code;
use wasmtime_streams::{ByteConsumer, ByteSink, tokio_socket_write, tokio_write};

use super::with_guest;

/// What the peer reads, and how it ends, of what a guest writes into a connection that is reset when it is dropped.
fn seen<S: ByteSink + Unpin>(
    make: impl FnOnce(TcpStream) -> ByteConsumer<S>,
    cancel: bool,
) -> (Vec<u8>, Result<usize, ErrorKind>) {
    with_guest::<u8, _>(async |guest| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut peer = listener.accept().await.unwrap().0;
        socket.set_zero_linger().unwrap();
        let (consumer, done) = make(socket).with_completion();
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send_all(stream, b"hello").await, Code::Completed(5));
        let mut read = vec![0; 5];
        peer.read_exact(&mut read).await.unwrap();
        if cancel {
            done.cancel();
        } else {
            guest.drop_writable(stream).await;
        }
        let done = done.await;
        assert_eq!(done.end.is_finished(), !cancel);
        let end = if cancel {
            drop(done);
            peer.read(&mut [0]).await
        } else {
            // Shut down; it may be dropped once that has arrived.
            let end = peer.read(&mut [0]).await;
            drop(done);
            end
        };
        (read, end.map_err(|error| error.kind()))
    })
}

#[test]
fn a_connection_without_linger_tells_its_peer_of_a_cut() {
    // Rule "Truncated is never complete": a connection that is only dropped would look as at its end.
    let reset = Err(ErrorKind::ConnectionReset);
    for (cancel, end) in [(true, reset), (false, Ok(0))] {
        assert_eq!(seen(tokio_write, cancel), (b"hello".to_vec(), end));
        assert_eq!(seen(tokio_socket_write, cancel), (b"hello".to_vec(), end));
    }
}
