//! The scripted guest as these tests use it: in a store with a table, and with resources that stand for connections.

use wasmtime::component::{Resource, ResourceTable, ResourceType};
use wasmtime::{AsContextMut as _, StoreContextMut};
use wasmtime_streams_testing::executor::Stalled;
use wasmtime_streams_testing::{self as testing, Item, Setup};

pub use wasmtime_streams_testing::{BUFFER, Code};

/// What a test's store holds.
#[derive(Debug, Default)]
pub struct World {
    pub table: ResourceTable,
}

/// A host object that a guest holds as a resource.
#[derive(Debug, PartialEq, Eq)]
pub struct Connection(pub u32);

pub type Guest<'a, T> = testing::Guest<'a, World, T>;

fn setup() -> Setup<World> {
    Setup::new(World::default()).link(|root| {
        let ty = ResourceType::host::<Connection>();
        root.resource("item", ty, |mut store: StoreContextMut<'_, World>, rep| {
            let connection = Resource::<Connection>::new_own(rep);
            store.as_context_mut().data_mut().table.delete(connection)?;
            Ok(())
        })
    })
}

fn run<T: Item, R>(
    setup: Setup<World>,
    script: impl AsyncFnOnce(&Guest<'_, T>) -> R,
) -> wasmtime::Result<R> {
    match setup.run(script).0 {
        Ok(result) => result,
        Err(Stalled) => panic!("stalled: nothing can run any more"),
    }
}

/// Runs `script` against a fresh guest; fails if nothing can run, or if the guest traps.
pub fn with_guest<T: Item, R>(script: impl AsyncFnOnce(&Guest<'_, T>) -> R) -> R {
    run(setup(), script).unwrap()
}

/// Like [`with_guest`], with a buffer in which `items` items fit.
pub fn with_large_guest<T: Item, R>(items: u32, script: impl AsyncFnOnce(&Guest<'_, T>) -> R) -> R {
    run(setup().buffer(items * T::SIZE), script).unwrap()
}

/// Like [`with_guest`], for a guest that traps: returns why.
pub fn with_trapping_guest<T: Item, R>(
    script: impl AsyncFnOnce(&Guest<'_, T>) -> R,
) -> wasmtime::Error {
    match run(setup(), script) {
        Ok(_) => panic!("expected a trap"),
        Err(error) => error,
    }
}
