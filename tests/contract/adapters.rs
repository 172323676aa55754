//! Every adapter that the crate has, from one table: one line adds an adapter.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use wasmtime::component::{Resource, ResourceTable, ResourceType};
use wasmtime::{AsContextMut as _, StoreContextMut};
use wasmtime_streams::testing::{self, Made, Report, Reported};
use wasmtime_streams::{self as ws, Completion, End};

use crate::script::{ChunkStream, ChunkWriter, Control, ItemStream, Reader, Script, Step, Writer};

const ITEMS: [u8; 7] = [1, 2, 3, 4, 5, 6, 7];

/// What the host object is like.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Everything is ready at once.
    Ready,
    /// A part at a time, each once the test moves it on, with empty chunks and spurious `Pending`s in between.
    Parts,
    /// The same, and it fails at the end.
    Fails,
}

impl Kind {
    fn source(self) -> (Script, usize) {
        let mut steps = Vec::new();
        for part in ITEMS.chunks(2) {
            if self != Kind::Ready {
                steps.extend([Step::Hold, Step::Empty, Step::Pending]);
            }
            steps.push(Step::Data(part.to_vec()));
        }
        if self == Kind::Fails {
            steps.push(Step::Fail);
        }
        (Script::new(steps), ITEMS.len().div_ceil(2))
    }

    fn sink(self) -> (Script, usize) {
        if self == Kind::Ready {
            return (Script::new([]), 0);
        }
        let mut steps = Vec::new();
        for accept in [2, 1, 3] {
            steps.extend([Step::Hold, Step::Accept(accept), Step::Pending]);
        }
        steps.push(if self == Kind::Fails { Step::Fail } else { Step::Hold });
        (Script::new(steps), if self == Kind::Fails { 3 } else { 4 })
    }

    /// Moves the host object on, `left` times.
    fn step<X, V>(self, made: Made<X, V>, control: Control, mut left: usize) -> Made<X, V> {
        if self == Kind::Ready {
            return made;
        }
        made.step(move || {
            let more = left > 0;
            if more {
                left -= 1;
                control.release();
            }
            more
        })
    }
}

/// Keeps what a completion says, and lets it be driven.
fn completed<X, V, S, E>(made: Made<X, V>, completion: Completion<S, E>) -> Made<X, V>
where
    S: Unpin + 'static,
    E: Display + 'static,
{
    let reports = Arc::new(Mutex::new(Vec::new()));
    let said = reports.clone();
    made.drive(async move {
        let done = completion.await;
        said.lock().unwrap().push(match done.end {
            End::Failed(_) => Reported::Failed,
            _ => Reported::Ended,
        });
    })
    .reports(move || reports.lock().unwrap().clone())
}

fn add(a: Report, b: Report) -> Report {
    Report {
        scripts: a.scripts + b.scripts,
        operations: a.operations + b.operations,
        polls: a.polls + b.polls,
        wakes: a.wakes + b.wakes,
        ..a
    }
}

/// Checks a source of bytes, or of items made of bytes; `short` if it cannot know what more is in memory.
macro_rules! source {
    ($items:expr, short: $short:literal, $($kind:ident)*, $make:expr) => {|| {
        let mut report = Report::default();
        $({
            let check = testing::producer($items, || {
                let (script, holds) = Kind::$kind.source();
                let control = script.control();
                let (producer, completion) = $make(script).with_completion();
                Kind::$kind.step(completed(Made::new(producer), completion), control, holds)
            });
            let check = if $short { check.short() } else { check };
            let check = if Kind::$kind == Kind::Fails { check.fails() } else { check };
            report = add(report, check.assert());
        })*
        report
    }};
}

/// Checks a sink of bytes, or of items made of bytes.
macro_rules! sink {
    ($items:expr, $($kind:ident)*, $make:expr) => {|| {
        let mut report = Report::default();
        $({
            let check = testing::consumer($items, || {
                let (script, holds) = Kind::$kind.sink();
                let control = script.control();
                let writer = Writer::new(script);
                let (log, closed) = (writer.log(), writer.log());
                let (consumer, completion) = $make(writer).with_completion();
                let made = completed(Made::new(consumer), completion)
                    .received(move || log.accepted())
                    .closed(move || closed.look(|written| written.closed));
                Kind::$kind.step(made, control, holds)
            });
            let check = if Kind::$kind == Kind::Fails { check.fails() } else { check };
            report = add(report, check.assert());
        })*
        report
    }};
}

/// Checks a consumer of a future into a oneshot channel.
macro_rules! oneshot {
    ($channel:expr, $make:expr) => {
        || {
            testing::future_consumer(5_u32, || {
                let (tx, mut rx) = $channel;
                let mut received = Vec::new();
                Made::new($make(tx)).received(move || {
                    // A oneshot receiver must not be polled after its value.
                    if received.is_empty() {
                        received.extend((&mut rx).now_or_never().and_then(Result::ok));
                    }
                    received.clone()
                })
            })
            .assert()
        }
    };
}

/// A value that comes once the test moves the host on.
macro_rules! value {
    ($make:expr) => {
        || {
            testing::future_producer(5_u32, || {
                let (tx, rx) = tokio::sync::oneshot::channel::<u32>();
                let mut tx = Some(tx);
                Made::new($make(rx)).step(move || tx.take().is_some_and(|tx| tx.send(5).is_ok()))
            })
            .assert()
        }
    };
}

fn names() -> Vec<String> {
    ITEMS.iter().map(|n| format!("item {n}")).collect()
}

fn name(n: u8) -> String {
    format!("item {n}")
}

fn records() -> Vec<(u32, String)> {
    ITEMS.iter().map(|n| (u32::from(*n), name(*n))).collect()
}

