//! `reader`, `resources` and `no_tokio`: the peer is a socket.

use std::thread;

use crate::process::Server;

/// More than any buffer on the way holds.
const LONG: usize = 5_000_000;

/// Sends a long text from one thread while another reads, and half-closes.
fn goes_both_ways(server: &Server, greeting: bool) {
    let mut peer = server.connect();
    if greeting {
        peer.until("\n");
    }
    let mut sender = peer.0.try_clone().unwrap();
    let sent = thread::spawn(move || {
        std::io::Write::write_all(&mut sender, &vec![b'a'; LONG]).unwrap();
        sender.shutdown(std::net::Shutdown::Write).unwrap();
    });
    let answer = peer.rest();
    sent.join().unwrap();
    assert!(answer.len() == LONG && answer.bytes().all(|byte| byte == b'A'), "{}", answer.len());
}

#[test]
fn a_guest_is_copied_like_any_socket() {
    let server = Server::start("reader", &[]);
    let mut peer = server.connect();
    peer.send("hello");
    assert_eq!(peer.until("HELLO"), "HELLO"); // while the connection is open
    peer.end();
    assert_eq!(peer.rest(), "");
    server.says("5 bytes in, 5 out");
    goes_both_ways(&server, false);
    server.says(&format!("{LONG} bytes in, {LONG} out"));
}

#[test]
fn a_guest_serves_the_connections_of_a_listener_at_once() {
    let server = Server::start("resources", &[]);
    let mut peers: Vec<_> = (0..50).map(|_| server.connect()).collect();
    // The last one first: no connection waits for another one.
    for peer in peers.iter_mut().rev() {
        let greeting = peer.until("\n");
        assert_eq!(greeting, format!("hello, {}\n", peer.0.local_addr().unwrap()));
        peer.send("ping");
        assert_eq!(peer.until("PING"), "PING");
    }
    for mut peer in peers {
        peer.end();
        assert_eq!(peer.rest(), "");
    }
    goes_both_ways(&server, true);
}

#[test]
fn a_peer_that_resets_its_connection_ends_only_that_one() {
    let server = Server::start("resources", &[]);
    let peer = server.connect();
    // A socket that is closed with unread data in it, here the greeting, is reset.
    peer.0.peek(&mut [0]).unwrap();
    drop(peer);
    goes_both_ways(&server, true);
}

#[test]
#[cfg(unix)]
fn a_guest_returns_once_its_listener_and_all_its_connections_have_ended() {
    let mut server = Server::start("resources", &[]);
    let mut peer = server.connect();
    peer.until("\n");
    server.interrupt();
    // Still served; the interrupt may come before or after this.
    peer.send("ping");
    assert_eq!(peer.until("PING"), "PING");
    peer.end();
    assert_eq!(peer.rest(), "");
    server.says("all connections have ended");
    assert!(server.wait().success());
}

#[test]
fn a_program_without_tokio_serves_sockets() {
    let server = Server::start("no_tokio", &[]);
    goes_both_ways(&server, false);
    server.says(&format!("{LONG} bytes in, {LONG} out"));
}

#[test]
fn a_timer_of_smol_ends_a_connection_and_the_peer_is_told() {
    let server = Server::start("no_tokio", &["300"]);
    let mut peer = server.connect();
    peer.send("hello");
    // It never ends its data: what ends is the time.
    assert_eq!(peer.rest(), "HELLO\ntimed out\n");
    server.says("longer than the host allowed");
}
