//! The futures crate's I/O on smol, with a timeout, and no tokio in the program: `cargo run --example no_tokio`
//!
//! Sends each connection's bytes through a guest and back. Try `nc 127.0.0.1 7003`.

use std::time::Duration;

use futures::AsyncWriteExt as _;
use smol::Timer;
use smol::net::{TcpListener, TcpStream};
use wasmtime::component::{Component, InstancePre, Linker, StreamReader};
use wasmtime::{Engine, Result, Store};
use wasmtime_streams::{End, EndReason, futures_io, transform};

/// How long a connection may take in all.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Returns how many bytes were read and written.
async fn serve(guest: InstancePre<()>, socket: TcpStream, timeout: Duration) -> Result<(u64, u64)> {
    let mut store = Store::new(guest.engine(), ());
    let guest = guest.instantiate_async(&mut store).await?;
    // transform: async func(input: stream<u8>) -> stream<u8>
    let upper = guest
        .get_typed_func::<(StreamReader<u8>,), (StreamReader<u8>,)>(&mut store, "transform")?;

    // Any future can end a stream. On the input: what the guest has read by then is still written.
    let timer = async move { _ = Timer::after(timeout).await };
    let input = futures_io::read(socket.clone()).until(EndReason::TimedOut, timer);
    let output = futures_io::write(socket);
    let call = async |store: &_, input| Ok(upper.call_concurrent(store, (input,)).await?.0);
    let done = transform(&mut store, input, output, call).await;
    done.result?;
    if let End::TimedOut = done.input.end {
        // The socket is not shut down, since its stream was cut short; only the end of the data does that.
        let mut socket = done.output.inner.into_inner();
        socket.write_all(b"\ntimed out\n").await?;
        socket.close().await?;
    }
    done.input.end.into_result()?;
    done.output.end.into_result()?;
    Ok((done.input.moved, done.output.moved))
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or("127.0.0.1:7003".to_owned());
    let timeout =
        arguments.next().map_or(Ok(TIMEOUT), |ms| ms.parse().map(Duration::from_millis))?;
    let engine = Engine::default();
    let component = Component::from_file(&engine, "examples/guests/upper.wat")?;
    let guest = Linker::new(&engine).instantiate_pre(&component)?;
    smol::block_on(async {
        let listener = TcpListener::bind(address).await?;
        println!("listening on {}", listener.local_addr()?);
        loop {
            let (socket, peer) = listener.accept().await?;
            let served = serve(guest.clone(), socket, timeout);
            let task = smol::spawn(async move {
                match served.await {
                    Ok((read, written)) => println!("{peer}: {read} bytes in, {written} out"),
                    Err(error) => eprintln!("{peer}: {error:#}"),
                }
            });
            task.detach();
        }
    })
}
