//! An HTTP server that passes request bodies through a guest: an axum handler that streams both bodies.
//!
//!     cargo run --example http --features http-body -- 127.0.0.1:8080
//!     curl -T - http://127.0.0.1:8080/ <<<hello
//!
//! Nothing is collected: a body of any length passes through a few buffers, with backpressure in both directions. A
//! response that is cut short never looks complete: a trap, a truncated upload, a limit or a timeout has its own status
//! before the first byte of the response, and aborts the response after it.

use std::future::ready;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use futures::{StreamExt as _, stream};
use http_body_util::{BodyExt as _, BodyStream, StreamBody};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use wasmtime::component::{Component, InstancePre, Linker, StreamReader};
use wasmtime::{Engine, Error, Result, Store};
use wasmtime_streams::{
    EndReason, StoreToken,
    body::{self, BodyError, GuestBody},
};

/// How many bytes the guest may be ahead of the client.
const BUFFER: usize = 64 * 1024;
/// How many bytes a guest may respond with.
const MOST: u64 = 1 << 30;
/// How long each direction may be idle.
const IDLE: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), guest, None) = (arguments.next(), arguments.next(), arguments.next())
    else {
        eprintln!("usage: http ADDRESS:PORT [GUEST]");
        std::process::exit(2);
    };
    let engine = Engine::default();
    let component = match guest {
        Some(file) => Component::from_file(&engine, file)?,
        None => Component::new(&engine, include_str!("../guests/upper.wat"))?,
    };
    let guest = Linker::new(&engine).instantiate_pre(&component)?;
    let listener = TcpListener::bind(&address).await?;
    eprintln!("listening on {}", listener.local_addr()?);
    let app = Router::new().fallback(any(transform)).with_state(guest);
    axum::serve(listener, app).await.map_err(Error::from)
}

async fn transform(State(guest): State<InstancePre<StoreToken>>, request: Request) -> Response {
    let (give, given) = oneshot::channel();
    // The store runs in its own task, while the guest writes and the client reads.
    tokio::spawn(async move {
        if let Err(trap) = run(guest, request.into_body(), give).await {
            eprintln!("the guest failed: {trap:?}");
        }
    });
    let Ok((body, upload)) = given.await else {
        return (StatusCode::INTERNAL_SERVER_ERROR, "the guest failed\n").into_response();
    };
    // A guest cannot distinguish a truncated upload from a complete one. So the response ends only once the request is
    // known to be complete: a body waits for its trailers before it ends.
    let mut body = Box::pin(body.with_trailers(async move {
        match upload.await.unwrap_or(EndReason::Abandoned) {
            // A guest need not read everything.
            EndReason::Finished | EndReason::PeerDropped => Ok(None),
            reason => Err(BodyError::Cut(reason)),
        }
    }));
    // The status is sent before the first frame, so wait for that frame to choose the status.
    match body.frame().await {
        None => Response::new(Body::empty()),
        Some(Err(error)) => (status(&error), format!("{error}\n")).into_response(),
        Some(Ok(first)) => {
            let frames = stream::once(ready(Ok(first))).chain(BodyStream::new(body));
            Response::new(Body::new(StreamBody::new(frames)))
        }
    }
}

fn status(error: &BodyError) -> StatusCode {
    match error {
        BodyError::Cut(EndReason::Failed) => StatusCode::BAD_REQUEST,
        BodyError::Cut(EndReason::TimedOut) => StatusCode::GATEWAY_TIMEOUT,
        BodyError::Cut(EndReason::LimitReached) => StatusCode::BAD_GATEWAY,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

type Given = (GuestBody, oneshot::Receiver<EndReason>);

/// Runs a guest that reads the request. Sends the body that it writes, and how the request ends, to `give`.
async fn run(
    guest: InstancePre<StoreToken>,
    request: Body,
    give: oneshot::Sender<Given>,
) -> Result<()> {
    let mut store = Store::new(guest.engine(), StoreToken::new());
    let instance = guest.instantiate_async(&mut store).await?;
    let transform = instance
        .get_typed_func::<(StreamReader<u8>,), (StreamReader<u8>,)>(&mut store, "transform")?;
    let (input, sent) = body::read(request).idle_timeout(IDLE).with_completion();
    let (upload, uploaded) = oneshot::channel();
    tokio::spawn(async move { upload.send(sent.await.end.reason()) });
    let ended = store
        .run_concurrent(async |store| {
            let input = store.with(|store| StreamReader::new(store, input))?;
            let (output,) = transform.call_concurrent(store, (input,)).await?;
            let (consumer, body) = body::from_guest(BUFFER, None);
            let (consumer, done) = consumer.limit(MOST).idle_timeout(IDLE).with_completion();
            let done = store.with(|mut store| {
                // Without this, a guest that traps looks like one that ends its output.
                let done = done.watch_store(store.data_mut());
                output.pipe(store, consumer).map(|()| done)
            })?;
            // Fails if the client has left.
            let _ = give.send((body, uploaded));
            wasmtime::error::Ok(done.await)
        })
        .await??;
    eprintln!("{} bytes out, {:?}", ended.moved, ended.end);
    Ok(())
}
