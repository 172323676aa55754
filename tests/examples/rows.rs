//! `rows`: the peers are tokio's channels, and a guest in Rust. `json_lines`: a socket.

use crate::process::{Server, in_order, run};

#[test]
fn rows_cross_in_order_and_no_more_than_the_channels_and_the_guest_hold() {
    let printed = in_order(run("rows", &[]));
    assert!(printed.contains("1000 rows, the last is \"ROW 999\"\n"), "{printed}");
    let counts = "the guest read 1000 rows and wrote 1000; 1000 were received\n";
    assert!(printed.contains(counts), "{printed}");
    let (_, most) = printed.rsplit_once("at most ").expect(&printed);
    let most: usize = most.split(' ').next().unwrap().parse().unwrap();
    // Two channels of 8 rows; the guest holds a batch, here no more than the first channel had; and one that was
    // received but not counted yet, for each side.
    assert!((8..=26).contains(&most), "{printed}");
}

#[test]
fn rows_go_both_ways_as_lines_while_the_connection_is_open() {
    let server = Server::start("json_lines", &[]);
    let mut peer = server.connect();
    peer.send("{\"id\": 1, \"name\": \"ada\"}\n");
    assert_eq!(peer.until("\n"), "{\"id\":1,\"name\":\"ADA\"}\n");
    peer.send("{\"name\": \"a\\\"b\\n\", \"id\": 4294967295}\n");
    assert_eq!(peer.until("\n"), "{\"id\":4294967295,\"name\":\"A\\\"B\\n\"}\n");
    peer.end();
    assert_eq!(peer.rest(), "");
    server.says("2 rows in, 2 rows out");
}

#[test]
fn a_line_that_is_no_row_is_told_by_its_number_after_the_rows_before_it() {
    let server = Server::start("json_lines", &[]);
    let mut peer = server.connect();
    peer.send("{\"id\":1,\"name\":\"a\"}\n{\"id\":2,\"name\":\"b\"}\n{\"id\":-3}\n{\"id\":4,\"name\":\"d\"}\n");
    let answer = peer.until("error");
    let rows = "{\"id\":1,\"name\":\"A\"}\n{\"id\":2,\"name\":\"B\"}\n{\"error";
    assert!(answer.starts_with(rows), "{answer}");
    let answer = answer + &peer.rest();
    assert!(answer.contains("{\"error\":\"line 3: invalid value: integer `-3`"), "{answer}");
    assert!(answer.ends_with("column 8\"}\n"), "{answer}");
    server.says("line 3: invalid value");
}

#[test]
fn a_line_without_an_end_is_an_error_and_not_a_growing_buffer() {
    let server = Server::start("json_lines", &[]);
    let mut peer = server.connect();
    peer.send("\"".repeat(65 * 1024));
    let answer = peer.until("}\n");
    assert_eq!(answer, "{\"error\":\"line 1: max line length exceeded\"}\n");
}
