//! A server that runs a component of `wasi:http/handler` (WASI 0.3) for each request, and streams both bodies.
//! `cargo run -p example-wasi-http -- 127.0.0.1:8080 [GUEST.wasm]`, then `curl -T Cargo.toml http://127.0.0.1:8080/`.
//!
//! What is cut short never looks complete: until the guest has given the head of its response it has a status of its own,
//! afterwards it aborts the response. `data.rs` is what every host of WASI needs.
//!
//! ```toml
//! axum = { version = "0.8", features = ["http2"] }
//! http-body-util = "0.1"
//! tokio = { version = "1", features = ["full"] }
//! wasmtime = "48"
//! wasmtime-streams = { version = "48", features = ["http-body"] }
//! wasmtime-wasi = { version = "48", default-features = false, features = ["p3"] }
//! wasmtime-wasi-http = { version = "48", default-features = false, features = ["p3"] }
//! ```

mod data;

use std::{env, future::poll_fn, future::ready, time::Duration};

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Router, body::Body, body::Bytes, body::HttpBody, http::StatusCode};
use http_body_util::BodyExt as _;
use tokio::{net::TcpListener, sync::oneshot, sync::oneshot::Sender};
use wasmtime::{Result, Store};
use wasmtime_streams::{End, EndReason, body};
use wasmtime_wasi_http::p3::bindings::{ServicePre, http::types::ErrorCode};
use wasmtime_wasi_http::{Error, WasiBody, p3};

use self::data::{Data, NoRequests};

const MOST: u64 = 1 << 20; // bytes of a request
const IDLE: Duration = Duration::from_secs(30); // in each direction

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let address = arguments.next().unwrap_or("127.0.0.1:8080".into());
    let guest = arguments.next().unwrap_or("tests/wasi/guests/http-echo.wasm".into());
    let app = Router::new().fallback(handle).with_state(data::load(&guest)?);
    let listener = TcpListener::bind(&address).await?;
    eprintln!("listening on {}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}

async fn handle(State(guest): State<ServicePre<Data>>, request: Request) -> Response {
    if request.body().size_hint().lower() > MOST {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    }
    let (request, _) = p3::Request::from_http(&mut NoRequests, request.map(incoming));
    let (give, given) = oneshot::channel();
    // The store runs in its own task, while the guest writes and the client reads.
    tokio::spawn(async move {
        run(guest, request, give).await.inspect_err(|e| eprintln!("the guest failed: {e:?}"))
    });
    given.await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// The guest's stream ends at the limit as at the end of the data; the result beside its trailers is then this error.
fn incoming(request: Body) -> impl HttpBody<Data = Bytes, Error = Error> {
    let (data, trailers) = body::read(request).with_trailers();
    let limited = data.limit(MOST + 1).idle_timeout(IDLE).into_body();
    limited.with_trailers(trailers).map_err(|end| match end.reason() {
        EndReason::LimitReached => Error::HttpRequestBodySize(None),
        EndReason::TimedOut => Error::ConnectionReadTimeout,
        _ => Error::ConnectionTerminated,
    })
}

/// `WasiBody` ends in order if the guest traps. So this ends only when the guest has `ended`, and fails if it does not.
fn outgoing(response: WasiBody, ended: oneshot::Receiver<()>) -> Body {
    let (data, trailers) = body::read(response).with_trailers();
    Body::new(data.idle_timeout(IDLE).into_body().with_trailers(async move {
        let trailers = trailers.await?;
        ended.await.map(|()| trailers).map_err(|_| End::Abandoned)
    }))
}

async fn run(guest: ServicePre<Data>, request: p3::Request, give: Sender<Response>) -> Result<()> {
    let mut store = Store::new(guest.engine(), Data::new());
    let service = guest.instantiate_async(&mut store).await?;
    let (end, ended) = oneshot::channel();
    let run = store.run_concurrent(async |store| {
        let response = match service.handle(store, request).await? {
            Ok(response) => {
                let response = store.with(|store| response.into_http(store, ready(Ok(()))))?;
                response.map(|body| outgoing(body, ended))
            }
            Err(ErrorCode::HttpRequestBodySize(_)) => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        };
        let _ = give.send(response); // fails if the client has left
        poll_fn(|cx| store.poll_no_interesting_tasks(cx)).await;
        wasmtime::error::Ok(())
    });
    run.await??;
    let _ = end.send(()); // as above
    Ok(())
}
