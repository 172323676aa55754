//! A guest's events as server-sent events; a client that leaves stops its guest: `cargo run --example sse`
//!
//! Then open http://127.0.0.1:7004/ in a browser, or try `curl -N http://127.0.0.1:7004/events`.

#![allow(missing_docs)] // of what `bindgen!` makes

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Response, Sse, sse};
use axum::routing::get;
use futures::{TryStreamExt as _, stream};
use tokio::net::TcpListener;
use tokio::time::interval;
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Error, Result, Store};
use wasmtime_streams::{from_guest, streams, transform};

wasmtime::component::bindgen!({
    inline: "
        package example:events;
        world events {
            record event { name: string, data: string }
            /// Each tick is a number.
            export events: async func(ticks: stream<u64>) -> stream<event>;
        }
    ",
});
// There are no streams or resources in it, so it can cross from store to host as it is.
wasmtime_streams::plain!(Event);

const TICK: Duration = Duration::from_millis(100);
/// How many events the guest may be ahead of its client.
const AHEAD: usize = 8;

async fn events(State(guest): State<EventsPre<()>>) -> Response {
    let mut store = Store::new(guest.engine(), ());
    let guest = match guest.instantiate_async(&mut store).await {
        Ok(guest) => guest,
        Err(error) => {
            return (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response();
        }
    };
    let (mut number, mut ticks) = (0, interval(TICK));
    let input = streams::items(stream::poll_fn(move |cx| {
        ticks.poll_tick(cx).map(|_| {
            number += 1;
            Some(number)
        })
    }));
    let (output, events) = from_guest::item_consumer::<Event>(AHEAD);
    // The store runs in its own task, until the client leaves: axum then drops `events`, which ends the guest's stream
    // even while it waits for a tick.
    tokio::spawn(async move {
        let call = async |store: &_, ticks| guest.call_events(store, ticks).await;
        let done = transform(&mut store, input, output, call).await;
        match done.result {
            Ok(()) => {
                println!("a guest stopped: {} events, {}", done.output.moved, done.output.end)
            }
            Err(trap) => eprintln!("a guest failed after {} events: {trap:?}", done.output.moved),
        }
    });
    // A guest that failed is an error, at which hyper aborts the response; the browser connects again.
    let events = events.into_try_stream();
    let events = events.map_ok(|event| sse::Event::default().event(event.name).data(event.data));
    Sse::new(events).keep_alive(sse::KeepAlive::default()).into_response()
}

#[tokio::main]
async fn main() -> Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:7004".to_owned());
    let engine = Engine::default();
    let component = Component::from_file(&engine, "examples/guests/events.wasm")?;
    let guest = EventsPre::new(Linker::new(&engine).instantiate_pre(&component)?)?;
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    let page = get(async || Html(include_str!("sse.html")));
    let app = Router::new().route("/", page).route("/events", get(events)).with_state(guest);
    axum::serve(listener, app).await.map_err(Error::from)
}
