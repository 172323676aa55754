//! `tcp_service`: the peer is a TCP client under load.

use std::thread;

use crate::process::{Peer, Server};

#[test]
fn each_direction_ends_by_itself() {
    let server = Server::start("tcp_service", &[]);
    let mut peer = server.connect();
    peer.send("hello");
    assert_eq!(peer.until("HELLO"), "HELLO"); // while the client may still send
    peer.send(", again");
    peer.end();
    assert_eq!(peer.rest(), ", AGAIN");
    server.says("12 bytes in, 12 out");
}

#[test]
fn a_thousand_connections_are_served_at_once() {
    const CLIENTS: usize = 1000;
    let server = Server::start("tcp_service", &[]);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| server.connect()).collect();
    // All are open before the first one gets its answer, and the last one gets it first.
    for (n, client) in clients.iter_mut().enumerate().rev() {
        let text = format!("client {n}.");
        client.send(&text);
        assert_eq!(client.until("."), text.to_uppercase());
    }
    // Then load on all of them, from several threads.
    let text = "load\n".repeat(10_000);
    let load = |clients: &mut [Peer]| {
        for client in clients {
            client.send(&text);
            client.end();
        }
    };
    thread::scope(|scope| {
        for clients in clients.chunks_mut(CLIENTS / 8) {
            let mut senders: Vec<_> =
                clients.iter().map(|client| Peer(client.0.try_clone().unwrap())).collect();
            scope.spawn(move || load(&mut senders));
        }
        for client in clients.drain(..) {
            assert!(client.rest() == text.to_uppercase(), "another answer");
        }
    });
    let bytes = |n: usize| format!("client {n}.").len() + text.len();
    server.says(&format!("{0} bytes in, {0} out", bytes(0)));
}

#[test]
fn a_client_that_is_idle_is_cut_and_sees_that() {
    let server = Server::start("tcp_service", &["300"]);
    let mut peer = server.connect();
    peer.send("only this");
    peer.expect_reset();
    server.says("longer than the host allowed");
}

#[test]
fn a_client_that_sends_more_than_the_limit_is_cut_and_sees_that() {
    let server = Server::start("tcp_service", &["30000", "1000"]);
    let mut within = server.connect();
    within.send("a".repeat(1000));
    within.end();
    assert_eq!(within.rest(), "A".repeat(1000));
    let mut beyond = server.connect();
    beyond.send("a".repeat(1001));
    beyond.expect_reset();
    server.says("the host cancelled the stream");
}

#[test]
#[cfg(unix)]
fn an_interrupt_lets_clients_finish_and_cuts_those_that_do_not() {
    let mut server = Server::start("tcp_service", &[]);
    let (mut finishes, mut stays) = (server.connect(), server.connect());
    for peer in [&mut finishes, &mut stays] {
        peer.send("hello.");
        peer.until("HELLO.");
    }
    server.interrupt();
    server.says("stopping: 2 connections are open");
    // Nobody is accepted any more.
    let refused = std::net::TcpStream::connect(&server.address);
    assert!(refused.is_err(), "{refused:?}");
    finishes.send("bye.");
    finishes.end();
    assert_eq!(finishes.rest(), "BYE.");
    stays.expect_reset();
    server.says("the host cancelled the stream");
    assert!(server.wait().success());
}
