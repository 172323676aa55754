//! `sse`: the peers are a page in a browser, and a raw HTTP client that leaves.

use crate::browser::Page;
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

#[test]
fn a_page_in_a_browser_shows_the_events_as_they_come_and_stops_the_guest_when_it_is_closed() {
    let server = Server::start("sse", &[]);
    let Some(mut page) = Page::open(&format!("http://{}/", server.address)) else { return };
    page.until("rows.rows.length >= 3");
    // At this moment: more come meanwhile.
    let shown = page.evaluate(
        "JSON.stringify([count, state.textContent, Array.from(rows.rows, row =>
            Array.from(row.cells, cell => Number(cell.textContent)))])",
    );
    let (count, state, rows): (u64, String, Vec<[u64; 2]>) =
        serde_json::from_str(shown.as_str().unwrap()).unwrap();
    assert_eq!(state, format!("connected; events: {count}"));
    // None is missing or shown twice: the newest tick is the number of events.
    let newest_first = (1..=count).rev().map(|tick| [tick, tick * (tick + 1) / 2]);
    assert_eq!(rows, newest_first.take(8).collect::<Vec<_>>());
    page.until(&format!("count > {count} && rows.rows.length == 8"));
    page.picture("sse.png");

    page.close();
    let line = server.says("a guest stopped: ");
    assert!(line.ends_with("the receiver of the stream was dropped"), "{line}");
}

#[test]
fn a_page_in_a_browser_says_that_the_server_is_gone() {
    let server = Server::start("sse", &[]);
    let Some(mut page) = Page::open(&format!("http://{}/", server.address)) else { return };
    page.until("count > 0");
    drop(server);
    page.until("state.textContent.startsWith('connection lost')");
    page.picture("sse-lost.png");
}
