//! Sockets that are objects of the host's.

use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use wasmtime_streams::wasi::{Tcp, TcpSocket};
use wasmtime_wasi::sockets::SocketAddrUse;

use super::guest::{ErrorCode, with_guest};

/// Only a test that fails takes so long.
const LONG: Duration = Duration::from_secs(20);

fn addrs() -> (SocketAddr, SocketAddr) {
    ("192.0.2.1:80".parse().unwrap(), "192.0.2.2:4000".parse().unwrap())
}

fn pair() -> (TcpSocket, DuplexStream) {
    let (guest, host) = duplex(64);
    let (local, remote) = addrs();
    (TcpSocket::from_io(guest, local, remote), host)
}

#[tokio::test]
async fn a_pipe_in_memory_is_a_connected_socket() {
    with_guest(Tcp::new(), async |guest| {
        let (socket, mut host) = pair();
        let socket = guest.push(socket);
        let (local, remote) = addrs();
        assert_eq!(guest.local(&socket).await.unwrap(), local);
        assert_eq!(guest.remote(&socket).await.unwrap(), remote);
        assert!(matches!(
            guest.get::<u8>(&socket, "hop-limit").await,
            Err(ErrorCode::NotSupported)
        ));

        let (received, ended) = guest.receive(&socket).await;
        let sent = guest.send(&socket, guest.bytes(b"from the guest").await).await;
        // Not read, and shut down all the same.
        guest.drop_future(sent);
        let mut all = Vec::new();
        host.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"from the guest");

        host.write_all(b"from the host").await.unwrap();
        host.shutdown().await.unwrap();
        assert_eq!(guest.all(received).await, b"from the host");
        guest.result(ended).await.unwrap();

        let again = guest.send(&socket, guest.bytes(b"again").await).await;
        assert!(matches!(guest.result(again).await, Err(ErrorCode::InvalidState)));
    })
    .await;
}

#[tokio::test]
async fn a_writer_that_fails_is_the_error_of_what_was_sent() {
    with_guest(Tcp::new(), async |guest| {
        let (socket, host) = pair();
        let socket = guest.push(socket);
        drop(host);
        let sent = guest.send(&socket, guest.bytes(b"lost").await).await;
        assert!(matches!(guest.result(sent).await, Err(ErrorCode::ConnectionBroken)));
    })
    .await;
}

#[tokio::test]
async fn a_reader_is_dropped_when_the_guest_stops_reading() {
    with_guest(Tcp::new(), async |guest| {
        let (reader, mut host) = duplex(64);
        let (local, remote) = addrs();
        let socket = TcpSocket::from_halves(reader, tokio::io::sink(), local, remote);
        let socket = guest.push(socket);
        let (received, _ended) = guest.receive(&socket).await;
        guest.close(received);
        // Its future is neither read nor dropped.
        let writes = async {
            loop {
                if let Err(error) = host.write_all(b"anybody").await {
                    break error;
                }
            }
        };
        let error = timeout(LONG, writes).await.unwrap();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    })
    .await;
}

#[tokio::test]
async fn a_stream_of_the_systems_keeps_its_options() {
    with_guest(Tcp::new(), async |guest| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let local = stream.local_addr().unwrap();
        let socket = guest.push(TcpSocket::from_stream(stream).unwrap());
        assert_eq!(guest.local(&socket).await.unwrap(), local);
        guest.set(&socket, "hop-limit", 9_u8).await.unwrap();
        assert_eq!(guest.get::<u8>(&socket, "hop-limit").await.unwrap(), 9);
    })
    .await;
}

