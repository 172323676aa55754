//! `http`: the peers are curl, wrk under load, and raw sockets for what those would not do.

use std::fs;
#[cfg(target_os = "linux")]
use std::process::Command;
use std::process::Stdio;
use std::thread;

use crate::process::{Server, scratch, tool};

const END: &str = "0\r\n\r\n";
/// What a client reads of a guest that failed before it responded.
#[cfg(target_os = "linux")]
const ABORTED: &str = "the body was cut short: the stream was dropped before its end\n";

/// Sends the parts of a chunked request, each after the answer to the one before. Returns the response.
fn post(server: &Server, parts: &[&str]) -> String {
    let mut peer = server.connect();
    peer.send("POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nte: trailers\r\n");
    peer.send("transfer-encoding: chunked\r\n\r\n");
    let (last, parts) = parts.split_last().unwrap();
    let mut came = String::new();
    for part in parts {
        peer.send(part);
        // The head, and then the part's data in upper case.
        came += &peer.until(part.split("\r\n").nth(1).unwrap().to_uppercase());
    }
    peer.send(last);
    // An abort may be a reset.
    let mut rest = Vec::new();
    let _ = std::io::Read::read_to_end(&mut peer.0, &mut rest);
    came + &String::from_utf8(rest).unwrap()
}

#[test]
fn a_complete_response_ends_in_order_with_the_trailers_of_the_guest() {
    // Rule "Truncated is never complete": a complete one is not truncated either.
    let server = Server::start("http", &[]);
    let came = post(&server, &["3\r\nabc\r\n", "3\r\ndef\r\n0\r\n\r\n"]);
    assert!(
        came.starts_with("HTTP/1.1 200 OK\r\n") && came.contains("trailer: bytes\r\n"),
        "{came}"
    );
    assert!(came.contains("ABC") && came.contains("DEF"), "{came}");
    assert!(came.ends_with("0\r\nbytes: 6\r\n\r\n"), "{came}");
    let empty = post(&server, &[END]);
    assert!(empty.starts_with("HTTP/1.1 200 OK\r\n"), "{empty}");
    assert!(empty.ends_with("0\r\nbytes: 0\r\n\r\n"), "{empty}");
    server.says("6 bytes in, 6 out, the stream ended");
}

#[test]
fn an_upload_that_breaks_off_gets_no_complete_response() {
    // Rule "Truncated is never complete": the guest sees the end of its input, but the client must see a cut.
    let server = Server::start("http", &[]);
    let came = post(&server, &["3\r\nabc\r\n", "no length\r\n"]);
    assert!(came.starts_with("HTTP/1.1 200 OK\r\n") && came.contains("ABC"), "{came}");
    assert!(!came.contains("\r\n0\r\n"), "{came}");
    let came = post(&server, &["no length\r\n"]);
    assert!(came.starts_with("HTTP/1.1 400 "), "{came}");
}

#[test]
fn a_guest_that_traps_gives_no_complete_response() {
    // Rule "Truncated is never complete". The guest panics at what is not ASCII.
    let server = Server::start("http", &[]);
    let came = post(&server, &["3\r\nabc\r\n", "3\r\né!\r\n0\r\n\r\n"]);
    assert!(came.starts_with("HTTP/1.1 200 OK\r\n") && came.contains("ABC"), "{came}");
    assert!(!came.contains("\r\n0\r\n"), "{came}");
    let came = post(&server, &["3\r\né!\r\n0\r\n\r\n"]);
    assert!(came.starts_with("HTTP/1.1 500 "), "{came}");
    server.says("the guest failed");
}

#[test]
fn a_client_that_leaves_ends_its_guest() {
    let server = Server::start("http", &[]);
    let mut peer = server.connect();
    peer.send("POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n");
    peer.until("ABC");
    drop(peer);
    let line = server.says("3 bytes in, 3 out, ");
    assert!(!line.ends_with("the stream ended"), "{line}");
}

