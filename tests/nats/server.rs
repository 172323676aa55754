//! A server, its streams and consumers, and what is known of them there.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use async_nats::jetstream::consumer::{Info, PullConsumer, pull};
use async_nats::jetstream::context::Context;
use async_nats::jetstream::stream::Config;
use async_nats::jetstream::{self, Message};
use futures::StreamExt as _;
use tokio::time::{sleep, timeout};
use wasmtime::{Engine, Store};

/// What takes as long has failed.
pub(crate) const LONG: Duration = Duration::from_secs(30);

pub(crate) static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::default);

pub(crate) fn store() -> Store<()> {
    Store::new(&ENGINE, ())
}

/// A NATS server with its data in a directory of its own, killed when dropped.
pub(crate) struct Server {
    process: Child,
    directory: PathBuf,
    address: String,
    pub(crate) nats: Context,
}

impl Server {
    /// `None`, which is an error with `CI=true`, where nats-server is not installed.
    pub(crate) async fn start() -> Option<Self> {
        let Some(program) = find("nats-server") else {
            let missing = "not run: no NATS server is installed (`apt-get install nats-server`)";
            assert!(!std::env::var("CI").is_ok_and(|ci| ci == "true"), "{missing}");
            println!("{missing}");
            return None;
        };
        let directory = tempfile::tempdir().unwrap().keep();
        let mut server = Command::new(program);
        // Port -1 is a free one.
        server.args(["-a", "127.0.0.1", "-p", "-1", "-js", "-sd"]).arg(&directory);
        let mut process = server.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines =
            BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
        let ready = "Listening for client connections on ";
        let address = lines.find_map(|line| Some(line.split_once(ready)?.1.to_owned()));
        // Reads on, so that the server never blocks on its stderr.
        std::thread::spawn(move || lines.for_each(drop));
        let address = address.expect("the server does not start");
        let nats = connect(&address).await;
        Some(Self { process, directory, address, nats })
    }

    /// A connection of its own.
    pub(crate) async fn connect(&self) -> Context {
        connect(&self.address).await
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Stops the process, so that it answers nothing, or lets it go on.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// A stream `work` with the messages `0`, `1` and so on, each on the subject `work.` and its number.
    pub(crate) async fn work(&self, count: usize) {
        self.stream("work", -1).await;
        for number in 0..count {
            let sent = self.nats.publish(format!("work.{number}"), number.to_string().into());
            sent.await.unwrap().await.unwrap();
        }
    }

    /// A stream that refuses what is too many.
    pub(crate) async fn stream(&self, name: &str, max_messages: i64) {
        let config = Config {
            name: name.to_owned(),
            subjects: vec![format!("{name}.>")],
            discard: jetstream::stream::DiscardPolicy::New,
            max_messages,
            ..Config::default()
        };
        self.nats.create_stream(config).await.unwrap();
    }

    /// The subjects and payloads of a stream.
    pub(crate) async fn stored(&self, name: &str) -> Vec<(String, Vec<u8>)> {
        let stream = self.nats.get_stream(name).await.unwrap();
        let count = stream.cached_info().state.messages;
        let mut all = Vec::new();
        for sequence in 1..=count {
            let message = stream.get_raw_message(sequence).await.unwrap();
            all.push((message.subject.to_string(), message.payload.to_vec()));
        }
        all
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

async fn connect(address: &str) -> Context {
    jetstream::new(async_nats::connect(address).await.unwrap())
}

/// The program in the PATH, or where Debian has it, which is not in every user's.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|directory| directory.join(program))
        .find(|file| file.is_file())
}

/// A consumer `workers` of the stream `work`, whose messages are not delivered again while a test runs, unless they are given
/// back.
pub(crate) async fn workers(nats: &Context) -> PullConsumer {
    consumer(nats, pull::Config { ack_wait: 10 * LONG, ..pull::Config::default() }).await
}

pub(crate) async fn consumer(nats: &Context, config: pull::Config) -> PullConsumer {
    let config = pull::Config { durable_name: Some("workers".to_owned()), ..config };
    nats.create_consumer_on_stream(config, "work").await.unwrap()
}

/// Messages as they come, a few at a time.
pub(crate) async fn messages(consumer: &PullConsumer, batch: usize) -> pull::Stream {
    consumer.stream().max_messages_per_batch(batch).messages().await.unwrap()
}

/// Waits until the server sees it so.
pub(crate) async fn until(consumer: &PullConsumer, is_so: impl Fn(&Info) -> bool) {
    let mut consumer = consumer.clone();
    let wait = async {
        while !is_so(consumer.info().await.unwrap()) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    if timeout(LONG, wait).await.is_err() {
        panic!("{:?}", consumer.info().await);
    }
}

/// The next messages of the consumer, which another worker gets.
pub(crate) async fn next(consumer: &PullConsumer, count: usize) -> Vec<Message> {
    let messages = messages(consumer, count).await.take(count).map(Result::unwrap).collect();
    timeout(LONG, messages).await.expect("they are not delivered")
}

/// How often they were delivered, and their numbers.
pub(crate) fn deliveries(messages: &[Message]) -> Vec<(i64, String)> {
    let mut all: Vec<_> = messages
        .iter()
        .map(|message| {
            let number = String::from_utf8(message.payload.to_vec()).unwrap();
            (message.info().unwrap().delivered, number)
        })
        .collect();
    all.sort();
    all
}

/// Waits until these are delivered again, and no other. A worker that still asks for messages may have had one again itself,
/// and given it back, so they may come twice.
pub(crate) async fn again(consumer: &PullConsumer, numbers: &[&str]) {
    let mut messages = messages(consumer, 10).await;
    let mut missing = numbers.to_vec();
    while !missing.is_empty() {
        let message = timeout(LONG, messages.next()).await.expect("they are not delivered");
        let message = message.unwrap().unwrap();
        message.ack().await.unwrap();
        let number = std::str::from_utf8(&message.payload).unwrap();
        assert!(numbers.contains(&number), "{number}");
        missing.retain(|missing| *missing != number);
    }
}
