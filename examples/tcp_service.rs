//! A TCP service: each connection's bytes through a guest and back to its client, with an idle timeout.
//! A client that was cut short sees a reset, not the end of the data.
//!
//! ```text
//! cargo run --example tcp_service
//! ```

use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use wasmtime::component::{Component, Linker, StreamReader};
use wasmtime::{Engine, Result, Store};
use wasmtime_streams::{sockets, transform};

const IDLE: Duration = Duration::from_millis(500);

async fn serve(engine: Engine, component: Component, socket: TcpStream) -> Result<()> {
    let mut store = Store::new(&engine, ());
    let guest = Linker::new(&engine).instantiate_async(&mut store, &component).await?;
    let upper = guest
        .get_typed_func::<(StreamReader<u8>,), (StreamReader<u8>,)>(&mut store, "transform")?;
    let (from_peer, to_peer) = socket.into_split();
    let input = sockets::read(from_peer).idle_timeout(IDLE);
    let output = sockets::write(to_peer).idle_timeout(IDLE);
    let call = async |store: &_, input| Ok(upper.call_concurrent(store, (input,)).await?.0);
    let done = transform(&mut store, input, output, call).await;
    if !done.output.end.is_finished() {
        done.output.inner.reset()?; // once the other half is dropped, too
    }
    done.result
}

#[tokio::main]
async fn main() -> Result<()> {
    let engine = Engine::default();
    let component = Component::from_file(&engine, "examples/guests/upper.wat")?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (engine, component) = (engine.clone(), component.clone());
            tokio::spawn(async move {
                serve(engine, component, socket).await.inspect_err(|e| eprintln!("{e:?}"))
            });
        }
    });
    let mut client = TcpStream::connect(address).await?;
    client.write_all(b"hello").await?;
    client.shutdown().await?; // half-close
    let mut answer = String::new();
    client.read_to_string(&mut answer).await?;
    println!("{answer}");
    assert_eq!(answer, "HELLO");

    let mut silent = TcpStream::connect(address).await?;
    silent.write_all(b"only this").await?;
    let mut got = Vec::new();
    let end = silent.read_to_end(&mut got).await;
    println!("a silent client: {:?}, {end:?}", String::from_utf8_lossy(&got));
    assert!(end.is_err());
    Ok(())
}
