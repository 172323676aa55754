//! Rows: what only Unix has: Unix sockets, their halves, their listeners, and pipes.

use std::os::unix::net as unix_net;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, io, process};

use ::tokio::net::{UnixListener, UnixStream, unix};

use super::Kind::{Fails, Parts, Ready};
use super::listeners::{Last, Listening, accepts, datagrams};
use super::reactor::{Reactor, watched};
use super::sockets::{Pair, reads, writes};

fn connected(reactor: &Reactor) -> Pair<UnixStream, unix_net::UnixStream> {
    let (socket, peer) = unix_net::UnixStream::pair().unwrap();
    socket.set_nonblocking(true).unwrap();
    let same = watched(&socket);
    (reactor.enter(|| UnixStream::from_std(socket)).unwrap(), same, peer)
}

fn unix_reads(reactor: &Reactor) -> Pair<unix::OwnedReadHalf, unix_net::UnixStream> {
    let (socket, same, peer) = connected(reactor);
    let (socket, other) = socket.into_split();
    other.forget();
    (socket, same, peer)
}

fn unix_writes(reactor: &Reactor) -> Pair<unix::OwnedWriteHalf, unix_net::UnixStream> {
    let (socket, same, peer) = connected(reactor);
    (socket.into_split().1, same, peer)
}

fn pipe_reads(reactor: &Reactor) -> Pair<unix::pipe::Receiver, io::PipeWriter> {
    let (reader, peer) = io::pipe().unwrap();
    let same = watched(&reader);
    (reactor.enter(|| unix::pipe::Receiver::from_owned_fd(reader.into())).unwrap(), same, peer)
}

fn pipe_writes(reactor: &Reactor) -> Pair<unix::pipe::Sender, io::PipeReader> {
    let (peer, writer) = io::pipe().unwrap();
    let same = watched(&writer);
    (reactor.enter(|| unix::pipe::Sender::from_owned_fd(writer.into())).unwrap(), same, peer)
}

/// The path of a socket, removed on drop.
struct Path(PathBuf);

impl Drop for Path {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn listening(reactor: &Reactor) -> Listening<UnixListener, unix_net::UnixStream> {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = env::temp_dir().join(format!("wasmtime-streams-{}-{number}", process::id()));
    let _ = fs::remove_file(&path);
    let listener = reactor.enter(|| UnixListener::bind(&path)).unwrap();
    let (same, path) = (watched(&listener), Path(path));
    let connect = move || {
        let path: &Path = &path;
        unix_net::UnixStream::connect(&path.0).unwrap()
    };
    (listener, same, Box::new(connect))
}

#[rustfmt::skip]
rows! {
    sockets_read_unix: reads(&[Ready, Parts, Fails], false, connected);
    sockets_read_unix_half: reads(&[Ready, Parts, Fails], false, unix_reads);
    sockets_read_pipe: reads(&[Ready, Parts], false, pipe_reads);
    sockets_write_unix: writes(&[Ready, Parts, Fails], false, false, connected);
    sockets_write_unix_half: writes(&[Ready, Parts, Fails], false, false, unix_writes);
    sockets_write_pipe: writes(&[Ready, Parts, Fails], false, true, pipe_writes);
    // A UnixListener that is shut down does not fail: accept(2) blocks, poll(2) reports it ready, and tokio tries
    // again.
    sockets_accept_unix: accepts(&[Ready, Parts], false, listening);
    // Elsewhere a datagram socket does not show that it is shut down.
    sockets_datagrams_shut_down: datagrams(&[Parts], Last::Shutdown);
}
