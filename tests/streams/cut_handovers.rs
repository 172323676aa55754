//! The receiver of a guest's data can distinguish a cut from the end of the data.

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt as _, ready};
use http::HeaderMap;
use http_body::Body;
use http_body_util::BodyExt as _;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;
use wasmtime::component::StreamReader;
use wasmtime::{Engine, Store, StoreContextMut};
use wasmtime_streams::from_guest::{self, GuestItems, GuestReader};
use wasmtime_streams::{
    ByteConsumer, ByteProducer, ByteSink, Cut, EndReason, Flush, Meter, StoreToken,
    body::{self, BodyError},
    iterators, relay, to_guest,
};

use crate::support::cuts::{self, BEFORE, Cutting, Plan, Signs, Writes};
use crate::support::guest::{Code, with_guest};

/// The clock is paused and advances only while all tasks wait: a test that reaches this timeout hangs.
const TIMEOUT: Duration = Duration::from_secs(3600);

/// The data that the receiver read, and how its object ended.
type Seen = (Vec<u8>, String);

fn the_end() -> String {
    "the end".to_owned()
}

async fn read_body(body: impl Body<Data = Bytes, Error = BodyError>) -> Seen {
    let mut body = std::pin::pin!(body);
    let mut data = Vec::new();
    loop {
        match body.frame().await {
            None => return (data, the_end()),
            Some(Err(error)) => return (data, format!("{error:?}")),
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data() {
                    data.extend(bytes);
                }
            }
        }
    }
}

async fn read_bytes(mut reader: GuestReader) -> Seen {
    let (mut data, mut buf) = (Vec::new(), [0; 3]);
    loop {
        match reader.read(&mut buf).await {
            Ok(0) => return (data, the_end()),
            Ok(n) => data.extend_from_slice(&buf[..n]),
            Err(error) => {
                // A reader that goes on must not take the cut for the end of the data.
                assert!(reader.read(&mut buf).await.is_err(), "the error came only once");
                let cut: Option<&Cut> = error.get_ref().and_then(|e| e.downcast_ref());
                return (data, format!("{:?}", cut.expect("another error than `Cut`")));
            }
        }
    }
}

async fn read_items(mut items: GuestItems<u8>) -> Seen {
    let mut data = Vec::new();
    while let Some(batch) = items.next_batch().await {
        data.extend(batch);
    }
    (data, items.cut().map_or_else(the_end, |why| format!("{:?}", Cut(why))))
}

/// The data that arrives in the second store of a relay, and how the completion there resolves.
async fn read_relayed(producer: ByteProducer<to_guest::FromHost<u8>>) -> Seen {
    let mut store = Store::new(&Engine::default(), ());
    let (producer, done) = producer.with_completion();
    let (sink, data) = iterators::collect_bytes(1 << 20).with_completion();
    let stream = StreamReader::new(&mut store, producer).unwrap();
    stream.pipe(&mut store, sink).unwrap();
    let both = store.run_concurrent(async |_| (done.await.end, data.await.inner.into_inner()));
    let (end, data) = both.await.unwrap();
    (data, if end.is_finished() { the_end() } else { format!("Cut({end:?})") })
}

