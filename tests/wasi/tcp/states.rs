//! States, error codes and options: the same calls to Wasmtime's host and to ours have the same answers.

use std::fmt::Debug;
use std::net::SocketAddr;

use tokio::net::TcpListener;
use wasmtime_streams::wasi::Tcp;

use super::guest::{ErrorCode, Family, Guest, Outcome, Socket, with_guest, with_wasmtimes};

/// What a guest saw, call by call.
#[derive(Default)]
struct Log(Vec<String>);

impl Log {
    fn add(&mut self, what: &str, answer: impl Debug) {
        self.0.push(format!("{what}: {answer:?}"));
    }

    /// An address without what the system chose.
    fn addr(&mut self, what: &str, answer: Outcome<SocketAddr>) {
        self.add(what, answer.map(|addr| (addr.ip(), addr.port() != 0)));
    }
}

async fn peer() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

/// An address at which nobody listens.
async fn nobody() -> SocketAddr {
    peer().await.1
}

/// Calls that leave a socket's state as it is, if it is not `unbound`.
async fn look<S: Send + 'static>(log: &mut Log, guest: &Guest<'_, S>, socket: &Socket<S>) {
    log.addr("local", guest.local(socket).await);
    log.addr("remote", guest.remote(socket).await);
    log.add("listening", guest.is_listening(socket).await);
    log.add("family", guest.family(socket).await);
    log.add("backlog 0", guest.set(socket, "listen-backlog-size", 0_u64).await);
    log.add("backlog", guest.set(socket, "listen-backlog-size", u64::MAX).await);
    log.add("hops", guest.get::<u8>(socket, "hop-limit").await);
    log.add("keep alive", guest.set(socket, "keep-alive-enabled", true).await);
}

/// Calls that a state refuses.
async fn refused<S: Send + 'static>(
    log: &mut Log,
    guest: &Guest<'_, S>,
    socket: &Socket<S>,
    at: SocketAddr,
) {
    log.add("bind", guest.bind(socket, "127.0.0.1:0").await);
    log.add("bind elsewhere", guest.bind(socket, "[::1]:0").await);
    log.add("connect", guest.connect(socket, at).await);
    log.add("listen", guest.listen(socket).await.map(|_| ()));
}

async fn streams<S: Send + 'static>(log: &mut Log, guest: &Guest<'_, S>, socket: &Socket<S>) {
    let sent = guest.send(socket, guest.bytes(b"x").await).await;
    log.add("send", guest.result(sent).await);
    let (received, ended) = guest.receive(socket).await;
    guest.close(received);
    log.add("receive", guest.result(ended).await);
}

async fn states<S: Send + 'static>(guest: &Guest<'_, S>) -> Vec<String> {
    let mut log = Log::default();
    let (listener, addr) = peer().await;

    let socket = guest.socket().await;
    look(&mut log, guest, &socket).await;
    streams(&mut log, guest, &socket).await;
    for addr in ["224.0.0.1:1", "255.255.255.255:1", "[::1]:1", "192.0.2.1:1"] {
        log.add(addr, guest.bind(&socket, addr).await);
    }
    for addr in ["127.0.0.1:0", "0.0.0.0:1", "224.0.0.1:1", "[::1]:1"] {
        log.add(addr, guest.connect(&socket, addr.parse().unwrap()).await);
    }
    log.add("taken", guest.bind(&socket, &addr.to_string()).await);

    log.add("bind", guest.bind(&socket, "127.0.0.1:0").await);
    look(&mut log, guest, &socket).await;
    streams(&mut log, guest, &socket).await;
    log.add("bind again", guest.bind(&socket, "127.0.0.1:0").await);

    log.add("connect", guest.connect(&socket, addr).await);
    let (_peer, _) = listener.accept().await.unwrap();
    look(&mut log, guest, &socket).await;
    refused(&mut log, guest, &socket, addr).await;
    streams(&mut log, guest, &socket).await;
    streams(&mut log, guest, &socket).await;

    let socket = guest.socket().await;
    log.add("listen unbound", guest.listen(&socket).await.map(|_| ()));
    look(&mut log, guest, &socket).await;
    refused(&mut log, guest, &socket, addr).await;
    streams(&mut log, guest, &socket).await;

    let socket = guest.socket().await;
    log.add("refused", guest.connect(&socket, nobody().await).await);
    look(&mut log, guest, &socket).await;
    refused(&mut log, guest, &socket, addr).await;
    streams(&mut log, guest, &socket).await;

    let socket = guest.create(Family::Ipv6).await.unwrap();
    for addr in ["[::ffff:127.0.0.1]:1", "[::127.0.0.1]:1", "[ff02::1]:1", "127.0.0.1:1"] {
        log.add(addr, guest.bind(&socket, addr).await);
        log.add(addr, guest.connect(&socket, addr.parse().unwrap()).await);
    }
    log.add("bind 6", guest.bind(&socket, "[::1]:0").await);
    look(&mut log, guest, &socket).await;
    log.0
}

