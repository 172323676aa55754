//! A guest's body that is cut short, as hyper sends it: HTTP/1.1 without the last chunk, HTTP/2 with a reset; in
//! responses and in requests.

use std::convert::Infallible;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use futures::future::ready;
use futures::{FutureExt as _, StreamExt as _, stream};
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::server::conn;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::oneshot;
use tokio::time::timeout;
use wasmtime::StoreContextMut;
use wasmtime_streams::{
    StoreToken,
    body::{self, BodyError},
};
use wasmtime_streams_testing::{Code, Guest, Setup};

use crate::cuts::{self, BEFORE, Cutting, Plan, Signs, Writes};

/// The clock is paused and advances only while all tasks wait: a test that reaches this timeout hangs.
const TIMEOUT: Duration = Duration::from_secs(3600);

/// Both ends of a connection.
fn connection() -> (TokioIo<DuplexStream>, DuplexStream) {
    let (one, other) = duplex(1 << 16);
    (TokioIo::new(one), other)
}

/// How a message ended on the wire.
#[derive(Debug, PartialEq, Eq)]
enum Wire {
    /// With its data and a proper end.
    Whole(String),
    /// After its data: HTTP/1.1 without the last chunk, HTTP/2 with a reset.
    Aborted(String),
    Hangs,
    Other(String),
}

/// Reads the raw bytes of an HTTP/1.1 message until the connection is closed, and allows the cut once the data has
/// arrived. The message must begin with `start`.
async fn read_raw(mut wire: DuplexStream, start: &str, signs: &Signs) -> Wire {
    let mut raw = Vec::new();
    let mut buf = [0; 64];
    loop {
        let n = match timeout(TIMEOUT, wire.read(&mut buf)).await {
            Err(_) => return Wire::Hangs,
            Ok(n) => n.expect("a pipe in memory failed"),
        };
        if n == 0 {
            break;
        }
        raw.extend_from_slice(&buf[..n]);
        if raw.windows(BEFORE.len()).any(|window| window == BEFORE) {
            signs.may_cut.cancel();
        }
        // After a complete message the connection may stay open.
        if raw.ends_with(b"\r\n0\r\n\r\n") {
            break;
        }
    }
    let text = String::from_utf8_lossy(&raw).into_owned();
    let Some((head, mut chunks)) = text.split_once("\r\n\r\n") else { return Wire::Other(text) };
    if !head.starts_with(start) || !head.contains("transfer-encoding: chunked") {
        return Wire::Other(text);
    }
    let mut data = String::new();
    while let Some((size, rest)) = chunks.split_once("\r\n") {
        let Ok(size) = usize::from_str_radix(size, 16) else { return Wire::Other(text) };
        if size == 0 {
            return Wire::Whole(data);
        }
        let Some((chunk, rest)) = rest.split_at_checked(size) else { return Wire::Other(text) };
        data.push_str(chunk);
        chunks = rest.strip_prefix("\r\n").unwrap_or_default();
    }
    Wire::Aborted(data)
}

/// Reads an HTTP/2 message, and allows the cut once the data has arrived.
async fn read_frames(mut body: Incoming, signs: &Signs) -> Wire {
    let mut data = Vec::new();
    let text = |data| String::from_utf8(data).expect("text");
    loop {
        match timeout(TIMEOUT, body.frame()).await {
            Err(_) => return Wire::Hangs,
            Ok(None) => return Wire::Whole(text(data)),
            Ok(Some(Ok(frame))) => {
                data.extend(frame.into_data().unwrap_or_default());
                if data.ends_with(BEFORE) {
                    signs.may_cut.cancel();
                }
            }
            Ok(Some(Err(error))) => {
                let message = format!("{error:?}");
                let reset = message.contains("Reset(") && message.contains("Remote");
                return if reset { Wire::Aborted(text(data)) } else { Wire::Other(message) };
            }
        }
    }
}

type Sent = UnsyncBoxBody<Bytes, BodyError>;

async fn response_by_http1(body: Sent, signs: &Signs) -> Wire {
    let (server, mut client) = connection();
    let body = Mutex::new(Some(body));
    tokio::spawn(async move {
        let respond = service_fn(move |_| {
            let body = body.lock().unwrap().take().expect("more than one request");
            ready(Ok::<_, Infallible>(Response::new(body)))
        });
        conn::http1::Builder::new().serve_connection(server, respond).await
    });
    client.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    read_raw(client, "HTTP/1.1 200 OK\r\n", signs).await
}

async fn request_by_http1(body: Sent, signs: &Signs) -> Wire {
    let (client, server) = connection();
    let (mut client, connection) = http1::handshake(client).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post("/").header("host", "localhost").body(body).unwrap();
    // The server never answers.
    tokio::spawn(async move { client.send_request(request).await });
    read_raw(server, "POST / HTTP/1.1\r\n", signs).await
}

async fn response_by_http2(body: Sent, signs: &Signs) -> Wire {
    let (server, client) = connection();
    let body = Mutex::new(Some(body));
    tokio::spawn(async move {
        let respond = service_fn(move |_| {
            let body = body.lock().unwrap().take().expect("more than one request");
            ready(Ok::<_, Infallible>(Response::new(body)))
        });
        conn::http2::Builder::new(TokioExecutor::new()).serve_connection(server, respond).await
    });
    let client = http2::handshake(TokioExecutor::new(), TokioIo::new(client)).await;
    let (mut client, connection) = client.unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://localhost/").body(Empty::<Bytes>::new()).unwrap();
    let response = client.send_request(request).await.unwrap();
    read_frames(response.into_body(), signs).await
}

