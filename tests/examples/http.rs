use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use crate::example;

static HTTP: LazyLock<PathBuf> = LazyLock::new(|| example::build("http", &["--all-features"]));

/// The server, killed at the end of the test.
struct Server {
    child: Child,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(guest: &[PathBuf]) -> Self {
        let mut command = Command::new(&*HTTP);
        command.arg("127.0.0.1:0").args(guest).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = lines.next().unwrap().unwrap();
        let address = line.strip_prefix("listening on ").expect(&line).to_owned();
        // Reads on, so that the server never blocks on its stdout.
        std::thread::spawn(move || lines.count());
        Self { child, address }
    }

    /// A server whose guest traps on data that begins with `!`.
    fn with_trap(test: &str) -> Self {
        let upper = include_str!("../../examples/guests/upper.wat");
        let read = "(call $transform-buffer (global.get $end))";
        let trap = "(if (i32.eq (i32.load8_u (i32.const 0)) (i32.const 33)) (then (unreachable)))";
        assert!(upper.contains(read));
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}.wat"));
        std::fs::write(&file, upper.replace(read, &format!("{trap} {read}"))).unwrap();
        Self::start(&[file])
    }

    /// Sends the parts of a chunked request, each after the answer to the one before. Returns the response.
    fn post(&self, parts: &[&str]) -> String {
        let mut peer = TcpStream::connect(&self.address).unwrap();
        let head =
            "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
        peer.write_all(head.as_bytes()).unwrap();
        let mut came = Vec::new();
        for (n, part) in parts.iter().enumerate() {
            peer.write_all(part.as_bytes()).unwrap();
            if n + 1 == parts.len() {
                break;
            }
            // The head, and then the part's data in upper case.
            let data = part.split("\r\n").nth(1).unwrap().to_uppercase();
            while !String::from_utf8_lossy(&came).contains(&data) {
                let mut bytes = [0; 1024];
                let n = peer.read(&mut bytes).unwrap();
                assert!(n > 0, "{:?}", String::from_utf8_lossy(&came));
                came.extend_from_slice(&bytes[..n]);
            }
        }
        // An abort may be a reset.
        let _ = peer.read_to_end(&mut came);
        String::from_utf8(came).unwrap()
    }
}

const END: &str = "0\r\n\r\n";

#[test]
fn a_complete_response_ends_in_order() {
    // Rule "Truncated is never complete": a complete one is not truncated either.
    let server = Server::start(&[]);
    let came = server.post(&["3\r\nabc\r\n", "3\r\ndef\r\n0\r\n\r\n"]);
    assert!(came.starts_with("HTTP/1.1 200 OK\r\n"), "{came}");
    assert!(came.contains("ABC") && came.contains("DEF") && came.ends_with(END), "{came}");
    let empty = server.post(&[END]);
    assert!(empty.starts_with("HTTP/1.1 200 OK\r\n"), "{empty}");
}

#[test]
fn an_upload_that_breaks_off_gets_no_complete_response() {
    // Rule "Truncated is never complete": the guest sees the end of its input, but the client must see a cut.
    let server = Server::start(&[]);
    let came = server.post(&["3\r\nabc\r\n", "no length\r\n"]);
    assert!(came.starts_with("HTTP/1.1 200 OK\r\n") && came.contains("ABC"), "{came}");
    assert!(!came.ends_with(END), "{came}");
    let came = server.post(&["no length\r\n"]);
    assert!(came.starts_with("HTTP/1.1 400 "), "{came}");
}

#[test]
fn a_guest_that_traps_gives_no_complete_response() {
    // Rule "Truncated is never complete".
    let server = Server::with_trap("a_guest_that_traps");
    let came = server.post(&["3\r\nabc\r\n", "3\r\n!ef\r\n0\r\n\r\n"]);
    assert!(came.starts_with("HTTP/1.1 200 OK\r\n") && came.contains("ABC"), "{came}");
    assert!(!came.ends_with(END), "{came}");
    let came = server.post(&["3\r\n!bc\r\n0\r\n\r\n"]);
    assert!(came.starts_with("HTTP/1.1 500 "), "{came}");
}