async fn options<S: Send + 'static>(guest: &Guest<'_, S>) -> Vec<String> {
    let mut log = Log::default();
    for family in [Family::Ipv4, Family::Ipv6] {
        let socket = guest.create(family).await.unwrap();
        for name in ["keep-alive-idle-time", "keep-alive-interval"] {
            for value in [0, 1, 999_999_999, 1_000_000_000, 5_400_000_000, u64::MAX] {
                log.add(name, guest.set(&socket, name, value).await);
                log.add(name, guest.get::<u64>(&socket, name).await);
            }
        }
        for name in ["receive-buffer-size", "send-buffer-size"] {
            for value in [0, 1, 4096, 65_536, 1 << 31, u64::MAX] {
                log.add(name, guest.set(&socket, name, value).await);
                log.add(name, guest.get::<u64>(&socket, name).await);
            }
        }
        for value in [0, 1, 127, 128, u32::MAX] {
            log.add("count", guest.set(&socket, "keep-alive-count", value).await);
            log.add("count", guest.get::<u32>(&socket, "keep-alive-count").await);
        }
        for value in [0_u8, 1, 64, 255] {
            log.add("hops", guest.set(&socket, "hop-limit", value).await);
            log.add("hops", guest.get::<u8>(&socket, "hop-limit").await);
        }
        for value in [true, false] {
            log.add("keep alive", guest.set(&socket, "keep-alive-enabled", value).await);
            log.add("keep alive", guest.get::<bool>(&socket, "keep-alive-enabled").await);
        }
    }
    log.0
}

fn open() -> Tcp {
    Tcp::new().inherit_network()
}

#[tokio::test]
async fn every_state_answers_as_in_wasmtimes_host() {
    let ours = with_guest(open(), async |guest| states(guest).await).await;
    let theirs = with_wasmtimes(async |guest| states(guest).await).await;
    assert!(ours.len() > 90);
    assert_eq!(ours, theirs);
}

#[tokio::test]
async fn every_option_is_taken_and_given_back_as_in_wasmtimes_host() {
    let ours = with_guest(open(), async |guest| options(guest).await).await;
    let theirs = with_wasmtimes(async |guest| options(guest).await).await;
    assert!(ours.len() > 90);
    assert_eq!(ours, theirs);
}

#[tokio::test]
async fn an_accepted_socket_has_the_options_of_its_listener() {
    with_guest(open(), async |guest| {
        let socket = guest.socket().await;
        guest.set(&socket, "hop-limit", 42_u8).await.unwrap();
        guest.set(&socket, "keep-alive-idle-time", 7_000_000_000_u64).await.unwrap();
        let connections = guest.listen(&socket).await.unwrap();
        let port = guest.local(&socket).await.unwrap().port();
        let _peer = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let (_connections, accepted) = guest.accept(connections, 1).await;
        assert_eq!(guest.get::<u8>(&accepted[0], "hop-limit").await.unwrap(), 42);
        let idle = guest.get::<u64>(&accepted[0], "keep-alive-idle-time").await.unwrap();
        assert_eq!(idle, 7_000_000_000);
    })
    .await;
}

#[tokio::test]
async fn a_refused_connect_closes_the_socket() {
    with_guest(open(), async |guest| {
        let socket = guest.socket().await;
        let refused = guest.connect(&socket, nobody().await).await;
        assert!(matches!(refused, Err(ErrorCode::ConnectionRefused)));
        assert!(matches!(guest.local(&socket).await, Err(ErrorCode::ConnectionRefused)));
    })
    .await;
}
