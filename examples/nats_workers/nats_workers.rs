//! A worker of many, over NATS: messages through a guest. What one that dies has left is done by others, on any machine.
//! `cargo run -p example-nats-workers --bin nats_workers -- localhost`, as often as you like, after the coordinator.
//!
//! ```toml
//! async-nats = { version = "0.51", default-features = false, features = ["jetstream", "ring"] }
//! futures = "0.3"
//! tokio = { version = "1", features = ["full"] }
//! wasmtime = "48"
//! wasmtime-streams = { version = "48", features = ["nats"] }
//! ```
#![allow(missing_docs)] // of what `bindgen!` makes

use std::{env, future::ready, time::Duration};

use async_nats::jetstream::consumer::{PullConsumer, pull::MessagesError};
use async_nats::jetstream::context::{Context, traits::Publisher as _};
use async_nats::jetstream::message::{OutboundMessage, PublishMessage};
use async_nats::jetstream::{self, Message};
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Error, Result, Store, bail, error::Context as _};
use wasmtime_streams::{End, nats, nats::Acks, transform};

wasmtime::component::bindgen!({ inline: "package example:work; world worker {
    record work { subject: string, payload: list<u8> }
    export work: async func(input: stream<work>) -> stream<work>;
}" });
wasmtime_streams::plain!(Work);

type Messages = BoxStream<'static, Result<Message, MessagesError>>;

#[tokio::main]
async fn main() -> Result<()> {
    let Some(server) = env::args().nth(1) else { bail!("usage: nats_workers SERVER") };
    let guest = &Component::from_file(&Engine::default(), "examples/guests/work.wasm")?;
    let help = "no NATS server: `apt-get install nats-server`, and run `nats-server -js`";
    let nats = &jetstream::new(async_nats::connect(server).await.context(help)?);
    let consumer = nats.get_consumer_from_stream("workers", "work").await;
    let consumer: PullConsumer = consumer.context("no work: start the coordinator first")?;
    let messages = consumer.stream().max_messages_per_batch(32).heartbeat(Duration::from_secs(5));
    // A guest may have died of what is delivered again: that gets a guest of its own, where it harms nothing else.
    let (again, alone) = futures::channel::mpsc::unbounded(); // at most `max_ack_pending` of the consumer
    let first = messages.messages().await?.try_filter(move |message| {
        let is_first = message.info().is_ok_and(|info| info.delivered == 1);
        let _ = is_first || again.unbounded_send(message.clone()).is_ok();
        ready(is_first)
    });
    eprintln!("working");
    let together = async {
        let mut messages = first.boxed();
        while let (Some(error), rest) = run(guest, nats, messages).await? {
            eprintln!("a new guest: {}", error.root_cause());
            messages = rest;
        }
        bail!("the guest has left, or the connection is closed")
    };
    let alone = alone.map(Ok).try_for_each_concurrent(4, async |message: Message| {
        let one = stream::iter([Ok(message.clone())]).boxed();
        if let (Some(error), _) = run(guest, nats, one).await? {
            // It would fail elsewhere as well, so that is its result.
            let failed = PublishMessage::build().header("Error", &*error.root_cause().to_string());
            nats.publish_message(result(&message.subject, failed)).await?.await?;
            message.ack().await.map_err(Error::from_boxed)?;
        }
        Ok(())
    });
    tokio::try_join!(together, alone).map(|((), ())| ())
}

/// Sends messages through a new guest, until it has all or traps. It writes one result for each, in order.
async fn run(guest: &Component, nats: &Context, m: Messages) -> Result<(Option<Error>, Messages)> {
    let acks = Acks::new(); // those that are left when the guest dies are dropped, and so done again
    let input = nats::read(m).acknowledge_later(acks.clone(), |message| Work {
        subject: message.subject.to_string(),
        payload: message.payload.to_vec(),
    });
    let client = nats.client();
    let output = nats::publish(nats.clone(), |Work { subject, payload }| {
        result(&subject, PublishMessage::build().payload(payload.into()))
    });
    let output = output.acknowledge_stored(acks).on_stored(move |stored| {
        let client = stored.duplicate.then(|| client.clone()); // for the coordinator's count
        tokio::spawn(async move { client?.publish("duplicates", "".into()).await.ok() });
    });
    let mut store = Store::new(guest.engine(), ());
    let guest = Worker::instantiate_async(&mut store, guest, &Linker::new(guest.engine())).await?;
    let call = async |store: &_, input| guest.call_work(store, input).await;
    let done = transform(&mut store, input, output, call).await;
    match (done.input.end, done.output.end) {
        (End::Failed(error), _) => Err(error.into()),
        (_, End::Failed(error)) => Err(error.into()),
        _ => Ok((done.result.err(), done.input.inner.into_inner())),
    }
}

/// The server keeps one result of each id, and so drops that of work that is done again.
fn result(subject: &str, message: PublishMessage) -> OutboundMessage {
    message.message_id(subject).outbound_message(subject.replacen("work.", "results.", 1))
}
