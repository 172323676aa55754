//! Sends pieces of work over NATS to the workers of `nats_workers.rs`, and waits for the result of each: `nats-server -js`,
//! then `cargo run -p example-nats-workers --bin coordinator -- localhost 10000`, and workers.
//!
//! ```toml
//! async-nats = { version = "0.51", default-features = false, features = ["jetstream", "ring"] }
//! futures = "0.3"
//! indicatif = "0.18"
//! tokio = { version = "1", features = ["full"] }
//! ```

use std::time::{Duration, Instant, SystemTime};
use std::{cell::OnceCell, collections::HashSet};
use std::{env, process};

use async_nats::jetstream::consumer::pull::{self, OrderedConfig};
use async_nats::jetstream::{self, stream::Config};
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, future::try_join, stream};
use indicatif::{ProgressBar, ProgressStyle};

type Error = Box<dyn std::error::Error + Send + Sync>;
/// How many messages may wait for the server at the same time.
const IN_FLIGHT: usize = 64;

#[tokio::main]
async fn main() {
    let mut arguments = env::args().skip(1);
    let count = |count: String| count.parse().ok();
    let (Some(server), Some(count)) = (arguments.next(), arguments.next().and_then(count)) else {
        eprintln!("usage: coordinator SERVER COUNT [BAD]");
        process::exit(2);
    };
    // So many are no text, so that the guest traps.
    let bad = arguments.next().and_then(|bad| bad.parse().ok()).unwrap_or(0);
    if let Err(error) = coordinate(&server, count, bad).await {
        eprintln!("error: {error}");
        process::exit(1);
    }
}

async fn coordinate(server: &str, count: usize, bad: usize) -> Result<(), Error> {
    let help = "no NATS server: `apt-get install nats-server`, and run `nats-server -js`";
    let nats = async_nats::connect(server).await.map_err(|error| format!("{error}: {help}"))?;
    let duplicates = nats.subscribe("duplicates").await?;
    let nats = &jetstream::new(nats);
    for name in ["work", "results"] {
        let hour = Duration::from_secs(3600);
        let times = Config { max_age: hour, duplicate_window: hour, ..Config::default() };
        let config = Config { name: name.into(), subjects: vec![format!("{name}.>")], ..times };
        nats.get_or_create_stream(config).await?;
    }
    // One for all workers. What one of them has had for so long goes to another.
    let (durable_name, ack_wait) = (Some("workers".into()), Duration::from_secs(5));
    let config = pull::Config { durable_name, ack_wait, ..Default::default() };
    let mut workers = nats.create_consumer_on_stream(config, "work").await?;
    let delivered = workers.info().await?.delivered.consumer_sequence;
    let style = "{wide_bar} {human_pos:>7} of {human_len}, {per_sec:0}, {eta:>3} left";
    let style = ProgressStyle::with_template(style)?;
    let bar = ProgressBar::new(count as u64).with_style(style);
    eprintln!("waiting for workers");
    // The ids differ from those of an earlier run, whose results the server still has.
    let run = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis();

    let send = stream::iter(0..count).map(Ok::<_, Error>).try_for_each_concurrent(
        IN_FLIGHT,
        |number| async move {
            let work = format!("work number {number}").into();
            let work = if number < bad { b"\xff"[..].into() } else { work };
            // The second `await` is for the server's answer that it has stored it.
            nats.publish(format!("work.{run}.{number}"), work).await?.await?;
            Ok(())
        },
    );
    let filter_subject = format!("results.{run}.>");
    let config = OrderedConfig { filter_subject, ..OrderedConfig::default() };
    let mut results = nats.create_consumer_on_stream(config, "results").await?.messages().await?;
    let (mut ids, mut repeated, mut failed) = (HashSet::new(), 0, 0);
    let start = OnceCell::new(); // of the first result
    let receive = async {
        while ids.len() < count {
            let result = results.try_next().await?.ok_or("the results ended")?;
            start.get_or_init(Instant::now);
            let error = result.headers.as_ref().and_then(|headers| headers.get("Error"));
            failed += usize::from(error.is_some());
            repeated += usize::from(!ids.insert(result.subject.to_string()));
            bar.set_position(ids.len() as u64);
        }
        Ok(())
    };
    try_join(send, receive).await?;
    bar.finish();
    let rate = count as f64 / start.get_or_init(Instant::now).elapsed().as_secs_f64();
    let again = workers.info().await?.delivered.consumer_sequence - delivered - count as u64;
    let duplicates = duplicates.ready_chunks(1 << 16).next().now_or_never().flatten();
    let (results, dropped) = (ids.len(), duplicates.map_or(0, |all| all.len()));
    println!(
        "{count} sent, {results} results, {repeated} repeated, {failed} failed, \
         {dropped} duplicates dropped, {again} delivered again, {rate:.0} a second",
    );
    Ok(())
}
