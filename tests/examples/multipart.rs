//! `multipart`: the peer is curl, and a raw socket for what curl would not do.

use std::fs;

use crate::process::{Server, scratch, tool};

#[test]
fn curl_uploads_files_of_which_one_is_left_unread() {
    let server = Server::start("multipart", &[]);
    let Some(mut curl) = tool("curl") else { return };
    // The one that is not read is longer than any buffer on the way.
    let (first, skipped, last) =
        (scratch("first.txt"), scratch("skipped.bin"), scratch("last.txt"));
    fs::write(&first, "one\ntwo\nthree\n").unwrap();
    fs::write(&skipped, vec![b'x'; 5_000_000]).unwrap();
    fs::write(&last, "a line\n".repeat(100_000)).unwrap();
    for file in [&first, &skipped, &last] {
        curl.args(["-F", &format!("files=@{file}")]);
    }
    let got = curl.args(["-sS", &format!("http://{}/", server.address)]).output().unwrap();
    assert!(got.status.success(), "{}", String::from_utf8_lossy(&got.stderr));
    assert_eq!(
        String::from_utf8(got.stdout).unwrap(),
        "first.txt: 3 lines, 14 bytes\n\
         skipped.bin: not a .txt file, left unread\n\
         last.txt: 100000 lines, 700000 bytes\n"
    );
    // All of it, but for what the guest's stream had taken before the guest dropped it.
    let line = server.says("bytes were left unread");
    let skipped: usize = line.split(' ').next().unwrap().parse().unwrap();
    assert!((4_800_000..=5_000_000).contains(&skipped), "{line}");
}

/// The head of a request, and the beginning of a file in it.
const FORM: &str = "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
    content-type: multipart/form-data; boundary=B\r\ntransfer-encoding: chunked\r\n\r\n";
const FILE: &str =
    "--B\r\ncontent-disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\n\r\none\n";

fn chunk(data: &str) -> String {
    format!("{:x}\r\n{data}\r\n", data.len())
}

#[test]
fn a_form_that_ends_has_a_response_that_ends() {
    let server = Server::start("multipart", &[]);
    let mut peer = server.connect();
    peer.send(FORM.to_owned() + &chunk(FILE) + &chunk("\r\n--B--\r\n") + "0\r\n\r\n");
    let came = peer.rest();
    assert!(came.starts_with("HTTP/1.1 200 OK\r\n"), "{came}");
    assert!(came.contains("a.txt: 1 lines, 4 bytes\n") && came.ends_with("0\r\n\r\n"), "{came}");
}

#[test]
fn a_form_that_breaks_off_within_a_file_has_no_complete_response() {
    // Rule "Truncated is never complete".
    let server = Server::start("multipart", &[]);
    let mut peer = server.connect();
    peer.send(FORM.to_owned() + &chunk(FILE) + "0\r\n\r\n");
    let mut came = Vec::new();
    // An abort may be a reset.
    let _ = std::io::Read::read_to_end(&mut peer.0, &mut came);
    let came = String::from_utf8(came).unwrap();
    assert!(!came.ends_with("0\r\n\r\n"), "{came}");
    server.says("the upload failed");
}

#[test]
fn what_is_no_form_is_refused() {
    let server = Server::start("multipart", &[]);
    let mut peer = server.connect();
    peer.send("POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    let came = peer.rest();
    assert!(came.starts_with("HTTP/1.1 400 "), "{came}");
}