fn record(n: u8) -> (u32, String) {
    (n.into(), name(n))
}

struct Connection;

fn resources() -> Report {
    testing::producer_in(ResourceTable::new, vec![0; 5], || {
        let connections = stream::iter((0..5).map(|_| Connection));
        let push = |mut store: StoreContextMut<'_, ResourceTable>, connection: Connection| {
            Ok(store.data_mut().push(connection)?)
        };
        let (producer, done) = ws::stream(connections).deliver_with(push).with_completion();
        completed(Made::new(producer), done)
    })
    .link(|root| {
        let ty = ResourceType::host::<Connection>();
        root.resource("item", ty, |mut store: StoreContextMut<'_, ResourceTable>, rep| {
            let connection = Resource::<Connection>::new_own(rep);
            store.as_context_mut().data_mut().delete(connection)?;
            Ok(())
        })
    })
    .leftovers(|table| table.iter_mut().count())
    .assert()
}

type Row = (&'static str, fn() -> Report);

/// The table. Each row's first word is the constructor's name.
#[rustfmt::skip]
fn table() -> Vec<Row> {
    vec![
        ("tokio_read", source!(ITEMS.to_vec(), short: true, Ready Parts Fails, |script| ws::tokio_read(Reader::new(script)))),
        ("tokio_buf_read", source!(ITEMS.to_vec(), short: true, Ready Parts Fails, |script| ws::tokio_buf_read(Reader::new(script)))),
        ("tokio_write", sink!(ITEMS.to_vec(), Ready Parts Fails, ws::tokio_write)),
        ("stream", source!(ITEMS.to_vec(), short: false, Ready Parts, |script| ws::stream(ItemStream::new(script, |n| n).map(Result::unwrap)))),
        ("stream of strings", source!(names(), short: false, Ready Parts, |script| ws::stream(ItemStream::new(script, name).map(Result::unwrap)))),
        ("stream of records", source!(records(), short: false, Ready Parts, |script| ws::stream(ItemStream::new(script, record).map(Result::unwrap)))),
        ("stream of resources", resources),
        ("try_stream", source!(ITEMS.to_vec(), short: false, Ready Parts Fails, |script| ws::try_stream(ItemStream::new(script, |n| n)))),
        ("sink", sink!(ITEMS.to_vec(), Ready Parts Fails, ws::sink::<_, u8>)),
        ("sink, strict", sink!(ITEMS.to_vec(), Ready Parts Fails, |writer| ws::sink::<_, u8>(writer).batch(1))),
        ("sink of strings", sink!(names(), Ready Parts Fails, ws::sink::<_, String>)),
        ("sink of records", sink!(records(), Ready Parts Fails, ws::sink::<_, (u32, String)>)),
        ("chunks", source!(ITEMS.to_vec(), short: false, Ready Parts, |script| ws::chunks(ChunkStream(script).map(Result::unwrap)))),
        ("try_chunks", source!(ITEMS.to_vec(), short: false, Ready Parts Fails, |script| ws::try_chunks(ChunkStream(script).into_stream()))),
        ("chunk_sink", sink!(ITEMS.to_vec(), Ready Parts Fails, |writer| ws::chunk_sink(ChunkWriter(writer)))),
        ("future", value!(|rx: tokio::sync::oneshot::Receiver<u32>| ws::future(rx.map(Result::unwrap)))),
        ("try_future", value!(ws::try_future)),
        ("tokio_oneshot", oneshot!(tokio::sync::oneshot::channel::<u32>(), ws::tokio_oneshot)),
        ("oneshot", oneshot!(futures::channel::oneshot::channel::<u32>(), ws::oneshot)),
        ("callback", || {
            testing::future_consumer(5_u32, || {
                let received = Arc::new(Mutex::new(Vec::new()));
                let log = received.clone();
                let call = move |_: StoreContextMut<'_, ()>, value: u32| {
                    log.lock().unwrap().push(value);
                    Ok(())
                };
                Made::new(ws::callback(call)).received(move || received.lock().unwrap().clone())
            })
            .assert()
        }),
    ]
}

#[test]
fn every_adapter_keeps_the_contract() {
    let table = table();
    let next = AtomicUsize::new(0);
    let rows = || {
        let mut total = Report::default();
        while let Some((name, check)) = table.get(next.fetch_add(1, Ordering::Relaxed)) {
            let report = check();
            assert!(report.operations > 0, "{name}");
            total = add(total, report);
        }
        total
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let total = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(rows)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).fold(Report::default(), add)
    });
    // Past the test harness, which keeps what a passing test prints to itself.
    let Report { scripts, operations, .. } = total;
    let line =
        format!("contract: {} adapters, {scripts} scripts, {operations} operations", table.len());
    writeln!(std::io::stderr(), "{line}").unwrap();
}

/// The names of the public functions in `path` and below.
fn constructors(path: &Path, names: &mut BTreeSet<String>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            constructors(&entry.unwrap().path(), names);
        }
        return;
    }
    for line in fs::read_to_string(path).unwrap().lines() {
        if let Some(name) = line.strip_prefix("pub fn ") {
            names.insert(name.split(['<', '(']).next().unwrap().to_owned());
        }
    }
}

#[test]
fn no_adapter_is_missing_from_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names = BTreeSet::new();
    constructors(&root.join("adapters"), &mut names);
    constructors(&root.join("src/value.rs"), &mut names);
    assert!(names.len() > 10, "{names:?}");
    let table: BTreeSet<_> =
        table().iter().map(|(name, _)| name.split([' ', ',']).next().unwrap().to_owned()).collect();
    assert_eq!(names, table);
}
