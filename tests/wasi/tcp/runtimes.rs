//! The store needs no tokio runtime around it.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use futures::executor::block_on;
use tokio::io::duplex;
use wasmtime_streams::wasi::{Tcp, TcpSocket};

use super::guest::with_guest;

#[test]
fn a_guest_connects_outside_of_tokios_runtime() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let peer = thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        let mut all = String::new();
        peer.read_to_string(&mut all).unwrap();
        peer.write_all(b"answer").unwrap();
        all
    });
    block_on(with_guest(Tcp::new().inherit_network(), async |guest| {
        let socket = guest.socket().await;
        guest.connect(&socket, addr).await.unwrap();
        let (received, ended) = guest.receive(&socket).await;
        let sent = guest.send(&socket, guest.bytes(b"question").await).await;
        guest.result(sent).await.unwrap();
        assert_eq!(guest.all(received).await, b"answer");
        guest.result(ended).await.unwrap();
    }));
    assert_eq!(peer.join().unwrap(), "question");
}

#[test]
fn a_guest_listens_outside_of_tokios_runtime() {
    block_on(with_guest(Tcp::new().inherit_network(), async |guest| {
        let socket = guest.socket().await;
        guest.bind(&socket, "127.0.0.1:0").await.unwrap();
        let connections = guest.listen(&socket).await.unwrap();
        let addr = guest.local(&socket).await.unwrap();
        let peer = thread::spawn(move || {
            let mut peer = TcpStream::connect(addr).unwrap();
            peer.write_all(b"hello").unwrap();
            peer.shutdown(Shutdown::Write).unwrap();
            peer
        });
        let (_connections, accepted) = guest.accept(connections, 4).await;
        let (received, _ended) = guest.receive(&accepted[0]).await;
        assert_eq!(guest.all(received).await, b"hello");
        peer.join().unwrap();
    }));
}

#[test]
fn a_writer_of_the_hosts_is_shut_down_outside_of_tokios_runtime() {
    let (guest_io, mut host) = duplex(64);
    block_on(with_guest(Tcp::new(), async |guest| {
        let addr = "192.0.2.1:80".parse().unwrap();
        let socket = guest.push(TcpSocket::from_io(guest_io, addr, addr));
        let sent = guest.send(&socket, guest.bytes(b"hello").await).await;
        guest.drop_future(sent);
        let mut all = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut host, &mut all).await.unwrap();
        assert_eq!(all, b"hello");
    }));
}
