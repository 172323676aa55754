use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use ::tokio::sync::mpsc;
use wasmtime_wasi::sockets::SocketAddrUse;

use super::error::SocketError;
use super::socket::TcpSocket;
use crate::StoreToken;

/// The future of a check of an address.
pub(super) type Check = Pin<Box<dyn Future<Output = bool> + Send + Sync>>;
type Checker = Arc<dyn Fn(SocketAddr, SocketAddrUse) -> Check + Send + Sync>;

type IoFuture<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;
type Hook<T> = Arc<dyn Fn(SocketAddr) -> IoFuture<T> + Send + Sync>;

/// A listener of the host's: its address, and its connections.
pub(super) type Listened = (SocketAddr, mpsc::Receiver<TcpSocket>);

/// What a guest may do with TCP, and through what; for the store's data, and for [`tcp`](super::tcp()).
///
/// **A new one denies every address.** `allow_tcp` of Wasmtime's
/// [`WasiCtxBuilder`](wasmtime_wasi::WasiCtxBuilder::allow_tcp) stays effective: without it a guest cannot create a
/// socket. Wasmtime does not let its check of addresses be read, so `socket_addr_check` and `inherit_network` of that
/// builder have **no effect on TCP**: they have namesakes here, which take the same closure. Those of the builder keep
/// their effect on UDP.
///
/// A clone is for another store.
///
/// ```
/// use wasmtime_streams::wasi::Tcp;
/// use wasmtime_wasi::WasiCtxBuilder;
/// use wasmtime_wasi::sockets::SocketAddrUse;
///
/// // One closure for UDP and TCP: guests may connect to this machine only.
/// let check = |addr: std::net::SocketAddr, what| -> std::pin::Pin<Box<dyn Future<Output = bool> + Send + Sync>> {
///     let local = addr.ip().is_loopback();
///     Box::pin(async move {
///         match what {
///             SocketAddrUse::TcpConnect => local,
///             // Before it connects a socket is bound, implicitly.
///             SocketAddrUse::TcpBind => addr.ip().is_unspecified(),
///             _ => false,
///         }
///     })
/// };
/// let ctx = WasiCtxBuilder::new().allow_tcp(true).socket_addr_check(check).build();
/// let tcp = Tcp::new().socket_addr_check(check);
/// # let _ = (ctx, tcp);
/// ```
#[must_use]
pub struct Tcp {
    pub(super) settings: Settings,
    /// For `reset_abandoned`.
    pub(super) token: Option<StoreToken>,
}

/// What each socket keeps.
#[derive(Clone)]
pub(super) struct Settings {
    checker: Option<Checker>,
    pub(super) connect: Option<Hook<TcpSocket>>,
    pub(super) listen: Option<Hook<Listened>>,
}

impl fmt::Debug for Tcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tcp").finish_non_exhaustive()
    }
}

impl Clone for Tcp {
    fn clone(&self) -> Self {
        // A token is for one store only.
        let token = self.token.as_ref().map(|_| StoreToken::new());
        Self { settings: self.settings.clone(), token }
    }
}

impl Default for Tcp {
    fn default() -> Self {
        Self::new()
    }
}

impl Tcp {
    /// Settings that deny every address.
    pub fn new() -> Self {
        Self { settings: Settings { checker: None, connect: None, listen: None }, token: None }
    }

    /// Allows every address.
    pub fn inherit_network(self) -> Self {
        self.socket_addr_check(|_, _| Box::pin(async { true }))
    }

    /// Asks `check` for each address that a guest uses, and for what. `false` denies it.
    ///
    /// The uses are those of [`SocketAddrUse`]: a bind (an implicit one of a connect or a listen names the unspecified
    /// address), a connect, a listen, and each accepted connection, by the peer's address. A guest gets `access-denied`;
    /// a connection that is not accepted is reset.
    ///
    /// The signature is that of Wasmtime's
    /// [`socket_addr_check`](wasmtime_wasi::WasiCtxBuilder::socket_addr_check).
    pub fn socket_addr_check<F>(mut self, check: F) -> Self
    where
        F: Fn(SocketAddr, SocketAddrUse) -> Pin<Box<dyn Future<Output = bool> + Send + Sync>>
            + Send
            + Sync
            + 'static,
    {
        self.settings.checker = Some(Arc::new(check));
        self
    }

