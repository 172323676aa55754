//! This crate's host.

use wasmtime::{
    Result, Store,
    component::{Component, Linker, ResourceTable},
};
use wasmtime_streams::{
    tokio_io,
    wasi::{self, Stdio, Tcp},
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView, filesystem::FsPerms, p3::bindings::Command};

use super::guest::{ENGINE, World};

struct Data {
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

/// Runs a command on Wasmtime's WASI with this crate's streams in it.
pub(crate) async fn ours(component: &Component, world: World) -> Result<Result<(), ()>> {
    let mut builder = WasiCtx::builder();
    builder.args(&world.arguments).allow_tcp(true);
    for directory in world.directories {
        let perms = if directory.writable { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
        builder.preopened_dir(directory.host, directory.guest, perms)?;
    }
    let mut linker = Linker::<Data>::new(&ENGINE);
    wasi::cli(&mut linker, |data| &mut data.stdio)?;
    linker.allow_shadowing(true);
    wasi::tcp(&mut linker, |data| &mut data.tcp)?;

    let stdio = Stdio::new()
        .stdin(tokio_io::read(world.stdin))
        .stdout(tokio_io::write(world.stdout))
        .stderr(tokio_io::write(world.stderr));
    let tcp = Tcp::new().inherit_network();
    let data = Data { ctx: builder.build(), table: ResourceTable::new(), stdio, tcp };
    let mut store = Store::new(&ENGINE, data);
    let command = Command::instantiate_async(&mut store, component, &linker).await?;
    let ran = store.run_concurrent(async |store| command.wasi_cli_run().call_run(store).await);
    let ran = ran.await.and_then(|ran| ran);
    store.data_mut().stdio.closing().await;
    ran
}
