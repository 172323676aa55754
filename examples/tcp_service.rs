//! A TCP service whose connections go through a guest each: `cargo run --example tcp_service`
//!
//! With a bound on connections, bytes and idle time, and a graceful end at Ctrl-C. Try `nc -N 127.0.0.1 7005 <README.md`.

use std::{str::FromStr, sync::Arc, time::Duration};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wasmtime::component::{Component, InstancePre, Linker, StreamReader};
use wasmtime::{Engine, Result, Store};
use wasmtime_streams::{sockets, transform};

/// How many connections there are at once; others wait until one ends.
const CONNECTIONS: usize = 1024;
/// How long connections may go on after Ctrl-C.
const GRACE: Duration = Duration::from_secs(5);

/// Returns how many bytes were read and written.
async fn serve(
    guest: InstancePre<()>,
    socket: TcpStream,
    (idle, most): (Duration, u64),
    stop: CancellationToken,
) -> Result<(u64, u64)> {
    let mut store = Store::new(guest.engine(), ());
    let guest = guest.instantiate_async(&mut store).await?;
    // transform: async func(input: stream<u8>) -> stream<u8>
    let upper = guest
        .get_typed_func::<(StreamReader<u8>,), (StreamReader<u8>,)>(&mut store, "transform")?;
    let (from_peer, to_peer) = socket.into_split();
    let input = sockets::read(from_peer).limit(most).idle_timeout(idle).cancel_on(stop.clone());
    let output = sockets::write(to_peer).idle_timeout(idle).cancel_on(stop);
    let call = async |store: &_, input| Ok(upper.call_concurrent(store, (input,)).await?.0);
    let done = transform(&mut store, input, output, call).await;
    // At the end of the data each direction was shut down by itself: a client may half-close and still read. A client
    // that was cut short sees a reset, and cannot take that for the end of the data.
    if !done.output.end.is_finished() {
        done.output.inner.reset()?;
    }
    drop(done.input.inner); // the other half: only now the connection is closed
    done.result?;
    done.output.end.into_result()?;
    Ok((done.input.moved, done.output.moved))
}

/// An argument of the program.
fn argument<T: FromStr>(number: usize, default: T) -> Result<T, T::Err> {
    std::env::args().nth(number).map_or(Ok(default), |argument| argument.parse())
}

#[tokio::main]
async fn main() -> Result<()> {
    let address: String = argument(1, "127.0.0.1:7005".to_owned())?;
    let idle = Duration::from_millis(argument(2, 30_000)?); // how long neither side may move a byte
    let most = argument(3, 1 << 30)?; // how many bytes a client may send
    let engine = Engine::default();
    let component = Component::from_file(&engine, "examples/guests/upper.wat")?;
    let guest = Linker::new(&engine).instantiate_pre(&component)?; // once, not for each connection
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);

    let (free, tasks, stop) =
        (Arc::new(Semaphore::new(CONNECTIONS)), TaskTracker::new(), CancellationToken::new());
    let accept = async {
        loop {
            let permit = free.clone().acquire_owned().await;
            let (socket, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                // Out of file descriptors, for example: the connections that are open go on.
                Err(error) => {
                    eprintln!("cannot accept: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let served = serve(guest.clone(), socket, (idle, most), stop.clone());
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
        _ = accept => {}
        result = tokio::signal::ctrl_c() => result?,
    }
    println!("stopping: {} connections are open", tasks.len());
    drop(listener); // whoever connects now is refused
    tasks.close();
    if tokio::time::timeout(GRACE, tasks.wait()).await.is_err() {
        stop.cancel();
        tasks.wait().await;
    }
    Ok(())
}
