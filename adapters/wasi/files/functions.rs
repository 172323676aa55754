use wasmtime::component::{FutureReader, Linker, Resource, StreamReader};
use wasmtime::error::Context as _;
use wasmtime::{AsContextMut as _, Result, StoreContextMut};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemCtxView};

use super::{At, FileError, file_end, read_at, write_at};
use crate::items::AsIs;
use crate::{iterators, values};

/// The interface, of which Wasmtime defines the other functions.
const TYPES: &str = "wasi:filesystem/types@0.3.0";

/// The interface's `future<result<_, error-code>>`.
type Ended = FutureReader<Outcome>;
type Outcome = Result<(), FileError>;

/// How a host function gets at the descriptors.
type View<T> = fn(&mut T) -> WasiFilesystemCtxView<'_>;

/// Replaces the functions of `wasi:filesystem/types@0.3.0` that make streams: reads, writes and appends go through
/// [`read_at`](crate::wasi::read_at()) and [`write_at`](crate::wasi::write_at()), and listings on Unix through
/// [`directory`](crate::wasi::directory()).
///
/// Everything else of the file system stays Wasmtime's: define that first, and then allow the linker to replace
/// functions. The flag is the linker's: reset it if later definitions are to be unique again.
///
/// The checks are Wasmtime's: a directory cannot be read (`is-directory`) or written (`bad-descriptor`), a file cannot
/// be listed (`not-directory`), and what was opened for reading only cannot be written (`not-permitted`). Such a stream
/// is closed at once, and the future beside it has the error. Three things differ: an entry that is a named pipe or a
/// socket is listed as such, `allow_blocking_current_thread` has no effect, and a guest's cancel does not wait for the
/// operating system.
///
/// # Errors
///
/// If the functions exist and [`allow_shadowing`](Linker::allow_shadowing) is not set.
///
/// ```
/// use wasmtime::component::{Linker, ResourceTable};
/// use wasmtime_streams::wasi;
/// use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView, filesystem::WasiFilesystemView};
///
/// struct State {
///     ctx: WasiCtx,
///     table: ResourceTable,
/// }
///
/// impl WasiView for State {
///     fn ctx(&mut self) -> WasiCtxView<'_> {
///         WasiCtxView { ctx: &mut self.ctx, table: &mut self.table }
///     }
/// }
///
/// # fn main() -> wasmtime::Result<()> {
/// # let engine = wasmtime::Engine::default();
/// let mut linker = Linker::<State>::new(&engine);
/// wasmtime_wasi::p3::add_to_linker(&mut linker)?;
/// linker.allow_shadowing(true);
/// wasi::files(&mut linker, State::filesystem)?;
/// linker.allow_shadowing(false);
/// # Ok(())
/// # }
/// ```
pub fn files<T: Send + 'static>(linker: &mut Linker<T>, view: View<T>) -> Result<()> {
    define(linker, view).with_context(|| {
        format!(
            "the stream functions of `{TYPES}` cannot be replaced: call \
             `linker.allow_shadowing(true)` before `wasi::files`"
        )
    })
}

fn define<T: Send + 'static>(linker: &mut Linker<T>, view: View<T>) -> Result<()> {
    let mut types = linker.instance(TYPES)?;
    types.func_wrap(
        "[method]descriptor.read-via-stream",
        move |mut store: StoreContextMut<'_, T>, (this, offset): (Resource<Descriptor>, u64)| {
            let streams = match descriptor(&mut store, view, &this)? {
                Descriptor::File(file) => read_at(file.file, offset).into_wit(store, file_end)?,
                Descriptor::Dir(_) => {
                    let empty = StreamReader::new(&mut store, iterators::items([0_u8; 0]))?;
                    (empty, refused(store, FileError::IsDirectory)?)
                }
            };
            Ok((streams,))
        },
    )?;
    types.func_wrap(
        "[method]descriptor.write-via-stream",
        move |store: StoreContextMut<'_, T>,
              (this, data, offset): (Resource<Descriptor>, StreamReader<u8>, u64)| {
            Ok((write(store, view, &this, data, At::Offset(offset))?,))
        },
    )?;
    types.func_wrap(
        "[method]descriptor.append-via-stream",
        move |store: StoreContextMut<'_, T>,
              (this, data): (Resource<Descriptor>, StreamReader<u8>)| {
            Ok((write(store, view, &this, data, At::End)?,))
        },
    )?;
    #[cfg(unix)]
    types.func_wrap(
        "[method]descriptor.read-directory",
        move |mut store: StoreContextMut<'_, T>, (this,): (Resource<Descriptor>,)| {
            let streams = match descriptor(&mut store, view, &this)? {
                Descriptor::Dir(dir) => super::directory(dir.dir).into_wit(store, file_end)?,
                Descriptor::File(_) => {
                    let none: [super::DirectoryEntry; 0] = [];
                    let empty = StreamReader::new(&mut store, iterators::items(none))?;
                    (empty, refused(store, FileError::NotDirectory)?)
                }
            };
            Ok((streams,))
        },
    )?;
    Ok(())
}

/// What the guest's handle stands for. Wasmtime has checked the handle, so an error is the host's own.
fn descriptor<T>(
    store: &mut StoreContextMut<'_, T>,
    view: View<T>,
    this: &Resource<Descriptor>,
) -> Result<Descriptor> {
    Ok(view(store.data_mut()).table.get(this)?.clone())
}

fn write<T: Send + 'static>(
    mut store: StoreContextMut<'_, T>,
    view: View<T>,
    this: &Resource<Descriptor>,
    mut data: StreamReader<u8>,
    at: At,
) -> Result<Ended> {
    let error = match descriptor(&mut store, view, this)? {
        Descriptor::File(file) if !file.perms.write_not_permitted() => {
            return write_at(file.file, at).pipe_wit(store, data, file_end);
        }
        Descriptor::File(_) => FileError::NotPermitted,
        Descriptor::Dir(_) => FileError::BadDescriptor,
    };
    data.close(store.as_context_mut())?;
    refused(store, error)
}

/// The future beside a stream that never starts.
fn refused<T: Send + 'static>(store: StoreContextMut<'_, T>, error: FileError) -> Result<Ended> {
    let outcome = async { Outcome::Err(error) };
    FutureReader::new(store, values::future(outcome).with_step(AsIs))
}
