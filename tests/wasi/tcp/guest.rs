//! A guest that passes each call of the host on to `wasi:sockets`, and performs single operations on streams.

use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::LazyLock;

use tokio::io::AsyncReadExt as _;
use wasmtime::component::{
    Accessor, Component, ComponentNamedList, FutureReader, Instance, Lift, Linker, Lower, Resource,
    ResourceTable, StreamReader,
};
use wasmtime::{Config, Engine, Store};
use wasmtime_streams::wasi::{self, Tcp, TcpSocket};
use wasmtime_streams::{from_guest, to_guest};
pub(crate) use wasmtime_wasi::p3::bindings::sockets::types::{
    ErrorCode, IpAddressFamily as Family, IpSocketAddress,
};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use super::guest_text::text;

pub(crate) type Outcome<T> = Result<T, ErrorCode>;
pub(crate) type Ended = FutureReader<Outcome<()>>;
/// A socket of this crate's, or of Wasmtime's.
pub(crate) type Socket<S = TcpSocket> = Resource<S>;

pub(crate) struct Data {
    ctx: WasiCtx,
    pub(crate) table: ResourceTable,
    tcp: Tcp,
}

impl WasiView for Data {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.ctx, table: &mut self.table }
    }
}

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let mut config = Config::new();
    config.wasm_component_model_async(true).wasm_component_model_more_async_builtins(true);
    Engine::new(&config).unwrap()
});

static COMPONENT: LazyLock<Component> = LazyLock::new(|| Component::new(&ENGINE, text()).unwrap());

/// A linker as an embedder has it: Wasmtime's interfaces, and this crate's sockets in their place.
pub(crate) fn linker() -> Linker<Data> {
    let mut linker = Linker::<Data>::new(&ENGINE);
    wasmtime_wasi::p3::add_to_linker(&mut linker).unwrap();
    linker.allow_shadowing(true);
    wasi::tcp(&mut linker, |data| &mut data.tcp).unwrap();
    linker
}

/// The guest, while its store runs.
pub(crate) struct Guest<'a, S: 'static = TcpSocket> {
    pub(crate) accessor: &'a Accessor<Data>,
    instance: Instance,
    sockets: PhantomData<fn() -> S>,
}