#[test]
fn curl_gets_bodies_of_any_length_and_the_trailers() {
    let server = Server::start("http", &[]);
    let Some(mut curl) = tool("curl") else { return };
    let (sent, head) = (scratch("sent"), scratch("head"));
    let text = "a line of the body\n".repeat(200_000);
    fs::write(&sent, &text).unwrap();
    let url = format!("http://{}/", server.address);
    curl.args(["-sS", "-H", "TE: trailers", "-D", &head, "-T", &sent, &url]);
    let got = curl.output().unwrap();
    assert!(got.status.success(), "{}", String::from_utf8_lossy(&got.stderr));
    assert!(got.stdout == text.to_uppercase().as_bytes(), "{} bytes came", got.stdout.len());
    let head = fs::read_to_string(&head).unwrap();
    assert!(head.contains(&format!("bytes: {}", text.len())), "{head}");
}

#[test]
fn curl_reports_a_response_that_was_cut_short_as_a_failure() {
    let server = Server::start("http", &[]);
    let Some(mut curl) = tool("curl") else { return };
    let url = format!("http://{}/", server.address);
    // `.` is its standard input as well, but while that has nothing curl prints what comes.
    let mut curl = curl
        .args(["-sS", "-N", "-T", ".", &url])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = curl.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, b"abc\n").unwrap();
    // The first part of the response is there, so its status is.
    let mut first = [0; 4];
    std::io::Read::read_exact(&mut curl.stdout.as_mut().unwrap(), &mut first).unwrap();
    assert_eq!(&first, b"ABC\n");
    std::io::Write::write_all(&mut stdin, "é\n".as_bytes()).unwrap();
    drop(stdin);
    let ended = curl.wait_with_output().unwrap();
    // 18, "transfer closed with outstanding read data remaining", or 56, a reset.
    assert!(matches!(ended.status.code(), Some(18 | 56)), "{ended:?}");
}

#[test]
fn many_clients_are_answered_at_once() {
    let server = Server::start("http", &[]);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..64)
            .map(|n| {
                let server = &server;
                scope.spawn(move || {
                    let text = format!("client {n}");
                    let part = format!("{:x}\r\n{text}\r\n", text.len());
                    let came = post(server, &[&part, END]);
                    assert!(came.contains(&text.to_uppercase()), "{came}");
                    assert!(came.ends_with(&format!("bytes: {}\r\n\r\n", text.len())), "{came}");
                })
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
}

/// Puts load on the server with a body that its guest takes, and in turns with one at which the guest traps. Returns
/// how many responses to each were right; all have to be.
#[cfg(target_os = "linux")]
fn load(wrk: &mut Command, server: &Server) -> (u32, u32) {
    let good = "a line of the body\n".repeat(2000);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/load.lua");
    let url = format!("http://{}/", server.address);
    let wrk = wrk.args(["-t2", "-c32", "-d2s", "--timeout", "60s", "-s", script, &url, "--"]);
    wrk.args([&good, "200", &good.to_uppercase(), "not ASCII: é", "500", ABORTED]);
    let output = wrk.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let report = String::from_utf8(output.stderr).unwrap();
    let (right, rest) = report.split_once(" right, ").expect(&report);
    assert_eq!(rest, "0 wrong , 0 failed\n");
    let (good, bad) = right.split_once(' ').unwrap();
    (good.parse().unwrap(), bad.parse().unwrap())
}

#[test]
#[cfg(target_os = "linux")]
fn under_load_each_response_is_right_and_nothing_is_left_afterwards() {
    // A guest's memory alone reserves that much address space.
    const GUEST: u64 = 4 << 30;
    let Some(mut wrk) = tool("wrk") else { return };
    let server = Server::start("http", &[]);
    let start = server.held();
    // This would show a guest that is left.
    let mut peer = server.connect();
    peer.send("POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n");
    peer.until("ABC");
    let during = server.held();
    assert!(during.address_space >= start.address_space + GUEST, "{start:?} {during:?}");
    drop(peer);

    let after_load = |wrk: &mut Command| {
        let (good, bad) = load(wrk, &server);
        println!("{good} complete responses, {bad} of guests that trapped");
        assert!(good > 0 && bad > 0, "{good} {bad}");
        // The last clients have just left.
        server.held_once(|held| {
            held.descriptors < during.descriptors
                && held.address_space < start.address_space + GUEST
        })
    };
    let first = after_load(&mut wrk);
    let second = after_load(tool("wrk").as_mut().unwrap());
    // Less than a few KiB for each of some thousand requests.
    assert!(second.memory < first.memory + (8 << 20), "{first:?} {second:?}");
}