#[tokio::test]
async fn the_host_connects_guests() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let asks = asked.clone();
    let (tx, mut rx) = mpsc::channel(1);
    let tcp = Tcp::new().inherit_network().connect_with(move |remote| {
        asks.lock().unwrap().push(remote);
        let tx = tx.clone();
        async move {
            if remote.port() == 1 {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            let (guest, host) = duplex(64);
            tx.send(host).await.map_err(io::Error::other)?;
            Ok(TcpSocket::from_io(guest, addrs().0, remote))
        }
    });
    with_guest(tcp, async |guest| {
        let remote: SocketAddr = "203.0.113.9:443".parse().unwrap();
        let socket = guest.socket().await;
        guest.connect(&socket, remote).await.unwrap();
        assert_eq!(guest.remote(&socket).await.unwrap(), remote);
        let mut host = rx.recv().await.unwrap();
        let sent = guest.send(&socket, guest.bytes(b"hello").await).await;
        guest.result(sent).await.unwrap();
        let mut all = Vec::new();
        host.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"hello");

        let socket = guest.socket().await;
        let refused = guest.connect(&socket, "203.0.113.9:1".parse().unwrap()).await;
        assert!(matches!(refused, Err(ErrorCode::ConnectionRefused)));
        assert_eq!(asked.lock().unwrap().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_denied_address_does_not_reach_the_hosts_connector() {
    let tcp = Tcp::new().connect_with(|_| async { panic!("asked to connect") });
    with_guest(tcp, async |guest| {
        let socket = guest.socket().await;
        let denied = guest.connect(&socket, "203.0.113.9:443".parse().unwrap()).await;
        assert!(matches!(denied, Err(ErrorCode::AccessDenied)));
    })
    .await;
}

#[tokio::test]
async fn the_host_listens_for_guests() {
    let (local, remote) = addrs();
    let (hosts, sender) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(None)));
    let (keeps, keeps_sender) = (hosts.clone(), sender.clone());
    let tcp = Tcp::new()
        .socket_addr_check(|addr, what| {
            let refused = matches!(what, SocketAddrUse::TcpAccept) && addr.port() == 1;
            Box::pin(async move { !refused })
        })
        .listen_with(move |asked| {
            assert_eq!(asked, local);
            let (tx, rx) = mpsc::channel(4);
            for port in [1, 2, 3] {
                let (guest, host) = duplex(64);
                let remote = SocketAddr::new(remote.ip(), port);
                tx.try_send(TcpSocket::from_io(guest, local, remote)).unwrap();
                keeps.lock().unwrap().push(host);
            }
            *keeps_sender.lock().unwrap() = Some(tx);
            async move { Ok((local, rx)) }
        });
    with_guest(tcp, async |guest| {
        let socket = guest.socket().await;
        // The system has no such address: it is not asked.
        guest.bind(&socket, "192.0.2.1:80").await.unwrap();
        assert_eq!(guest.local(&socket).await.unwrap(), local);
        let connections = guest.listen(&socket).await.unwrap();
        assert!(guest.is_listening(&socket).await);
        assert_eq!(guest.local(&socket).await.unwrap(), local);
        let (connections, accepted) = guest.accept(connections, 8).await;
        let mut ports = Vec::new();
        for socket in &accepted {
            ports.push(guest.remote(socket).await.unwrap().port());
        }
        assert_eq!(ports, [2, 3], "the first is refused by the check");
        let mut refused = hosts.lock().unwrap().remove(0);
        assert_eq!(refused.read(&mut [0]).await.unwrap(), 0);
        // The senders are gone: the end.
        *sender.lock().unwrap() = None;
        assert_eq!(guest.last(connections).await, 1, "dropped, with nothing");
    })
    .await;
}

#[tokio::test]
async fn a_connect_that_the_guest_cancels_is_given_up() {
    let (tx, mut rx) = mpsc::channel::<()>(1);
    let tcp = Tcp::new().inherit_network().connect_with(move |_| {
        let tx = tx.clone();
        async move {
            tx.closed().await;
            Err(io::ErrorKind::TimedOut.into())
        }
    });
    with_guest(tcp, async |guest| {
        let remote = "203.0.113.9:443".parse().unwrap();
        let socket = guest.socket().await;
        assert_eq!(rx.sender_strong_count(), 1);
        guest.cancel_connect(&socket, remote).await;
        // The hook itself has the only sender: its future is gone.
        assert_eq!(rx.sender_strong_count(), 1);
        assert!(rx.try_recv().is_err());
        let again = guest.connect(&socket, remote).await;
        assert!(matches!(again, Err(ErrorCode::InvalidState)));
        assert!(matches!(guest.local(&socket).await, Err(ErrorCode::InvalidState)));
        guest.drop_socket(socket);
    })
    .await;
}

#[tokio::test]
async fn a_guest_that_stops_reading_shuts_the_systems_socket_down_for_reading() {
    with_guest(Tcp::new(), async |guest| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let _peer = listener.accept().await.unwrap();
        let stream = stream.into_std().unwrap();
        // A second handle of the same socket.
        let mut same = stream.try_clone().unwrap();
        let stream = TcpStream::from_std(stream).unwrap();
        let socket = guest.push(TcpSocket::from_stream(stream).unwrap());
        let (received, _ended) = guest.receive(&socket).await;
        let nothing = same.read(&mut [0]).unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        guest.close(received);
        // The future is neither read nor dropped.
        timeout(LONG, async {
            while let Err(error) = same.read(&mut [0]) {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
    })
    .await;
}
