//! An HTTP server whose responses are its requests, through a guest: an axum handler that streams both bodies.
//!
//!     cargo run --example http --features http-body -- 127.0.0.1:8080
//!     curl -T - http://127.0.0.1:8080/ <<<hello
//!
//! Nothing is collected: a body of any length passes in a few buffers, and whoever is slower holds up the other. If the
//! client goes away the guest's write ends, and the store with it.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::any;
use tokio::net::TcpListener;
use wasmtime::component::{Component, InstancePre, Linker, StreamReader};
use wasmtime::{Engine, Error, Result, Store};
use wasmtime_streams::{ByteConsumer, GuestBodySink, guest_body, http_body};

/// How far the guest may get ahead of the client.
const BUFFER: usize = 64 * 1024;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: http ADDRESS:PORT");
        std::process::exit(2);
    };
    let engine = Engine::default();
    let component = Component::new(&engine, include_str!("../guests/upper.wat"))?;
    let guest = Linker::<()>::new(&engine).instantiate_pre(&component)?;
    let listener = TcpListener::bind(&address).await?;
    eprintln!("listening on {}", listener.local_addr()?);
    let app = Router::new().fallback(any(transform)).with_state(guest);
    axum::serve(listener, app).await.map_err(Error::from)
}

async fn transform(State(guest): State<InstancePre<()>>, request: Request) -> Response {
    let (consumer, response) = guest_body(BUFFER, None);
    // The store runs in a task of its own, for as long as the guest writes and the client reads.
    tokio::spawn(async move {
        if let Err(trap) = run(guest, request.into_body(), consumer).await {
            eprintln!("the guest failed: {trap:?}");
        }
    });
    Response::new(Body::new(response))
}

/// Lets a guest read the body and write into the consumer.
async fn run(
    guest: InstancePre<()>,
    body: Body,
    consumer: ByteConsumer<GuestBodySink>,
) -> Result<()> {
    let mut store = Store::new(guest.engine(), ());
    let instance = guest.instantiate_async(&mut store).await?;
    let transform = instance
        .get_typed_func::<(StreamReader<u8>,), (StreamReader<u8>,)>(&mut store, "transform")?;
    let (consumer, done) = consumer.with_completion();
    let (input, sent) = http_body(body).with_completion();
    let ended = store
        .run_concurrent(async |store| {
            let input = store.with(|store| StreamReader::new(store, input))?;
            let (output,) = transform.call_concurrent(store, (input,)).await?;
            store.with(|store| output.pipe(store, consumer))?;
            wasmtime::error::Ok(done.await)
        })
        .await??;
    sent.cancel();
    let sent = sent.await;
    eprintln!(
        "{} bytes in, {:?}; {} bytes out, {:?}",
        sent.moved, sent.end, ended.moved, ended.end
    );
    Ok(())
}
