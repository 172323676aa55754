//! The functions of `tcp-socket`, for a linker.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;

use rustix::fd::BorrowedFd;
use wasmtime::component::{
    ComponentType, Lift, Linker, LinkerInstance, Lower, Resource, ResourceTable, ResourceType,
    StreamReader,
};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::p3::bindings::sockets::types::{ErrorCode, HostTcpSocket as _, IpAddressFamily};
use wasmtime_wasi::runtime::with_ambient_tokio_runtime;
use wasmtime_wasi::sockets::{SocketAddrUse, WasiSocketsCtxView, WasiSocketsView};

use super::address::{Family, WireAddr};
use super::error::SocketError;
use super::settings::Tcp;
use super::socket::TcpSocket;
use super::{options, streams};
use crate::ItemProducer;

const INSTANCE: &str = "wasi:sockets/types@0.3.0";

type Outcome<T> = std::result::Result<T, SocketError>;
/// A function's `result<T, error-code>`.
type Answer<T> = Result<(Outcome<T>,)>;
type Socket = Resource<TcpSocket>;

/// Where a store's data has the settings.
pub(super) type Get<T> = fn(&mut T) -> &mut Tcp;

/// A socket in the store's table. A handle that is not in it is a bug of the host's, and a trap.
fn socket<'a, T: WasiSocketsView>(data: &'a mut T, handle: &Socket) -> Result<&'a mut TcpSocket> {
    Ok(data.sockets().table.get_mut(handle)?)
}

/// Polls a future of the host's in tokio's runtime: the store may be polled outside of one.
async fn in_runtime<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| with_ambient_tokio_runtime(|| future.as_mut().poll(cx))).await
}

pub(super) fn link<T>(linker: &mut Linker<T>, get: Get<T>) -> Result<()>
where
    T: WasiSocketsView + 'static,
{
    let mut types = linker.instance(INSTANCE)?;
    let ty = ResourceType::host::<TcpSocket>();
    types.resource("tcp-socket", ty, |mut store: StoreContextMut<'_, T>, rep| {
        store.data_mut().sockets().table.delete(Socket::new_own(rep))?;
        Ok(())
    })?;
    states(&mut types, get)?;
    streams(&mut types, get)?;
    queries(&mut types)?;
    options(&mut types)
}

/// The functions that change a socket's state.
fn states<T>(types: &mut LinkerInstance<'_, T>, get: Get<T>) -> Result<()>
where
    T: WasiSocketsView + 'static,
{
    types.func_wrap(
        "[static]tcp-socket.create",
        move |mut store: StoreContextMut<'_, T>, (family,): (Family,)| -> Answer<Socket> {
            let data = store.data_mut();
            if let Err(error) = allowed(data.sockets(), family)? {
                return Ok((Err(error),));
            }
            let settings = get(data).settings.clone();
            match TcpSocket::create(family, settings) {
                Ok(socket) => Ok((Ok(data.sockets().table.push(socket)?),)),
                Err(error) => Ok((Err(error),)),
            }
        },
    )?;
    types.func_wrap_async(
        "[method]tcp-socket.bind",
        |mut store: StoreContextMut<'_, T>, (handle, addr): (Socket, WireAddr)| {
            Box::new(async move {
                let addr = SocketAddr::from(addr);
                let settings = match socket(store.data_mut(), &handle)?.before_bind(addr) {
                    Ok(settings) => settings,
                    Err(error) => return Ok((Err(error),)),
                };
                match in_runtime(settings.allow(addr, SocketAddrUse::TcpBind)).await {
                    Ok(()) => Ok((socket(store.data_mut(), &handle)?.bind(addr),)),
                    Err(error) => Ok((Err(error),)),
                }
            })
        },
    )?;
    types.func_wrap_concurrent(
        "[method]tcp-socket.connect",
        |accessor, (handle, addr): (Socket, WireAddr)| {
            Box::pin(async move {
                let start = accessor.with(|mut access| {
                    Ok::<_, wasmtime::Error>(
                        socket(access.data_mut(), &handle)?.start_connect(addr.into()),
                    )
                })?;
                let outcome = match start {
                    Ok(connect) => in_runtime(connect.run()).await,
                    Err(error) => return Ok((Err(error),)),
                };
                accessor.with(|mut access| {
                    Ok((socket(access.data_mut(), &handle)?.finish_connect(outcome),))
                })
            })
        },
    )?;
    types.func_wrap_async(
        "[method]tcp-socket.listen",
        |mut store: StoreContextMut<'_, T>, (handle,): (Socket,)| {
            Box::new(async move {
                let listen = match socket(store.data_mut(), &handle)?.before_listen() {
                    Ok(listen) => listen,
                    Err(error) => return Ok((Err(error),)),
                };
                let hosted = match in_runtime(listen.check()).await {
                    Ok(hosted) => hosted,
                    Err(error) => return Ok((Err(error),)),
                };
                let incoming = match socket(store.data_mut(), &handle)?.listen(hosted) {
                    Ok(incoming) => incoming,
                    Err(error) => return Ok((Err(error),)),
                };
                // Rule "Resources are created on delivery".
                let connections = ItemProducer::new(incoming).deliver_with(
                    |mut store: StoreContextMut<'_, T>, connection| {
                        Ok(store.data_mut().sockets().table.push(connection)?)
                    },
                );
                Ok((Ok(StreamReader::<Socket>::new(store, connections)?),))
            })
        },
    )
}

