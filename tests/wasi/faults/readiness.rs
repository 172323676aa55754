//! Zero-length reads: a guest that reads only once it is told that something is ready.

use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
};
use wasmtime_streams::{sockets, wasi::Tcp};
use wasmtime_wasi::cli::AsyncStdinStream;

use super::{BLOCKED, World, completed};
use crate::{
    matrix::{HOSTS, Host},
    tcp::guest::{Guest, with_guest, with_wasmtimes},
};

/// A socket, and its peer.
pub(super) async fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (stream, listener.accept().await.unwrap().0)
}

#[tokio::test]
async fn a_read_after_stdin_was_said_to_be_ready_does_not_wait() {
    for &host in HOSTS {
        let (socket, mut peer) = connection().await;
        let mut world = World::new();
        match host {
            Host::Wasmtime => drop(world.0.stdin(AsyncStdinStream::new(socket))),
            Host::Ours => world.1 = world.1.stdin(sockets::read(socket)),
        }
        world
            .with(host, async |guest| {
                let (stdin, _) = guest.open("stdin").await;
                let ready = guest.start("read", stdin, 0).await;
                if host == Host::Wasmtime {
                    assert_eq!(ready, completed(0), "though nothing was written");
                    assert_eq!(guest.start("read", stdin, 5).await, BLOCKED);
                    peer.write_all(b"hello").await.unwrap();
                    assert_eq!(guest.one("wait", stdin).await, completed(5));
                } else {
                    assert_eq!(ready, BLOCKED);
                    peer.write_all(b"hello").await.unwrap();
                    assert_eq!(guest.one("wait", stdin).await, completed(0));
                    assert_eq!(guest.start("read", stdin, 5).await, completed(5));
                }
            })
            .await;
    }
}

/// The code of a zero-length read of a socket of which the guest has read all, and that of the read after it, begun as
/// soon as the first is completed.
async fn emptied<S: Send + 'static>(guest: &Guest<'_, S>) -> (u32, u32) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = guest.socket().await;
    guest.connect(&socket, listener.local_addr().unwrap()).await.unwrap();
    let (mut peer, _) = listener.accept().await.unwrap();
    let (stream, _ended) = guest.receive(&socket).await;
    let stream = guest.hold(stream).await;
    peer.write_all(b"hello").await.unwrap();
    let mut code = guest.read(stream, 5).await;
    if code == BLOCKED {
        code = guest.wait(stream).await;
    }
    assert_eq!(code, completed(5));
    let ready = guest.read(stream, 0).await;
    if ready == BLOCKED {
        peer.write_all(b"again").await.unwrap();
        assert_eq!(guest.wait(stream).await, completed(0));
    }
    (ready, guest.read(stream, 5).await)
}

#[tokio::test]
async fn a_read_after_an_emptied_socket_was_said_to_be_ready_does_not_wait() {
    let theirs = with_wasmtimes(async |guest| emptied(guest).await).await;
    assert_eq!(theirs, (completed(0), BLOCKED));
    let ours = with_guest(Tcp::new().inherit_network(), async |guest| emptied(guest).await).await;
    assert_eq!(ours, (BLOCKED, completed(5)));
}
