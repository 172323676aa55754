//! Streams in a store that is dropped, as distinct from a guest that drops its end.

use futures::future::pending;
use wasmtime::component::StreamReader;
use wasmtime::{AsContext as _, Engine, Store};
use wasmtime_streams::{Completion, End, StoreToken, blocking, iterators, tokio_io};
use wasmtime_streams_testing::executor;
use wasmtime_streams_testing::{Guest, Setup};

use crate::support::guest::Code;
use crate::support::script::{Script, Step, Writer};

/// Runs `script`, and drops the store. `Err` if the guest traps.
fn run<R>(script: impl AsyncFnOnce(&Guest<'_, StoreToken, u8>) -> R) -> Result<R, wasmtime::Error> {
    Setup::new(StoreToken::new()).run(script).0.expect("stalled")
}

fn watch<S, E>(guest: &Guest<'_, StoreToken, u8>, done: Completion<S, E>) -> Completion<S, E> {
    guest.with(|store| done.watch_store(store.as_context().data()))
}

#[test]
fn a_sink_of_a_guest_that_traps_is_abandoned_and_not_closed() {
    // Rule "Completion": half of the data must not pass for all of it.
    for parked in [false, true] {
        let mut kept = None;
        let writer = Writer::new(Script::new([Step::Accept(2), Step::Hold]));
        let log = writer.log();
        let trapped = run(async |guest| {
            let (consumer, done) = tokio_io::write(writer).with_completion();
            kept = Some(watch(guest, done));
            let stream = guest.sink(consumer).await;
            assert_eq!(guest.send(stream, &[1, 2]).await, Code::Completed(2));
            if parked {
                assert_eq!(guest.write(stream, 2).await, Code::Blocked);
            }
            guest.trap().await;
        });
        trapped.unwrap_err();
        let done = executor::run(kept.unwrap());
        assert!(matches!(done.end, End::Abandoned), "{:?}", done.end);
        assert_eq!((done.moved, log.accepted()), (2, vec![1, 2]));
        assert!(log.look(|written| !written.closed && !written.dropped));
    }
}

#[test]
fn a_source_of_a_guest_that_traps_is_abandoned() {
    // Rule "Completion": the guest has not dropped its end.
    for parked in [false, true] {
        let mut kept = None;
        let trapped = run(async |guest| {
            let (reader, mut writer) = tokio::io::simplex(8);
            tokio::io::AsyncWriteExt::write_all(&mut writer, &[1, 2]).await.unwrap();
            let (producer, done) = tokio_io::read(reader).with_completion();
            kept = Some((watch(guest, done), writer));
            let stream = guest.source(producer).await;
            assert_eq!(guest.recv(stream, 2).await.0, Code::Completed(2));
            if parked {
                assert_eq!(guest.read(stream, 2).await, Code::Blocked);
            }
            guest.trap().await;
        });
        trapped.unwrap_err();
        let done = executor::run(kept.unwrap().0);
        assert!(matches!(done.end, End::Abandoned), "{:?}", done.end);
        assert_eq!(done.moved, 2);
    }
}

#[test]
fn a_forgotten_stream_is_abandoned_with_its_store() {
    // Rule "Completion": items as well, and a consumer that the guest never wrote to.
    let mut kept = None;
    run(async |guest| {
        let (consumer, sink) = iterators::collect::<u8>(9).with_completion();
        let sink = watch(guest, sink);
        guest.sink(consumer).await;
        let (producer, source) =
            blocking::read_on(std::io::repeat(1), |job| job.run()).with_completion();
        let source = watch(guest, source);
        guest.source(producer).await;
        kept = Some((sink, source));
    })
    .unwrap();
    let (sink, source) = kept.unwrap();
    assert!(matches!(executor::run(sink).end, End::Abandoned));
    assert!(matches!(executor::run(source).end, End::Abandoned));
}

#[test]
fn the_sink_of_a_host_to_host_pipe_is_abandoned_with_the_store() {
    // Rule "Completion": the source is in a future, which Wasmtime drops before the store's data.
    for run in [false, true] {
        let mut store = Store::new(&Engine::default(), StoreToken::new());
        let (reader, _writer) = tokio::io::simplex(8);
        let (producer, source) = tokio_io::read(reader).with_completion();
        let (consumer, sink) = iterators::collect::<u8>(9).with_completion();
        let source = source.watch_store(store.data());
        let sink = sink.watch_store(store.data());
        let stream = StreamReader::new(&mut store, producer).unwrap();
        stream.pipe(&mut store, consumer).unwrap();
        if run {
            let forever = store.run_concurrent(async |_| pending::<()>().await);
            assert_eq!(executor::try_run(forever).0.unwrap_err(), executor::Stalled);
        }
        drop(store);
        assert!(matches!(executor::run(source).end, End::PeerDropped));
        assert!(matches!(executor::run(sink).end, End::Abandoned));
    }
}

#[test]
fn a_guest_that_drops_its_end_abandons_nothing() {
    // Rule "Completion": a stream that has ended keeps its end when the store is dropped.
    let mut kept = None;
    run(async |guest| {
        let writer = Writer::new(Script::new([]));
        let (consumer, sink) = tokio_io::write(writer).with_completion();
        let sink = watch(guest, sink);
        let stream = guest.sink(consumer).await;
        guest.send_all(stream, &[1, 2, 3]).await;
        guest.drop_writable(stream).await;
        let (producer, source) = tokio_io::read(tokio::io::repeat(1)).with_completion();
        let source = watch(guest, source);
        let stream = guest.source(producer).await;
        guest.drop_readable(stream).await;
        kept = Some((sink, source));
    })
    .unwrap();
    let (sink, source) = kept.unwrap();
    let sink = executor::run(sink);
    assert!(sink.end.is_finished());
    assert!(sink.inner.into_inner().log().look(|written| written.closed));
    assert!(matches!(executor::run(source).end, End::PeerDropped));
}

#[test]
fn without_a_token_a_dropped_store_looks_like_the_guest_dropping_its_end() {
    // Rule "Completion": without a token it cannot be distinguished from the end of the data.
    let mut kept = None;
    let trapped = run(async |guest| {
        let (consumer, sink) = iterators::collect::<u8>(9).with_completion();
        let stream = guest.sink(consumer).await;
        guest.send_all(stream, &[1, 2, 3]).await;
        let (producer, source) = tokio_io::read(tokio::io::repeat(1)).with_completion();
        guest.source(producer).await;
        kept = Some((sink, source));
        guest.trap().await;
        pending().await
    });
    let _: wasmtime::Error = trapped.map(|never: ()| never).unwrap_err();
    let (sink, source) = kept.unwrap();
    let sink = executor::run(sink);
    assert!(sink.end.is_finished());
    assert_eq!(sink.inner.into_inner(), [1, 2, 3]);
    assert!(matches!(executor::run(source).end, End::PeerDropped));
}

#[test]
fn a_cancelled_completion_stays_cancelled_when_the_store_is_dropped() {
    // Rule "Completion": it resolves with the end that came first.
    let mut kept = None;
    run(async |guest| {
        let (consumer, done) = iterators::collect::<u8>(9).with_completion();
        let done = watch(guest, done);
        guest.sink(consumer).await;
        done.cancel();
        kept = Some(done);
    })
    .unwrap();
    assert!(matches!(executor::run(kept.unwrap()).end, End::Cancelled));
}
