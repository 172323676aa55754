//! The contract kit over both adapters. The source is fed by a script, and its client never connects: no acknowledgement is
//! sent. The sink publishes to a server, which a step gives time to answer.

use std::rc::Rc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, Message, context::Context};
use async_nats::{ConnectOptions, HeaderMap};
use tokio::runtime::{Builder, Runtime};
use wasmtime::StoreContextMut;
use wasmtime_streams::nats::{self, Delivery};
use wasmtime_streams_testing::inner::{ItemStream, Script, Step};
use wasmtime_streams_testing::{self as testing, Made};

use crate::completed::completed;
use crate::server::Server;

const ITEMS: [u8; 7] = [1, 2, 3, 4, 5, 6, 7];

/// Nothing runs on it while the kit runs its scripts.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().build().unwrap());

static NATS: LazyLock<Context> = LazyLock::new(|| {
    RUNTIME.block_on(async {
        let options = ConnectOptions::new().retry_on_initial_connect();
        jetstream::new(options.connect("127.0.0.1:1").await.unwrap())
    })
});

pub(crate) fn message(number: u8) -> Message {
    let payload = vec![number].into();
    let message = async_nats::Message {
        subject: "work".into(),
        reply: Some("$JS.ACK.work.workers.1.1.1.1.1".into()),
        length: 1,
        headers: Some(HeaderMap::new()),
        status: None,
        description: None,
        payload,
    };
    Message { message, context: NATS.clone() }
}

/// Everything is ready, or a part at a time with spurious wake-ups; and it may fail at the end.
fn script(parts: bool, fails: bool) -> (Script, usize) {
    let mut steps = Vec::new();
    for part in ITEMS.chunks(2) {
        if parts {
            steps.extend([Step::Hold, Step::Empty, Step::Pending]);
        }
        steps.push(Step::Data(part.to_vec()));
    }
    if fails {
        steps.push(Step::Fail);
    }
    (Script::new(steps), if parts { ITEMS.len().div_ceil(2) } else { 0 })
}

macro_rules! checks {
    ($parts:expr, $fails:expr, $items:expr, $make:expr) => {{
        let check = testing::producer($items, move || {
            let (script, mut left) = script($parts, $fails);
            let control = script.control();
            let messages = ItemStream::new(script, message);
            let (source, completion) = $make(nats::read(messages).finite()).with_completion();
            completed(Made::new(source), completion).step(move || {
                let more = left > 0;
                if more {
                    left -= 1;
                    control.release();
                }
                more
            })
        });
        let check = if $fails { check.fails() } else { check };
        let report = check.depth(if $parts { 3 } else { 2 }).assert();
        assert!(report.scripts > 100, "{report:?}");
    }};
}

#[test]
fn what_is_acknowledged_once_it_is_taken_keeps_the_contract() {
    for (parts, fails) in [(false, false), (true, false), (true, true)] {
        checks!(parts, fails, ITEMS.to_vec(), |source: wasmtime_streams::ItemProducer<_>| source
            .acknowledge_taken(|message: Message| message.payload[0]));
        let names = ITEMS.iter().map(|n| format!("item {n}")).collect();
        checks!(parts, fails, names, |source: wasmtime_streams::ItemProducer<_>| source
            .acknowledge_taken(|message: Message| format!("item {}", message.payload[0])));
    }
}

#[test]
fn what_the_host_acknowledges_keeps_the_contract() {
    for (parts, fails) in [(false, false), (true, false), (true, true)] {
        checks!(parts, fails, ITEMS.to_vec(), |source: wasmtime_streams::ItemProducer<_>| source
            .deliver_with(|_: StoreContextMut<'_, ()>, Delivery { message, ack }| {
                ack.ack();
                Ok(message.payload[0])
            }));
    }
}

/// A server, on a runtime that moves only when a test turns it.
pub(crate) struct World {
    runtime: Runtime,
    pub(crate) server: Server,
    scripts: AtomicUsize,
}

impl World {
    pub(crate) fn new() -> Option<Self> {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let server = runtime.block_on(Server::start())?;
        runtime.block_on(server.stream("results", -1));
        runtime.block_on(server.stream("probe", -1));
        Some(Self { runtime, server, scripts: AtomicUsize::new(0) })
    }

    /// A subject that nothing was published to, and the last message that is stored of others.
    pub(crate) fn next(&self) -> (String, u64) {
        let script = self.scripts.fetch_add(1, Ordering::Relaxed);
        (format!("results.{script}"), self.last())
    }

    /// Waits until the server has answered everything so far.
    pub(crate) fn settle(&self) {
        self.runtime.block_on(async {
            // What an answer lets go on is sent before the second one.
            for _ in 0..2 {
                let sent = self.server.nats.publish("probe.it", "".into());
                sent.await.unwrap().await.unwrap();
            }
        });
    }

    /// What is stored of a subject.
    pub(crate) fn stored(&self, subject: &str, after: u64) -> Vec<u8> {
        self.runtime.block_on(async {
            let stream = self.server.nats.get_stream("results").await.unwrap();
            let mut all = Vec::new();
            for sequence in after + 1..=stream.cached_info().state.last_sequence {
                let message = stream.get_raw_message(sequence).await.unwrap();
                if &*message.subject == subject {
                    all.push(message.payload[0]);
                }
            }
            all
        })
    }

    fn last(&self) -> u64 {
        self.runtime.block_on(async {
            let stream = self.server.nats.get_stream("results").await.unwrap();
            stream.cached_info().state.last_sequence
        })
    }
}

/// The server refuses the item at which it fails.
const REFUSED: u8 = 5;

fn publishes(world: &Rc<World>, in_flight: usize, fails: bool) {
    let world = world.clone();
    let check = testing::consumer(ITEMS.to_vec(), move || {
        let (subject, after) = world.next();
        let to = subject.clone();
        let message = move |item: u8| {
            let message = PublishMessage::build().payload(vec![item].into());
            let expected = if fails && item == REFUSED { "another" } else { "results" };
            message.expected_stream(expected).outbound_message(to.clone())
        };
        let _entered = world.runtime.enter();
        let sink = nats::publish(world.server.nats.clone(), message).in_flight(in_flight);
        let (sink, completion) = sink.with_completion();
        let (reads, steps) = (world.clone(), world.clone());
        let mut left = 2 * ITEMS.len();
        completed(Made::new(sink), completion)
            .received(move || {
                reads.settle();
                reads.stored(&subject, after)
            })
            .step(move || {
                left = left.saturating_sub(1);
                steps.settle();
                left > 0
            })
    });
    let check = if fails { check.fails() } else { check };
    let report = check.depth(2).random(50).assert();
    assert!(report.scripts > 50, "{report:?}");
}

#[test]
fn what_is_published_keeps_the_contract() {
    let Some(world) = World::new().map(Rc::new) else { return };
    for (in_flight, fails) in [(1, false), (2, false), (64, false), (1, true)] {
        publishes(&world, in_flight, fails);
    }
}
