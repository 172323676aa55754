//! Deadlines and idle timeouts whose runtime is shut down while their stream goes on elsewhere.

use std::fmt::Debug;
use std::time::Duration;

use futures::stream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;
use wasmtime::component::{StreamConsumer, StreamProducer};
use wasmtime_streams::{End, sinks, streams, tokio_io};
use wasmtime_streams_testing::executor;

use crate::completion::wakes;
use crate::support::guest::{Code, World, with_guest};
use crate::support::script::{Reader, Script, Step, Writer};

const HOUR: Duration = Duration::from_secs(3600);

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// When the runtime is shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shutdown {
    BeforeTheOperation,
    WhileItWaits,
}

const MOMENTS: [Shutdown; 2] = [Shutdown::BeforeTheOperation, Shutdown::WhileItWaits];

/// A guest reads from a source that is never ready.
fn reads(producer: impl StreamProducer<World, Item = u8>, runtime: Runtime, goes: Shutdown) {
    with_guest::<u8, _>(async |guest| {
        let stream = guest.source(producer).await;
        if goes == Shutdown::WhileItWaits {
            assert_eq!(guest.read(stream, 9).await, Code::Blocked);
            let mut wait = Box::pin(guest.wait(stream));
            assert_eq!(guest.parked(&mut wait).await, None);
            drop(runtime);
            assert_eq!(wait.await, Code::Dropped(0));
        } else {
            drop(runtime);
            assert_eq!(guest.recv(stream, 9).await.0, Code::Dropped(0));
        }
    });
}

/// A guest writes into a sink that never has room.
fn writes(consumer: impl StreamConsumer<World, Item = u8>, runtime: Runtime, goes: Shutdown) {
    with_guest::<u8, _>(async |guest| {
        let stream = guest.sink(consumer).await;
        if goes == Shutdown::WhileItWaits {
            parked!(wait, guest.write(stream, 9));
            drop(runtime);
            assert_eq!(wait.await, Code::Dropped(0));
        } else {
            drop(runtime);
            assert_eq!(guest.send(stream, &[1]).await, Code::Dropped(0));
        }
    });
}

#[track_caller]
fn assert_cut<E: Debug>(end: End<E>) {
    assert!(!end.is_finished(), "{end:?}");
    let result = end.into_result();
    assert!(result.is_err(), "{result:?}");
}

/// Shuts the runtime of `$timed` down before and during a guest operation, with and without a completion, and while
/// only the completion waits.
macro_rules! check {
    ($run:ident, $timed:expr) => {{
        for goes in MOMENTS {
            let made = runtime();
            let timed = made.block_on(async { $timed });
            $run(timed, made, goes);

            let made = runtime();
            let (timed, done) = made.block_on(async { $timed.with_completion() });
            $run(timed, made, goes);
            assert_cut(executor::run(done).end);
        }
        let made = runtime();
        let (timed, mut done) = made.block_on(async { $timed.with_completion() });
        executor::run(async {
            assert!(wakes(&mut done, async { drop(made) }).await, "the completion is not woken");
            assert_cut(done.await.end);
        });
        drop(timed);
    }};
}

fn held() -> Script {
    Script::new([Step::Hold])
}

#[test]
fn a_deadline_whose_runtime_is_gone_ends_its_stream() {
    // Rule "No traps, no panics": nobody waits for a timer that can no longer fire.
    check!(reads, tokio_io::read(Reader::new(held())).deadline(Instant::now() + HOUR));
    check!(reads, streams::items(stream::pending::<u8>()).deadline(Instant::now() + HOUR));
    check!(writes, tokio_io::write(Writer::new(held())).deadline(Instant::now() + HOUR));
    check!(writes, sinks::items::<_, u8>(Writer::new(held())).deadline(Instant::now() + HOUR));
}

#[test]
fn an_idle_timeout_whose_runtime_is_gone_ends_its_stream() {
    // Rule "No traps, no panics".
    check!(reads, tokio_io::read(Reader::new(held())).idle_timeout(HOUR));
    check!(reads, streams::items(stream::pending::<u8>()).idle_timeout(HOUR));
    check!(writes, tokio_io::write(Writer::new(held())).idle_timeout(HOUR));
    check!(writes, sinks::items::<_, u8>(Writer::new(held())).idle_timeout(HOUR));
}
