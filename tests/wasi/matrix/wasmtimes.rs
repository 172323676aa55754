//! Wasmtime's own host.

use wasmtime::{
    Result, Store,
    component::{Component, Linker, ResourceTable},
};
use wasmtime_wasi::{
    WasiCtx, WasiCtxView, WasiView,
    filesystem::FsPerms,
    p3::{add_to_linker, bindings::Command},
};

use super::{
    guest::{ENGINE, World},
    pipes::Shared,
};

struct Data {
    ctx: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Data {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.ctx, table: &mut self.table }
    }
}

/// Runs a command.
pub(crate) async fn wasmtimes(component: &Component, world: World) -> Result<Result<(), ()>> {
    let mut builder = WasiCtx::builder();
    builder
        .args(&world.arguments)
        .stdin(Shared::new(world.stdin))
        .stdout(Shared::new(world.stdout))
        .stderr(Shared::new(world.stderr))
        .allow_tcp(true)
        .inherit_network();
    for directory in world.directories {
        let perms = if directory.writable { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
        builder.preopened_dir(directory.host, directory.guest, perms)?;
    }
    let mut linker = Linker::new(&ENGINE);
    add_to_linker(&mut linker)?;
    let mut store =
        Store::new(&ENGINE, Data { ctx: builder.build(), table: ResourceTable::default() });
    let command = Command::instantiate_async(&mut store, component, &linker).await?;
    store.run_concurrent(async |store| command.wasi_cli_run().call_run(store).await).await?
}
