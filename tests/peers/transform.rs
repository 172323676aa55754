//! Guests that transform their input, each in a store of its own.

use std::sync::LazyLock;

use wasmtime::component::{Accessor, Component, Linker, StreamProducer, StreamReader, TypedFunc};
use wasmtime::{Config, Engine, Result, Store};
use wasmtime_streams::StoreToken;

type Func = TypedFunc<(StreamReader<u8>,), (StreamReader<u8>,)>;

/// A guest that upper-cases its input.
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

    /// Gives the stream of `make` to the guest, and its output to `then`, in the running store.
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
        run.await.flatten().expect("the guest trapped")
    }
}

/// A guest with `transform`, in a store with a token. It traps when it runs out of fuel.
pub struct Transform {
    pub store: Store<StoreToken>,
    pub transform: Func,
}

static ENGINE: LazyLock<Engine> =
    LazyLock::new(|| Engine::new(Config::new().consume_fuel(true)).expect("an engine"));

impl Transform {
    pub async fn upper() -> Self {
        Self::load(include_str!("../../examples/guests/upper.wat")).await.expect("a guest")
    }

    pub async fn rot13() -> Self {
        Self::load(include_str!("../../examples/guests/rot13.wat")).await.expect("a guest")
    }

    /// A guest that returns its input as its output.
    pub async fn pass() -> Self {
        Self::load(PASS).await.expect("a guest")
    }

    async fn load(text: &str) -> Result<Self> {
        let component = Component::new(&ENGINE, text)?;
        let mut store = Store::new(&ENGINE, StoreToken::new());
        store.set_fuel(u64::MAX)?;
        let instance = Linker::new(&ENGINE).instantiate_async(&mut store, &component).await?;
        let transform = instance.get_typed_func(&mut store, "transform")?;
        Ok(Self { store, transform })
    }

    /// Calls the guest, and returns its output. The guest goes on while the store runs.
    pub async fn call(
        &mut self,
        input: impl StreamProducer<StoreToken, Item = u8>,
    ) -> StreamReader<u8> {
        let input = StreamReader::new(&mut self.store, input).expect("a stream");
        self.pass_to(input).await
    }

    /// The same, for a stream that is already in the store.
    pub async fn pass_to(&mut self, input: StreamReader<u8>) -> StreamReader<u8> {
        let Self { store, transform } = self;
        let call = store.run_concurrent(async |accessor| {
            transform.call_concurrent(accessor, (input,)).await.map(|(output,)| output)
        });
        call.await.flatten().expect("the guest trapped")
    }
}

const PASS: &str = r#"(component
    (type $bytes (stream u8))
    (core module $guest (func (export "transform") (param i32) (result i32) (local.get 0)))
    (core instance $guest (instantiate $guest))
    (func (export "transform") async (param "input" $bytes) (result $bytes)
        (canon lift (core func $guest "transform"))))"#;
