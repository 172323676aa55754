//! Connections: sockets and pipes, with the peer on the same thread.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{self, Shutdown};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net as unix_net;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::net::{TcpListener, TcpStream, UnixStream, unix::pipe};
use wasmtime_streams as ws;

use crate::host::Host;
use crate::made::{Open, Peer, Plan, Sees, Shape, byte_sink, byte_source};

/// No write completes while the buffers are full.
const SHAPE: Shape = Shape { room: 0, ..Shape::EXACT };

/// Whether `fd` shows one of `events`, the end, or an error within this time.
fn shows(fd: impl AsFd, events: PollFlags, seconds: i64) -> bool {
    let deadline = Timespec { tv_sec: seconds, tv_nsec: 0 };
    poll(&mut [PollFd::new(&fd, events)], Some(&deadline)).unwrap() == 1
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

fn unix(_: &Host) -> (UnixStream, unix_net::UnixStream) {
    let (socket, peer) = unix_net::UnixStream::pair().unwrap();
    socket.set_nonblocking(true).unwrap();
    peer.set_nonblocking(true).unwrap();
    (UnixStream::from_std(socket).unwrap(), peer)
}

/// The peer of a source.
trait Feeder: Write + AsFd {
    /// Whether it sees that nobody reads any more.
    fn is_alone(&mut self) -> bool;
    fn shut_down(&mut self);
    /// Resets the connection.
    fn reset(self, host: &Host);
}

fn is_at_end(peer: &mut impl Read) -> bool {
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

impl Feeder for unix_net::UnixStream {
    fn is_alone(&mut self) -> bool {
        is_at_end(self)
    }

    fn shut_down(&mut self) {
        self.shutdown(Shutdown::Write).unwrap();
    }

    fn reset(self, _: &Host) {
        unreachable!("only TCP has a reset");
    }
}

impl Feeder for io::PipeWriter {
    fn is_alone(&mut self) -> bool {
        // The kernel reports the error whether or not it is asked for.
        shows(self, PollFlags::empty(), 0)
    }

    fn shut_down(&mut self) {
        unreachable!("it is dropped");
    }

    fn reset(self, _: &Host) {
        unreachable!("only TCP has a reset");
    }
}

struct Feeds<P> {
    peer: Option<P>,
    host: Host,
    shuts_down: bool,
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

struct Receives<P> {
    peer: Option<P>,
    host: Host,
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
fn fill(host: &Host, socket: &impl AsFd) {
    let mut same = File::from(same(socket));
    while same.write(&[0; 4096]).is_ok() {}
    host.turn();
}

pub fn read_tcp(host: &Host, plan: &Plan) -> Open {
    let (socket, peer) = tcp(host);
    let peer = Feeds { peer: Some(peer), host: host.clone(), shuts_down: true };
    byte_source(plan, ws::sockets::read(socket), peer)
}

pub fn read_unix(host: &Host, plan: &Plan) -> Open {
    let (socket, peer) = unix(host);
    let peer = Feeds { peer: Some(peer), host: host.clone(), shuts_down: true };
    byte_source(plan, ws::sockets::read(socket), peer)
}

pub fn read_pipe(host: &Host, plan: &Plan) -> Open {
    let (reader, peer) = io::pipe().unwrap();
    let reader = pipe::Receiver::from_owned_fd(reader.into()).unwrap();
    let peer = Feeds { peer: Some(peer), host: host.clone(), shuts_down: false };
    byte_source(plan, ws::sockets::read(reader), peer)
}

macro_rules! writes {
    ($host:ident, $plan:ident, $socket:expr, $peer:expr) => {{
        let (socket, peer) = ($socket, $peer);
        if $plan.parked {
            fill($host, &socket);
        }
        let peer = Receives { peer: Some(peer), host: $host.clone() };
        byte_sink($plan, ws::sockets::write(socket), SHAPE, peer)
    }};
}

pub fn write_tcp(host: &Host, plan: &Plan) -> Open {
    let (socket, peer) = tcp(host);
    writes!(host, plan, socket, peer)
}

pub fn write_unix(host: &Host, plan: &Plan) -> Open {
    let (socket, peer) = unix(host);
    writes!(host, plan, socket, peer)
}

pub fn write_pipe(host: &Host, plan: &Plan) -> Open {
    let (peer, writer) = io::pipe().unwrap();
    let writer = pipe::Sender::from_owned_fd(writer.into()).unwrap();
    writes!(host, plan, writer, peer)
}
