//! The server as a process of its own, with clients of HTTP/1.1 and HTTP/2 over the loopback interface.

#![cfg(unix)] // for `sh`

use std::io::{BufRead as _, BufReader};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Condvar, LazyLock, Mutex};

use bytes::Bytes;
use futures::stream;
use http_body::Frame;
use http_body_util::{BodyExt, Collected, Full, StreamBody, combinators::BoxBody};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What the example allows as a request.
const MOST: usize = 1 << 20;

struct Server {
    address: String,
    /// The server ends with this process, which closes this.
    _stdin: ChildStdin,
    log: Mutex<Vec<String>>,
    more: Condvar,
}

/// One for all tests: to compile the guest takes longer than all of them.
static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let guest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/wasi/guests/http-echo.wasm");
    let mut child = Command::new("sh")
        .args(["-c", r#""$0" "$@" & read -r _; kill $!"#, env!("CARGO_BIN_EXE_wasi_http")])
        .args(["127.0.0.1:0", guest])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    let address = line.strip_prefix("listening on ").expect(&line).to_owned();
    let _stdin = child.stdin.take().unwrap();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            SERVER.log.lock().unwrap().push(line);
            SERVER.more.notify_all();
        }
        let _ = child.wait();
    });
    Server { address, _stdin, log: Mutex::default(), more: Condvar::new() }
});

/// Waits for the line of a guest's report that begins with `start`. Each test moves a number of bytes of its own.
async fn report(start: &'static str) -> String {
    let wait = move || {
        let mut log = SERVER.log.lock().unwrap();
        loop {
            if let Some(line) = log.iter().find(|line| line.starts_with(start)) {
                return line.clone();
            }
            log = SERVER.more.wait(log).unwrap();
        }
    };
    tokio::task::spawn_blocking(wait).await.unwrap()
}

type Body = BoxBody<Bytes, std::convert::Infallible>;

fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed()
}

/// A body without a length: a frame for each 1000 bytes, and then the trailers.
fn frames(bytes: Vec<u8>, trailers: Option<HeaderMap>) -> Body {
    let data: Vec<_> = bytes.chunks(1000).map(Bytes::copy_from_slice).map(Frame::data).collect();
    let all = data.into_iter().chain(trailers.map(Frame::trailers)).map(Ok);
    BodyExt::boxed(StreamBody::new(stream::iter(all)))
}

fn request(query: &str, body: Body) -> Request<Body> {
    let uri = format!("http://{}/{query}", SERVER.address);
    let request = Request::post(uri).header(header::HOST, &SERVER.address);
    request.body(body).unwrap()
}

async fn connect() -> TokioIo<TcpStream> {
    TokioIo::new(TcpStream::connect(&SERVER.address).await.unwrap())
}

/// A response, or an error if the server aborts it before its head is out.
type Answer = Result<Response<Incoming>, hyper::Error>;

async fn by_http1(query: &str, body: Body) -> Answer {
    let (mut client, connection) = http1::handshake(connect().await).await.unwrap();
    tokio::spawn(connection);
    client.send_request(request(query, body)).await
}

async fn by_http2(query: &str, body: Body) -> Answer {
    let handshake = http2::handshake(TokioExecutor::new(), connect().await);
    let (mut client, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    client.send_request(request(query, body)).await
}

/// The body of a response that has to begin well. An error is a cut.
async fn body(response: Answer) -> Result<Collected<Bytes>, hyper::Error> {
    let response = response?;
    assert_eq!(response.status(), StatusCode::OK);
    response.into_body().collect().await
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n % 251) as u8).collect()
}

#[tokio::test]
async fn a_body_of_any_length_comes_back_whole() {
    for length in [0, 1, 1_000_000, MOST] {
        let expected = bytes(length);
        for sent in [full(expected.clone()), frames(expected.clone(), None)] {
            let came = body(by_http1("", sent).await).await.unwrap().to_bytes();
            assert!(came == expected, "{} of {length} bytes by HTTP/1.1", came.len());
        }
        let came = body(by_http2("", full(expected.clone())).await).await.unwrap().to_bytes();
        assert!(came == expected, "{} of {length} bytes by HTTP/2", came.len());
    }
}

