//! Stops a running stream after a time, and takes the file back, flushed: `cargo run --example timeout -- FILE`
//!
//! A source that never ends goes through a guest into FILE. A deadline ends it, and the host adds a last line.

use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, interval};
use wasmtime::component::{Component, Linker, StreamReader};
use wasmtime::{Engine, Error, Result, Store};
use wasmtime_streams::{End, streams, tokio_io, transform};

const TIMEOUT: Duration = Duration::from_millis(500);

#[tokio::main]
async fn main() -> Result<()> {
    let path = std::env::args().nth(1).ok_or(Error::msg("usage: timeout FILE"))?;
    let engine = Engine::default();
    let component = Component::from_file(&engine, "examples/guests/upper.wat")?;
    let mut store = Store::new(&engine, ());
    let guest = Linker::new(&engine).instantiate_async(&mut store, &component).await?;
    // transform: async func(input: stream<u8>) -> stream<u8>
    let upper = guest
        .get_typed_func::<(StreamReader<u8>,), (StreamReader<u8>,)>(&mut store, "transform")?;

    // A line of text every 20 ms.
    let (start, mut ticks) = (Instant::now(), interval(Duration::from_millis(20)));
    let lines = stream::poll_fn(move |cx| {
        ticks.poll_tick(cx).map(|at| Some(Bytes::from(format!("tick at {:?}\n", at - start))))
    });
    // On the input, so that what the guest has read is still written, and nothing is lost on the way. A deadline on the
    // output stops a guest that hangs, too.
    let input = streams::chunks(lines).deadline(start + TIMEOUT);
    let output = tokio_io::write(File::create(&path).await?);
    let call = async |store: &_, input| Ok(upper.call_concurrent(store, (input,)).await?.0);
    let done = transform(&mut store, input, output, call).await;
    done.result?;

    // What was cut short never looks complete: the output has ended like the input.
    match (&done.input.end, done.output.end) {
        (End::TimedOut, End::TimedOut) => println!("stopped after {:.1?}", start.elapsed()),
        (_, end) => end.into_result()?,
    }
    // The file is at the end of what the guest wrote; every write of the guest was flushed.
    let mut file = done.output.inner.into_inner();
    file.write_all(b"stopped by the host\n").await?;
    file.shutdown().await?; // the host's own line
    println!("{} bytes of the guest in {path}", done.output.moved);
    Ok(())
}
