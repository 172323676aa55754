//! The guest: a component that exports `transform`.

use std::fs;
use std::path::Path;

use wasmtime::component::{Component, Linker, StreamReader, TypedFunc};
use wasmtime::{Engine, Error, Store, WasmBacktrace};

use crate::{Failure, signature};

const UPPER: &str = include_str!("../guests/upper.wat");

pub(crate) struct Guest {
    pub(crate) store: Store<()>,
    pub(crate) transform: TypedFunc<(StreamReader<u8>,), (StreamReader<u8>,)>,
}

impl Guest {
    /// Compiles and starts the guest in `file`, or else the embedded one.
    pub(crate) async fn load(file: Option<&Path>) -> Result<Self, Failure> {
        let name = file.map_or("the embedded guest".into(), |file| file.to_string_lossy());
        let unusable = |why: String| Failure::Unusable(format!("{name}: {why}"));

        let code = match file {
            Some(file) => fs::read(file)
                .map_err(|error| unusable(format!("the guest cannot be read: {error}")))?,
            None => UPPER.into(),
        };
        let engine = Engine::default();
        let component = Component::new(&engine, code)
            .map_err(|error| unusable(format!("this is no component: {error:#}")))?;
        signature::check(&engine, &component).map_err(unusable)?;
        // Nothing is offered for a guest to import.
        let linked = Linker::new(&engine)
            .instantiate_pre(&component)
            .map_err(|error| unusable(format!("the guest cannot be linked: {error:#}")))?;

        let mut store = Store::new(&engine, ());
        let instance = linked.instantiate_async(&mut store).await.map_err(|error| {
            Failure::Failed(format!("{name}: the guest trapped at its start: {}", cause(&error)))
        })?;
        let transform = instance
            .get_typed_func(&mut store, "transform")
            .map_err(|error| unusable(format!("{error:#}")))?;
        Ok(Self { store, transform })
    }
}

/// Why a guest trapped, and on lines of their own where.
pub(crate) fn cause(error: &Error) -> String {
    let backtrace = error.downcast_ref().map(|backtrace: &WasmBacktrace| format!("\n{backtrace}"));
    format!("{}{}", error.root_cause(), backtrace.unwrap_or_default().trim_end())
}