async fn request_by_http2(body: Sent, signs: &Signs) -> Wire {
    let (server, client) = connection();
    let (seen, result) = oneshot::channel();
    let (seen, signs) = (Mutex::new(Some(seen)), signs.clone());
    tokio::spawn(async move {
        let respond = service_fn(move |request: Request<Incoming>| {
            let seen = seen.lock().unwrap().take().expect("more than one request");
            let signs = signs.clone();
            async move {
                let wire = read_frames(request.into_body(), &signs).await;
                seen.send(wire).expect("the test is gone");
                Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
            }
        });
        conn::http2::Builder::new(TokioExecutor::new()).serve_connection(server, respond).await
    });
    let client = http2::handshake(TokioExecutor::new(), TokioIo::new(client)).await;
    let (mut client, connection) = client.unwrap();
    tokio::spawn(connection);
    let request = Request::post("http://localhost/").body(body).unwrap();
    tokio::spawn(async move { client.send_request(request).await });
    result.await.unwrap()
}

/// Sends a guest's body, with or without trailers of the host, and cuts it by `plan`.
async fn cut(plan: Plan, trailers: bool, send: impl AsyncFnOnce(Sent, &Signs) -> Wire) -> Wire {
    let (consumer, body) = body::from_guest(1024, None);
    let body = match trailers {
        true => body.with_trailers(ready(Ok(Some(HeaderMap::new())))).boxed_unsync(),
        false => body.boxed_unsync(),
    };
    let pipe = |cutting: &mut Cutting, store: StoreContextMut<'_, StoreToken>, stream| {
        cutting.pipe_bytes(store, stream, consumer);
    };
    cuts::run(plan, pipe, async |signs| send(body, signs).await).await
}

/// Sends bodies that are cut, by every plan.
async fn check(send: impl AsyncFn(Sent, &Signs) -> Wire) {
    let mut wrong = Vec::new();
    for plan in Plan::all(&[Writes::Idle]) {
        for trailers in [false, true] {
            let wire = cut(plan, trailers, &send).await;
            if wire != Wire::Aborted("hello".to_owned()) {
                wrong.push(format!("{plan:?}, trailers {trailers}: {wire:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} times:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn hyper_aborts_a_message_whose_body_fails() {
    // Rule "Items before the error": what hyper does with an error of the body. The other tests rely on it.
    async fn sent(send: impl AsyncFnOnce(Sent, &Signs) -> Wire) -> Wire {
        let signs = Signs::default();
        let may_fail = signs.may_cut.clone().cancelled_owned();
        let data = stream::iter([Ok(Frame::data(Bytes::from_static(BEFORE)))]);
        let failure = stream::once(may_fail.map(|()| Err(BodyError::Aborted)));
        send(StreamBody::new(data.chain(failure)).boxed_unsync(), &signs).await
    }
    let aborted = || Wire::Aborted("hello".to_owned());
    assert_eq!(sent(response_by_http1).await, aborted());
    assert_eq!(sent(request_by_http1).await, aborted());
    assert_eq!(sent(response_by_http2).await, aborted());
    assert_eq!(sent(request_by_http2).await, aborted());
}

#[tokio::test(start_paused = true)]
async fn a_response_that_was_cut_short_has_no_last_chunk() {
    // Rule "Truncated is never complete": HTTP/1.1.
    check(response_by_http1).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_cut_short_has_no_last_chunk() {
    // Rule "Truncated is never complete": HTTP/1.1.
    check(request_by_http1).await;
}

#[tokio::test(start_paused = true)]
async fn a_response_that_was_cut_short_is_reset() {
    // Rule "Truncated is never complete": HTTP/2.
    check(response_by_http2).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_cut_short_is_reset() {
    // Rule "Truncated is never complete": HTTP/2.
    check(request_by_http2).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_is_complete_before_the_completion_is_awaited() {
    // Rule "Completion": a host may send the message first and await the completion afterwards.
    let mut wrong = Vec::new();
    macro_rules! check {
        ($($send:ident),*) => { $(
            for trailers in [false, true] {
                let (consumer, body) = body::from_guest(1024, None);
                let (consumer, done) = consumer.with_completion();
                let body = match trailers {
                    true => body.with_trailers(ready(Ok(Some(HeaderMap::new())))).boxed_unsync(),
                    false => body.boxed_unsync(),
                };
                let signs = Signs::default();
                let guest = Setup::new(()).drive(async |guest: &Guest<'_, (), u8>| {
                    let stream = guest.sink(consumer).await;
                    assert_eq!(guest.send(stream, BEFORE).await, Code::Completed(5));
                    guest.drop_writable(stream).await;
                });
                let answered = async {
                    let wire = $send(body, &signs).await;
                    (wire, done.await.end)
                };
                let (guest, (wire, end)) = futures::join!(guest, answered);
                guest.unwrap();
                if wire != Wire::Whole("hello".to_owned()) || !end.is_finished() {
                    wrong.push(format!("{}, {trailers}: {wire:?}, {end:?}", stringify!($send)));
                }
            }
        )* };
    }
    check!(response_by_http1, request_by_http1, response_by_http2, request_by_http2);
    assert!(wrong.is_empty(), "{wrong:#?}");
}
