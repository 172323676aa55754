//! Rows: connections over TCP, and their halves.

use std::cell::RefCell;
#[cfg(unix)]
use std::fs::File as Raw;
use std::io::{Read, Write};
#[cfg(windows)]
use std::net::TcpStream as Raw;
use std::net::{self, Shutdown};
use std::rc::Rc;

use ::tokio::net::{TcpSocket, TcpStream, tcp};
use rustix::fd::{AsFd, OwnedFd}; // sockets, on Windows
use wasmtime_streams as ws;
use wasmtime_streams::sockets::{SocketRead, SocketWrite};
use wasmtime_streams_testing::{self as testing, Made};

use super::Kind::{Fails, Parts, Ready};
use super::reactor::{PollFlags, Reactor, each, fewer, settle, shows, wait, watched};
use super::{Checks, ITEMS, Kind, completed};

/// A connection: the adapter's end, a duplicate of its descriptor, and the peer.
pub(super) type Pair<S, P> = (S, OwnedFd, P);

fn tcp(reactor: &Reactor) -> Pair<TcpStream, net::TcpStream> {
    // Small buffers, as they are filled.
    let (socket, peer) = reactor.0.block_on(async {
        let listener = TcpSocket::new_v4().unwrap();
        listener.set_recv_buffer_size(4096).unwrap();
        listener.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = listener.listen(1).unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_send_buffer_size(4096).unwrap();
        let socket = socket.connect(listener.local_addr().unwrap()).await.unwrap();
        (socket, listener.accept().await.unwrap().0.into_std().unwrap())
    });
    peer.set_nonblocking(false).unwrap();
    let same = watched(&socket);
    (socket, same, peer)
}

fn tcp_reads(reactor: &Reactor) -> Pair<tcp::OwnedReadHalf, net::TcpStream> {
    let (socket, same, peer) = tcp(reactor);
    let (socket, other) = socket.into_split();
    // Otherwise the drop of this half shuts it down.
    other.forget();
    (socket, same, peer)
}

fn tcp_writes(reactor: &Reactor) -> Pair<tcp::OwnedWriteHalf, net::TcpStream> {
    let (socket, same, peer) = tcp(reactor);
    (socket.into_split().1, same, peer)
}

/// The peer writes a part at a time, and closes. If it leaves something unread, the adapter's end fails.
pub(super) fn reads<R, P>(
    kinds: &[Kind],
    is_tcp: bool,
    connect: fn(&Reactor) -> Pair<R, P>,
) -> Checks
where
    R: SocketRead + Unpin + Send + 'static,
    P: Write + AsFd + 'static,
{
    let check = |kind| {
        let reactor = Reactor::new();
        let check = testing::producer(ITEMS.to_vec(), move || {
            let (socket, same, peer) = connect(&reactor);
            if kind == Fails {
                Raw::from(watched(&same)).write_all(b"never read").unwrap();
                wait(&peer, PollFlags::IN);
            }
            let (mut peer, mut parts) = (Some(peer), ITEMS.chunks(2));
            let reactor = reactor.clone();
            let mut step = move || {
                let Some(open) = &mut peer else { return false };
                match parts.next() {
                    Some(part) => open.write_all(part).unwrap(),
                    None => peer = None,
                }
                if is_tcp {
                    settle();
                }
                reactor.wait(&same, PollFlags::IN);
                true
            };
            let (producer, completion) = ws::sockets::read(socket).with_completion();
            let made = completed(Made::new(producer), completion);
            if kind == Ready {
                while step() {}
                return made;
            }
            made.step(step)
        });
        let check = fewer!(if is_tcp, check.short());
        if kind == Fails { check.fails().boxed() } else { check.boxed() }
    };
    each(kinds, check)
}

/// What arrived at a peer. The first `filled` bytes only filled the buffers.
struct Arrived<P> {
    peer: Option<P>,
    filled: usize,
    bytes: Vec<u8>,
}

