//! Accepted connections.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use wasmtime::component::StreamReader;
use wasmtime_streams::wasi::Tcp;

use super::guest::{Guest, Socket, with_guest};

async fn listening(guest: &Guest<'_>) -> (Socket, StreamReader<Socket>, SocketAddr) {
    let socket = guest.socket().await;
    guest.bind(&socket, "127.0.0.1:0").await.unwrap();
    let connections = guest.listen(&socket).await.unwrap();
    let addr = guest.local(&socket).await.unwrap();
    (socket, connections, addr)
}

#[tokio::test]
async fn one_read_takes_all_connections_that_wait() {
    with_guest(Tcp::new().inherit_network(), async |guest| {
        let (_socket, connections, addr) = listening(guest).await;
        let mut peers = Vec::new();
        for _ in 0..3 {
            peers.push(TcpStream::connect(addr).await.unwrap());
        }
        let (_connections, accepted) = guest.accept(connections, 16).await;
        assert_eq!(accepted.len(), 3);
        for (socket, peer) in accepted.iter().zip(&mut peers) {
            // In the order in which they came.
            assert_eq!(guest.remote(socket).await.unwrap(), peer.local_addr().unwrap());
            assert_eq!(guest.local(socket).await.unwrap(), addr);
            peer.write_all(b"hi").await.unwrap();
            peer.shutdown().await.unwrap();
            let (received, ended) = guest.receive(socket).await;
            assert_eq!(guest.all(received).await, b"hi");
            guest.result(ended).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_read_takes_no_more_connections_than_it_asks_for() {
    with_guest(Tcp::new().inherit_network(), async |guest| {
        let (_socket, connections, addr) = listening(guest).await;
        let _peers =
            [TcpStream::connect(addr).await.unwrap(), TcpStream::connect(addr).await.unwrap()];
        let (connections, accepted) = guest.accept(connections, 1).await;
        assert_eq!(accepted.len(), 1);
        let (_connections, accepted) = guest.accept(connections, 1).await;
        assert_eq!(accepted.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_zero_length_read_waits_for_a_connection_and_makes_no_resource() {
    with_guest(Tcp::new().inherit_network(), async |guest| {
        let (_socket, connections, addr) = listening(guest).await;
        let resources =
            || guest.accessor.with(|mut access| access.data_mut().table.iter_mut().count());
        let before = resources();
        let mut read = pin!(guest.accept(connections, 0));
        assert!(timeout(Duration::from_millis(50), &mut read).await.is_err());
        let _peer = TcpStream::connect(addr).await.unwrap();
        let (connections, none) = read.await;
        assert!(none.is_empty());
        assert_eq!(resources(), before);
        let (_connections, accepted) = guest.accept(connections, 8).await;
        assert_eq!(accepted.len(), 1);
        assert_eq!(resources(), before + 1);
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_nobody_takes_is_reset_with_the_listener() {
    with_guest(Tcp::new().inherit_network(), async |guest| {
        let (socket, connections, addr) = listening(guest).await;
        let mut peer = TcpStream::connect(addr).await.unwrap();
        let (connections, _) = guest.accept(connections, 0).await;
        guest.close(connections);
        let error = peer.read(&mut [0]).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);

        // The socket keeps the port until it is dropped as well.
        let waiting = TcpStream::connect(addr).await.unwrap();
        guest.drop_socket(socket);
        drop(waiting);
        assert!(TcpStream::connect(addr).await.is_err());
    })
    .await;
}
