//! hyper and axum on both sides of a guest.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::post;
use bytes::Bytes;
use futures::{SinkExt as _, channel::mpsc, stream};
use http::HeaderMap;
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::client::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use wasmtime::component::{FutureReader, StreamReader};
use wasmtime::{Engine, Store, StoreContextMut};
use wasmtime_streams::{
    End,
    body::{self, BodyError},
    tokio_io, values,
};

use crate::transform::Upper;

/// Sends the body of the request through a guest, as the body of the response.
async fn upper(request: Request) -> Response {
    let (consumer, body) = body::from_guest(16 * 1024, None);
    tokio::spawn(async move {
        let input = body::read(request.into_body());
        let (consumer, done) = consumer.with_completion();
        let mut guest = Upper::new().await;
        guest
            .run(
                |store| store.with(|access| StreamReader::new(access, input)).unwrap(),
                async |store, output| {
                    store.with(|access| output.pipe(access, consumer)).unwrap();
                    done.await
                },
            )
            .await
    });
    Response::new(Body::new(body))
}

async fn serve_axum() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().route("/upper", post(upper));
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

fn text(len: usize) -> Vec<u8> {
    (0..len).map(|i| b'a' + (i % 26) as u8).collect()
}

type Sent = Result<Frame<Bytes>, &'static str>;

#[tokio::test(flavor = "multi_thread")]
async fn an_axum_server_passes_a_body_through_a_guest() {
    // Rule "Exactly once, in order".
    let address = serve_axum().await;
    let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut client, connection) = http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let (mut tx, rx) = mpsc::channel::<Sent>(1);
    let request = http::Request::post("/upper").header("host", "localhost");
    let request = request.body(StreamBody::new(rx)).unwrap();
    let data = text(300_000);
    let chunks: Vec<Bytes> = data.chunks(7777).map(Bytes::copy_from_slice).collect();
    let send = tokio::spawn(async move {
        for chunk in chunks {
            tx.send(Ok(Frame::data(chunk))).await.unwrap();
        }
    });
    let response = client.send_request(request).await.unwrap();
    let got = response.into_body().collect().await.unwrap().to_bytes();
    assert!(got == data.to_ascii_uppercase());
    send.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aborted_request_is_not_the_end_of_the_data() {
    // Rule "Items before the error".
    let (tx, seen) = oneshot::channel();
    let tx = Arc::new(std::sync::Mutex::new(Some(tx)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
            let tx = tx.lock().unwrap().take();
            async move {
                let (input, trailers) = body::read(request.into_body()).with_trailers();
                let (input, done) = input.with_completion();
                let mut guest = Upper::new().await;
                let got = guest
                    .run(
                        |store| store.with(|access| StreamReader::new(access, input)).unwrap(),
                        async |store, output| {
                            let (consumer, body) = body::from_guest(1024, None);
                            store.with(|access| output.pipe(access, consumer)).unwrap();
                            body.collect().await.unwrap().to_bytes()
                        },
                    )
                    .await;
                let _ = tx.unwrap().send((got, done.await.end, trailers.await));
                Ok::<_, Infallible>(http::Response::new(Full::<Bytes>::default()))
            }
        });
        let (socket, _) = listener.accept().await.unwrap();
        hyper::server::conn::http1::Builder::new()
            .half_close(true)
            .serve_connection(TokioIo::new(socket), service)
            .await
    });
    // By hand: a client that announces 10 bytes, sends 5 and leaves.
    let mut socket = TcpStream::connect(address).await.unwrap();
    let head = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\nhello";
    tokio::io::AsyncWriteExt::write_all(&mut socket, head).await.unwrap();
    drop(socket);
    let (got, end, trailers) = seen.await.unwrap();
    assert_eq!(got, "HELLO");
    assert!(matches!(end, End::Failed(_)), "{end:?}");
    assert!(matches!(trailers, Err(wasmtime_streams::End::Failed(_))), "{trailers:?}");
}

/// Serves one HTTP/2 connection. `respond` makes the response to each request.
async fn serve_http2<B>(respond: impl Fn() -> B + Clone + Send + 'static) -> SocketAddr
where
    B: http_body::Body<Data = Bytes, Error = BodyError> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let service = service_fn(move |_| {
            let body = respond();
            async move { Ok::<_, Infallible>(http::Response::new(body)) }
        });
        let (socket, _) = listener.accept().await.unwrap();
        hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(socket), service)
            .await
    });
    address
}

async fn get_http2(address: SocketAddr) -> hyper::Result<http::Response<hyper::body::Incoming>> {
    let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut client, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("http://localhost/").body(Full::<Bytes>::default()).unwrap();
    client.send_request(request).await
}

