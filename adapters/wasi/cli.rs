//! All of WASI in one call.

use wasmtime::Result;
use wasmtime::component::Linker;
use wasmtime_wasi::WasiView;
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::filesystem::WasiFilesystemView;
use wasmtime_wasi::p3::{bindings::cli, clocks, filesystem, random, sockets};

use super::{Stdio, files, stdio};

/// Adds all interfaces of WASI 0.3 that a `wasi:cli/command` imports: stdio over the [`Stdio`] of the store's data, the
/// streams of files and directories as [`files`](super::files()) has them, the rest as Wasmtime's
/// `wasmtime_wasi::p3::add_to_linker` does. Sockets are Wasmtime's as well: [`tcp`](super::tcp()) replaces them, and has
/// settings of its own.
///
/// The stdio of the `WasiCtx` is not used but for one question: whether a guest sees a terminal. Call `inherit_stdio` of
/// its builder if the streams are those of the process.
///
/// It replaces functions, and leaves [`Linker::allow_shadowing`] unset: set it afterwards if you need it.
///
/// # Errors
/// The linker has one of the interfaces already.
///
/// ```
/// use wasmtime::component::{Linker, ResourceTable};
/// use wasmtime::{Engine, Store};
/// use wasmtime_streams::{iterators, wasi};
/// use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
///
/// struct Data {
///     wasi: WasiCtx,
///     table: ResourceTable,
///     stdio: wasi::Stdio,
/// }
///
/// impl WasiView for Data {
///     fn ctx(&mut self) -> WasiCtxView<'_> {
///         WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
///     }
/// }
///
/// # fn main() -> wasmtime::Result<()> {
/// let engine = Engine::default();
/// let mut linker = Linker::<Data>::new(&engine);
/// wasi::cli(&mut linker, |data| &mut data.stdio)?;
///
/// let (output, done) = iterators::collect_bytes(1 << 20).with_completion();
/// let stdio = wasi::Stdio::new().stdout(output);
/// let data = Data { wasi: WasiCtx::builder().build(), table: ResourceTable::new(), stdio };
/// let store = Store::new(&engine, data);
/// # let _ = (store, done);
/// # Ok(())
/// # }
/// ```
pub fn cli<T>(linker: &mut Linker<T>, get: fn(&mut T) -> &mut Stdio) -> Result<()>
where
    T: WasiView + 'static,
{
    stdio(linker, get)?;
    cli::exit::add_to_linker::<_, WasiCli>(linker, T::cli)?;
    cli::environment::add_to_linker::<_, WasiCli>(linker, T::cli)?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(linker, T::cli)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(linker, T::cli)?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(linker, T::cli)?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(linker, T::cli)?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(linker, T::cli)?;
    clocks::add_to_linker(linker)?;
    filesystem::add_to_linker(linker)?;
    random::add_to_linker(linker)?;
    sockets::add_to_linker(linker)?;
    linker.allow_shadowing(true);
    let replaced = files(linker, T::filesystem);
    linker.allow_shadowing(false);
    replaced
}