type Pipe = Box<dyn FnOnce(&mut Cutting, StoreContextMut<'_, StoreToken>, StreamReader<u8>)>;

/// Pipes a guest's stream into a consumer. The future reads what the consumer hands over.
type HandOver = (Pipe, BoxFuture<'static, Seen>);
type Row = (&'static str, fn(usize) -> HandOver);

fn bytes<S: ByteSink + Unpin>(
    consumer: ByteConsumer<S>,
    read: impl Future<Output = Seen> + Send + 'static,
) -> HandOver
where
    S::Error: Debug,
{
    (Box::new(|cutting, store, stream| cutting.pipe_bytes(store, stream, consumer)), read.boxed())
}

fn body(capacity: usize, length: Option<u64>, trailers: bool) -> HandOver {
    let (consumer, body) = body::from_guest(capacity, length);
    if trailers {
        let trailers = ready(Ok(Some(HeaderMap::new())));
        bytes(consumer, read_body(body.with_trailers(trailers)))
    } else {
        bytes(consumer, read_body(body))
    }
}

const BODIES: [Row; 4] = [
    ("a body", |capacity| body(capacity, None, false)),
    ("a body of known length", |capacity| body(capacity, Some(9), false)),
    ("a body with trailers", |capacity| body(capacity, None, true)),
    ("a body with both", |capacity| body(capacity, Some(9), true)),
];

const READERS: [Row; 2] = [
    ("a reader", |capacity| {
        let (consumer, reader) = from_guest::consumer(capacity);
        bytes(consumer, read_bytes(reader))
    }),
    ("items", |capacity| {
        let (consumer, items) = from_guest::item_consumer(capacity);
        let read = read_items(items).boxed();
        (Box::new(|cutting, store, stream| cutting.pipe_items(store, stream, consumer)), read)
    }),
];

const RELAYED: [Row; 1] = [("a relay", |capacity| {
    let (consumer, producer) = relay::byte_parts(capacity);
    bytes(consumer, read_relayed(producer))
})];

/// Cuts each hand-over by every plan, and reports all receivers that did not see the cut.
async fn check(rows: &[Row]) {
    let mut wrong = Vec::new();
    for (name, hand_over) in rows {
        for plan in Plan::all(&[Writes::Idle, Writes::More]) {
            let waits = plan.writes == Writes::More;
            let (pipe, read) = hand_over(if waits { BEFORE.len() } else { 1024 });
            let far = async |signs: &Signs| {
                signs.may_cut.cancel();
                if waits {
                    // Otherwise the receiver reads from the start, and waits when the cut comes.
                    signs.is_cut.cancelled().await;
                }
                timeout(TIMEOUT, read).await.unwrap_or((Vec::new(), "hangs".to_owned()))
            };
            let (data, end) = cuts::run(plan, pipe, far).await;
            if (&data[..], &end) != (BEFORE, &format!("Cut({:?})", plan.cut.why())) {
                let data = String::from_utf8_lossy(&data);
                wrong.push(format!("{name}, {plan:?}: {data:?}, {end}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} times:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn a_truncated_body_fails_after_its_data() {
    // Rule "Truncated is never complete": whatever cuts the stream, and whatever the host does with the completion.
    check(&BODIES).await;
}

#[tokio::test(start_paused = true)]
async fn a_truncated_reader_or_stream_of_items_reports_the_cut_after_its_data() {
    // Rule "Truncated is never complete".
    check(&READERS).await;
}

#[tokio::test(start_paused = true)]
async fn a_truncated_relay_reports_the_cut_in_the_other_store() {
    // Rule "Truncated is never complete".
    check(&RELAYED).await;
}

#[test]
fn a_body_over_its_limit_fails_whatever_else_is_configured() {
    // Rule "Truncated is never complete": the limit's reason arrives, in any order of the settings.
    let forever = || futures::future::pending::<()>();
    let mut wrong = Vec::new();
    macro_rules! check {
        ($($name:literal: |$consumer:ident| $limited:expr;)*) => { $(
            for completion in [false, true] {
                with_guest::<u8, _>(async |guest| {
                    let ($consumer, body) = body::from_guest(64, None);
                    let stream = if completion {
                        let (consumer, done) = $limited.with_completion();
                        drop(done);
                        guest.sink(consumer).await
                    } else {
                        guest.sink($limited).await
                    };
                    assert_eq!(guest.send(stream, b"hello world").await, Code::Dropped(5));
                    guest.drop_writable(stream).await;
                    let (data, end) = read_body(body).await;
                    if (&data[..], &end[..]) != (b"hello", "Cut(LimitReached)") {
                        wrong.push(format!("{}, completion {completion}: {end}", $name));
                    }
                });
            }
        )* };
    }
    check! {
        "alone": |c| c.limit(5);
        "inspected": |c| c.inspect(|_| {}).limit(5);
        "inspected outside": |c| c.limit(5).inspect(|_| {});
        "until": |c| c.until(EndReason::TimedOut, forever()).limit(5);
        "until outside": |c| c.limit(5).until(EndReason::TimedOut, forever());
        "two limits": |c| c.limit(9).limit(5);
        "the other limit": |c| c.limit(5).limit(9);
        "metered": |c| c.metered(&Meter::new()).limit(5);
        "traced": |c| c.traced(tracing::Span::none()).limit(5);
        "traced outside": |c| c.limit(5).traced(tracing::Span::none());
        "on close": |c| c.flush(Flush::OnClose).limit(5);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
