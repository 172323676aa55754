//! What goes wrong on Wasmtime's own host, and does not here: the same guest on both, in the same test.
//!
//! Each test asserts what Wasmtime's host does as well, so it fails once that is mended, and can then be dropped.

mod ahead;
#[cfg(unix)]
mod executor;
mod files;
#[cfg(unix)]
mod listings;
mod output;
mod readiness;

use std::{fs::File, sync::LazyLock};

use wasmtime::{
    Result, Store,
    component::{
        Accessor, Component, ComponentNamedList, Instance, Lift, Linker, Lower, Resource,
        ResourceTable,
    },
};
use wasmtime_streams::wasi::{self, Stdio};
use wasmtime_wasi::{
    WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView,
    filesystem::{Descriptor, File as WasiFile, FsPerms, OpenMode},
    p3::bindings::Command,
};

use crate::matrix::{ENGINE, Host, component};

/// Codes of operations.
const BLOCKED: u32 = u32::MAX;
#[cfg(target_os = "linux")]
const DROPPED: u32 = 1;
const CANCELLED: u32 = 2;

const fn completed(n: u32) -> u32 {
    n << 4
}

struct Data {
    ctx: WasiCtx,
    table: ResourceTable,
    stdio: Stdio,
}

impl WasiView for Data {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.ctx, table: &mut self.table }
    }
}

/// What a guest has: the context with the stdio of Wasmtime's host, and that of ours.
struct World(WasiCtxBuilder, Stdio);

impl World {
    fn new() -> Self {
        Self(WasiCtx::builder(), Stdio::new())
    }

    fn open(mut self, host: Host) -> Result<(Linker<Data>, Store<Data>)> {
        let mut linker = Linker::new(&ENGINE);
        match host {
            Host::Wasmtime => wasmtime_wasi::p3::add_to_linker(&mut linker)?,
            Host::Ours => wasi::cli(&mut linker, |data: &mut Data| &mut data.stdio)?,
        }
        let data = Data { ctx: self.0.build(), table: ResourceTable::new(), stdio: self.1 };
        Ok((linker, Store::new(&ENGINE, data)))
    }

    /// Runs a command of `tests/wasi/guests`, as a host does that does not want to lose output.
    async fn run(self, host: Host, name: &'static str) -> Result<Result<(), ()>> {
        let (linker, mut store) = self.open(host)?;
        let command = Command::instantiate_async(&mut store, &component(name), &linker).await?;
        let ran = store.run_concurrent(async |store| command.wasi_cli_run().call_run(store).await);
        let ran = ran.await.and_then(|ran| ran);
        if host == Host::Ours {
            store.data_mut().stdio.closing().await;
        }
        ran
    }

    /// Runs `script` with the guest of guest.wat, and drops its store.
    async fn with<R>(self, host: Host, script: impl AsyncFnOnce(&Guest<'_>) -> R) -> R {
        static COMPONENT: LazyLock<Component> =
            LazyLock::new(|| Component::new(&ENGINE, include_str!("guest.wat")).unwrap());
        let (linker, mut store) = self.open(host).unwrap();
        let instance = linker.instantiate_async(&mut store, &COMPONENT).await.unwrap();
        let run = store
            .run_concurrent(async |accessor| script(&Guest { accessor, instance }).await)
            .await;
        run.unwrap()
    }
}

/// The guest of guest.wat, while its store runs.
struct Guest<'a> {
    accessor: &'a Accessor<Data>,
    instance: Instance,
}

impl Guest<'_> {
    async fn call<P, R>(&self, name: &str, params: P) -> R
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

    /// A new stream over stdin or stdout, and its result future.
    async fn open(&self, name: &str) -> (u32, u32) {
        self.call::<_, ((u32, u32),)>(name, ()).await.0
    }

    /// A new stream of `read-file`, `write-file` or `list`, and its result future.
    async fn open_at(&self, name: &str, descriptor: Descriptor) -> (u32, u32) {
        let this = self.accessor.with(|mut access| access.data_mut().table.push(descriptor));
        let this = Resource::<Descriptor>::new_borrow(this.unwrap().rep());
        self.call::<_, ((u32, u32),)>(name, (this,)).await.0
    }

    /// Calls a function with one stream or future.
    async fn one(&self, name: &str, handle: u32) -> u32 {
        self.call::<_, (u32,)>(name, (handle,)).await.0
    }

    /// Begins an operation of `len` bytes or entries.
    async fn start(&self, name: &str, stream: u32, len: u32) -> u32 {
        self.call::<_, (u32,)>(name, (stream, len)).await.0
    }

    /// An operation, to its end.
    async fn done(&self, name: &str, stream: u32, len: u32) -> u32 {
        match self.start(name, stream, len).await {
            BLOCKED => self.one("wait", stream).await,
            code => code,
        }
    }

    /// Drops an end of a stream.
    async fn drop_end(&self, name: &str, stream: u32) {
        self.call::<_, ()>(name, (stream,)).await;
    }
}

fn file(file: File) -> Descriptor {
    let mode = OpenMode::READ | OpenMode::WRITE;
    Descriptor::File(WasiFile::new(file, FsPerms::ReadWrite, mode, false))
}

#[cfg(unix)]
fn directory(directory: File) -> Descriptor {
    Descriptor::Dir(wasmtime_wasi::filesystem::Dir::new(
        directory,
        FsPerms::ReadWrite,
        OpenMode::READ,
        false,
    ))
}
