//! The scripted guest for these tests: its store has a resource table, and its resources stand for connections.

use wasmtime::component::{Resource, ResourceTable, ResourceType};
use wasmtime::{AsContextMut as _, StoreContextMut};
use wasmtime_streams_testing::executor::Stalled;
use wasmtime_streams_testing::{self as testing, Item, Setup};

pub use wasmtime_streams_testing::{BUFFER, Code};

/// The data of a test's store.
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

/// Runs `script` against a fresh guest. Fails if it stalls or if the guest traps.
pub fn with_guest<T: Item, R>(script: impl AsyncFnOnce(&Guest<'_, T>) -> R) -> R {
    run(setup(), script).unwrap()
}

/// Like [`with_guest`], with a buffer for `items` items.
pub fn with_large_guest<T: Item, R>(items: u32, script: impl AsyncFnOnce(&Guest<'_, T>) -> R) -> R {
    run(setup().buffer(items * T::SIZE), script).unwrap()
}

/// Like [`with_guest`], for a guest that traps: returns the trap.
pub fn with_trapping_guest<T: Item, R>(
    script: impl AsyncFnOnce(&Guest<'_, T>) -> R,
) -> wasmtime::Error {
    match run(setup(), script) {
        Ok(_) => panic!("expected a trap"),
        Err(error) => error,
    }
}
