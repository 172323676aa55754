//! A server that runs a component of `wasi:http/handler` (WASI 0.3) for each request, and streams both bodies.
//!
//!     cargo run -p example-wasi-http -- 127.0.0.1:8080 [GUEST.wasm]
//!     curl -T Cargo.toml http://127.0.0.1:8080/
//!
//! Without GUEST.wasm it runs `tests/wasi/guests/http-echo.wasm`, which answers with the body and the trailers of the
//! request. What is cut short never looks complete: a trap or a request that is too long has a status of its own until
//! the guest has given the head of its response, and afterwards aborts the response. In a project of your own:
//!
//!     axum = { version = "0.8", features = ["http2"] }
//!     http-body-util = "0.1"
//!     tokio = { version = "1", features = ["full"] }
//!     wasmtime = "48"
//!     wasmtime-streams = { version = "48", features = ["http-body"] }
//!     wasmtime-wasi = { version = "48", default-features = false, features = ["p3"] }
//!     wasmtime-wasi-http = { version = "48", default-features = false, features = ["p3"] }

use std::{future::poll_fn, future::ready, time::Duration};

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Router, body::Body, body::Bytes, body::HttpBody, http, http::StatusCode};
use http_body_util::BodyExt as _;
use tokio::{net::TcpListener, sync::oneshot, time::timeout};
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Engine, Result, Store};
use wasmtime_streams::{End, EndReason, body};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::p3::bindings::{ServicePre, http::types::ErrorCode};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks, p3};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

const MOST: u64 = 1 << 20; // bytes of a request
const IDLE: Duration = Duration::from_secs(30); // in each direction
const LONGEST: Duration = Duration::from_secs(300); // for all of a guest

struct Data(ResourceTable, WasiCtx, WasiHttpCtx, Hooks);

impl WasiView for Data {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.1, table: &mut self.0 }
    }
}

impl WasiHttpView for Data {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.2, table: &mut self.0, hooks: &mut self.3 }
    }
}

/// No guest sends requests of its own: for that, take the feature `default-send-request` and its hooks.
struct Hooks;
type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sending = http::Request<WasiBody>;
type Sent = Box<dyn Future<Output = Result<(http::Response<WasiBody>, Io), Error>> + Send>;

impl WasiHttpHooks for Hooks {
    fn send_request(&mut self, _: Sending, _: Option<RequestOptions>, _: Io) -> Sent {
        Box::new(ready(Err(Error::HttpRequestDenied)))
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or("127.0.0.1:8080".into());
    let guest = arguments.next().unwrap_or("tests/wasi/guests/http-echo.wasm".into());
    let engine = Engine::default();
    let mut linker = Linker::<Data>::new(&engine);
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    p3::add_to_linker(&mut linker)?;
    let component = Component::from_file(&engine, guest)?;
    let guest = ServicePre::new(linker.instantiate_pre(&component)?)?;
    let listener = TcpListener::bind(&address).await?;
    eprintln!("listening on {}", listener.local_addr()?);
    Ok(axum::serve(listener, Router::new().fallback(handle).with_state(guest)).await?)
}

async fn handle(State(guest): State<ServicePre<Data>>, request: Request) -> Response {
    if request.body().size_hint().lower() > MOST {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    }
    let (give, given) = oneshot::channel();
    // The store runs in its own task, while the guest writes and the client reads.
    tokio::spawn(async move {
        let ran = timeout(LONGEST, run(guest, request.map(incoming), give)).await;
        if let Err(error) = ran.map_err(Into::into).flatten() {
            eprintln!("the guest failed: {error:?}");
        }
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

async fn run<B>(
    guest: ServicePre<Data>,
    request: http::Request<B>,
    give: oneshot::Sender<Response>,
) -> Result<()>
where
    B: HttpBody<Data = Bytes, Error = Error> + Send + 'static,
{
    let wasi = WasiCtx::builder().inherit_stderr().build();
    let data = Data(ResourceTable::new(), wasi, WasiHttpCtx::new(), Hooks);
    let mut store = Store::new(guest.engine(), data);
    let service = guest.instantiate_async(&mut store).await?;
    let (request, _) = p3::Request::from_http(&mut Hooks, request);
    let (end, ended) = oneshot::channel();
    let run = store.run_concurrent(async |store| {
        let response = match service.handle(store, request).await? {
            Ok(response) => {
                let response = store.with(|store| response.into_http(store, ready(Ok(()))))?;
                response.map(|response| outgoing(response, ended))
            }
            Err(ErrorCode::HttpRequestBodySize(_)) => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        };
        let _ = give.send(response); // fails if the client has left
        poll_fn(|cx| store.poll_no_interesting_tasks(cx)).await;
        wasmtime::error::Ok(())
    });
    run.await??;
    let _ = end.send(());
    Ok(())
}
