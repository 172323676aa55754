//! Runs a command of WASI 0.3 on this process's stdio: `cargo run --example wasi_command --features wasi -- GUEST.wasm`
//!
//! Further arguments are the guest's. It sees the current directory as `.`, and its exit status is that of the process.

use std::process::ExitCode;

use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::error::Context as _;
use wasmtime::{Engine, Result, Store};
use wasmtime_streams::wasi::{self, Stdio, StdioEnd};
use wasmtime_wasi::filesystem::FsPerms;
use wasmtime_wasi::p3::bindings::Command;
use wasmtime_wasi::{I32Exit, WasiCtx, WasiCtxView, WasiView};

struct Data {
    wasi: WasiCtx,
    table: ResourceTable,
    stdio: Stdio,
}

impl WasiView for Data {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// The guest's exit status.
async fn run(guest: &str, arguments: &[String]) -> Result<u8> {
    let engine = Engine::default();
    let component = Component::from_file(&engine, guest)?;
    let mut linker = Linker::<Data>::new(&engine);
    wasi::cli(&mut linker, |data| &mut data.stdio)?; // all of WASI, with the stdio of the store's data

    let mut wasi = WasiCtx::builder();
    // The guest asks the context whether it has a terminal; the streams are those of `Stdio`.
    wasi.inherit_stdio().args(arguments).preopened_dir(".", ".", FsPerms::ReadWrite)?;
    let stdio = Stdio::inherit().context("the process has no stdio")?;
    let data = Data { wasi: wasi.build(), table: ResourceTable::new(), stdio };
    let mut store = Store::new(&engine, data);

    let command = Command::instantiate_async(&mut store, &component, &linker).await?;
    let ran = store.run_concurrent(async |store| command.wasi_cli_run().call_run(store).await);
    let ran = ran.await.and_then(|ran| ran);

    // Also after a trap: what the guest has printed goes out first.
    let ends = store.data_mut().stdio.closing().await;
    let failed = |end: Option<StdioEnd>| end.and_then(|end| end.end.into_result().err());
    for (name, end) in [("stdout", ends.stdout), ("stderr", ends.stderr)] {
        if let Some(end) = failed(end) {
            eprintln!("error: {name}: {end}");
        }
    }
    match ran {
        Ok(Ok(())) => Ok(0),
        Ok(Err(())) => Ok(1),
        // `exit` of `wasi:cli` is a trap.
        Err(error) => match error.downcast_ref::<I32Exit>() {
            Some(I32Exit(status)) => Ok(u8::try_from(*status).unwrap_or(1)),
            None => Err(error),
        },
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let Some(guest) = arguments.first() else {
        eprintln!("usage: wasi_command GUEST.wasm [ARGUMENT …]");
        return ExitCode::from(2);
    };
    match run(guest, &arguments).await {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