/// Runs `script` with a guest that may have sockets.
pub(crate) async fn with_guest<R>(tcp: Tcp, script: impl AsyncFnOnce(&Guest<'_>) -> R) -> R {
    let ctx = WasiCtxBuilder::new().allow_tcp(true).build();
    run(linker(), ctx, tcp, script).await
}

/// Runs `script` with a guest of Wasmtime's own host.
pub(crate) async fn with_wasmtimes<R>(
    script: impl AsyncFnOnce(&Guest<'_, wasmtime_wasi::sockets::TcpSocket>) -> R,
) -> R {
    let ctx = WasiCtxBuilder::new().allow_tcp(true).inherit_network().build();
    run_wasmtimes(ctx, script).await
}

/// The same, with permissions.
pub(crate) async fn run_wasmtimes<R>(
    ctx: WasiCtx,
    script: impl AsyncFnOnce(&Guest<'_, wasmtime_wasi::sockets::TcpSocket>) -> R,
) -> R {
    let mut linker = Linker::<Data>::new(&ENGINE);
    wasmtime_wasi::p3::add_to_linker(&mut linker).unwrap();
    run(linker, ctx, Tcp::new(), script).await
}

/// Runs `script` with a guest, and drops its store.
pub(crate) async fn run<S: 'static, R>(
    linker: Linker<Data>,
    ctx: WasiCtx,
    tcp: Tcp,
    script: impl AsyncFnOnce(&Guest<'_, S>) -> R,
) -> R {
    let mut store = Store::new(&ENGINE, Data { ctx, table: ResourceTable::new(), tcp });
    let instance = linker.instantiate_async(&mut store, &COMPONENT).await.unwrap();
    store
        .run_concurrent(async |accessor| {
            script(&Guest { accessor, instance, sockets: PhantomData }).await
        })
        .await
        .unwrap()
}

fn borrow<S: 'static>(socket: &Socket<S>) -> Socket<S> {
    Resource::new_borrow(socket.rep())
}

impl<S: Send + 'static> Guest<'_, S> {
    pub(crate) async fn call<P, R>(&self, name: &str, params: P) -> R
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let function = self
            .accessor
            .with(|mut access| self.instance.get_typed_func::<P, R>(&mut access, name))
            .unwrap();
        function.call_concurrent(self.accessor, params).await.unwrap()
    }

    pub(crate) async fn create(&self, family: Family) -> Outcome<Socket<S>> {
        self.call::<_, (Outcome<Socket<S>>,)>("create", (family,)).await.0
    }

    /// A new IPv4 socket.
    pub(crate) async fn socket(&self) -> Socket<S> {
        self.create(Family::Ipv4).await.unwrap()
    }

    pub(crate) async fn bind(&self, socket: &Socket<S>, addr: &str) -> Outcome<()> {
        let addr = IpSocketAddress::from(addr.parse::<SocketAddr>().unwrap());
        self.call::<_, (Outcome<()>,)>("bind", (borrow(socket), addr)).await.0
    }

    pub(crate) async fn connect(&self, socket: &Socket<S>, addr: SocketAddr) -> Outcome<()> {
        let addr = IpSocketAddress::from(addr);
        self.call::<_, (Outcome<()>,)>("connect", (borrow(socket), addr)).await.0
    }

    /// Begins to connect, and cancels that.
    pub(crate) async fn cancel_connect(&self, socket: &Socket<S>, addr: SocketAddr) {
        let addr = IpSocketAddress::from(addr);
        let state = self.call::<_, (u32,)>("cancel-connect", (borrow(socket), addr)).await.0;
        assert_eq!(state, 4, "cancelled before it returned");
    }

    pub(crate) async fn listen(&self, socket: &Socket<S>) -> Outcome<StreamReader<Socket<S>>> {
        self.call::<_, (Outcome<StreamReader<Socket<S>>>,)>("listen", (borrow(socket),)).await.0
    }

    pub(crate) async fn send(&self, socket: &Socket<S>, data: StreamReader<u8>) -> Ended {
        self.call::<_, (Ended,)>("send", (borrow(socket), data)).await.0
    }

    pub(crate) async fn receive(&self, socket: &Socket<S>) -> (StreamReader<u8>, Ended) {
        self.call::<_, ((StreamReader<u8>, Ended),)>("receive", (borrow(socket),)).await.0
    }

    pub(crate) async fn local(&self, socket: &Socket<S>) -> Outcome<SocketAddr> {
        self.get::<IpSocketAddress>(socket, "local-address").await.map(Into::into)
    }

    pub(crate) async fn remote(&self, socket: &Socket<S>) -> Outcome<SocketAddr> {
        self.get::<IpSocketAddress>(socket, "remote-address").await.map(Into::into)
    }

    pub(crate) async fn get<V: Lift + Send + Sync + 'static>(
        &self,
        socket: &Socket<S>,
        name: &str,
    ) -> Outcome<V> {
        self.call::<_, (Outcome<V>,)>(&format!("get-{name}"), (borrow(socket),)).await.0
    }

    pub(crate) async fn is_listening(&self, socket: &Socket<S>) -> bool {
        self.call::<_, (bool,)>("get-is-listening", (borrow(socket),)).await.0
    }

    pub(crate) async fn family(&self, socket: &Socket<S>) -> Family {
        self.call::<_, (Family,)>("get-address-family", (borrow(socket),)).await.0
    }

    pub(crate) async fn set<V: Lower + Send + Sync + 'static>(
        &self,
        socket: &Socket<S>,
        name: &str,
        value: V,
    ) -> Outcome<()> {
        self.call::<_, (Outcome<()>,)>(&format!("set-{name}"), (borrow(socket), value)).await.0
    }

    /// Reads a result future, in the guest.
    pub(crate) async fn result(&self, ended: Ended) -> Outcome<()> {
        self.call::<_, (Outcome<()>,)>("finish", (ended,)).await.0
    }

    /// A zero-length read, which may wait. Gives the stream back, and the operation's code.
    pub(crate) async fn zero_read(&self, stream: StreamReader<u8>) -> (StreamReader<u8>, u32) {
        self.call::<_, ((StreamReader<u8>, u32),)>("zero-read", (stream,)).await.0
    }

    /// Has the guest keep a stream, for [`read`](Self::read).
    pub(crate) async fn hold(&self, stream: StreamReader<u8>) -> u32 {
        self.call::<_, (u32,)>("hold", (stream,)).await.0
    }

    /// A stream that the guest writes by [`write`](Self::write).
    pub(crate) async fn stream(&self) -> (StreamReader<u8>, u32) {
        self.call::<_, ((StreamReader<u8>, u32),)>("new", ()).await.0
    }

    /// Begins a read of a stream that the guest keeps, and gives its code.
    pub(crate) async fn read(&self, stream: u32, len: u32) -> u32 {
        self.call::<_, (u32,)>("read", (stream, len)).await.0
    }

    /// Begins a write, and gives its code.
    pub(crate) async fn write(&self, stream: u32, len: u32) -> u32 {
        self.call::<_, (u32,)>("write", (stream, len)).await.0
    }

    /// Waits for the end of an operation, and gives its code.
    pub(crate) async fn wait(&self, stream: u32) -> u32 {
        self.call::<_, (u32,)>("wait", (stream,)).await.0
    }

    /// Ends a stream that the guest writes.
    pub(crate) async fn end(&self, stream: u32) {
        self.call::<_, ()>("drop-writable", (stream,)).await;
    }

    /// One read of at most `n` connections.
    pub(crate) async fn accept(
        &self,
        stream: StreamReader<Socket<S>>,
        n: u32,
    ) -> (StreamReader<Socket<S>>, Vec<Socket<S>>) {
        self.call::<_, ((StreamReader<Socket<S>>, Vec<Socket<S>>),)>("accept", (stream, n)).await.0
    }

    /// One read of a stream that may have ended, and its code. Connections that it gets are dropped with the guest.
    pub(crate) async fn last(&self, stream: StreamReader<Socket<S>>) -> u32 {
        self.call::<_, (u32,)>("last", (stream,)).await.0
    }

    /// A stream of bytes for a guest, which ends.
    pub(crate) async fn bytes(&self, bytes: &'static [u8]) -> StreamReader<u8> {
        self.accessor
            .with(|access| StreamReader::new(access, wasmtime_streams::tokio_io::read(bytes)))
            .unwrap()
    }

    /// A stream that stays open while the writer lives.
    pub(crate) fn open(&self) -> (to_guest::HostWriter, StreamReader<u8>) {
        self.accessor.with(|access| to_guest::writer(access, 1024)).unwrap()
    }

    /// Reads all of a guest's stream.
    pub(crate) async fn all(&self, stream: StreamReader<u8>) -> Vec<u8> {
        let mut reader =
            self.accessor.with(|access| from_guest::reader(access, stream, 1024)).unwrap();
        let mut all = Vec::new();
        reader.read_to_end(&mut all).await.unwrap();
        all
    }

    pub(crate) fn close<T: Send + Sync + 'static>(&self, mut stream: StreamReader<T>) {
        self.accessor.with(|access| stream.close(access)).unwrap();
    }

    pub(crate) fn drop_future(&self, mut ended: Ended) {
        self.accessor.with(|access| ended.close(access)).unwrap();
    }

    /// Drops a socket, as a guest does.
    pub(crate) fn drop_socket(&self, socket: Socket<S>) {
        self.accessor.with(|mut access| access.data_mut().table.delete(socket)).unwrap();
    }

    /// Gives a guest a socket of the host's.
    pub(crate) fn push(&self, socket: S) -> Socket<S> {
        self.accessor.with(|mut access| access.data_mut().table.push(socket)).unwrap()
    }
}
