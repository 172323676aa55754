//! A gRPC server: rows of a client's stream through a guest, and back as a stream, while the client still sends.
//! `cargo run -p example-grpc --bin grpc -- 127.0.0.1:50051`
//!
//! ```toml
//! axum = { version = "0.8", default-features = false }
//! futures = "0.3"
//! prost = "0.14"
//! tokio = { version = "1", features = ["full"] }
//! tonic = "0.14"
//! tonic-prost = "0.14"
//! tower = { version = "0.5", features = ["util"] }
//! wasmtime = "48"
//! wasmtime-streams = "48"
//! ```
//!
//! Its service is `service Rows { rpc Transform(stream Row) returns (stream Row); }` of `package rows`.

use std::{env, time::Duration};

use axum::{Router, extract::Request, extract::State, routing::post};
use futures::{Stream, TryFutureExt as _, TryStreamExt as _};
use tokio::net::TcpListener;
use tonic::transport::{Server, server::TcpIncoming};
use tonic::{Response, Status, Streaming, server::Grpc};
use tonic_prost::ProstCodec;
use wasmtime::component::{
    Component, ComponentType, InstancePre, Lift, Linker, Lower, StreamReader,
};
use wasmtime::{Engine, Result, Store};
use wasmtime_streams::{Cut, EndReason, from_guest, streams, transform};

/// Rows that the guest may be ahead of a client that reads slowly.
const AHEAD: usize = 64;
/// How long a client may send nothing.
const IDLE: Duration = Duration::from_secs(300);

/// A message of the protocol, and a record of the guest's.
#[derive(Clone, PartialEq, prost::Message, ComponentType, Lift, Lower)]
#[component(record)]
struct Row {
    #[prost(uint32, tag = "1")]
    id: u32,
    #[prost(string, tag = "2")]
    name: String,
}
wasmtime_streams::plain!(Row);
type Rows = (StreamReader<Row>,);

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let Some(address) = arguments.next() else {
        eprintln!("usage: grpc ADDRESS:PORT [GUEST]");
        std::process::exit(2);
    };
    let engine = Engine::default();
    let file = arguments.next().unwrap_or("examples/guests/rows.wat".to_owned());
    let guest = Linker::new(&engine).instantiate_pre(&Component::from_file(&engine, file)?)?;
    let serve = async |State(guest): State<InstancePre<()>>, request: Request| {
        let answer = |rows: tonic::Request<_>| answer(guest.clone(), rows.into_inner());
        let mut grpc = Grpc::new(ProstCodec::<Row, Row>::default());
        grpc.streaming(tower::service_fn(answer), request).await
    };
    let routes = Router::new().route("/rows.Rows/Transform", post(serve)).with_state(guest);
    let listener = TcpListener::bind(&address).await?;
    eprintln!("listening on {}", listener.local_addr()?);
    let server = Server::builder().add_routes(routes.into());
    Ok(server.serve_with_incoming(TcpIncoming::from(listener)).await?)
}

/// The guest's rows. If they were cut short, they end with a status that is not OK.
async fn answer(
    guest: InstancePre<()>,
    rows: Streaming<Row>,
) -> Result<Response<impl Stream<Item = Result<Row, Status>>>, Status> {
    let (output, rows_of_guest) = from_guest::item_consumer(AHEAD);
    // It ends when the client leaves, for then `rows_of_guest` is dropped.
    let run = async move {
        let mut store = Store::new(guest.engine(), ());
        let guest = guest.instantiate_async(&mut store).await?;
        let func = guest.get_typed_func::<Rows, Rows>(&mut store, "transform")?;
        let input = streams::try_items(rows).idle_timeout(IDLE);
        let call = async |store: &_, input| Ok(func.call_concurrent(store, (input,)).await?.0);
        let done = transform(&mut store, input, output, call).await;
        eprintln!("{} rows in: {}", done.input.moved, done.input.end);
        eprintln!("{} rows out: {}", done.output.moved, done.output.end);
        done.result
    };
    tokio::spawn(run.inspect_err(|error| eprintln!("{error:?}")));
    Ok(Response::new(rows_of_guest.into_try_stream().map_err(status)))
}

fn status(Cut(reason): Cut) -> Status {
    match reason {
        EndReason::Abandoned => Status::internal("the guest failed"),
        EndReason::TimedOut => Status::deadline_exceeded("no row came for a long time"),
        EndReason::Undeliverable => Status::invalid_argument("the rows broke off"),
        _ => Status::unknown(Cut(reason).to_string()),
    }
}
