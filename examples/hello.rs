//! Prints a file in upper case, by a guest that reads a stream of bytes and writes one: `cargo run --example hello`

use tokio::fs::File;
use wasmtime::component::{Component, Linker, StreamReader};
use wasmtime::{Engine, Result, Store};
use wasmtime_streams::{tokio_io, transform};

#[tokio::main]
async fn main() -> Result<()> {
    let engine = Engine::default();
    let component = Component::from_file(&engine, "examples/guests/upper.wat")?; // or your .wasm
    let mut store = Store::new(&engine, ());
    let guest = Linker::new(&engine).instantiate_async(&mut store, &component).await?;
    // transform: async func(input: stream<u8>) -> stream<u8>
    let upper = guest
        .get_typed_func::<(StreamReader<u8>,), (StreamReader<u8>,)>(&mut store, "transform")?;

    let input = tokio_io::read(File::open("Cargo.toml").await?); // the guest reads the file
    let output = tokio_io::write(tokio::io::stdout()); // and writes to standard output
    let call = async |store: &_, input| Ok(upper.call_concurrent(store, (input,)).await?.0);
    let done = transform(&mut store, input, output, call).await;
    eprintln!("{} bytes, {:?}", done.output.moved, done.output.end.reason());
    done.result?; // a trap
    Ok(done.output.end.into_result()?) // a file or an output that failed
}
