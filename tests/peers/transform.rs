//! A guest that makes what it reads upper case, in a store of its own.

use wasmtime::component::{Accessor, Component, Linker, StreamReader, TypedFunc};
use wasmtime::{Engine, Result, Store};

type Func = TypedFunc<(StreamReader<u8>,), (StreamReader<u8>,)>;

pub struct Upper {
    pub store: Store<()>,
    transform: Func,
}

impl Upper {
    pub async fn new() -> Self {
        Self::load().await.expect("a guest")
    }

    async fn load() -> Result<Self> {
        let engine = Engine::default();
        let component = Component::from_file(&engine, "examples/guests/upper.wat")?;
        let mut store = Store::new(&engine, ());
        let instance = Linker::new(&engine).instantiate_async(&mut store, &component).await?;
        let transform = instance.get_typed_func(&mut store, "transform")?;
        Ok(Self { store, transform })
    }

    /// Hands the stream that `make` makes to the guest, and what comes out of it to `then`, in the running store.
    pub async fn run<R>(
        &mut self,
        make: impl FnOnce(&Accessor<()>) -> StreamReader<u8>,
        then: impl AsyncFnOnce(&Accessor<()>, StreamReader<u8>) -> R,
    ) -> R {
        let transform = &self.transform;
        let run = self.store.run_concurrent(async |accessor| {
            let input = make(accessor);
            let (output,) = transform.call_concurrent(accessor, (input,)).await?;
            wasmtime::error::Ok(then(accessor, output).await)
        });
        run.await.flatten().expect("the guest does not trap")
    }
}
