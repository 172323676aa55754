//! Connections over TCP, with the peer on the same thread.

#[cfg(unix)]
use std::fs::File as Raw;
use std::io::{ErrorKind, Read, Write};
#[cfg(windows)]
use std::net::TcpStream as Raw;
use std::net::{self, Shutdown};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd}; // sockets, on Windows
use tokio::net::{TcpListener, TcpStream};
use wasmtime_streams as ws;

use crate::host::Host;
use crate::made::{Open, Peer, Plan, Sees, Shape, byte_sink, byte_source};

/// No write completes while the buffers are full.
pub(super) const SHAPE: Shape = Shape { room: 0, ..Shape::EXACT };

/// Whether `fd` shows one of `events`, the end, or an error within this time.
pub(super) fn shows(fd: &impl AsFd, events: PollFlags, seconds: i64) -> bool {
    let deadline = Timespec { tv_sec: seconds, tv_nsec: 0 };
    poll(&mut [PollFd::new(fd, events)], Some(&deadline)).unwrap() == 1
}

/// Waits until everything that this thread sent over the loopback device has arrived. The kernel keeps the order.
pub fn settle(host: &Host) {
    let socket = net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(socket.local_addr().unwrap()).unwrap();
    socket.send(&[1]).unwrap();
    assert!(shows(&socket, PollFlags::IN, 20), "the connection did not come");
    host.turn();
}

fn same(socket: &impl AsFd) -> OwnedFd {
    socket.as_fd().try_clone_to_owned().unwrap()
}

pub fn tcp(host: &Host) -> (TcpStream, net::TcpStream) {
    host.0.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (socket, listener.accept().await.unwrap().0.into_std().unwrap())
    })
}

/// The peer of a source.
pub(super) trait Feeder: Write + AsFd {
    /// Whether it sees that nobody reads any more.
    fn is_alone(&mut self) -> bool;
    fn shut_down(&mut self);
    /// Resets the connection.
    fn reset(self, host: &Host);
}

pub(super) fn is_at_end(peer: &mut impl Read) -> bool {
    match peer.read(&mut [0]) {
        Ok(n) => n == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

impl Feeder for net::TcpStream {
    fn is_alone(&mut self) -> bool {
        is_at_end(self)
    }

    fn shut_down(&mut self) {
        self.shutdown(Shutdown::Write).unwrap();
    }

    fn reset(self, _: &Host) {
        TcpStream::from_std(self).unwrap().set_zero_linger().unwrap();
    }
}

pub(super) struct Feeds<P> {
    pub(super) peer: Option<P>,
    pub(super) host: Host,
    pub(super) shuts_down: bool,
}

impl<P: Feeder> Peer for Feeds<P> {
    fn give(&mut self) {
        self.peer.as_mut().unwrap().write_all(&[7]).unwrap();
        settle(&self.host);
    }

    fn finish(&mut self) {
        match (&mut self.peer, self.shuts_down) {
            (Some(peer), true) => peer.shut_down(),
            (peer, _) => *peer = None,
        }
        settle(&self.host);
    }

    fn fail(&mut self) {
        self.peer.take().unwrap().reset(&self.host);
        settle(&self.host);
    }

    fn leave(&mut self) {
        self.peer = None;
        settle(&self.host);
    }

    fn step(&mut self) {
        settle(&self.host);
    }

    fn sees(&mut self) -> Option<Sees> {
        settle(&self.host);
        Some(if self.peer.as_mut()?.is_alone() { Sees::Gone } else { Sees::Open })
    }
}

pub(super) struct Receives<P> {
    pub(super) peer: Option<P>,
    pub(super) host: Host,
}

impl<P: Read + AsFd> Peer for Receives<P> {
    fn take(&mut self) {
        self.sees();
    }

    fn leave(&mut self) {
        self.peer = None;
        settle(&self.host);
    }

    fn step(&mut self) {
        settle(&self.host);
    }

    fn sees(&mut self) -> Option<Sees> {
        let peer = self.peer.as_mut()?;
        let mut buf = [0; 65536];
        // Once there is room, the kernel sends what it could not send before.
        loop {
            settle(&self.host);
            if !shows(&*peer, PollFlags::IN, 0) {
                return Some(Sees::Open);
            }
            if peer.read(&mut buf).unwrap() == 0 {
                return Some(Sees::End);
            }
        }
    }
}

/// Writes until there is no room. With TCP that may change at any time: the kernel goes on moving what it has.
pub(super) fn fill(host: &Host, socket: &impl AsFd) {
    let mut same = Raw::from(same(socket));
    while same.write(&[0; 4096]).is_ok() {}
    host.turn();
}

pub fn read_tcp(host: &Host, plan: &Plan) -> Open {
    let (socket, peer) = tcp(host);
    let peer = Feeds { peer: Some(peer), host: host.clone(), shuts_down: true };
    byte_source(plan, ws::sockets::read(socket), peer)
}

macro_rules! writes {
    ($host:ident, $plan:ident, $socket:expr, $peer:expr) => {{
        let (socket, peer) = ($socket, $peer);
        if $plan.parked {
            $crate::peers::sockets::fill($host, &socket);
        }
        let peer = $crate::peers::sockets::Receives { peer: Some(peer), host: $host.clone() };
        byte_sink($plan, ws::sockets::write(socket), SHAPE, peer)
    }};
}

pub fn write_tcp(host: &Host, plan: &Plan) -> Open {
    let (socket, peer) = tcp(host);
    writes!(host, plan, socket, peer)
}

#[cfg(unix)]
pub(super) use writes;