/// A body of "hello" with the trailers that a guest gives: a checksum, an error, or none if the guest is gone.
fn with_trailers(
    sum: Option<Result<u32, u8>>,
) -> impl http_body::Body<Data = Bytes, Error = BodyError> + Send {
    let (consumer, body) = body::from_guest(1024, None);
    let (given, taken) = oneshot::channel();
    let (trailers_consumer, trailers) =
        body::trailers_from_guest(|_: StoreContextMut<'_, ()>, sum: Result<u32, u8>| {
            given.send(()).unwrap();
            Ok(sum.map_err(|code| format!("error code {code}")).map(|sum| {
                let mut headers = HeaderMap::new();
                headers.insert("sum", sum.into());
                Some(headers)
            }))
        });
    tokio::spawn(async move {
        let mut store = Store::new(&Engine::default(), ());
        let stream = StreamReader::new(&mut store, tokio_io::read(&b"hello"[..])).unwrap();
        let (consumer, done) = consumer.with_completion();
        stream.pipe(&mut store, consumer).unwrap();
        match sum {
            Some(sum) => {
                let future =
                    FutureReader::new(&mut store, values::future(async move { sum })).unwrap();
                future.pipe(&mut store, trailers_consumer).unwrap();
            }
            None => drop(trailers_consumer),
        }
        // The store must run until the guest has given everything.
        store.run_concurrent(async |_| (done.await, taken.await)).await
    });
    body.with_trailers(trailers)
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_of_a_guest_reach_the_client() {
    // Rule "Completion".
    let response = get_http2(serve_http2(|| with_trailers(Some(Ok(532)))).await).await;
    let body = response.unwrap().into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["sum"], "532");
    assert_eq!(body.to_bytes(), "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_is_gone_aborts_the_message() {
    // Rule "Completion": an abort is distinct from the end.
    for sum in [None, Some(Err(3))] {
        // The reset may arrive before the head is read.
        if let Ok(response) = get_http2(serve_http2(move || with_trailers(sum)).await).await {
            assert!(response.into_body().collect().await.is_err(), "{sum:?}");
        }
    }
}

/// What the reader of a body of "hello" gets if this length was declared.
async fn declared(length: u64) -> (Result<Bytes, BodyError>, End<BodyError>, u64) {
    let mut guest = Upper::new().await;
    let (consumer, body) = body::from_guest(4, Some(length));
    assert_eq!(http_body::Body::size_hint(&body).exact(), Some(length));
    let (consumer, done) = consumer.with_completion();
    let body = tokio::spawn(body.collect());
    let done = guest
        .run(
            |store| {
                store
                    .with(|access| StreamReader::new(access, tokio_io::read(&b"hello"[..])))
                    .unwrap()
            },
            async |store, output| {
                store.with(|access| output.pipe(access, consumer)).unwrap();
                done.await
            },
        )
        .await;
    let (end, moved) = (done.end, done.moved);
    drop(done.inner);
    (body.await.unwrap().map(|body| body.to_bytes()), end, moved)
}

#[tokio::test]
async fn a_declared_content_length_is_enforced() {
    // Rule "Exact partial writes": what exceeds the length is not taken.
    let (body, end, moved) = declared(5).await;
    assert_eq!(body.unwrap(), "HELLO");
    assert!(end.is_finished() && moved == 5);
    let (body, end, moved) = declared(4).await;
    assert!(matches!(body, Err(BodyError::TooLong { expected: 4 })), "{body:?}");
    assert!(matches!(end, End::Failed(BodyError::TooLong { expected: 4 })), "{end:?}");
    assert_eq!(moved, 4);
    let (body, _, moved) = declared(6).await;
    assert!(matches!(body, Err(BodyError::TooShort { expected: 6, got: 5 })), "{body:?}");
    assert_eq!(moved, 5);
}

#[tokio::test]
async fn a_client_that_leaves_wakes_the_guest() {
    // Rule "Backpressure": the guest's write is parked while nobody reads.
    let mut guest = Upper::new().await;
    let (consumer, body) = body::from_guest(1024, None);
    let (consumer, done) = consumer.with_completion();
    let input = stream::repeat(Bytes::from(text(4096)));
    let (read_one, gone) = oneshot::channel();
    tokio::spawn(async move {
        let mut body = body;
        let frame = body.frame().await.unwrap().unwrap();
        let _ = read_one.send(frame.into_data().unwrap().len());
        // Drops the body, as hyper does when its peer is gone.
    });
    let done = guest
        .run(
            |store| {
                let input = wasmtime_streams::streams::chunks(input);
                store.with(|access| StreamReader::new(access, input)).unwrap()
            },
            async |store, output| {
                store.with(|access| output.pipe(access, consumer)).unwrap();
                done.await
            },
        )
        .await;
    assert!(gone.await.unwrap() <= 512);
    assert!(matches!(done.end, End::ReceiverDropped), "{:?}", done.end);
    assert!(done.moved <= 1024 + 512, "{}", done.moved);
}
