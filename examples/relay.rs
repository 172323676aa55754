//! A guest's output as the input of another one, in another store and thread: `cargo run --example relay -- FILE`
//!
//! Prints FILE on standard output, in upper case by the first guest and rotated by 13 letters by the second one. If a guest
//! traps, each stream ends with the reason, and the whole is no success: the output may be cut short.

use std::pin::pin;

use futures::future::join;
use tokio::fs::File;
use wasmtime::component::{Component, Linker, StreamReader, TypedFunc};
use wasmtime::error::Context as _;
use wasmtime::{Engine, Result, Store};
use wasmtime_streams::{StoreToken, relay, tokio_io};

/// How many bytes may be queued between the two.
const CAPACITY: usize = 64 * 1024;

/// A guest in its own store, whose data is a token by which a store that is gone is told from a stream that ended.
struct Guest {
    store: Store<StoreToken>,
    transform: TypedFunc<(StreamReader<u8>,), (StreamReader<u8>,)>,
}

impl Guest {
    async fn load(engine: &Engine, file: &str) -> Result<Self> {
        let component = Component::from_file(engine, file)?;
        let mut store = Store::new(engine, StoreToken::new());
        let guest = Linker::new(engine).instantiate_async(&mut store, &component).await?;
        // transform: async func(input: stream<u8>) -> stream<u8>
        let transform = guest.get_typed_func(&mut store, "transform")?;
        Ok(Self { store, transform })
    }

    /// Returns the guest's output, which it writes while its store runs.
    async fn call(&mut self, input: StreamReader<u8>) -> Result<StreamReader<u8>> {
        let Self { store, transform } = self;
        let call = async |store: &_| transform.call_concurrent(store, (input,)).await;
        Ok(store.run_concurrent(call).await??.0)
    }

    /// Runs the store until the completions of its streams resolve. They do so after a trap as well, once the store is
    /// dropped.
    async fn run<E>(mut self, ends: impl Future<Output = E>) -> (Result<()>, E) {
        let mut ends = pin!(ends);
        let ran = self.store.run_concurrent(async |_| ends.as_mut().await).await;
        drop(self);
        match ran {
            Ok(ended) => (Ok(()), ended),
            Err(trap) => (Err(trap), ends.await),
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let Some(path) = arguments.next() else {
        eprintln!("usage: relay FILE [FIRST-GUEST SECOND-GUEST]");
        std::process::exit(2);
    };
    let mut guest = |or: &str| arguments.next().unwrap_or(or.to_owned());
    let engine = Engine::default();
    let mut one = Guest::load(&engine, &guest("examples/guests/upper.wat")).await?;
    let mut two = Guest::load(&engine, &guest("examples/guests/rot13.wat")).await?;
    let file = File::open(&path).await.with_context(|| format!("cannot open {path}"))?;

    let (producer, input) = tokio_io::read(file).with_completion();
    let input = input.watch_store(one.store.data());
    let stream = StreamReader::new(&mut one.store, producer)?;
    let stream = one.call(stream).await?;
    // The closure sees what passes between the guests.
    let relayed = relay::bytes(&mut one.store, stream, &mut two.store, CAPACITY, |_: &[u8]| {})?
        .watch_stores(one.store.data(), two.store.data());
    let stream = two.call(relayed.stream).await?;
    let (consumer, output) = tokio_io::write(tokio::io::stdout()).with_completion();
    let output = output.watch_store(two.store.data());
    stream.pipe(&mut two.store, consumer)?;

    let first = tokio::spawn(one.run(join(input, relayed.from)));
    let second = tokio::spawn(two.run(join(relayed.to, output)));
    let ((first, (input, from)), (second, (to, output))) = (first.await?, second.await?);
    eprintln!(
        "first guest: {} bytes in, {}; {} out, {}",
        input.moved, input.end, from.moved, from.end
    );
    eprintln!(
        "second guest: {} bytes in, {}; {} out, {}",
        to.moved, to.end, output.moved, output.end
    );
    // What the second guest made of an input that was cut short has an end in order, so all of them count.
    first.context("the first guest trapped")?;
    second.context("the second guest trapped")?;
    input.end.into_result().with_context(|| format!("cannot read {path}"))?;
    to.end.into_result()?;
    output.end.into_result().context("cannot write the output")
}
