//! Deadlines and idle timeouts, by tokio's paused clock.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use wasmtime_streams::{ByteConsumer, End, Flush, sinks, streams, tokio_io};
use wasmtime_streams_testing::{Guest, Setup};

use crate::support::guest::Code;
use crate::support::script::{ItemStream, Log, Reader, Script, Step, Writer};

const SECOND: Duration = Duration::from_secs(1);

/// Runs a guest under tokio.
async fn drive<R>(script: impl AsyncFnOnce(&Guest<'_, (), u8>) -> R) -> R {
    Setup::new(()).drive(script).await.unwrap()
}

/// The time since `start`. It is exact, as the clock is paused.
fn elapsed(start: Instant) -> Duration {
    start.elapsed()
}

fn held() -> Script {
    Script::new([Step::Data(vec![1]), Step::Data(vec![2]), Step::Hold])
}

#[tokio::test(start_paused = true)]
async fn an_idle_timeout_hands_a_source_back_without_an_operation() {
    // Rule "Completion": exactly when it has been idle that long. Progress puts the timeout off.
    drive(async |guest| {
        let start = Instant::now();
        let producer = tokio_io::read(Reader::new(held())).idle_timeout(5 * SECOND);
        let (producer, done) = producer.with_completion();
        let stream = guest.source(producer).await;
        let script = async {
            sleep(3 * SECOND).await;
            assert_eq!(guest.recv(stream, 1).await.0, Code::Completed(1));
            sleep(4 * SECOND).await;
            assert_eq!(guest.recv(stream, 1).await.0, Code::Completed(1));
        };
        let (done, ()) = futures::join!(async { (done.await, elapsed(start)) }, script);
        let (done, at) = done;
        assert!(matches!(done.end, End::TimedOut), "{:?}", done.end);
        assert_eq!((done.moved, at), (2, 12 * SECOND));
        assert_eq!(guest.read(stream, 1).await, Code::Dropped(0));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_timeout_hands_a_sink_back_without_an_operation() {
    // Rule "Completion": open, for bytes and for items.
    drive(async |guest| {
        let start = Instant::now();
        let writer = Writer::new(Script::new([]));
        let log = writer.log();
        let (consumer, done) = tokio_io::write(writer).idle_timeout(2 * SECOND).with_completion();
        let stream = guest.sink(consumer).await;
        sleep(SECOND).await;
        guest.send_all(stream, &[1]).await;
        let done = done.await;
        assert!(matches!(done.end, End::TimedOut), "{:?}", done.end);
        assert_eq!(elapsed(start), 3 * SECOND);
        assert!(log.look(|written| !written.closed && !written.dropped));

        let start = Instant::now();
        let (consumer, done) = sinks::items::<_, u8>(Writer::new(Script::new([])))
            .idle_timeout(SECOND)
            .with_completion();
        let stream = guest.sink(consumer).await;
        sleep(SECOND / 2).await;
        guest.send_all(stream, &[1]).await;
        assert!(matches!(done.await.end, End::TimedOut));
        assert_eq!(elapsed(start), SECOND * 3 / 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_timeout_wakes_a_parked_operation() {
    // Rule "Completion": the completion is not awaited, or there is none.
    drive(async |guest| {
        let start = Instant::now();
        let producer = tokio_io::read(Reader::new(held())).idle_timeout(5 * SECOND);
        let stream = guest.source(producer).await;
        guest.recv(stream, 1).await;
        guest.recv(stream, 1).await;
        sleep(2 * SECOND).await;
        assert_eq!(guest.recv(stream, 1).await.0, Code::Dropped(0));
        assert_eq!(elapsed(start), 5 * SECOND);

        let start = Instant::now();
        let source = streams::items(ItemStream::new(held(), |n| n)).deliver_with(
            |_: wasmtime::StoreContextMut<'_, ()>, item: std::io::Result<u8>| Ok(item?),
        );
        let stream = guest.source(source.deadline(start + 7 * SECOND)).await;
        assert_eq!(guest.recv(stream, 9).await.1, [1, 2]);
        assert_eq!(guest.recv(stream, 9).await.0, Code::Dropped(0));
        assert_eq!(elapsed(start), 7 * SECOND);

        let start = Instant::now();
        let writer = Writer::new(Script::new([Step::Accept(1), Step::Hold]));
        let (consumer, done) = tokio_io::write(writer).idle_timeout(SECOND).with_completion();
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send_all(stream, &[1, 2]).await, Code::Dropped(0));
        assert_eq!(elapsed(start), SECOND);
        let done = done.await;
        assert!(matches!(done.end, End::TimedOut), "{:?}", done.end);
        assert_eq!(done.moved, 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_read_of_nothing_is_no_progress() {
    // Rule "Completion".
    drive(async |guest| {
        let start = Instant::now();
        let producer = tokio_io::read(Reader::new(held())).idle_timeout(2 * SECOND);
        let (producer, done) = producer.with_completion();
        let stream = guest.source(producer).await;
        sleep(SECOND).await;
        assert_eq!(guest.read(stream, 0).await, Code::Completed(0));
        assert!(matches!(done.await.end, End::TimedOut));
        assert_eq!(elapsed(start), 2 * SECOND);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_in_time_does_not_time_out() {
    // Rule "Completion": its timer is gone with it, so nothing waits for it.
    let start = Instant::now();
    drive(async |guest| {
        let producer = tokio_io::read(&b"1"[..]).idle_timeout(5 * SECOND);
        let (producer, done) = producer.deadline(start + 9 * SECOND).with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(guest.recv(stream, 9).await.0, Code::Completed(1));
        assert_eq!(guest.recv(stream, 9).await.0, Code::Dropped(0));
        assert!(done.await.end.is_finished());
    })
    .await;
    assert_eq!(elapsed(start), Duration::ZERO);
}

/// A writer that never finishes a flush or a close, with a deadline of 5 s.
fn hangs(policy: Flush) -> (ByteConsumer<wasmtime_streams::tokio_io::Write<Writer<u8>>>, Log<u8>) {
    let writer = Writer::with_flush(Script::new([]), Script::new([Step::Hold]));
    let log = writer.log();
    (tokio_io::write(writer).flush(policy).deadline(Instant::now() + 5 * SECOND), log)
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_a_flush_that_hangs() {
    // Rule "Flush policy": the write is held for the flush, and answered with what was accepted.
    for awaited in [false, true] {
        drive(async |guest| {
            let start = Instant::now();
            let (consumer, log) = hangs(Flush::EachOp);
            let (consumer, done) = consumer.with_completion();
            let stream = guest.sink(consumer).await;
            let write = async {
                let code = guest.send(stream, &[1, 2]).await;
                (code, elapsed(start))
            };
            let (done, write) = if awaited {
                futures::join!(done, write)
            } else {
                let write = write.await;
                (done.await, write)
            };
            assert_eq!(write, (Code::Dropped(2), 5 * SECOND));
            assert!(matches!(done.end, End::TimedOut), "{:?}", done.end);
            assert_eq!((done.moved, elapsed(start)), (2, 5 * SECOND));
            assert!(log.look(|written| !written.closed && !written.dropped));
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_a_close_that_hangs() {
    // Rule "The completion closes the sink": the sink is handed back, not closed.
    drive(async |guest| {
        let start = Instant::now();
        let (consumer, log) = hangs(Flush::OnClose);
        let (consumer, done) = consumer.with_completion();
        let stream = guest.sink(consumer).await;
        guest.send_all(stream, &[1, 2]).await;
        guest.drop_writable(stream).await;
        let done = done.await;
        assert!(matches!(done.end, End::TimedOut), "{:?}", done.end);
        assert_eq!((done.moved, elapsed(start)), (2, 5 * SECOND));
        assert!(log.look(|written| !written.closed && !written.dropped));
        drop(done.inner.into_inner());
    })
    .await;
}

#[tokio::test]
async fn a_timer_fires_though_its_stream_runs_on_another_thread() {
    // Rule "Completion": a runtime is needed only where the timeout is made. The clock here is the real one.
    let producer = tokio_io::read(Reader::new(held())).idle_timeout(SECOND / 20);
    let (producer, done) = producer.deadline(Instant::now() + 60 * SECOND).with_completion();
    let thread = std::thread::spawn(move || {
        futures::executor::block_on(drive(async |guest| {
            let stream = guest.source(producer).await;
            while let Code::Completed(_) = guest.recv(stream, 9).await.0 {}
        }));
    });
    let done = done.await;
    assert!(matches!(done.end, End::TimedOut), "{:?}", done.end);
    tokio::task::spawn_blocking(|| thread.join()).await.unwrap().unwrap();
}
