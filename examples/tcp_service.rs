//! A TCP service whose connections go through a guest each: `cargo run --example tcp_service`
//!
//! With a bound on connections, bytes and idle time, and a graceful end at Ctrl-C. Try `nc -N 127.0.0.1 7005 <README.md`.

use std::{sync::Arc, time::Duration};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wasmtime::component::{Component, InstancePre, Linker, StreamReader};
use wasmtime::{Engine, Result, Store};
use wasmtime_streams::{sockets, transform};

const CONNECTIONS: usize = 1024; // at once; others wait until one ends
const GRACE: Duration = Duration::from_secs(5); // how long connections may go on after Ctrl-C

/// Returns how many bytes were read and written.
async fn serve(
    guest: InstancePre<()>,
    socket: TcpStream,
    (idle, most): (Duration, usize),
    stop: CancellationToken,
) -> Result<(u64, u64)> {
    let mut store = Store::new(guest.engine(), ());
    let guest = guest.instantiate_async(&mut store).await?;
    // transform: async func(input: stream<u8>) -> stream<u8>
    let upper = guest
        .get_typed_func::<(StreamReader<u8>,), (StreamReader<u8>,)>(&mut store, "transform")?;
    let (from_peer, to_peer) = socket.into_split();
    // `limit` would shut the socket down in order. Here too much is an error, so it cuts the stream.
    let (stop, mut read) = (stop.child_token(), 0);
    let too_much = stop.clone();
    let count = move |bytes: &[u8]| {
        read += bytes.len();
        if read > most {
            too_much.cancel();
        }
    };
    let input = sockets::read(from_peer).inspect(count).idle_timeout(idle).cancel_on(stop.clone());
    let output = sockets::write(to_peer).idle_timeout(idle).cancel_on(stop);
    let call = async |store: &_, input| Ok(upper.call_concurrent(store, (input,)).await?.0);
    let done = transform(&mut store, input, output, call).await;
    // A client that was cut short sees a reset. At the end of the data each direction was shut down by itself.
    if !done.output.end.is_finished() {
        done.output.inner.reset()?;
    }
    drop(done.input.inner); // the other half: only now the connection is closed
    done.result?;
    done.output.end.into_result()?;
    Ok((done.input.moved, done.output.moved))
}

#[tokio::main]
async fn main() -> Result<()> {
    let argument = |number| std::env::args().nth(number);
    let address = argument(1).unwrap_or("127.0.0.1:7005".to_owned());
    let idle = argument(2).map_or(Ok(30_000), |ms| ms.parse())?; // how long neither side may move a byte
    let most = argument(3).map_or(Ok(1 << 30), |bytes| bytes.parse())?; // what a client may send
    let engine = Engine::default();
    let component = Component::from_file(&engine, "examples/guests/upper.wat")?;
    let guest = Linker::new(&engine).instantiate_pre(&component)?; // once, not for each connection
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);

    let free = Arc::new(Semaphore::new(CONNECTIONS));
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let accept = async {
        loop {
            let permit = free.clone().acquire_owned().await;
            let accepted = listener.accept().await.inspect_err(|e| eprintln!("cannot accept: {e}"));
            let Ok((socket, peer)) = accepted else {
                // Out of file descriptors, for example: the connections that are open go on.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let served =
                serve(guest.clone(), socket, (Duration::from_millis(idle), most), stop.clone());
            tasks.spawn(async move {
                match served.await {
                    Ok((read, written)) => println!("{peer}: {read} bytes in, {written} out"),
                    Err(error) => eprintln!("{peer}: {error:#}"),
                }
                drop(permit);
            });
        }
    };
    tokio::select! {
        biased; // so that Ctrl-C is waited for before the first connection
        result = tokio::signal::ctrl_c() => result?,
        () = accept => {}
    }
    drop(listener); // whoever connects now is refused
    println!("stopping: {} connections are open", tasks.len());
    tasks.close();
    if tokio::time::timeout(GRACE, tasks.wait()).await.is_err() {
        stop.cancel();
        tasks.wait().await;
    }
    Ok(())
}
