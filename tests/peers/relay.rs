//! A guest on tokio that passes items on, between any producer and any consumer.

use std::future::Future;
use std::sync::LazyLock;
use std::time::Duration;

use wasmtime::component::{Component, Linker, StreamConsumer, StreamProducer, StreamReader};
use wasmtime::{Engine, Result, Store};

static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::default);
static RELAY: LazyLock<Component> =
    LazyLock::new(|| Component::new(&ENGINE, include_str!("relay.wat")).unwrap());

/// How many items the guest reads and writes at a time.
#[derive(Clone, Copy)]
pub struct PerOp {
    pub read: u32,
    pub write: u32,
}

/// Lets the guest pass on the items of `producer` to `consumer`, until `until` resolves.
pub async fn relay<R>(
    producer: impl StreamProducer<(), Item = u32>,
    consumer: impl StreamConsumer<(), Item = u32>,
    per_op: PerOp,
    until: impl Future<Output = R> + Send,
) -> Result<R> {
    let mut store = Store::new(&ENGINE, ());
    let instance = Linker::new(&ENGINE).instantiate_async(&mut store, &RELAY).await?;
    let relay = instance.get_typed_func::<(StreamReader<u32>, u32, u32), (StreamReader<u32>,)>(
        &mut store, "relay",
    )?;
    let run = store.run_concurrent(async |accessor| {
        let input = accessor.with(|store| StreamReader::new(store, producer))?;
        let PerOp { read, write } = per_op;
        let (output,) = relay.call_concurrent(accessor, (input, read, write)).await?;
        accessor.with(|store| output.pipe(store, consumer))?;
        wasmtime::error::Ok(until.await)
    });
    // Stops a hang. The test does not depend on it.
    tokio::time::timeout(Duration::from_secs(60), run).await.expect("it hangs")?
}
