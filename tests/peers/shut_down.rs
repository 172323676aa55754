//! Streams over sockets whose runtime is shut down. They fail, and nothing hangs or panics.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream, UdpSocket, UnixStream};
use tokio::runtime::{Builder, Runtime};
use wasmtime::StoreContextMut;
use wasmtime_streams::{Completion, End, sockets, tokio_io};
use wasmtime_streams_testing::executor::{Stalled, idle};
use wasmtime_streams_testing::{Code, Guest, Item, Setup};

/// Runs `script` on this thread, which has no runtime.
fn run<T: Item, R>(script: impl AsyncFnOnce(&Guest<'_, (), T>) -> R) -> R {
    match Setup::new(()).run(script).0 {
        Ok(ran) => ran.expect("the guest trapped"),
        Err(Stalled) => panic!("stalled: nothing can run any more"),
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Whether an operation is parked when the runtime is dropped.
const WHILE_PARKED: [bool; 2] = [false, true];

async fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (socket, listener.accept().await.unwrap().0)
}

/// Asserts that the guest's read is answered, and that the source failed.
async fn read_fails<S, E>(
    guest: &Guest<'_, (), u8>,
    (stream, done): (u32, Completion<S, E>),
    runtime: Runtime,
    parked: bool,
    name: &str,
) where
    S: Unpin,
{
    let code = if parked {
        assert_eq!(guest.read(stream, 9).await, Code::Blocked, "{name}");
        idle().await;
        drop(runtime);
        guest.wait(stream).await
    } else {
        drop(runtime);
        guest.recv(stream, 9).await.0
    };
    assert_eq!(code, Code::Dropped(0), "{name}");
    assert!(matches!(done.await.end, End::Failed(_)), "{name}");
}

macro_rules! source_fails {
    ($name:literal, |$runtime:ident| $make:expr) => {
        for parked in WHILE_PARKED {
            run::<u8, _>(async |guest| {
                let $runtime = runtime();
                let (producer, _peer) = $make;
                let (producer, done) = producer.with_completion();
                let stream = guest.source(producer).await;
                read_fails(guest, (stream, done), $runtime, parked, $name).await;
            });
        }
    };
}

#[test]
fn a_read_of_a_socket_whose_runtime_is_dropped_fails() {
    // Rule "Completion": parked or not; rule "No traps, no panics".
    source_fails!("tokio_io::read", |runtime| {
        let (socket, peer) = runtime.block_on(tcp());
        (tokio_io::read(socket), peer)
    });
    source_fails!("sockets::read", |runtime| {
        let (socket, peer) = runtime.block_on(tcp());
        (sockets::read(socket), peer)
    });
    source_fails!("sockets::read of a Unix socket", |runtime| {
        let (socket, peer) = runtime.block_on(async { UnixStream::pair() }).unwrap();
        (sockets::read(socket), peer)
    });
    source_fails!("sockets::datagrams", |runtime| {
        let socket = runtime.block_on(UdpSocket::bind("127.0.0.1:0")).unwrap();
        let first = |_: StoreContextMut<'_, ()>, (data, _): (Vec<u8>, SocketAddr)| Ok(data[0]);
        (sockets::datagrams(socket).deliver_with(first), ())
    });
    source_fails!("sockets::accept", |runtime| {
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let _entered = runtime.enter();
        let number = |_: StoreContextMut<'_, ()>, _: TcpStream| Ok(1);
        (sockets::accept(listener).deliver_with(number), ())
    });
}

#[test]
fn a_zero_length_read_of_a_socket_whose_runtime_is_dropped_is_answered() {
    // Rule "Zero-length reads": the error is ready, and the guest gets it at last at its next read.
    for parked in WHILE_PARKED {
        run::<u8, _>(async |guest| {
            let runtime = runtime();
            let (socket, _peer) = runtime.block_on(tcp());
            let (producer, done) = sockets::read(socket).with_completion();
            let stream = guest.source(producer).await;
            let code = if parked {
                assert_eq!(guest.read(stream, 0).await, Code::Blocked);
                idle().await;
                drop(runtime);
                guest.wait(stream).await
            } else {
                drop(runtime);
                guest.recv(stream, 0).await.0
            };
            if code == Code::Completed(0) {
                assert_eq!(guest.recv(stream, 9).await.0, Code::Dropped(0));
            } else {
                assert_eq!(code, Code::Dropped(0));
            }
            assert!(matches!(done.await.end, End::Failed(_)));
        });
    }
}

/// Fills the socket until a write is parked.
async fn fill(guest: &Guest<'_, (), u8>, stream: u32) {
    while guest.write(stream, 1 << 20).await != Code::Blocked {}
    idle().await;
}

macro_rules! sink_fails {
    ($name:literal, |$socket:ident| $make:expr) => {
        for parked in WHILE_PARKED {
            run::<u8, _>(async |guest| {
                let runtime = runtime();
                let ($socket, _peer) = runtime.block_on(tcp());
                let (consumer, done) = $make.with_completion();
                let stream = guest.sink(consumer).await;
                if parked {
                    fill(guest, stream).await;
                    drop(runtime);
                    assert!(matches!(guest.wait(stream).await, Code::Dropped(_)), $name);
                } else {
                    drop(runtime);
                    fill_or_fail(guest, stream).await;
                }
                assert!(matches!(done.await.end, End::Failed(_)), $name);
            });
        }
    };
}

/// Writes until the stream fails. The kernel may still have room for some writes.
async fn fill_or_fail(guest: &Guest<'_, (), u8>, stream: u32) {
    for _ in 0..1000 {
        match guest.send(stream, &[0; 1 << 16]).await {
            Code::Completed(_) => {}
            code => return assert!(matches!(code, Code::Dropped(_)), "{code:?}"),
        }
    }
    panic!("the stream does not fail");
}

#[test]
fn a_write_into_a_socket_whose_runtime_is_dropped_fails() {
    // Rule "Completion": parked or not; rule "No traps, no panics".
    sink_fails!("tokio_io::write", |socket| tokio_io::write(socket));
    sink_fails!("sockets::write", |socket| sockets::write(socket));
}

#[test]
fn a_datagram_to_a_socket_whose_runtime_is_dropped_does_not_hang() {
    // Rule "No traps, no panics": it is sent, or the stream fails.
    run::<u8, _>(async |guest| {
        let runtime = runtime();
        let socket = runtime.block_on(UdpSocket::bind("127.0.0.1:0")).unwrap();
        let to = socket.local_addr().unwrap();
        let datagram = move |_: StoreContextMut<'_, ()>, byte: u8| Ok((vec![byte], Some(to)));
        let (consumer, done) = sockets::send_to(socket).receive_with(datagram).with_completion();
        let stream = guest.sink(consumer).await;
        drop(runtime);
        let code = guest.send(stream, &[1]).await;
        if let Code::Completed(1) = code {
            guest.drop_writable(stream).await;
        } else {
            assert!(matches!(code, Code::Dropped(_)), "{code:?}");
        }
        let end = done.await.end;
        assert!(matches!(end, End::Finished | End::Failed(_)), "{end:?}");
    });
}
