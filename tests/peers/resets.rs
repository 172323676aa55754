//! What the peer of a TCP connection sees when a stream is cut.

use std::io::ErrorKind;

use tokio::io::AsyncReadExt as _;
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};
use wasmtime_streams::{ByteConsumer, ByteSink, sockets, tokio_io};
use wasmtime_streams_testing::Code;

use super::with_guest;

/// The data that the peer reads, and its next read, on a connection without linger that a guest writes.
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
            // The shutdown arrives before the drop resets the connection.
            let end = peer.read(&mut [0]).await;
            drop(done);
            end
        };
        (read, end.map_err(|error| error.kind()))
    })
}

#[test]
fn a_tcp_connection_without_linger_is_reset_when_its_stream_is_cut() {
    // Rule "Truncated is never complete": with the default linger a drop looks like the end.
    let reset = Err(ErrorKind::ConnectionReset);
    for (cancel, end) in [(true, reset), (false, Ok(0))] {
        assert_eq!(seen(tokio_io::write, cancel), (b"hello".to_vec(), end));
        assert_eq!(seen(sockets::write, cancel), (b"hello".to_vec(), end));
    }
}

/// What the peer reads after a guest's stream was cut, and `close` had the sink.
fn after_a_cut<S: ByteSink + Unpin>(
    make: impl FnOnce(TcpStream) -> (ByteConsumer<S>, Option<OwnedReadHalf>),
    close: impl FnOnce(S),
) -> Result<usize, ErrorKind> {
    with_guest::<u8, _>(async |guest| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut peer = listener.accept().await.unwrap().0;
        let (consumer, other_half) = make(socket);
        let (consumer, done) = consumer.with_completion();
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send_all(stream, b"hello").await, Code::Completed(5));
        peer.read_exact(&mut [0; 5]).await.unwrap();
        done.cancel();
        close(done.await.inner);
        drop(other_half);
        peer.read(&mut [0]).await.map_err(|error| error.kind())
    })
}

#[test]
fn a_connection_and_a_write_half_of_one_can_be_reset() {
    // Rule "Truncated is never complete": a write half that is only dropped shuts down, which looks like the end.
    let halves = |socket: TcpStream| {
        let (read, write) = socket.into_split();
        (sockets::write(write), Some(read))
    };
    let reset = Err(ErrorKind::ConnectionReset);
    assert_eq!(
        after_a_cut(|socket| (sockets::write(socket), None), |sink| sink.reset().unwrap()),
        reset
    );
    assert_eq!(after_a_cut(halves, |sink| sink.reset().unwrap()), reset);
    assert_eq!(after_a_cut(halves, drop), Ok(0));
}
