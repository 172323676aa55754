//! A producer piped into a consumer, without a guest in between.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures::stream;
use wasmtime::component::StreamReader;
use wasmtime::{Engine, Store};
use wasmtime_streams::{End, EndReason, from_guest, sinks, streams, tokio_io};

use crate::pattern;
use crate::support::adapters::{Sink, Source, sinks, sources};
use crate::support::guest::with_guest;
use crate::support::script::{Script, Step, Writer};
use crate::uneven;
use wasmtime_streams_testing::executor;

fn pipe(source: &Source, sink: &Sink) {
    let data = pattern(1000);
    with_guest::<u8, _>(async |guest| {
        let (install, source_done) = source.make(Script::new(uneven(&data, 64)));
        let steps = [1, 3, 500, 2].map(Step::Accept);
        let steps = steps.into_iter().flat_map(|accept| [accept, Step::Pending]);
        let writer = Writer::new(Script::new(steps));
        let log = writer.log();
        let (pipe, sink_done) = sink.make(writer);
        guest.with(|mut store| {
            let reader = install(wasmtime::AsContextMut::as_context_mut(&mut store));
            pipe(store, reader);
        });
        let (end, moved) = source_done.await;
        assert!(end.is_finished() && moved == 1000, "{} to {}", source.name, sink.name);
        let (end, moved) = sink_done.await;
        assert!(end.is_finished() && moved == 1000, "{} to {}", source.name, sink.name);
        assert!(log.accepted() == data, "{} to {}", source.name, sink.name);
        assert!(log.look(|written| written.closed), "{} to {}", source.name, sink.name);
    });
}

#[test]
fn every_source_can_be_piped_into_every_sink() {
    // Rule "Host to host".
    for source in sources() {
        for sink in sinks() {
            pipe(&source, &sink);
        }
    }
}

#[test]
fn the_capacity_bounds_the_buffer_of_a_host_to_host_pipe() {
    // Rule "Host to host": a byte is marked once, after the buffer is filled.
    let mut store = Store::new(&Engine::default(), ());
    let body = stream::iter(vec![Bytes::from("hello "), Bytes::from("world")]);
    let reader = StreamReader::new(&mut store, streams::chunks(body).capacity(4)).unwrap();
    let writer = Writer::new(Script::new([]));
    let log = writer.log();
    let (consumer, done) = tokio_io::write(writer).with_completion();
    reader.pipe(&mut store, consumer).unwrap();
    let done = executor::run(store.run_concurrent(async |_| done.await)).unwrap();
    assert_eq!(done.moved, 11);
    assert_eq!((log.accepted(), log.look(|written| written.writes)), (b"hello world".to_vec(), 3));
}

#[test]
fn a_sink_that_fails_ends_the_source() {
    // Rule "Host to host".
    let mut store = Store::new(&Engine::default(), ());
    let (producer, source) = tokio_io::read(tokio::io::repeat(1)).with_completion();
    let reader = StreamReader::new(&mut store, producer).unwrap();
    let writer = Writer::<u8>::new(Script::new([Step::Accept(10), Step::Fail]));
    let (consumer, sink) = tokio_io::write(writer).with_completion();
    reader.pipe(&mut store, consumer).unwrap();
    let run = store.run_concurrent(async |_| (source.await, sink.await));
    let (source, sink) = executor::run(run).unwrap();
    assert!(matches!(source.end, End::PeerDropped), "{:?}", source.end);
    assert!(matches!(sink.end, End::Failed(_)), "{:?}", sink.end);
    assert_eq!(sink.moved, 10);
}

#[test]
fn items_move_in_batches() {
    // Rule "Host to host".
    let mut store = Store::new(&Engine::default(), ());
    let items = (0..200).map(|n| n.to_string());
    let want: Vec<_> = items.clone().collect();
    let (producer, source) =
        wasmtime_streams::streams::items(stream::iter(items)).with_completion();
    let reader = StreamReader::new(&mut store, producer).unwrap();
    let writer = Writer::<String>::new(Script::new([Step::Accept(1), Step::Pending]));
    let log = writer.log();
    let (consumer, done) = sinks::items(writer).with_completion();
    reader.pipe(&mut store, consumer).unwrap();
    let run = store.run_concurrent(async |_| (source.await, done.await));
    let (source, done) = executor::run(run).unwrap();
    assert_eq!((source.moved, done.moved), (200, 200));
    assert_eq!(log.accepted(), want);
}

#[test]
fn the_completion_of_the_producer_reports_a_cut() {
    // Rule "Truncated is never complete": without a guest, Wasmtime only drops the consumer, however the producer
    // ended. Await the completion of the producer.
    let mut store = Store::new(&Engine::default(), ());
    let (producer, read) =
        wasmtime_streams::iterators::items([1_u8, 2, 3]).limit(2).with_completion();
    let stream = StreamReader::new(&mut store, producer).unwrap();
    let (consumer, collected) = wasmtime_streams::iterators::collect::<u8>(9).with_completion();
    stream.pipe(&mut store, consumer).unwrap();
    let both = async { (read.await.end, collected.await) };
    let (read, collected) = executor::run(store.run_concurrent(async |_| both.await)).unwrap();
    assert!(matches!(read, End::LimitReached), "{read:?}");
    assert!(collected.end.is_finished());
    assert_eq!(collected.inner.into_inner(), [1, 2]);
}

#[test]
fn a_receiver_that_leaves_an_idle_pipe_is_noticed_when_the_producer_next_gives_something() {
    // Rule "Host to host": Wasmtime polls no consumer while the producer has nothing. The host can cancel the producer.
    for cancelled in [false, true] {
        let mut store = Store::new(&Engine::default(), ());
        let (tx, rx) = tokio::sync::mpsc::channel::<u32>(1);
        let (producer, mut done) = wasmtime_streams::channels::mpsc_receiver(rx).with_completion();
        let cancel = done.cancel_handle();
        let stream = StreamReader::new(&mut store, producer).unwrap();
        let items = from_guest::items(&mut store, stream, 8).unwrap();
        let run = store.run_concurrent(async |_| {
            executor::idle().await;
            drop(items);
            executor::idle().await;
            assert!(now_or_never(&mut done).is_none(), "it is noticed at once");
            match cancelled {
                true => cancel.cancel(),
                false => tx.try_send(1).unwrap(),
            }
            done.await.end.reason()
        });
        let expected = if cancelled { EndReason::Cancelled } else { EndReason::PeerDropped };
        assert_eq!(executor::run(run).unwrap(), expected);
        executor::run(store.run_concurrent(async |_| executor::idle().await)).unwrap();
        assert_eq!(store.concurrent_state_table_size(), 0);
    }
}

fn now_or_never<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    match Pin::new(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
