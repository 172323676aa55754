//! A guest gets accepted connections as resources.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::sync::Mutex;
use std::task::{Context, Poll};

use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use wasmtime::component::{LinkerInstance, Resource, ResourceTable, ResourceType};
use wasmtime::{AsContextMut as _, Result, StoreContextMut};
use wasmtime_streams::{
    End,
    sockets::{self, SocketAccept},
};
use wasmtime_streams_testing::Code;

use super::with_guest_and;

type Handle = Resource<TcpStream>;

fn link(root: &mut LinkerInstance<'_, ResourceTable>) -> Result<()> {
    let ty = ResourceType::host::<TcpStream>();
    root.resource("item", ty, |mut store: StoreContextMut<'_, ResourceTable>, rep| {
        store.as_context_mut().data_mut().delete(Handle::new_own(rep))?;
        Ok(())
    })
}

fn push(mut store: StoreContextMut<'_, ResourceTable>, connection: TcpStream) -> Result<Handle> {
    Ok(store.data_mut().push(connection)?)
}

/// The peer addresses of all connections in the table, which is small. What its iterator yields differs between Wasmtime's majors.
fn peers(guest: &super::Guest<'_, Handle>) -> Vec<std::net::SocketAddr> {
    guest.with(|mut store| {
        let table = store.data_mut();
        (0..64)
            .filter_map(|rep| table.get(&Handle::new_borrow(rep)).ok())
            .map(|connection| connection.peer_addr().unwrap())
            .collect()
    })
}

#[test]
fn a_guest_accepts_connections_and_closes_them() {
    // Rule "Resources are created on delivery": as many as the guest asks for, and none for a cancelled read.
    with_guest_and::<Handle, _>(link, async |guest| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (producer, done) = sockets::accept(listener).deliver_with(push).with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(guest.read(stream, 0).await, Code::Completed(0));

        assert_eq!(guest.read(stream, 4).await, Code::Blocked);
        assert_eq!(guest.cancel_read(stream).await, Code::Cancelled(0));
        let mut first = TcpStream::connect(address).await.unwrap();
        tokio::task::yield_now().await;
        assert!(peers(guest).is_empty());

        let code = match guest.read(stream, 4).await {
            Code::Blocked => guest.wait(stream).await,
            code => code,
        };
        assert_eq!(code, Code::Completed(1));
        assert_eq!(peers(guest), [first.local_addr().unwrap()]);
        let handle = guest.items(1).await[0].unwrap();
        guest.drop_item(handle).await;
        assert_eq!(first.read(&mut [0; 1]).await.unwrap(), 0);

        // One at a time, though three wait.
        let mut clients = Vec::new();
        for _ in 0..3 {
            clients.push(TcpStream::connect(address).await.unwrap());
        }
        for n in 1..=2 {
            let code = match guest.read(stream, 1).await {
                Code::Blocked => guest.wait(stream).await,
                code => code,
            };
            assert_eq!(code, Code::Completed(1));
            assert_eq!(peers(guest).len(), n);
        }

        // The host can still accept the third.
        guest.drop_readable(stream).await;
        let done = done.await;
        assert!(matches!(done.end, End::PeerDropped));
        assert_eq!(done.moved, 3);
        let (third, _) = done.inner.into_inner().accept().await.unwrap();
        assert_eq!(third.peer_addr().unwrap(), clients[2].local_addr().unwrap());
    });
}

/// A listener that fails before it accepts.
struct Failing {
    errors: Mutex<VecDeque<ErrorKind>>,
    listener: TcpListener,
}

impl SocketAccept for Failing {
    type Connection = TcpStream;

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
        match self.errors.lock().unwrap().pop_front() {
            Some(error) => Poll::Ready(Err(error.into())),
            None => SocketAccept::poll_accept(&self.listener, cx),
        }
    }
}

#[test]
fn a_failed_connection_is_skipped_and_a_failed_listener_is_handed_back() {
    // Rule "Items before the error": an error that concerns one connection does not end the stream.
    with_guest_and::<Handle, _>(link, async |guest| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let aborted = std::iter::repeat_n(ErrorKind::ConnectionAborted, 100);
        let failing = Failing { errors: Mutex::new(aborted.collect()), listener };
        let (producer, done) = sockets::accept(failing).deliver_with(push).with_completion();
        let stream = guest.source(producer).await;
        let _client = TcpStream::connect(address).await.unwrap();
        let code = match guest.read(stream, 4).await {
            Code::Blocked => guest.wait(stream).await,
            code => code,
        };
        assert_eq!(code, Code::Completed(1));
        done.cancel();
        let done = done.await;
        assert_eq!(done.inner.skipped(), 100);
        guest.drop_readable(stream).await;

        // For example, no more file descriptors.
        let failing = done.inner.into_inner();
        failing.errors.lock().unwrap().push_back(ErrorKind::Other);
        let (producer, done) = sockets::accept(failing).deliver_with(push).with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(guest.read(stream, 4).await, Code::Dropped(0));
        let done = done.await;
        assert!(matches!(&done.end, End::Failed(error) if error.kind() == ErrorKind::Other));
        let _client = TcpStream::connect(address).await.unwrap();
        done.inner.into_inner().listener.accept().await.unwrap();
    });
}
