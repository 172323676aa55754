//! An HTTP server whose requests go through a guest, bodies and trailers: `cargo run --example http`
//!
//! Nothing is collected. What goes wrong has its own status before the first byte of the response, and aborts the response
//! after it: a client never takes a part for the whole. Try `curl -T - http://127.0.0.1:7007/ <<<hello`.

#![allow(missing_docs)] // of what `bindgen!` makes

use std::{collections::HashMap, time::Duration};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header::TRAILER};
use axum::response::{IntoResponse as _, Response};
use axum::{Router, body::Body, routing::any};
use futures::{FutureExt as _, StreamExt as _, stream};
use http_body_util::{BodyExt as _, BodyStream, StreamBody};
use tokio::{net::TcpListener, sync::oneshot};
use wasmtime::component::{Accessor, Component, FutureReader, Linker};
use wasmtime::{Engine, Error, Result, Store, StoreContextMut};
use wasmtime_streams::{EndReason, body, body::BodyError, transform, values};

wasmtime::component::bindgen!({
    inline: "
        package example:http;
        world http {
            type fields = list<tuple<string, string>>;
            /// Gets a body and, once that has been read, its trailers. Returns the same for the response.
            export handle: async func(body: stream<u8>, trailers: future<fields>) -> tuple<stream<u8>, future<fields>>;
        }
    ",
});

const MOST: u64 = 1 << 30; // how many bytes a guest may respond with
const IDLE: Duration = Duration::from_secs(30); // how long each direction may be idle

async fn handle(State(guest): State<HttpPre<()>>, request: Request) -> Response {
    let (input, trailers) = body::read(request.into_body()).with_trailers();
    let (output, response) = body::from_guest(64 * 1024, None); // so far ahead of the client
    let (to_trailers, guest_trailers) =
        body::trailers_from_guest(|_: StoreContextMut<'_, ()>, fields: Fields| {
            Ok(HeaderMap::try_from(&HashMap::<_, _>::from_iter(fields)).map(Some))
        });
    let (give, given) = oneshot::channel();
    let given = given.map(|trailers| trailers.unwrap_or(Err(BodyError::Aborted)));
    let mut body = response.with_trailers(given);
    // The store runs in its own task, while the guest writes and the client reads.
    tokio::spawn(async move {
        let mut store = Store::new(guest.engine(), ());
        let guest = guest.instantiate_async(&mut store).await?;
        let call = async |store: &Accessor<_>, input| {
            // An upload that broke off has none; `transform` cuts its response.
            let trailers = async { fields(&trailers.await.ok().flatten().unwrap_or_default()) };
            let trailers = store.with(|s| FutureReader::new(s, values::future(trailers)))?;
            let (output, trailers) = guest.call_handle(store, input, trailers).await?;
            store.with(|store| trailers.pipe(store, to_trailers))?;
            Ok(output)
        };
        let (input, output) = (input.idle_timeout(IDLE), output.limit(MOST).idle_timeout(IDLE));
        let done = transform(&mut store, input, output, call).await;
        println!("{} bytes in, {} out, {}", done.input.moved, done.output.moved, done.output.end);
        done.result.inspect_err(|trap| eprintln!("the guest failed: {trap:?}"))?;
        // They come after the body, and the store must run until then. A client that has left does not want them.
        let _ = give.send(store.run_concurrent(async |_| guest_trailers.await).await?);
        wasmtime::error::Ok(())
    });
    // The status is sent before the first frame, so wait for that frame to choose the status.
    match body.frame().await {
        Some(Err(error)) => (status(&error), format!("{error}\n")).into_response(),
        first => {
            let frames = stream::iter(first).chain(BodyStream::new(body));
            ([(TRAILER, "bytes")], Body::new(StreamBody::new(frames))).into_response()
        }
    }
}

fn status(error: &BodyError) -> StatusCode {
    match error {
        BodyError::Cut(EndReason::Undeliverable) => StatusCode::BAD_REQUEST, // the upload failed
        BodyError::Cut(EndReason::TimedOut) => StatusCode::GATEWAY_TIMEOUT,
        BodyError::Cut(EndReason::LimitReached) => StatusCode::BAD_GATEWAY,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn fields(headers: &HeaderMap) -> Fields {
    // Values that are no text are left out.
    let text = headers.iter().filter_map(|(name, value)| Some((name, value.to_str().ok()?)));
    text.map(|(name, value)| (name.to_string(), value.to_owned())).collect()
}

#[tokio::main]
async fn main() -> Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:7007".to_owned());
    let engine = Engine::default();
    let component = Component::from_file(&engine, "examples/guests/http.wasm")?;
    let guest = HttpPre::new(Linker::new(&engine).instantiate_pre(&component)?)?;
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    let app = Router::new().fallback(any(handle)).with_state(guest);
    axum::serve(listener, app).await.map_err(Error::from)
}
