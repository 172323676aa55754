//! A guest's body as hyper sends it, observed on the wire: an end in order, and every kind of cut.

use std::convert::Infallible;

use http_body_util::BodyExt as _;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use wasmtime::component::StreamReader;
use wasmtime::{Engine, Store};
use wasmtime_streams::{
    End, EndReason, StoreToken,
    body::{self, GuestBody},
    channels,
};

use crate::DEADLINE;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Ends {
    InOrder,
    Limit,
    Until,
    Cancel,
    StoreGone,
}

const CUTS: [Ends; 4] = [Ends::Limit, Ends::Until, Ends::Cancel, Ends::StoreGone];

/// A body of "hello", and what ends it. The completion is kept, and awaited only once `read` is sent or dropped.
fn body(ends: Ends, read: oneshot::Receiver<()>) -> (GuestBody, oneshot::Receiver<End<()>>) {
    let (consumer, body) = body::from_guest(1024, None);
    let (over, resolved) = oneshot::channel();
    tokio::spawn(async move {
        let mut store = Store::new(&Engine::default(), StoreToken::new());
        let (tx, rx) = mpsc::channel(64);
        let stream = StreamReader::new(&mut store, channels::mpsc_receiver(rx)).unwrap();
        for byte in *b"hello" {
            tx.send(byte).await.unwrap();
        }
        let (fire, fired) = oneshot::channel::<()>();
        let consumer = match ends {
            Ends::Limit => consumer.limit(5),
            Ends::Until => consumer.until(EndReason::TimedOut, async { drop(fired.await) }),
            _ => consumer,
        };
        let (consumer, done) = consumer.with_completion();
        let done = done.watch_store(store.data());
        stream.pipe(&mut store, consumer).unwrap();
        // Until the body has all of it.
        let moved = async {
            while tx.capacity() < 64 {
                tokio::task::yield_now().await
            }
        };
        store.run_concurrent(async |_| moved.await).await.unwrap();
        match ends {
            Ends::InOrder => drop(tx),
            Ends::Limit => tx.send(6).await.unwrap(),
            Ends::Until => {
                drop(fire);
                tx.send(6).await.unwrap();
            }
            Ends::Cancel => done.cancel(),
            Ends::StoreGone => {
                drop((tx, store));
                let _ = read.await;
                let _ = over.send(done.await.end.map_err(drop));
                return;
            }
        }
        let _ = store.run_concurrent(async |_| read.await).await.unwrap();
        let _ = over.send(done.await.end.map_err(drop));
    });
    (body, resolved)
}

/// A server of one connection, which answers each request with such a body, and the client's end of the connection.
fn serve(
    ends: Ends,
    http2: bool,
) -> (DuplexStream, oneshot::Sender<()>, oneshot::Receiver<End<()>>) {
    let (read, waits) = oneshot::channel();
    let (body, resolved) = body(ends, waits);
    let body = std::sync::Mutex::new(Some(body));
    let service = service_fn(move |_| {
        let body = body.lock().unwrap().take().expect("more than one request");
        async move { Ok::<_, Infallible>(http::Response::new(body)) }
    });
    let (client, server) = duplex(1 << 16);
    tokio::spawn(async move {
        let server = TokioIo::new(server);
        if http2 {
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            let _ = builder.serve_connection(server, service).await;
        } else {
            let builder = hyper::server::conn::http1::Builder::new();
            let _ = builder.serve_connection(server, service).await;
        }
    });
    (client, read, resolved)
}

/// What arrives by HTTP/1.1, to the end of the connection or of the message.
async fn http1(mut client: DuplexStream) -> String {
    client.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut all = Vec::new();
    while !all.ends_with(b"\r\n0\r\n\r\n") && client.read_buf(&mut all).await.unwrap() > 0 {}
    String::from_utf8(all).unwrap()
}

async fn http2(client: DuplexStream) -> hyper::Result<Vec<u8>> {
    let io = TokioIo::new(client);
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await?;
    tokio::spawn(connection);
    let body = http_body_util::Empty::<bytes::Bytes>::new();
    let request = http::Request::get("http://localhost/").body(body).unwrap();
    let response = client.send_request(request).await?;
    Ok(response.into_body().collect().await?.to_bytes().to_vec())
}

#[tokio::test]
async fn a_message_ends_though_its_completion_is_not_awaited_yet() {
    // Rule "Completion": `let response = …await; done.await` is no deadlock.
    let (client, read, resolved) = serve(Ends::InOrder, false);
    let got = timeout(DEADLINE, http1(client)).await.expect("timed out");
    assert!(got.ends_with("\r\n5\r\nhello\r\n0\r\n\r\n"), "{got}");
    drop(read);
    assert!(resolved.await.unwrap().is_finished());

    let (client, read, resolved) = serve(Ends::InOrder, true);
    let got = timeout(DEADLINE, http2(client)).await.expect("timed out");
    assert_eq!(got.unwrap(), b"hello");
    drop(read);
    assert!(resolved.await.unwrap().is_finished());
}

#[tokio::test]
async fn a_message_that_is_cut_short_has_no_last_chunk_and_is_reset() {
    // Rule "Truncated is never complete": on the wire.
    for ends in CUTS {
        let (client, read, resolved) = serve(ends, false);
        let got = timeout(DEADLINE, http1(client)).await.expect("timed out");
        // The connection may be closed before all data is sent.
        assert!(!got.ends_with("0\r\n\r\n"), "{ends:?}: {got}");
        drop(read);
        assert!(resolved.await.unwrap().into_result().is_err(), "{ends:?}");

        let (client, read, resolved) = serve(ends, true);
        let got = timeout(DEADLINE, http2(client)).await.expect("timed out");
        assert!(got.is_err(), "{ends:?}: {got:?}");
        drop(read);
        assert!(resolved.await.unwrap().into_result().is_err(), "{ends:?}");
    }
}

#[tokio::test]
async fn pending_trailers_do_not_hide_a_cut() {
    // Rule "Truncated is never complete": also if the trailers never come.
    for ends in CUTS {
        let (read, waits) = oneshot::channel();
        let (body, _said) = body(ends, waits);
        let (_consumer, trailers) =
            body::trailers_from_guest(|_: wasmtime::StoreContextMut<'_, ()>, (): ()| {
                Ok(Ok::<_, String>(None))
            });
        let body = body.with_trailers(trailers);
        let got = timeout(DEADLINE, body.collect()).await.expect("it ends");
        assert!(got.is_err(), "{ends:?}");
        drop(read);
    }
}
