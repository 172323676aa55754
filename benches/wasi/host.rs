//! The guest on Wasmtime's own host, and on ours.

use std::fs::File;

use tokio::runtime::{Builder, Runtime};
use wasmtime::component::{
    Component, ComponentNamedList, Instance, Lift, Linker, Lower, Resource, ResourceTable,
};
use wasmtime::{Engine, Result, Store, StoreContextMut, bail};
use wasmtime_streams::wasi::{self, ReadAt, Stdio, Tcp};
use wasmtime_wasi::filesystem::{
    Descriptor, Dir, File as WasiFile, FsPerms, OpenMode, WasiFilesystemView as _,
};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use crate::clock::{Clock, Of, Spent};

pub(crate) struct Data {
    ctx: WasiCtx,
    table: ResourceTable,
    stdio: Stdio,
    tcp: Tcp,
}

impl WasiView for Data {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.ctx, table: &mut self.table }
    }
}

/// Whose streams the guest gets.
pub(crate) enum Host {
    Ours(Stdio),
    /// Ours, with files that are never read without a thread.
    OursOnThreads,
    /// Wasmtime's, with the stdio of the builder.
    Wasmtimes(Box<WasiCtxBuilder>),
}

impl Host {
    pub(crate) fn ours() -> Self {
        Self::Ours(Stdio::new())
    }

    pub(crate) fn wasmtimes_with(builder: WasiCtxBuilder) -> Self {
        Self::Wasmtimes(Box::new(builder))
    }

    pub(crate) fn wasmtimes() -> Self {
        Self::wasmtimes_with(WasiCtx::builder())
    }
}

/// The compiled guest.
pub(crate) struct Guest(Component);

impl Guest {
    pub(crate) fn new(engine: &Engine) -> Result<Self> {
        let text =
            include_str!("interfaces.wat").replace("OPERATIONS", include_str!("operations.wat"));
        Component::new(engine, text).map(Self)
    }

    /// An instance on a host, in a store and on a runtime of its own.
    pub(crate) fn on(&self, host: impl FnOnce() -> Result<Host>) -> Result<World> {
        let mut runtime = Builder::new_current_thread();
        let runtime = runtime.enable_all().max_blocking_threads(1200).build()?;
        // Wasmtime's stdio starts tasks where it is made.
        let entered = runtime.enter();
        let host = host()?;
        drop(entered);
        let mut linker = Linker::<Data>::new(self.0.engine());
        let (mut builder, stdio) = match host {
            Host::Wasmtimes(builder) => {
                wasmtime_wasi::p3::add_to_linker(&mut linker)?;
                (*builder, Stdio::new())
            }
            Host::Ours(stdio) => {
                ours(&mut linker)?;
                (WasiCtx::builder(), stdio)
            }
            Host::OursOnThreads => {
                ours(&mut linker)?;
                on_threads(&mut linker)?;
                (WasiCtx::builder(), Stdio::new())
            }
        };
        let ctx = builder.allow_tcp(true).inherit_network().build();
        let tcp = Tcp::new().inherit_network();
        let data = Data { ctx, table: ResourceTable::new(), stdio, tcp };
        let mut store = Store::new(self.0.engine(), data);
        let instance = runtime.block_on(linker.instantiate_async(&mut store, &self.0))?;
        Ok(World { store, instance, runtime })
    }
}

fn ours(linker: &mut Linker<Data>) -> Result<()> {
    wasi::cli(linker, |data| &mut data.stdio)?;
    linker.allow_shadowing(true);
    wasi::tcp(linker, |data| &mut data.tcp)
}

/// A file that cannot be read without waiting, as on a system other than Linux.
struct Waiting(std::sync::Arc<File>);

impl ReadAt for Waiting {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<usize> {
        self.0.read_at(buf, offset)
    }
}

fn on_threads(linker: &mut Linker<Data>) -> Result<()> {
    linker.instance("wasi:filesystem/types@0.3.0")?.func_wrap(
        "[method]descriptor.read-via-stream",
        |mut store: StoreContextMut<'_, Data>, (this, at): (Resource<Descriptor>, u64)| {
            let Descriptor::File(file) = store.data_mut().filesystem().table.get(&this)? else {
                bail!("not a file");
            };
            let waiting = Waiting(file.file.clone());
            Ok((wasi::read_at(waiting, at).into_wit(store, wasi::file_end)?,))
        },
    )
}

/// An instance of the guest, on a runtime with one thread and a pool for blocking calls.
pub(crate) struct World {
    store: Store<Data>,
    instance: Instance,
    runtime: Runtime,
}

/// How files are opened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blocking {
    /// As by default.
    No,
    /// `allow_blocking_current_thread`, which only Wasmtime's host heeds.
    Allowed,
}

impl World {
    pub(crate) fn file(&mut self, file: File, blocking: Blocking) -> Result<u32> {
        let mode = OpenMode::READ | OpenMode::WRITE;
        let blocking = blocking == Blocking::Allowed;
        self.open(Descriptor::File(WasiFile::new(file, FsPerms::ReadWrite, mode, blocking)))
    }

    pub(crate) fn directory(&mut self, dir: File) -> Result<u32> {
        self.open(Descriptor::Dir(Dir::new(dir, FsPerms::ReadOnly, OpenMode::READ, false)))
    }

    fn open(&mut self, descriptor: Descriptor) -> Result<u32> {
        Ok(self.store.data_mut().table.push(descriptor)?.rep())
    }

    /// Calls an export.
    pub(crate) fn call<P, R>(&mut self, name: &str, params: P) -> Result<R>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: Send + Sync + 'static,
        (R,): ComponentNamedList + Lift,
    {
        let (result, _) = self.time::<P, (R,)>(Of::Process, name, params)?;
        Ok(result.0)
    }

    /// Calls an export that has no result.
    pub(crate) fn run<P>(&mut self, name: &str, params: P) -> Result<()>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
    {
        self.time::<P, ()>(Of::Process, name, params).map(|_| ())
    }

    /// Calls an export, and times it.
    pub(crate) fn time<P, R>(&mut self, of: Of, name: &str, params: P) -> Result<(R, Spent)>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let export = self.instance.get_typed_func::<P, R>(&mut self.store, name)?;
        self.runtime.block_on(async {
            let clock = Clock::start(of);
            let called = self
                .store
                .run_concurrent(async |store| export.call_concurrent(store, params).await)
                .await;
            let spent = clock.stop();
            Ok((called??, spent))
        })
    }

    /// The runtime, once nothing of the guest is left. On ours its stdio is closed before.
    pub(crate) fn finish(mut self) -> Runtime {
        self.runtime.block_on(self.store.data_mut().stdio.closing());
        self.runtime
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }
}

/// What a guest's borrowed descriptor is.
pub(crate) fn borrowed(rep: u32) -> Resource<Descriptor> {
    Resource::new_borrow(rep)
}
