//! Rows as lines of JSON over a socket, through a guest and back: `cargo run --example json_lines`
//!
//! Try `nc 127.0.0.1 7001`, and type `{"id": 1, "name": "ada"}`. A line that is no row ends the answer with an error that
//! names its number, after the rows before it.

#![allow(missing_docs)] // of what `bindgen!` makes

use futures::StreamExt as _;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::codec::{FramedRead, FramedWrite, LinesCodec, LinesCodecError};
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Error, Result, Store, StoreContextMut};
use wasmtime_streams::{End, codec, streams, transform};

wasmtime::component::bindgen!({
    inline: "
        package example:rows;
        world rows {
            record row { id: u32, name: string }
            export transform: async func(input: stream<row>) -> stream<row>;
        }
    ",
    additional_derives: [serde::Serialize, serde::Deserialize],
});
// There are no streams or resources in it, so it can cross from store to host as it is.
wasmtime_streams::plain!(Row);

/// A peer that never ends its line gets an error, and no more memory than this.
const LONGEST_LINE: usize = 64 * 1024;

fn parse(line: Result<String, LinesCodecError>) -> Result<Row, String> {
    let line = line.map_err(|error| error.to_string())?;
    // serde_json counts lines as well, and here it is always the first one.
    serde_json::from_str(&line).map_err(|e| e.to_string().replace(" at line 1 column", ", column"))
}

/// Returns how many rows were read and written.
async fn serve(guest: RowsPre<()>, socket: TcpStream) -> Result<(u64, u64)> {
    let mut store = Store::new(guest.engine(), ());
    let guest = guest.instantiate_async(&mut store).await?;
    let (from_peer, to_peer) = socket.into_split();

    let lines = FramedRead::new(from_peer, LinesCodec::new_with_max_length(LONGEST_LINE));
    let rows = lines
        .enumerate()
        .map(|(index, line)| parse(line).map_err(|error| format!("line {}: {error}", index + 1)));
    let input = streams::try_items(rows);
    let lines = FramedWrite::new(to_peer, LinesCodec::new());
    let output = codec::write(lines)
        .receive_with(|_: StoreContextMut<'_, ()>, row: Row| Ok(serde_json::to_string(&row)?));
    let call = async |store: &_, input| guest.call_transform(store, input).await;
    let done = transform(&mut store, input, output, call).await;

    // An answer is shut down at the end of its data, and only then: after a cut there is still something to say.
    let mut to_peer = done.output.inner.into_inner().into_inner();
    let error = match (done.result, done.input.end, done.output.end) {
        (Err(trap), ..) => trap,
        (_, End::Failed(error), _) => Error::msg(error),
        (.., End::Finished) => return Ok((done.input.moved, done.output.moved)),
        (.., end) => return Err(end.into()), // nobody is there to be told
    };
    let line = json!({ "error": error.to_string() });
    to_peer.write_all(format!("{line}\n").as_bytes()).await?;
    to_peer.shutdown().await?;
    Err(error)
}

#[tokio::main]
async fn main() -> Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:7001".to_owned());
    let engine = Engine::default();
    let component = Component::from_file(&engine, "examples/guests/rows.wasm")?;
    let guest = RowsPre::new(Linker::new(&engine).instantiate_pre(&component)?)?;
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (socket, peer) = listener.accept().await?;
        let guest = guest.clone();
        tokio::spawn(async move {
            match serve(guest, socket).await {
                Ok((read, written)) => println!("{peer}: {read} rows in, {written} rows out"),
                Err(error) => eprintln!("{peer}: {error:#}"),
            }
        });
    }
}
