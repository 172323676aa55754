//! A guest's items as server-sent events. A client that leaves ends the stream.
//!
//! ```text
//! cargo run --example sse
//! ```

use futures::stream;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::codec::{FramedWrite, LinesCodec};
use wasmtime::component::{Component, Linker, StreamReader};
use wasmtime::{Engine, Result, Store, StoreContextMut};
use wasmtime_streams::{EndReason, codec, streams, transform};

#[tokio::main]
async fn main() -> Result<()> {
    let engine = Engine::default();
    let component = Component::from_file(&engine, "examples/guests/strings.wat")?;
    let mut store = Store::new(&engine, ());
    let guest = Linker::new(&engine).instantiate_async(&mut store, &component).await?;
    let func = guest.get_typed_func::<(StreamReader<String>,), (StreamReader<String>,)>(
        &mut store,
        "transform",
    )?;

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    let client = tokio::spawn(async move {
        let mut lines = BufReader::new(client).lines();
        let mut events = Vec::new();
        while events.len() < 3 {
            let line = lines.next_line().await.unwrap().unwrap();
            events.extend(line.strip_prefix("data: ").map(str::to_owned));
        }
        events // and the client leaves
    });

    let (mut from_client, mut to_client) = listener.accept().await?.0.into_split();
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut to_client, head).await?;
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    let input = streams::items(stream::poll_fn(move |cx| {
        ticks.poll_tick(cx).map(|at| Some(format!("{:?}", at.elapsed().as_secs())))
    }));
    // Nothing more is expected of the client: what ends is the connection.
    let gone = async move { while from_client.read_u8().await.is_ok() {} };
    let output = codec::write(FramedWrite::new(to_client, LinesCodec::new()))
        .receive_with(|_: StoreContextMut<'_, ()>, event: String| Ok(format!("data: {event}\n")))
        .until(EndReason::ReceiverDropped, gone);
    let call = async |store: &_, input| Ok(func.call_concurrent(store, (input,)).await?.0);
    let done = transform(&mut store, input, output, call).await;
    done.result?;
    println!("{:?}, in {:?}, out {:?}", client.await?, done.input.end, done.output.end);
    assert!(!done.output.end.is_finished());
    Ok(())
}
