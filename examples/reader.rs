//! A guest as an `AsyncRead` and `AsyncWrite` object, for code that takes any socket: `cargo run --example reader`
//!
//! Listens on TCP, and connects each client with a guest by tokio's `copy_bidirectional`. Try `nc 127.0.0.1 7000`.

use tokio::io::{copy_bidirectional, join};
use tokio::net::{TcpListener, TcpStream};
use wasmtime::component::{Component, InstancePre, Linker, StreamReader};
use wasmtime::{Engine, Result, Store};
use wasmtime_streams::{from_guest, to_guest};

/// How many bytes each direction buffers.
const CAPACITY: usize = 64 * 1024;

/// Returns how many bytes the guest was sent, and how many it answered with.
async fn connect(guest: InstancePre<()>, mut socket: TcpStream) -> Result<(u64, u64)> {
    let mut store = Store::new(guest.engine(), ());
    let guest = guest.instantiate_async(&mut store).await?;
    // transform: async func(input: stream<u8>) -> stream<u8>
    let transform = guest
        .get_typed_func::<(StreamReader<u8>,), (StreamReader<u8>,)>(&mut store, "transform")?;

    let (writer, input) = to_guest::writer(&mut store, CAPACITY)?;
    // `run` polls the store for as long as the second closure takes: without that no stream moves.
    let copied = from_guest::run(
        &mut store,
        CAPACITY,
        async |store| Ok(transform.call_concurrent(store, (input,)).await?.0),
        // `writer` is shut down when the client shuts down, and the socket when the guest ends its stream.
        async |reader| copy_bidirectional(&mut socket, &mut join(reader, writer)).await,
    );
    Ok(copied.await??)
}

#[tokio::main]
async fn main() -> Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:7000".to_owned());
    let engine = Engine::default();
    let component = Component::from_file(&engine, "examples/guests/upper.wat")?;
    let guest = Linker::new(&engine).instantiate_pre(&component)?; // once, not for each client
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (socket, client) = listener.accept().await?;
        let guest = guest.clone();
        tokio::spawn(async move {
            match connect(guest, socket).await {
                Ok((sent, answered)) => println!("{client}: {sent} bytes in, {answered} out"),
                Err(error) => eprintln!("{client}: {error:#}"),
            }
        });
    }
}
