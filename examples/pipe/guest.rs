//! The guest: a component that exports `transform`.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use wasmtime::component::{Component, Linker, StreamReader, TypedFunc};
use wasmtime::{Config, Engine, Error, Store, WasmBacktrace};

use crate::{Failure, signature};

const UPPER: &str = include_str!("../guests/upper.wat");

/// Larger files are rejected. Without a bound, `/dev/zero` would fill the memory.
const MAX_LEN: u64 = 256 << 20;

pub(crate) struct Guest {
    pub(crate) store: Store<()>,
    pub(crate) transform: TypedFunc<(StreamReader<u8>,), (StreamReader<u8>,)>,
}

impl Guest {
    /// Compiles and instantiates the guest in `file`, or the embedded one.
    pub(crate) async fn load(file: Option<&Path>) -> Result<Self, Failure> {
        let name = file.map_or("the embedded guest".into(), |file| file.to_string_lossy());
        let unusable = |why: String| Failure::Unusable(format!("{name}: {why}"));

        let code = match file {
            Some(file) => read(file)
                .map_err(|error| unusable(format!("the guest cannot be read: {error}")))?,
            None => UPPER.into(),
        };
        let engine = Engine::new(&Config::new())
            .map_err(|error| unusable(format!("no guest can run here: {error:#}")))?;
        let component = Component::new(&engine, code)
            .map_err(|error| unusable(format!("this is no component: {error:#}")))?;
        signature::check(&engine, &component).map_err(unusable)?;
        // The guest gets no imports.
        let linked = Linker::new(&engine)
            .instantiate_pre(&component)
            .map_err(|error| unusable(format!("the guest cannot be linked: {error:#}")))?;

        let mut store = Store::new(&engine, ());
        let instance = linked
            .instantiate_async(&mut store)
            .await
            .map_err(|error| unusable(format!("the guest cannot be started: {}", cause(&error))))?;
        let transform = instance
            .get_typed_func(&mut store, "transform")
            .map_err(|error| unusable(format!("{error:#}")))?;
        Ok(Self { store, transform })
    }
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut code = Vec::new();
    File::open(file)?.take(MAX_LEN + 1).read_to_end(&mut code)?;
    if code.len() as u64 > MAX_LEN {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 256 MiB"));
    }
    Ok(code)
}

/// Why a guest failed, and its backtrace on separate lines.
pub(crate) fn cause(error: &Error) -> String {
    let backtrace = error.downcast_ref().map(|backtrace: &WasmBacktrace| format!("\n{backtrace}"));
    format!("{}{}", error.root_cause(), backtrace.unwrap_or_default().trim_end())
}
