//! What goes over a connection, and how it ends.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use wasmtime_streams::wasi::{Tcp, TcpSocket};

use super::guest::{ErrorCode, Guest, Socket, with_guest};

fn open() -> Tcp {
    Tcp::new().inherit_network()
}

/// A connected socket of the guest's, and its peer.
async fn connected(guest: &Guest<'_>) -> (Socket, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = guest.socket().await;
    guest.connect(&socket, listener.local_addr().unwrap()).await.unwrap();
    (socket, listener.accept().await.unwrap().0)
}

#[tokio::test]
async fn a_guest_echoes_and_each_direction_ends_by_itself() {
    with_guest(open(), async |guest| {
        let (socket, mut peer) = connected(guest).await;
        let (received, ended) = guest.receive(&socket).await;
        let sent = guest.send(&socket, received).await;
        peer.write_all(b"hello").await.unwrap();
        let mut echo = [0; 5];
        peer.read_exact(&mut echo).await.unwrap();
        assert_eq!(&echo, b"hello");

        // The end of one direction: the guest's stream ends, and with it the other direction.
        peer.shutdown().await.unwrap();
        assert_eq!(peer.read(&mut echo).await.unwrap(), 0);
        guest.result(ended).await.unwrap();
        guest.result(sent).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn the_end_of_what_a_guest_sends_leaves_the_other_direction_open() {
    with_guest(open(), async |guest| {
        let (socket, mut peer) = connected(guest).await;
        let (received, ended) = guest.receive(&socket).await;
        let sent = guest.send(&socket, guest.bytes(b"all").await).await;
        // Not read: the connection is shut down all the same.
        guest.drop_future(sent);
        let mut all = Vec::new();
        peer.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"all");

        peer.write_all(b"answer").await.unwrap();
        drop(peer);
        assert_eq!(guest.all(received).await, b"answer");
        guest.result(ended).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_reset_by_the_peer_is_told_apart_from_the_end() {
    with_guest(open(), async |guest| {
        let (socket, peer) = connected(guest).await;
        let (received, ended) = guest.receive(&socket).await;
        peer.set_zero_linger().unwrap();
        drop(peer);
        assert_eq!(guest.all(received).await, b"");
        assert!(matches!(guest.result(ended).await, Err(ErrorCode::ConnectionReset)));
    })
    .await;
}

#[tokio::test]
async fn a_zero_length_read_waits_for_data_and_takes_none() {
    with_guest(open(), async |guest| {
        let (socket, mut peer) = connected(guest).await;
        let (received, ended) = guest.receive(&socket).await;
        let mut read = std::pin::pin!(guest.zero_read(received));
        assert!(timeout(Duration::from_millis(50), &mut read).await.is_err());
        peer.write_all(b"x").await.unwrap();
        let (received, code) = read.await;
        assert_eq!(code, 0, "completed with nothing");
        drop(peer);
        assert_eq!(guest.all(received).await, b"x");
        guest.result(ended).await.unwrap();
    })
    .await;
}

/// A socket that takes no more until its peer reads; the peer, and how much it has to read.
async fn full(guest: &Guest<'_>) -> (Socket, TcpStream, usize) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (peer, _) = listener.accept().await.unwrap();
    let mut filled = 0;
    // The system moves a part on to the peer by and by.
    while timeout(Duration::from_millis(50), stream.writable()).await.is_ok() {
        filled += stream.try_write(&[7; 65_536]).unwrap_or(0);
    }
    (guest.push(TcpSocket::from_stream(stream).unwrap()), peer, filled)
}

#[tokio::test]
async fn a_zero_length_write_waits_for_room_and_sends_nothing() {
    with_guest(open(), async |guest| {
        let (socket, mut peer, filled) = full(guest).await;
        let (stream, writer) = guest.stream().await;
        let sent = guest.send(&socket, stream).await;
        assert_eq!(guest.write(writer, 0).await, u32::MAX, "blocked");
        let mut all = vec![0; filled];
        peer.read_exact(&mut all).await.unwrap();
        assert_eq!(guest.wait(writer).await, 0, "completed with nothing");
        // There is room: it does not wait.
        assert_eq!(guest.write(writer, 0).await, 0);
        guest.end(writer).await;
        guest.result(sent).await.unwrap();
        assert_eq!(peer.read(&mut all).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_guest_that_stops_reading_shuts_the_connection_down_for_reading() {
    with_guest(open(), async |guest| {
        let (socket, mut peer) = connected(guest).await;
        let (received, ended) = guest.receive(&socket).await;
        guest.close(received);
        guest.result(ended).await.unwrap();
        // The other direction works.
        let sent = guest.send(&socket, guest.bytes(b"still").await).await;
        guest.result(sent).await.unwrap();
        let mut all = Vec::new();
        peer.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"still");
    })
    .await;
}

#[tokio::test]
async fn streams_outlive_their_socket() {
    with_guest(open(), async |guest| {
        let (socket, mut peer) = connected(guest).await;
        let (received, ended) = guest.receive(&socket).await;
        guest.drop_socket(socket);
        // No end yet, though nothing can be sent any more.
        let mut byte = [0];
        let nothing = timeout(Duration::from_millis(50), peer.read(&mut byte)).await;
        assert!(nothing.is_err());
        peer.write_all(b"late").await.unwrap();
        peer.shutdown().await.unwrap();
        assert_eq!(guest.all(received).await, b"late");
        guest.result(ended).await.unwrap();
        assert_eq!(peer.read(&mut byte).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_store_that_is_dropped_ends_the_connection_or_resets_it_on_request() {
    for (tcp, reset) in [(open(), false), (open().reset_abandoned(), true)] {
        let (mut peer, writer) = with_guest(tcp, async |guest| {
            let (socket, mut peer) = connected(guest).await;
            let (mut writer, stream) = guest.open();
            let _sent = guest.send(&socket, stream).await;
            writer.write_all(b"half").await.unwrap();
            let mut half = [0; 4];
            peer.read_exact(&mut half).await.unwrap();
            (peer, writer)
        })
        .await;
        let read = peer.read(&mut [0]).await;
        match reset {
            false => assert_eq!(read.unwrap(), 0),
            true => assert_eq!(read.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset),
        }
        drop(writer);
    }
}
