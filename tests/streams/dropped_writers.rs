//! A host writer that is dropped without being closed cuts its stream.

use futures::SinkExt;
use tokio::io::AsyncWriteExt as _;
use wasmtime_streams::to_guest::{self, HostSink, HostWriter};
use wasmtime_streams::{End, from_guest};

use crate::read_to_end;
use crate::support::guest::with_guest;

/// How the host ends its side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    /// By a method of its own.
    Close,
    /// By tokio's `AsyncWrite`.
    Shutdown,
    /// By a trait of the futures crate.
    Futures,
    /// Closed, and then dropped.
    CloseAndDrop,
    Drop,
    /// Dropped by a panic.
    Unwind,
}

impl Ends {
    const ALL: [Self; 6] =
        [Ends::Close, Ends::Shutdown, Ends::Futures, Ends::CloseAndDrop, Ends::Drop, Ends::Unwind];

    fn in_order(self) -> bool {
        !matches!(self, Ends::Drop | Ends::Unwind)
    }
}

/// Drops an object by unwinding.
fn unwind<T>(object: T) {
    let panics = std::panic::AssertUnwindSafe(|| {
        let _object = object;
        std::panic::resume_unwind(Box::new("a task that panics"));
    });
    assert!(std::panic::catch_unwind(panics).is_err());
}

/// Ends the host's side. Returns the writer unless it was dropped.
async fn end_writer(mut writer: HostWriter, ends: Ends) -> Option<HostWriter> {
    match ends {
        Ends::Close | Ends::CloseAndDrop => writer.close(),
        Ends::Shutdown => writer.shutdown().await.unwrap(),
        Ends::Futures => futures::AsyncWriteExt::close(&mut writer).await.unwrap(),
        Ends::Drop => return None,
        Ends::Unwind => {
            unwind(writer);
            return None;
        }
    }
    (ends != Ends::CloseAndDrop).then_some(writer)
}

/// The same for items.
async fn end_sink(mut sink: HostSink<u8>, ends: Ends) -> Option<HostSink<u8>> {
    match ends {
        Ends::Close | Ends::Shutdown | Ends::CloseAndDrop => HostSink::close(&mut sink),
        Ends::Futures => SinkExt::close(&mut sink).await.unwrap(),
        Ends::Drop => return None,
        Ends::Unwind => {
            unwind(sink);
            return None;
        }
    }
    (ends != Ends::CloseAndDrop).then_some(sink)
}

#[track_caller]
fn assert_end<E: std::fmt::Debug>(end: End<E>, ends: Ends) {
    assert_eq!(end.is_finished(), ends.in_order(), "{ends:?}: {end:?}");
    let result: Result<(), End<E>> = end.into_result();
    assert_eq!(result.is_ok(), ends.in_order(), "{ends:?}: {result:?}");
}

#[test]
fn a_host_writer_that_is_dropped_without_a_close_is_a_cut() {
    // Rule "Truncated is never complete": the guest gets the data, and the completion reports a cut.
    for ends in Ends::ALL {
        with_guest::<u8, _>(async |guest| {
            let (mut writer, producer) = to_guest::producer(64);
            let (producer, done) = producer.with_completion();
            let stream = guest.source(producer).await;
            writer.write_all(b"hello").await.unwrap();
            let _writer = end_writer(writer, ends).await;
            assert_eq!(read_to_end(guest, stream, 9).await, b"hello");
            let done = done.await;
            assert_eq!(done.moved, 5);
            assert_end(done.end, ends);
        });
    }
}

#[test]
fn a_host_sink_that_is_dropped_without_a_close_is_a_cut() {
    // Rule "Truncated is never complete": the same for items.
    for ends in Ends::ALL {
        with_guest::<u8, _>(async |guest| {
            let (mut sink, producer) = to_guest::item_producer::<u8>(64);
            let (producer, done) = producer.with_completion();
            let stream = guest.source(producer).await;
            sink.send_item(b'h').await.unwrap();
            sink.send_batch(b"ello".to_vec()).await.unwrap();
            let _sink = end_sink(sink, ends).await;
            assert_eq!(read_to_end(guest, stream, 9).await, b"hello");
            let done = done.await;
            assert_eq!(done.moved, 5);
            assert_end(done.end, ends);
        });
    }
}

#[test]
fn dropping_the_writer_wakes_a_parked_read() {
    // Rule "Register the current waker", and "Truncated is never complete".
    for ends in [Ends::Close, Ends::Drop] {
        with_guest::<u8, _>(async |guest| {
            let (writer, producer) = to_guest::producer(64);
            let (producer, done) = producer.with_completion();
            let stream = guest.source(producer).await;
            assert_eq!(guest.read(stream, 9).await, crate::Code::Blocked);
            let mut wait = Box::pin(guest.wait(stream));
            assert_eq!(guest.parked(&mut wait).await, None);
            let _writer = end_writer(writer, ends).await;
            assert_eq!(wait.await, crate::Code::Dropped(0));
            assert_end(done.await.end, ends);
        });
    }
}

#[test]
fn the_result_future_reports_that_the_writer_was_dropped() {
    // Rule "Truncated is never complete": the guest's stream only ends. Its result future has the reason.
    for ends in [Ends::Close, Ends::Drop] {
        with_guest::<u8, _>(async |guest| {
            let (mut writer, bytes) = to_guest::producer(64);
            let (mut sink, items) = to_guest::item_producer::<u8>(64);
            writer.write_all(b"hello").await.unwrap();
            sink.send_batch(b"hello".to_vec()).await.unwrap();
            let parts = guest.with(|mut store| {
                let outcome = |end: End<_>| end.into_result().map_err(|_| 1_u32);
                [
                    bytes.into_wit(&mut store, outcome).unwrap(),
                    items.into_wit(&mut store, outcome).unwrap(),
                ]
            });
            let _kept = (end_writer(writer, ends).await, end_sink(sink, ends).await);
            for (stream, ended) in parts {
                let ended = guest.with(|store| from_guest::value(store, ended)).unwrap();
                let stream = guest.take(stream).await;
                assert_eq!(read_to_end(guest, stream, 9).await, b"hello");
                let expected = if ends.in_order() { Ok(()) } else { Err(1) };
                assert_eq!(ended.await.unwrap(), expected, "{ends:?}");
            }
        });
    }
}
