//! Zero-length reads at the end of sockets, pipes, datagrams and blocking readers.

use std::net;
use std::os::fd::AsFd as _;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket, UnixStream, unix::pipe};
use wasmtime::StoreContextMut;
use wasmtime::component::ResourceTable;
use wasmtime_streams::{
    ByteProducer, ByteSource, blocking,
    sockets::{self, SocketRead},
    tokio_io,
};
use wasmtime_streams_testing::Code;

use super::{Guest, with_guest};

async fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (socket, listener.accept().await.unwrap().0)
}

/// Asserts that zero-length reads come to the end, at most at the second one.
async fn assert_ends(guest: &Guest<'_, u8>, stream: u32, name: &str) {
    let mut answers = Vec::new();
    while answers.len() < 5 && answers.last().is_none_or(|code| *code == Code::Completed(0)) {
        answers.push(guest.recv(stream, 0).await.0);
    }
    assert_eq!(answers.last(), Some(&Code::Dropped(0)), "{name}: {answers:?}");
    assert!(answers.len() <= 2, "{name}: {answers:?}");
}

/// Reads 4 bytes of `source`, drops its peer, and reads zero-length to the end.
async fn assert_stream_ends<S: ByteSource>(
    guest: &Guest<'_, u8>,
    source: ByteProducer<S>,
    mut peer: impl AsyncWrite + Unpin,
    name: &str,
) {
    let stream = guest.source(source).await;
    peer.write_all(b"ping").await.unwrap();
    let mut got = Vec::new();
    while got.len() < 4 {
        got.extend(guest.recv(stream, 4 - got.len() as u32).await.1);
    }
    assert_eq!(got, b"ping");
    drop(peer);
    assert_ends(guest, stream, name).await;
}

/// The same for a socket, which can tell, and for a reader, which cannot.
async fn assert_socket_ends<R, W>(guest: &Guest<'_, u8>, pairs: [(R, W); 2], name: &str)
where
    R: SocketRead + AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin,
{
    let [(socket, peer), (reader, other)] = pairs;
    assert_stream_ends(guest, sockets::read(socket), peer, name).await;
    assert_stream_ends(guest, tokio_io::read(reader), other, name).await;
}

#[test]
fn zero_length_reads_come_to_the_end_of_a_socket() {
    // Rule "Zero-length reads".
    with_guest::<u8, _>(async |guest| {
        assert_socket_ends(guest, [tcp().await, tcp().await], "tcp").await;
        let halves = async || {
            let (socket, peer) = tcp().await;
            (socket.into_split().0, peer)
        };
        assert_socket_ends(guest, [halves().await, halves().await], "a half of tcp").await;
        let unix = || UnixStream::pair().unwrap();
        assert_socket_ends(guest, [unix(), unix()], "unix").await;
        let pipe = || {
            let (sender, receiver) = pipe::pipe().unwrap();
            (receiver, sender)
        };
        assert_socket_ends(guest, [pipe(), pipe()], "a pipe").await;
    });
}

#[test]
fn a_zero_length_read_waits_until_the_peer_leaves() {
    // Rule "Zero-length reads", rule "Register the current waker".
    with_guest::<u8, _>(async |guest| {
        for raw in [false, true] {
            let (socket, peer) = tcp().await;
            let stream = match raw {
                false => guest.source(sockets::read(socket)).await,
                true => guest.source(tokio_io::read(socket)).await,
            };
            let mut code = guest.read(stream, 0).await;
            if raw {
                assert_eq!(code, Code::Completed(0));
                code = guest.read(stream, 0).await;
            }
            assert_eq!(code, Code::Blocked, "raw: {raw}");
            drop(peer);
            match guest.wait(stream).await {
                // The end is ready.
                Code::Completed(0) => assert_ends(guest, stream, "tcp").await,
                code => assert_eq!(code, Code::Dropped(0), "raw: {raw}"),
            }
        }
    });
}

#[test]
fn zero_length_reads_come_to_the_end_of_datagrams_and_connections() {
    // Rule "Zero-length reads": a socket that is shut down for reading, and a listener with a limit.
    with_guest::<u8, _>(async |guest| {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(peer.local_addr().unwrap()).await.unwrap();
        let same = net::TcpStream::from(socket.as_fd().try_clone_to_owned().unwrap());
        let address = socket.local_addr().unwrap();
        let first = |_: StoreContextMut<'_, ResourceTable>, (data, _): (Vec<u8>, _)| Ok(data[0]);
        let stream = guest.source(sockets::datagrams(socket).deliver_with(first)).await;
        peer.send_to(&[7], address).await.unwrap();
        assert_eq!(guest.recv(stream, 1).await, (Code::Completed(1), vec![7]));
        same.shutdown(net::Shutdown::Read).unwrap();
        assert_ends(guest, stream, "datagrams").await;

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let number = |_: StoreContextMut<'_, ResourceTable>, _| Ok(1);
        let stream = guest.source(sockets::accept(listener).limit(0).deliver_with(number)).await;
        assert_ends(guest, stream, "connections").await;
    });
}

#[test]
fn zero_length_reads_come_to_the_end_of_a_blocking_reader() {
    // Rule "Zero-length reads": on tokio's own threads.
    with_guest::<u8, _>(async |guest| {
        let stream = guest.source(blocking::read(&b"ping"[..])).await;
        assert_eq!(guest.recv(stream, 4).await, (Code::Completed(4), b"ping".to_vec()));
        assert_ends(guest, stream, "a blocking reader").await;
    });
}
