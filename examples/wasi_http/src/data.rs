//! A component with WASI and its HTTP, and what its store has for them: a context each, and a table of resources.

use std::future::ready;

use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Engine, Result};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::p3::{self, bindings::ServicePre};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView};
use wasmtime_wasi_http::{WasiHttpHooks, WasiHttpView};

pub(crate) struct Data {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: NoRequests,
    table: ResourceTable,
}

impl Data {
    pub(crate) fn new() -> Self {
        let wasi = WasiCtx::builder().inherit_stderr().build();
        Self { wasi, http: WasiHttpCtx::new(), hooks: NoRequests, table: ResourceTable::new() }
    }
}

/// The component of a file, linked with all of WASI and its HTTP.
pub(crate) fn load(file: &str) -> Result<ServicePre<Data>> {
    let engine = Engine::default();
    let mut linker = Linker::new(&engine);
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    p3::add_to_linker(&mut linker)?;
    ServicePre::new(linker.instantiate_pre(&Component::from_file(&engine, file)?)?)
}

impl WasiView for Data {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Data {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.hooks }
    }
}

/// No guest sends requests of its own: for that, take the feature `default-send-request` and its hooks.
pub(crate) struct NoRequests;

type Sending = axum::http::Request<WasiBody>;
type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Box<dyn Future<Output = Result<(axum::http::Response<WasiBody>, Io), Error>> + Send>;

impl WasiHttpHooks for NoRequests {
    fn send_request(&mut self, _: Sending, _: Option<RequestOptions>, _: Io) -> Sent {
        Box::new(ready(Err(Error::HttpRequestDenied)))
    }
}
