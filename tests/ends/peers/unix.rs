//! Connections that only Unix has: Unix sockets and pipes, with the peer on the same thread.

use std::io;
use std::net::Shutdown;
use std::os::unix::net as unix_net;

use rustix::event::PollFlags;
use tokio::net::{UnixStream, unix::pipe};
use wasmtime_streams as ws;

use super::sockets::{Feeder, Feeds, SHAPE, is_at_end, shows, writes};
use crate::host::Host;
use crate::made::{Open, Plan, byte_sink, byte_source};

fn unix(_: &Host) -> (UnixStream, unix_net::UnixStream) {
    let (socket, peer) = unix_net::UnixStream::pair().unwrap();
    socket.set_nonblocking(true).unwrap();
    peer.set_nonblocking(true).unwrap();
    (UnixStream::from_std(socket).unwrap(), peer)
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

pub fn write_unix(host: &Host, plan: &Plan) -> Open {
    let (socket, peer) = unix(host);
    writes!(host, plan, socket, peer)
}

pub fn write_pipe(host: &Host, plan: &Plan) -> Open {
    let (peer, writer) = io::pipe().unwrap();
    let writer = pipe::Sender::from_owned_fd(writer.into()).unwrap();
    writes!(host, plan, writer, peer)
}
