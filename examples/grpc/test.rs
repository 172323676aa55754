//! Runs the server as a process, with a tonic client.
#![allow(missing_docs)]

#[path = "../../tests/support/server.rs"]
#[allow(unreachable_pub)] // shared with other targets
mod server;

use std::time::Duration;

use axum::http::uri::PathAndQuery;
use futures::channel::mpsc as rows;
use futures::{Stream, StreamExt as _, stream};
use tonic::transport::Endpoint;
use tonic::{Code, Request, Status, Streaming};
use tonic_prost::ProstCodec;

use self::server::Server;

/// Longer than anything here takes; only a failure waits for it.
const LONG: Duration = Duration::from_secs(120);

#[derive(Clone, PartialEq, prost::Message)]
struct Row {
    #[prost(uint32, tag = "1")]
    id: u32,
    #[prost(string, tag = "2")]
    name: String,
}

/// What is no row: its first field is a text.
#[derive(Clone, PartialEq, prost::Message)]
struct NoRow {
    #[prost(string, tag = "1")]
    text: String,
}

fn row(id: u32) -> Row {
    Row { id, name: format!("row {id}") }
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_grpc");

impl Server {
    /// A server whose guest traps on a batch that begins with row 666.
    fn with_trap() -> Self {
        let guest = include_str!("../guests/rows.wat");
        let read = "(global.set $end (i32.shr_u (local.get $result) (i32.const 4)))";
        let trap = "(if (i32.eq (i32.load (i32.const 0)) (i32.const 666)) (then unreachable))";
        Self::with_changed(PROGRAM, guest, read, &format!("{read} {trap}"))
    }

    async fn call<M>(
        &self,
        method: &'static str,
        rows: impl Stream<Item = M> + Send + 'static,
    ) -> Result<Rows, Status>
    where
        M: prost::Message + Default + 'static,
    {
        let channel = Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
        let mut grpc = tonic::client::Grpc::new(channel.connect().await.unwrap());
        grpc.ready().await.unwrap();
        let (method, codec) = (PathAndQuery::from_static(method), ProstCodec::<M, Row>::default());
        Ok(Rows(grpc.streaming(Request::new(rows), method, codec).await?.into_inner()))
    }
}

const TRANSFORM: &str = "/rows.Rows/Transform";

struct Rows(Streaming<Row>);

impl Rows {
    /// The next row; `None` is the end with status OK.
    async fn next(&mut self) -> Result<Option<Row>, Status> {
        tokio::time::timeout(LONG, self.0.message()).await.expect("a message")
    }
}

#[tokio::test]
async fn rows_come_back_while_the_client_still_sends() {
    let server = Server::start(PROGRAM, None);
    let (send, sent) = rows::unbounded();
    let mut got = server.call(TRANSFORM, sent).await.unwrap();
    for id in 0..10 {
        send.unbounded_send(row(id)).unwrap();
        assert_eq!(got.next().await.unwrap(), Some(row(id)));
    }
    drop(send);
    assert_eq!(got.next().await.unwrap(), None);
    assert_eq!(server.logged("10 rows in: "), "the stream ended");
}

#[tokio::test]
async fn many_rows_come_back_in_order() {
    let server = Server::start(PROGRAM, None);
    let mut got = server.call(TRANSFORM, stream::iter((0..20_000).map(row))).await.unwrap();
    for id in 0..20_000 {
        assert_eq!(got.next().await.unwrap(), Some(row(id)));
    }
    assert_eq!(got.next().await.unwrap(), None);
}

#[tokio::test]
async fn a_guest_that_traps_is_an_internal_error_after_the_rows_before_it() {
    let server = Server::with_trap();
    let (send, sent) = rows::unbounded();
    let mut got = server.call(TRANSFORM, sent).await.unwrap();
    send.unbounded_send(row(1)).unwrap();
    assert_eq!(got.next().await.unwrap(), Some(row(1)));
    send.unbounded_send(row(666)).unwrap();
    assert_eq!(got.next().await.unwrap_err().code(), Code::Internal);
    // The other calls are not concerned.
    let mut got = server.call(TRANSFORM, stream::iter([row(2)])).await.unwrap();
    assert_eq!(got.next().await.unwrap(), Some(row(2)));
    assert_eq!(got.next().await.unwrap(), None);
}

#[tokio::test]
async fn what_is_no_row_is_an_invalid_argument() {
    let server = Server::start(PROGRAM, None);
    let no_row = NoRow { text: "no number".to_owned() };
    let mut got = server.call(TRANSFORM, stream::iter([no_row])).await.unwrap();
    assert_eq!(got.next().await.unwrap_err().code(), Code::InvalidArgument);
    let end = server.logged("0 rows in: ");
    assert!(end.starts_with("the stream failed: "), "{end}");
}

#[test]
fn a_client_that_leaves_ends_its_guest() {
    let server = Server::start(PROGRAM, None);
    let client = tokio::runtime::Runtime::new().unwrap();
    client.block_on(async {
        let rows = stream::iter([row(1)]).chain(stream::pending());
        let mut got = server.call(TRANSFORM, rows).await.unwrap();
        assert_eq!(got.next().await.unwrap(), Some(row(1)));
    });
    drop(client); // and its connection
    // What the server sees first, that nothing more comes or that nobody reads, depends on the network.
    assert_ne!(server.logged("1 rows in: "), "the stream ended");
    assert_ne!(server.logged("1 rows out: "), "the stream ended");
}

#[tokio::test]
async fn a_method_that_is_not_served_is_unimplemented() {
    let server = Server::start(PROGRAM, None);
    let mut got = server.call("/rows.Rows/Other", stream::iter([row(1)])).await.unwrap();
    assert_eq!(got.next().await.unwrap_err().code(), Code::Unimplemented);
}
