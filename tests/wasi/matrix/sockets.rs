//! TCP, with the tests' own sockets as the peers.

use std::net::Ipv4Addr;

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    join,
    net::{TcpListener, TcpStream},
};

use super::{guest::Running, *};

/// Starts a server, and waits for its port.
async fn server(guest: Guest, host: Host) -> (Running, u16) {
    let mut running = guest.start(host);
    let mut line = String::new();
    BufReader::new(running.stdout.as_mut().unwrap()).read_line(&mut line).await.unwrap();
    let port = line.trim().parse();
    (running, port.expect("the server prints its port"))
}

/// Sends all bytes, shuts down that half, and reads to the end.
async fn echoed(port: u16, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    let (mut read, mut write) = stream.split();
    let send = async {
        write.write_all(bytes).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let mut back = Vec::new();
    let receive = async { read.read_to_end(&mut back).await.unwrap() };
    join!(send, receive);
    back
}

async fn server_echoes(mode: Mode) {
    for &host in HOSTS {
        for (buffer, len) in LENGTHS {
            let bytes = data(len);
            let (running, port) =
                server(Guest::new("echo-server").moving(buffer, mode), host).await;
            same_bytes(&echoed(port, &bytes).await, &bytes);
            let outcome = running.finish(b"").await;
            let receive = format!("receive 0: {len} bytes, dropped, ok");
            let send = format!("send 0: {len} bytes, completed, ok");
            assert_eq!(outcome.report[1..], ["listen: 1 items, completed", &receive, &send]);
            assert_eq!(outcome.status, Status::Success);
        }
    }
}

async fn client_is_echoed(mode: Mode) {
    for &host in HOSTS {
        for (buffer, len) in LENGTHS {
            let bytes = data(len);
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let address = listener.local_addr().unwrap();
            let guest = Guest::new("echo-client").arguments(&[address]).moving(buffer, mode);
            let guest = guest.ready_stdin();
            let echo = tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (mut read, mut write) = stream.split();
                tokio::io::copy(&mut read, &mut write).await.unwrap();
                write.shutdown().await.unwrap();
            });
            let outcome = guest.run(host, &bytes).await;
            let moved = |what, end| format!("{what}: {len} bytes, {end}, ok");
            let report = [
                moved("read", "dropped"),
                moved("send", "completed"),
                moved("receive", "dropped"),
                moved("write", "completed"),
            ];
            assert_eq!((outcome.report, outcome.status), (report.to_vec(), Status::Success));
            same_bytes(&outcome.stdout, &bytes);
            echo.await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_server_echoes_by_operations_of_any_length() {
    server_echoes(PLAIN).await;
}

#[tokio::test]
async fn a_server_echoes_with_zero_length_operations() {
    server_echoes(ZERO).await;
}

#[tokio::test]
async fn a_server_echoes_with_cancelled_operations() {
    server_echoes(CANCEL).await;
}

#[tokio::test]
async fn a_client_is_echoed_by_operations_of_any_length() {
    client_is_echoed(PLAIN).await;
}

#[tokio::test]
async fn a_client_is_echoed_with_zero_length_operations() {
    client_is_echoed(ZERO).await;
}

#[tokio::test]
async fn a_client_is_echoed_with_cancelled_operations() {
    client_is_echoed(CANCEL).await;
}

#[tokio::test]
async fn a_server_echoes_many_connections() {
    for &host in HOSTS {
        for (buffer, mode) in [(1, PLAIN), (4096, PLAIN), (4096, ZERO_AND_CANCEL)] {
            let guest = Guest::new("echo-server").arguments(&["--connections", "20"]);
            let (running, port) = server(guest.moving(buffer, mode), host).await;
            let bytes = data(1_000);
            let peers: Vec<_> = (0..20)
                .map(|_| {
                    let bytes = bytes.clone();
                    tokio::spawn(async move { same_bytes(&echoed(port, &bytes).await, &bytes) })
                })
                .collect();
            for peer in peers {
                peer.await.unwrap();
            }
            let outcome = running.finish(b"").await;
            assert_eq!(outcome.report[1], "listen: 20 items, completed");
            assert_eq!((outcome.report.len(), outcome.status), (42, Status::Success));
        }
    }
}

#[tokio::test]
async fn a_reset_connection_is_an_error() {
    for &host in HOSTS {
        let (running, port) = server(Guest::new("echo-server"), host).await;
        let mut peer = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        peer.write_all(b"abc").await.unwrap();
        peer.read_exact(&mut [0; 3]).await.unwrap();
        peer.set_zero_linger().unwrap();
        drop(peer);
        let outcome = running.finish(b"").await;
        assert_eq!(outcome.report[2], "receive 0: 3 bytes, dropped, connection-reset");
        assert_eq!(outcome.status, Status::Failure);
    }
}

#[tokio::test]
async fn a_refused_connection_is_an_error() {
    for &host in HOSTS {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let outcome = Guest::new("echo-client").arguments(&[address]).run(host, b"").await;
        outcome.says(&["connect: connection-refused"], Status::Failure);
    }
}