impl<P: Read + AsFd> Arrived<P> {
    /// Reads what has arrived. `false` at the end.
    fn read(&mut self) -> bool {
        let mut buf = [0; 65536];
        let Some(peer) = &mut self.peer else { return false };
        let n = peer.read(&mut buf).unwrap();
        self.bytes.extend(&buf[..n]);
        n > 0
    }

    fn drain(&mut self) {
        while self.peer.as_ref().is_some_and(|peer| shows(peer, PollFlags::IN)) && self.read() {}
    }

    fn read_to_end(&mut self) {
        while let Some(peer) = &self.peer {
            wait(peer, PollFlags::IN);
            if !self.read() {
                return;
            }
        }
    }
}

/// The buffers are full until the peer reads. To fail, the peer goes away then. Over TCP that would lose what is on its
/// way, so the adapter's end is shut down instead. A pipe cannot be shut down: it ends when the last writer is dropped.
pub(super) fn writes<W, P>(
    kinds: &[Kind],
    is_tcp: bool,
    is_pipe: bool,
    connect: fn(&Reactor) -> Pair<W, P>,
) -> Checks
where
    W: SocketWrite + Unpin + Send + 'static,
    P: Read + AsFd + 'static,
{
    let check = |kind| {
        let reactor = Reactor::new();
        let check = testing::consumer(ITEMS.to_vec(), move || {
            let (socket, same, peer) = connect(&reactor);
            let mut arrived = Arrived { peer: Some(peer), filled: 0, bytes: Vec::new() };
            if kind != Ready {
                while let Ok(n) = Raw::from(watched(&same)).write(&[0; 4096]) {
                    arrived.filled += n;
                }
            }
            reactor.turn();
            let (consumer, completion) = ws::sockets::write(socket).with_completion();
            let arrived = Rc::new(RefCell::new(arrived));
            let same = Rc::new(RefCell::new(Some(same)));
            let (all, end, last) = (arrived.clone(), arrived.clone(), same.clone());
            let mut made = completed(Made::new(consumer), completion).received(move || {
                last.take();
                let mut all = all.borrow_mut();
                all.read_to_end();
                let filled = all.filled;
                all.bytes.split_off(filled)
            });
            if !is_pipe {
                // While the socket is still open.
                made = made.closed(move || {
                    end.borrow_mut().read_to_end();
                    true
                });
            }
            if kind == Ready {
                return made;
            }
            let (reactor, mut steps) = (reactor.clone(), 0);
            made.step(move || {
                let (same, mut arrived) = (same.borrow(), arrived.borrow_mut());
                let Some(same) = &*same else { return false };
                steps += 1;
                match (steps, kind) {
                    (1, _) => {
                        arrived.drain();
                        while arrived.bytes.len() < arrived.filled || !shows(same, PollFlags::OUT) {
                            wait(arrived.peer.as_ref().unwrap(), PollFlags::IN);
                            arrived.drain();
                        }
                    }
                    (2, Fails) if is_tcp => {
                        net::TcpStream::from(watched(same)).shutdown(Shutdown::Write).unwrap();
                    }
                    (2, Fails) => {
                        arrived.drain();
                        arrived.peer = None;
                    }
                    _ => return false,
                }
                reactor.wait(same, PollFlags::OUT);
                true
            })
        });
        let check = fewer!(if is_tcp, check);
        if kind == Fails { check.fails().boxed() } else { check.boxed() }
    };
    each(kinds, check)
}

rows! {
    sockets_read: reads(&[Ready, Parts], true, tcp);
    sockets_read_reset: reads(&[Fails], true, tcp);
    sockets_read_tcp_half: reads(&[Ready, Parts], true, tcp_reads);
    sockets_read_tcp_half_reset: reads(&[Fails], true, tcp_reads);
    sockets_write: writes(&[Ready, Parts, Fails], true, false, tcp);
    sockets_write_tcp_half: writes(&[Ready, Parts, Fails], true, false, tcp_writes);
}
