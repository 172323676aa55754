//! A completion that an executor drives, and an executor that drops its task. The stream does not silently go on.

use std::sync::{Arc, Mutex};

use futures::{AsyncReadExt as _, FutureExt as _};
use http_body_util::BodyExt as _;
use wasmtime_streams::{body, completion::Drive, from_guest, sinks, tokio_io};
use wasmtime_streams_testing::executor::idle;

use crate::support::guest::{Code, with_guest};
use crate::support::script::{Reader, Script, Step, Writer};

/// Where an executor keeps its task.
type Task = Arc<Mutex<Option<Drive>>>;

/// An executor that runs nothing yet: the place of its task, and the function that takes the task.
fn executor() -> (Task, impl FnOnce(Drive)) {
    let task = Task::default();
    let keeps = task.clone();
    (task, move |drive| *keeps.lock().unwrap() = Some(drive))
}

/// Drops the task, as a runtime does that shuts down.
fn shut_down(task: &Task) {
    let drive = task.lock().unwrap().take();
    drop(drive.expect("a task"));
}

#[test]
fn a_sink_whose_task_is_dropped_accepts_no_more() {
    // Rule "The completion closes the sink": nothing more is written to a sink that nobody will flush and close. This
    // holds before the first write too.
    for (writes, polled) in [(0, false), (2, false), (2, true)] {
        with_guest::<u8, _>(async |guest| {
            let writer = Writer::new(Script::new([]));
            let log = writer.log();
            let (consumer, done) = tokio_io::write(writer).with_completion();
            let (task, spawn) = executor();
            let driven = done.driven_by(spawn);
            let stream = guest.sink(consumer).await;
            if writes > 0 {
                assert_eq!(guest.send(stream, &[1, 2][..writes]).await, Code::Completed(2));
            }
            if polled {
                let mut drive = task.lock().unwrap();
                assert!(drive.as_mut().unwrap().now_or_never().is_none());
            }
            shut_down(&task);
            assert_eq!(guest.send(stream, &[3]).await, Code::Dropped(0));
            assert!(driven.await.is_err());
            log.look(|written| {
                assert_eq!(written.accepted.len(), writes);
                assert!(!written.closed);
            });
        });
    }
}

#[test]
fn a_task_that_is_dropped_at_once_cuts_the_stream_at_once() {
    // Rule "The completion closes the sink": sinks and sources, of bytes and of items.
    with_guest::<u8, _>(async |guest| {
        let (consumer, done) = tokio_io::write(Writer::new(Script::new([]))).with_completion();
        let bytes = done.driven_by(drop);
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send(stream, &[3]).await, Code::Dropped(0), "tokio_io::write");
        assert!(bytes.await.is_err());

        let writer = Writer::<u8>::new(Script::new([]));
        let (consumer, done) = sinks::items::<_, u8>(writer).with_completion();
        let items = done.driven_by(drop);
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send(stream, &[3]).await, Code::Dropped(0), "sink");
        assert!(items.await.is_err());

        let (producer, done) = tokio_io::read(&b"123"[..]).with_completion();
        let source = done.driven_by(drop);
        let stream = guest.source(producer).await;
        assert_eq!(guest.recv(stream, 2).await.0, Code::Dropped(0), "tokio_io::read");
        assert!(source.await.is_err());
    });
}