    /// Connects guests by `connect` in place of the operating system: through a tunnel, over TLS, to an object in memory.
    ///
    /// `connect` gets the remote address that a guest names, once the check has allowed it, and returns a socket that is
    /// [connected](TcpSocket::from_io). An error reaches the guest as its [`SocketError`]. To connect in memory, the
    /// addresses need not exist.
    ///
    /// ```
    /// use wasmtime_streams::wasi::{Tcp, TcpSocket};
    ///
    /// // Every guest talks to the host.
    /// let tcp = Tcp::new().inherit_network().connect_with(|remote| async move {
    ///     let (guest, host) = tokio::io::duplex(64 * 1024);
    ///     tokio::spawn(async move {
    ///         let (mut reader, mut writer) = tokio::io::split(host);
    ///         tokio::io::copy(&mut reader, &mut writer).await
    ///     });
    ///     Ok(TcpSocket::from_io(guest, "192.0.2.1:1000".parse().unwrap(), remote))
    /// });
    /// # let _ = tcp;
    /// ```
    pub fn connect_with<F, R>(mut self, connect: F) -> Self
    where
        F: Fn(SocketAddr) -> R + Send + Sync + 'static,
        R: Future<Output = io::Result<TcpSocket>> + Send + 'static,
    {
        self.settings.connect = Some(Arc::new(move |remote| Box::pin(connect(remote))));
        self
    }

    /// Lets guests listen by `listen` in place of the operating system: behind TLS, on a listener that the host has bound,
    /// in memory.
    ///
    /// `listen` gets the local address that a guest has bound, or the unspecified one, and returns the actual one with
    /// the connections. The channel's capacity bounds how many wait. The guest's stream ends when the channel's senders
    /// are dropped. Each connection is checked by its remote address.
    ///
    /// A bind then only records the address: the operating system is not asked.
    ///
    /// ```
    /// use tokio::net::TcpListener;
    /// use wasmtime_streams::wasi::{Tcp, TcpSocket};
    ///
    /// let tcp = Tcp::new().inherit_network().listen_with(|_| async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let local = listener.local_addr()?;
    ///     let (tx, rx) = tokio::sync::mpsc::channel(64);
    ///     tokio::spawn(async move {
    ///         while let Ok((stream, remote)) = listener.accept().await {
    ///             // A TLS handshake here, on a task for each connection.
    ///             if tx.send(TcpSocket::from_io(stream, local, remote)).await.is_err() {
    ///                 break;
    ///             }
    ///         }
    ///     });
    ///     Ok((local, rx))
    /// });
    /// # let _ = tcp;
    /// ```
    pub fn listen_with<F, R>(mut self, listen: F) -> Self
    where
        F: Fn(SocketAddr) -> R + Send + Sync + 'static,
        R: Future<Output = io::Result<(SocketAddr, mpsc::Receiver<TcpSocket>)>> + Send + 'static,
    {
        self.settings.listen = Some(Arc::new(move |local| Box::pin(listen(local))));
        self
    }

    /// Resets a connection if its store is dropped before the guest has ended what it sends, as after a trap. The peer
    /// then sees an error and not the end of the data.
    ///
    /// By default the connection is closed, as a system does for a process that ends. A reset also discards what the peer
    /// has not received yet, so this is for guests that end their streams in order. This value must be in the data of the
    /// store, and of no other.
    pub fn reset_abandoned(mut self) -> Self {
        self.token = Some(StoreToken::new());
        self
    }
}

impl Settings {
    /// The check of an address. Polled in tokio's runtime.
    pub(super) fn check(&self, addr: SocketAddr, what: SocketAddrUse) -> Check {
        match &self.checker {
            Some(check) => check(addr, what),
            None => Box::pin(async { false }),
        }
    }

    /// The check of an address, as the interface's result.
    pub(super) async fn allow(
        &self,
        addr: SocketAddr,
        what: SocketAddrUse,
    ) -> Result<(), SocketError> {
        match self.check(addr, what).await {
            true => Ok(()),
            false => Err(SocketError::AccessDenied),
        }
    }
}
