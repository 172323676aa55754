//! What is not allowed is denied, and everything is denied unless it is allowed.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use wasmtime_streams::wasi::Tcp;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::sockets::SocketAddrUse;

use super::guest::{ErrorCode, Family, Guest, linker, run, with_guest};

fn deny(denied: fn(SocketAddrUse) -> bool) -> Tcp {
    Tcp::new().socket_addr_check(move |_, what| Box::pin(async move { !denied(what) }))
}

#[tokio::test]
async fn new_settings_deny_every_address() {
    with_guest(Tcp::new(), async |guest| {
        let socket = guest.socket().await;
        let bound = guest.bind(&socket, "127.0.0.1:0").await;
        assert!(matches!(bound, Err(ErrorCode::AccessDenied)));
        assert!(matches!(guest.listen(&socket).await, Err(ErrorCode::AccessDenied)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connected = guest.connect(&socket, listener.local_addr().unwrap()).await;
        assert!(matches!(connected, Err(ErrorCode::AccessDenied)));
    })
    .await;
}

#[tokio::test]
async fn a_guest_without_allow_tcp_gets_no_socket() {
    let ctx = WasiCtxBuilder::new().inherit_network().build();
    run(linker(), ctx, Tcp::new().inherit_network(), async |guest: &Guest<'_>| {
        for family in [Family::Ipv4, Family::Ipv6] {
            assert!(matches!(guest.create(family).await, Err(ErrorCode::AccessDenied)));
        }
    })
    .await;
}

#[tokio::test]
async fn each_use_is_denied_by_itself() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    with_guest(deny(|what| matches!(what, SocketAddrUse::TcpConnect)), async |guest| {
        let socket = guest.socket().await;
        guest.bind(&socket, "127.0.0.1:0").await.unwrap();
        let connected = guest.connect(&socket, addr).await;
        assert!(matches!(connected, Err(ErrorCode::AccessDenied)));
    })
    .await;
    with_guest(deny(|what| matches!(what, SocketAddrUse::TcpListen)), async |guest| {
        let socket = guest.socket().await;
        guest.bind(&socket, "127.0.0.1:0").await.unwrap();
        assert!(matches!(guest.listen(&socket).await, Err(ErrorCode::AccessDenied)));
        // As it was.
        assert!(!guest.is_listening(&socket).await);
        guest.connect(&socket, addr).await.unwrap();
    })
    .await;
    with_guest(deny(|what| matches!(what, SocketAddrUse::TcpBind)), async |guest| {
        let socket = guest.socket().await;
        // The implicit binds.
        assert!(matches!(guest.listen(&socket).await, Err(ErrorCode::AccessDenied)));
        let connected = guest.connect(&socket, addr).await;
        assert!(matches!(connected, Err(ErrorCode::AccessDenied)));
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_the_check_refuses_is_reset_and_the_listener_goes_on() {
    let refused = Arc::new(Mutex::new(None));
    let refuses = refused.clone();
    let tcp = Tcp::new().socket_addr_check(move |addr, what| {
        let denied = matches!(what, SocketAddrUse::TcpAccept)
            && *refuses.lock().unwrap().get_or_insert(addr) == addr;
        // A check may wait.
        Box::pin(async move {
            tokio::task::yield_now().await;
            !denied
        })
    });
    with_guest(tcp, async |guest| {
        let socket = guest.socket().await;
        guest.bind(&socket, "127.0.0.1:0").await.unwrap();
        let connections = guest.listen(&socket).await.unwrap();
        let addr = guest.local(&socket).await.unwrap();
        let mut first = TcpStream::connect(addr).await.unwrap();
        let second = TcpStream::connect(addr).await.unwrap();
        let (_connections, accepted) = guest.accept(connections, 8).await;
        assert_eq!(accepted.len(), 1);
        assert_eq!(guest.remote(&accepted[0]).await.unwrap(), second.local_addr().unwrap());
        assert_eq!(*refused.lock().unwrap(), Some(first.local_addr().unwrap()));
        let error = first.read(&mut [0]).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    })
    .await;
}

#[tokio::test]
async fn the_check_is_asked_as_wasmtime_asks_it() {
    type Asked = Arc<Mutex<Vec<String>>>;
    type Check = Pin<Box<dyn Future<Output = bool> + Send + Sync>>;
    fn check(asked: &Asked) -> impl Fn(SocketAddr, SocketAddrUse) -> Check + Send + Sync + 'static {
        let asked = asked.clone();
        move |addr, what| {
            asked.lock().unwrap().push(format!("{what:?} {}", addr.ip()));
            Box::pin(async { true })
        }
    }
    async fn script<S: Send + 'static>(guest: &Guest<'_, S>) {
        let listener = guest.socket().await;
        let connections = guest.listen(&listener).await.unwrap();
        let port = guest.local(&listener).await.unwrap().port();
        let client = guest.socket().await;
        guest.connect(&client, SocketAddr::from(([127, 0, 0, 1], port))).await.unwrap();
        guest.accept(connections, 1).await;
        let bound = guest.socket().await;
        guest.bind(&bound, "127.0.0.1:0").await.unwrap();
        guest.connect(&bound, SocketAddr::from(([127, 0, 0, 1], port))).await.unwrap();
        let bound = guest.socket().await;
        guest.bind(&bound, "127.0.0.1:0").await.unwrap();
        guest.listen(&bound).await.unwrap();
    }
    let (ours, theirs) = (Asked::default(), Asked::default());
    with_guest(Tcp::new().socket_addr_check(check(&ours)), async |guest| script(guest).await).await;
    let ctx = WasiCtxBuilder::new().allow_tcp(true).socket_addr_check(check(&theirs)).build();
    super::guest::run_wasmtimes(ctx, async |guest| script(guest).await).await;
    assert_eq!(*ours.lock().unwrap(), *theirs.lock().unwrap());
    assert_eq!(ours.lock().unwrap().len(), 9);
}