#[test]
fn a_parked_operation_is_woken_when_the_task_is_dropped() {
    // Rule "Completion": as by a cancel. A read, a zero-length read, and a write that waits for its flush.
    for len in [0, 9] {
        with_guest::<u8, _>(async |guest| {
            let reader = Reader::new(Script::new([Step::Hold]));
            let (producer, done) = tokio_io::buf_read(reader).with_completion();
            let (task, spawn) = executor();
            let driven = done.driven_by(spawn);
            let stream = guest.source(producer).await;
            assert_eq!(guest.read(stream, len).await, Code::Blocked);
            idle().await;
            shut_down(&task);
            assert_eq!(guest.wait(stream).await, Code::Dropped(0));
            assert!(driven.await.is_err());
        });
    }
    with_guest::<u8, _>(async |guest| {
        let writer = Writer::with_flush(Script::new([]), Script::new([Step::Hold]));
        let (consumer, done) = tokio_io::write(writer).with_completion();
        let (task, spawn) = executor();
        let _driven = done.driven_by(spawn);
        let stream = guest.sink(consumer).await;
        guest.load(&[1, 2]).await;
        parked!(wait, guest.write(stream, 2));
        shut_down(&task);
        assert_eq!(wait.await, Code::Dropped(2));
    });
}

#[test]
fn the_reader_of_a_stream_whose_task_is_dropped_sees_a_cut() {
    // Rule "Completion": half of the data is not all of it.
    with_guest::<u8, _>(async |guest| {
        let (consumer, mut reader) = from_guest::consumer(64);
        let (consumer, done) = consumer.with_completion();
        let (task, spawn) = executor();
        let _driven = done.driven_by(spawn);
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send(stream, &[1, 2]).await, Code::Completed(2));
        shut_down(&task);
        let mut all = Vec::new();
        let read = reader.read_to_end(&mut all).await;
        assert!(read.is_err() && all == [1, 2], "{read:?} after {all:?}");
        assert_eq!(guest.send(stream, &[3]).await, Code::Dropped(0));

        let (consumer, mut items) = from_guest::item_consumer(64);
        let (consumer, done) = consumer.with_completion();
        let (task, spawn) = executor();
        let _driven = done.driven_by(spawn);
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send(stream, &[1, 2]).await, Code::Completed(2));
        shut_down(&task);
        assert_eq!(items.next_batch().await, Some(vec![1, 2]));
        assert_eq!(items.next_batch().await, None);
        assert!(items.cut().is_some());
        assert_eq!(guest.send(stream, &[3]).await, Code::Dropped(0));

        let (consumer, body) = body::from_guest(64, None);
        let (consumer, done) = consumer.with_completion();
        let (task, spawn) = executor();
        let _driven = done.driven_by(spawn);
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send(stream, &[1, 2]).await, Code::Completed(2));
        shut_down(&task);
        assert!(body.collect().await.is_err());
    });
}

#[test]
fn dropping_the_task_while_the_close_hangs_is_reported() {
    // Rule "The completion closes the sink": the guest ended the data, but the sink is not closed.
    with_guest::<u8, _>(async |guest| {
        let writer = Writer::with_flush(Script::new([]), Script::new([Step::Hold]));
        let log = writer.log();
        let consumer = tokio_io::write(writer).flush(wasmtime_streams::Flush::OnClose);
        let (consumer, done) = consumer.with_completion();
        let (task, spawn) = executor();
        let driven = done.driven_by(spawn);
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send(stream, &[1, 2]).await, Code::Completed(2));
        guest.drop_writable(stream).await;
        let mut running = task.lock().unwrap().take().unwrap();
        assert!((&mut running).now_or_never().is_none());
        drop(running);
        assert!(driven.await.is_err());
        assert!(log.look(|written| written.dropped && !written.closed));
    });
}

#[test]
fn a_task_that_has_run_reports_the_end_though_it_is_dropped_then() {
    // Rule "The completion closes the sink".
    with_guest::<u8, _>(async |guest| {
        let writer = Writer::new(Script::new([]));
        let log = writer.log();
        let (consumer, done) = tokio_io::write(writer).with_completion();
        let (task, spawn) = executor();
        let driven = done.driven_by(spawn);
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send(stream, &[1, 2]).await, Code::Completed(2));
        guest.drop_writable(stream).await;
        let running = task.lock().unwrap().take().unwrap();
        running.now_or_never().expect("the task waits");
        let done = driven.await.unwrap();
        assert!(done.end.is_finished() && done.moved == 2);
        assert!(log.look(|written| written.closed));
    });
}
