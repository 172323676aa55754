//! A worker of many, over NATS: messages through guests. What one that dies has left is done by others, on any machine.
//! `nats-server -js`, then `cargo run -p example-nats-workers --bin nats_workers -- localhost`, as often as you like;
//! `--bin coordinator -- localhost 10000` sends work.
//!
//! ```toml
//! async-nats = { version = "0.51", default-features = false, features = ["jetstream", "ring"] }
//! bytes = "1"
//! futures = "0.3"
//! tokio = { version = "1", features = ["full"] }
//! wasmtime = "48"
//! wasmtime-streams = "48"
//! ```

use std::env;
use std::time::Duration;

use async_nats::jetstream::{self, consumer::pull, context::Context, stream::Config};
use async_nats::{HeaderMap, header::NATS_MESSAGE_ID};
use bytes::Bytes;
use futures::{TryStreamExt as _, future::try_join_all, stream};
use wasmtime::component::{Component, InstancePre, Linker, StreamReader};
use wasmtime::{Engine, Error, Result, Store, error::Context as _};
use wasmtime_streams::{iterators, streams, transform};

/// How many guests of a worker run at the same time.
const GUESTS: usize = 4;
/// The longest result, in bytes.
const LONGEST: usize = 512 * 1024;
/// Work that is not acknowledged for so long goes to another worker: longer than a piece of work takes.
const ACK_WAIT: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let Some(server) = arguments.next() else {
        eprintln!("usage: nats_workers SERVER [GUEST]");
        std::process::exit(2);
    };
    let engine = Engine::default();
    let file = arguments.next().unwrap_or("examples/guests/upper.wat".to_owned());
    let guest = Linker::new(&engine).instantiate_pre(&Component::from_file(&engine, file)?)?;
    let help = "no NATS server: `apt-get install nats-server`, and run `nats-server -js`";
    let nats = jetstream::new(async_nats::connect(server).await.context(help)?);
    for name in ["work", "results"] {
        let (subjects, max_age) = (vec![format!("{name}.>")], Duration::from_secs(3600));
        let config = Config { name: name.into(), subjects, max_age, ..Config::default() };
        nats.get_or_create_stream(config).await?;
    }
    eprintln!("working");
    try_join_all((0..GUESTS).map(|_| work(&nats, &guest))).await?;
    Ok(())
}

/// One message after the other. Each is asked for when there is a guest for it: what waits is in the server, for
/// whichever worker is free first.
async fn work(nats: &Context, guest: &InstancePre<()>) -> Result<()> {
    let durable_name = Some("workers".to_owned()); // one for all workers
    let config = pull::Config { durable_name, ack_wait: ACK_WAIT, ..pull::Config::default() };
    let work = nats.create_consumer_on_stream(config, "work").await?;
    loop {
        let next = work.batch().max_messages(1).expires(Duration::from_secs(30));
        let mut batch = next.messages().await?;
        while let Some(message) = batch.try_next().await.map_err(Error::from_boxed)? {
            let mut headers = HeaderMap::new();
            let result = run(guest, message.payload.clone()).await.unwrap_or_else(|error| {
                // It would fail elsewhere as well.
                headers.insert("Error", error.root_cause().to_string().replace('\n', " "));
                Vec::new()
            });
            // The server keeps one result of each id, and so drops that of work that is done again.
            headers.insert(NATS_MESSAGE_ID, message.subject.as_str());
            let subject = message.subject.replacen("work.", "results.", 1);
            nats.publish_with_headers(subject, headers, result.into()).await?.await?;
            // Not before the result is stored. If this is lost, the work is done again.
            message.ack().await.map_err(Error::from_boxed)?;
        }
    }
}

/// The output of a guest of its own, which cannot harm others.
async fn run(guest: &InstancePre<()>, payload: Bytes) -> Result<Vec<u8>> {
    let mut store = Store::new(guest.engine(), ());
    let guest = guest.instantiate_async(&mut store).await?;
    let upper = guest
        .get_typed_func::<(StreamReader<u8>,), (StreamReader<u8>,)>(&mut store, "transform")?;
    let input = streams::chunks(stream::iter([payload]));
    let output = iterators::collect_bytes(LONGEST);
    let call = async |store: &_, input| Ok(upper.call_concurrent(store, (input,)).await?.0);
    let done = transform(&mut store, input, output, call).await;
    done.result?;
    done.output.end.into_result()?;
    Ok(done.output.inner.into_inner())
}
