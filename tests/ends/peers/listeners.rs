//! Listeners and datagram sockets.

use std::net::{self, Shutdown, SocketAddr};

use rustix::fd::{AsFd as _, OwnedFd}; // a socket, on Windows
use tokio::net::{TcpListener, UdpSocket};
use wasmtime_streams as ws;

use super::sockets::settle;
use crate::host::Host;
use crate::made::{Open, Peer, Plan, Sees, Shape, item_sink, item_source};

/// A duplicate of the socket's descriptor, to shut it down. It keeps the socket open.
struct Same(Option<OwnedFd>);

impl Same {
    fn shut_down(&mut self) {
        // Some report that they are not connected, and are shut down nevertheless.
        let _ = net::TcpStream::from(self.0.take().unwrap()).shutdown(Shutdown::Both);
    }
}

/// Connects to a listener.
struct Connects {
    address: SocketAddr,
    peers: Vec<net::TcpStream>,
    same: Same,
    failed: bool,
    host: Host,
}

impl Peer for Connects {
    fn give(&mut self) {
        self.peers.push(net::TcpStream::connect(self.address).unwrap());
        settle(&self.host);
    }

    fn fail(&mut self) {
        self.failed = true;
        self.same.shut_down();
        settle(&self.host);
    }

    fn step(&mut self) {
        settle(&self.host);
    }

    fn sees(&mut self) -> Option<Sees> {
        if self.failed {
            // Nobody can connect any more once the listener is closed.
            return None;
        }
        drop(self.same.0.take());
        Some(match net::TcpStream::connect(self.address) {
            Ok(_) => Sees::Open,
            Err(_) => Sees::Gone,
        })
    }
}

pub fn accept(host: &Host, plan: &Plan) -> Open {
    let listener = host.0.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let same = Same(Some(listener.as_fd().try_clone_to_owned().unwrap()));
    let peer = Connects { address, peers: Vec::new(), same, failed: false, host: host.clone() };
    item_source(plan, ws::sockets::accept(listener), |_connection| 7, peer)
}

/// Both ends of a connected pair of datagram sockets.
struct Datagrams {
    peer: net::UdpSocket,
    same: Same,
    host: Host,
}

fn datagrams_pair(host: &Host) -> (UdpSocket, Datagrams) {
    let bind = || net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let (socket, peer) = (bind(), bind());
    peer.connect(socket.local_addr().unwrap()).unwrap();
    socket.connect(peer.local_addr().unwrap()).unwrap();
    socket.set_nonblocking(true).unwrap();
    peer.set_nonblocking(true).unwrap();
    let same = Same(Some(socket.as_fd().try_clone_to_owned().unwrap()));
    (UdpSocket::from_std(socket).unwrap(), Datagrams { peer, same, host: host.clone() })
}

impl Peer for Datagrams {
    fn give(&mut self) {
        self.peer.send(&[7]).unwrap();
        settle(&self.host);
    }

    // Datagrams have no end; the host may make one.
    fn finish(&mut self) {
        self.same.shut_down();
        settle(&self.host);
    }

    fn step(&mut self) {
        settle(&self.host);
    }

    fn sees(&mut self) -> Option<Sees> {
        settle(&self.host);
        let mut buf = [0; 8];
        while let Ok(n) = self.peer.recv(&mut buf) {
            assert_eq!(n, 1, "a datagram for the end");
        }
        Some(Sees::Open)
    }
}

pub fn datagrams(host: &Host, plan: &Plan) -> Open {
    let (socket, peer) = datagrams_pair(host);
    item_source(plan, ws::sockets::datagrams(socket), |(bytes, _)| bytes[0], peer)
}

pub fn send_to(host: &Host, plan: &Plan) -> Open {
    let (socket, peer) = datagrams_pair(host);
    item_sink(plan, ws::sockets::send_to(socket), |byte| (vec![byte], None), Shape::EXACT, peer)
}
