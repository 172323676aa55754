//! TCP sockets of guests: a `tcp-socket` resource of this crate's, over the adapters of [`sockets`](crate::sockets).

mod address;
mod connection;
#[cfg(test)]
mod contract;
mod error;
mod link;
mod listener;
mod opening;
mod options;
mod settings;
mod socket;
mod streams;

use wasmtime::Result;
use wasmtime::component::Linker;
use wasmtime_wasi::sockets::WasiSocketsView;

pub use self::error::{SocketError, socket_end};
pub use self::settings::Tcp;
pub use self::socket::TcpSocket;

/// Links the `tcp-socket` of `wasi:sockets/types@0.3.0`, the resource and its functions, to sockets of this crate.
///
/// `settings` says where the store's data has them: see [`Tcp`], **which denies every address by default**. Sockets are in
/// the table of [`WasiSocketsView`].
///
/// The other functions of the interface, those of `udp-socket`, stay Wasmtime's. Link Wasmtime's interfaces first and
/// allow shadowing:
///
/// ```
/// use wasmtime::component::{Linker, ResourceTable};
/// use wasmtime::{Config, Engine};
/// use wasmtime_streams::wasi::{self, Tcp};
/// use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
///
/// struct Data {
///     ctx: WasiCtx,
///     table: ResourceTable,
///     tcp: Tcp,
/// }
///
/// impl WasiView for Data {
///     fn ctx(&mut self) -> WasiCtxView<'_> {
///         WasiCtxView { ctx: &mut self.ctx, table: &mut self.table }
///     }
/// }
///
/// # fn main() -> wasmtime::Result<()> {
/// let mut linker = Linker::<Data>::new(&Engine::default());
/// wasmtime_wasi::p3::add_to_linker(&mut linker)?;
/// linker.allow_shadowing(true);
/// wasi::tcp(&mut linker, |data| &mut data.tcp)?;
/// linker.allow_shadowing(false);
/// # Ok(())
/// # }
/// ```
///
/// # Sockets
/// States, error codes and the ranges of options are those of Wasmtime's host. A listen that is denied leaves the socket
/// as it was. A guest that cancels a connect gives it up, and can only drop the socket.
///
/// # Streams
/// Bytes go between the socket and guest memory, with no copy between. `receive` fails with `connection-reset` after a
/// reset by the peer, which the end of the data is not. Dropping the stream of either direction shuts that direction
/// down, whether or not the guest reads the future beside it. A zero-length read waits for data, a zero-length write for
/// room. A connection is closed with the last of its socket and streams.
///
/// # Listeners
/// A read takes the connections that wait, at most a batch. A zero-length read waits for one, which the host then holds.
/// Errors of one connection are skipped. When descriptors run out, which peers can cause, nothing is accepted for a while,
/// and the listener stays open.
///
/// # Errors
///
/// If a name is defined already and the linker does not allow shadowing.
pub fn tcp<T>(linker: &mut Linker<T>, settings: fn(&mut T) -> &mut Tcp) -> Result<()>
where
    T: WasiSocketsView + 'static,
{
    link::link(linker, settings)
}
