//! `sse`: the peer is a raw HTTP client that leaves.

use crate::process::{Peer, Server};

fn events(server: &Server) -> Peer {
    let mut peer = server.connect();
    peer.send("GET /events HTTP/1.1\r\nhost: x\r\n\r\n");
    peer
}

#[test]
fn events_come_as_they_are_made() {
    let server = Server::start("sse", &[]);
    let came = events(&server).until("\"sum\": 6}\n\n");
    assert!(came.contains("content-type: text/event-stream\r\n"), "{came}");
    for data in
        ["{\"tick\": 1, \"sum\": 1}", "{\"tick\": 2, \"sum\": 3}", "{\"tick\": 3, \"sum\": 6}"]
    {
        assert!(came.contains(&format!("event: tick\ndata: {data}\n\n")), "{came}");
    }
}

#[test]
fn a_client_that_leaves_stops_its_guest_and_no_other_one() {
    let server = Server::start("sse", &[]);
    let (mut leaves, mut stays) = (events(&server), events(&server));
    leaves.until("\"tick\": 2,");
    drop(leaves);
    let line = server.says("a guest stopped: ");
    assert!(line.ends_with("the receiver of the stream was dropped"), "{line}");
    stays.until("\"tick\": 5,");
}