/// Whether the guest may have sockets at all, which only Wasmtime's own `create` knows. Its socket is dropped at once.
fn allowed(view: WasiSocketsCtxView<'_>, family: Family) -> Result<Outcome<()>> {
    let mut table = ResourceTable::new();
    let family = match family {
        Family::V4 => IpAddressFamily::Ipv4,
        Family::V6 => IpAddressFamily::Ipv6,
    };
    match (WasiSocketsCtxView { ctx: view.ctx, table: &mut table }).create(family) {
        Ok(_) => Ok(Ok(())),
        Err(error) => Ok(Err(match error.downcast()? {
            ErrorCode::AccessDenied => SocketError::AccessDenied,
            ErrorCode::NotSupported => SocketError::NotSupported,
            ErrorCode::OutOfMemory => SocketError::OutOfMemory,
            _ => SocketError::Other(None),
        })),
    }
}

/// `send` and `receive`.
fn streams<T>(types: &mut LinkerInstance<'_, T>, get: Get<T>) -> Result<()>
where
    T: WasiSocketsView + 'static,
{
    types.func_wrap(
        "[method]tcp-socket.send",
        move |mut store: StoreContextMut<'_, T>, (handle, data): (Socket, StreamReader<u8>)| {
            let ended = match socket(store.data_mut(), &handle)?.take_writer() {
                Ok(writer) => streams::send(store, get, writer, data)?,
                Err(error) => streams::refuse(store, data, error)?,
            };
            Ok((ended,))
        },
    )?;
    types.func_wrap(
        "[method]tcp-socket.receive",
        |mut store: StoreContextMut<'_, T>, (handle,): (Socket,)| {
            let reader = socket(store.data_mut(), &handle)?.take_reader();
            Ok((streams::receive(store, reader)?,))
        },
    )
}

/// The functions that only look, and the backlog.
fn queries<T>(types: &mut LinkerInstance<'_, T>) -> Result<()>
where
    T: WasiSocketsView + 'static,
{
    getter(types, "get-local-address", |socket| socket.local_addr().map(WireAddr::from))?;
    getter(types, "get-remote-address", |socket| socket.remote_addr().map(WireAddr::from))?;
    types.func_wrap(
        "[method]tcp-socket.get-is-listening",
        |mut store: StoreContextMut<'_, T>, (handle,): (Socket,)| {
            Ok((socket(store.data_mut(), &handle)?.is_listening(),))
        },
    )?;
    types.func_wrap(
        "[method]tcp-socket.get-address-family",
        |mut store: StoreContextMut<'_, T>, (handle,): (Socket,)| {
            Ok((socket(store.data_mut(), &handle)?.family(),))
        },
    )?;
    setter(types, "set-listen-backlog-size", TcpSocket::set_backlog)
}

/// The socket options.
fn options<T>(types: &mut LinkerInstance<'_, T>) -> Result<()>
where
    T: WasiSocketsView + 'static,
{
    option(types, "keep-alive-enabled", options::keep_alive, options::set_keep_alive)?;
    option(types, "keep-alive-idle-time", options::keep_alive_idle, options::set_keep_alive_idle)?;
    option(
        types,
        "keep-alive-interval",
        options::keep_alive_interval,
        options::set_keep_alive_interval,
    )?;
    option(types, "keep-alive-count", options::keep_alive_count, options::set_keep_alive_count)?;
    option(types, "hop-limit", options::hop_limit, options::set_hop_limit)?;
    option(types, "receive-buffer-size", options::receive_buffer, options::set_receive_buffer)?;
    option(types, "send-buffer-size", options::send_buffer, options::set_send_buffer)
}

/// `get-NAME` and `set-NAME`.
fn option<T, V>(
    types: &mut LinkerInstance<'_, T>,
    name: &str,
    get: fn(BorrowedFd<'_>, Family) -> Outcome<V>,
    set: fn(BorrowedFd<'_>, Family, V) -> Outcome<()>,
) -> Result<()>
where
    T: WasiSocketsView + 'static,
    V: ComponentType + Lower + Lift + 'static,
{
    getter(types, &format!("get-{name}"), move |socket| socket.with_fd(get))?;
    setter(types, &format!("set-{name}"), move |socket, value| {
        socket.with_fd(|fd, family| set(fd, family, value))
    })
}

fn getter<T, R>(
    types: &mut LinkerInstance<'_, T>,
    name: &str,
    get: impl Fn(&TcpSocket) -> Outcome<R> + Send + Sync + 'static,
) -> Result<()>
where
    T: WasiSocketsView + 'static,
    R: ComponentType + Lower + 'static,
{
    types.func_wrap(
        &format!("[method]tcp-socket.{name}"),
        move |mut store: StoreContextMut<'_, T>, (handle,): (Socket,)| -> Answer<R> {
            Ok((get(socket(store.data_mut(), &handle)?),))
        },
    )
}

fn setter<T, V>(
    types: &mut LinkerInstance<'_, T>,
    name: &str,
    set: impl Fn(&mut TcpSocket, V) -> Outcome<()> + Send + Sync + 'static,
) -> Result<()>
where
    T: WasiSocketsView + 'static,
    V: ComponentType + Lift + 'static,
{
    types.func_wrap(
        &format!("[method]tcp-socket.{name}"),
        move |mut store: StoreContextMut<'_, T>, (handle, value): (Socket, V)| -> Answer<()> {
            Ok((set(socket(store.data_mut(), &handle)?, value),))
        },
    )
}