#[tokio::test]
async fn operations_of_any_kind_move_the_same_bytes() {
    for query in ["?--buffer&1", "?--buffer&7&--zero", "?--buffer&1000&--cancel&--zero"] {
        let expected = bytes(3001);
        let came = body(by_http1(query, frames(expected.clone(), None)).await).await;
        assert!(came.unwrap().to_bytes() == expected, "{query}");
    }
}

#[tokio::test]
async fn trailers_go_in_and_come_out() {
    let (name, value) = (HeaderName::from_static("sum"), HeaderValue::from_static("42"));
    let trailers = HeaderMap::from_iter([(name, value)]);
    for length in [0, 1, 5001] {
        let sent = frames(bytes(length), Some(trailers.clone()));
        let came = body(by_http2("", sent).await).await.unwrap();
        assert_eq!(came.trailers(), Some(&trailers), "after {length} bytes");
        assert!(came.to_bytes() == bytes(length));
    }
    let came = body(by_http2("", full("no trailers")).await).await.unwrap();
    assert_eq!(came.trailers(), None);
}

#[tokio::test]
async fn a_request_that_declares_too_many_bytes_gets_413() {
    let response = by_http2("", full(bytes(MOST + 1))).await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_request_that_turns_out_too_long_is_an_error_to_the_guest_and_a_cut_to_the_client() {
    // Rule "Truncated is never complete".
    body(by_http2("", frames(bytes(MOST + 1), None)).await).await.unwrap_err();
    let line = report("receive: 1048577 bytes").await;
    assert_eq!(line, "receive: 1048577 bytes, dropped, http-request-body-size");
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_an_error_to_the_guest() {
    // Rule "Truncated is never complete": of 9999 bytes the guest gets 4321, and then no end in order.
    let mut peer = TcpStream::connect(&SERVER.address).await.unwrap();
    let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9999\r\n\r\n";
    peer.write_all(head.as_bytes()).await.unwrap();
    peer.write_all(&bytes(4321)).await.unwrap();
    peer.shutdown().await.unwrap();
    let line = report("receive: 4321 bytes").await;
    assert_eq!(line, "receive: 4321 bytes, dropped, connection-terminated");
    let mut came = Vec::new();
    let _ = peer.read_to_end(&mut came).await; // may be a reset
    assert!(!came.ends_with(b"0\r\n\r\n"), "the response to half a request is complete");
}

#[tokio::test]
async fn a_guest_that_traps_before_it_answers_gives_500() {
    let response = by_http1("?--trap-after&0", full("hello")).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let response = by_http1("?--no-such-option", full("hello")).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn a_guest_that_traps_midway_gives_no_complete_response() {
    // Rule "Truncated is never complete".
    for length in [3, 100_000] {
        let query = format!("?--buffer&{length}&--trap-after&{length}");
        body(by_http1(&query, full(bytes(length))).await).await.unwrap_err();
        body(by_http2(&query, full(bytes(length))).await).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_guest_that_reads_a_part_decides_that_its_response_is_complete() {
    let came = body(by_http1("?--drop-after&777", full(bytes(5000))).await).await.unwrap();
    assert!(came.to_bytes() == bytes(777));
}

#[tokio::test]
async fn a_content_length_is_kept_and_a_wrong_one_is_a_cut() {
    let response = by_http1("?--content-length&5", full("hello")).await.unwrap();
    assert_eq!(response.headers()[header::CONTENT_LENGTH], "5");
    assert!(!response.headers().contains_key(header::TRANSFER_ENCODING));
    assert_eq!(body(Ok(response)).await.unwrap().to_bytes(), "hello");
    for wrong in ["?--content-length&6", "?--content-length&4"] {
        body(by_http1(wrong, full("hello")).await).await.expect_err(wrong);
        body(by_http2(wrong, full("hello")).await).await.expect_err(wrong);
    }
}

#[tokio::test]
async fn a_client_that_leaves_is_an_error_to_the_guest() {
    let mut peer = TcpStream::connect(&SERVER.address).await.unwrap();
    let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9999\r\n\r\n";
    peer.write_all(head.as_bytes()).await.unwrap();
    peer.write_all(&bytes(2222)).await.unwrap();
    let mut came = 0;
    while came < 2222 {
        came += peer.read(&mut [0; 1024]).await.unwrap();
    }
    drop(peer);
    let line = report("receive: 2222 bytes").await;
    assert_eq!(line, "receive: 2222 bytes, dropped, connection-terminated");
}
