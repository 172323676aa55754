//! Results that are published: in order, acknowledged, bounded in flight.

use std::sync::mpsc;

use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::{OutboundMessage, PublishMessage};
use tokio::time::timeout;
use wasmtime::component::StreamReader;
use wasmtime_streams::nats::{self, Publish};
use wasmtime_streams::{Completed, End, EndReason, Flush, ItemConsumer, iterators};
use wasmtime_streams_testing::{Code, Guest, Setup};

use crate::server::{LONG, Server, store};

fn message(item: String) -> OutboundMessage {
    PublishMessage::build().payload(item.into()).outbound_message("results.all")
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("result {number}")).collect()
}

/// Pipes `items` into `sink`, in a store of its own.
async fn write(
    items: Vec<String>,
    sink: ItemConsumer<Publish<String>>,
) -> Completed<Publish<String>, PublishError> {
    let mut store = store();
    let (sink, done) = sink.with_completion();
    let items = StreamReader::new(&mut store, iterators::items(items)).unwrap();
    items.pipe(&mut store, sink).unwrap();
    let done = store.run_concurrent(async |_| timeout(LONG, done).await);
    done.await.unwrap().expect("the sink does not end")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_items_are_stored_in_order_when_the_completion_resolves() {
    // Rules "Exactly once, in order" and "The completion closes the sink".
    let Some(server) = Server::start().await else { return };
    server.stream("results", -1).await;
    let (acks, sequences) = mpsc::channel();
    let sink = nats::publish(server.nats.clone(), message).in_flight(10).on_stored(move |ack| {
        let _ = acks.send(ack.sequence);
    });
    let done = write(names(1000), sink).await;
    assert!(done.end.is_finished(), "{done:?}");
    assert_eq!((done.moved, done.inner.stored()), (1000, 1000));
    let stored = server.stored("results").await.into_iter();
    let stored: Vec<_> = stored.map(|(_, item)| String::from_utf8(item).unwrap()).collect();
    assert_eq!(stored, names(1000));
    assert!(sequences.into_iter().eq(1..=1000), "told of each, in order");
}

#[tokio::test]
async fn the_subject_headers_and_id_are_the_hosts_and_a_repeated_id_is_stored_once() {
    let Some(server) = Server::start().await else { return };
    server.stream("results", -1).await;
    let sink = nats::publish(server.nats.clone(), |item: String| {
        let message = PublishMessage::build().message_id(&item).header("Worker", "7");
        message.payload("x".into()).outbound_message(format!("results.{item}"))
    });
    let (acks, duplicates) = mpsc::channel();
    let sink = sink.on_stored(move |ack| acks.send(ack.duplicate).unwrap());
    let done = write(vec!["a".into(), "b".into(), "a".into()], sink).await;
    assert!(done.end.is_finished(), "{done:?}");
    assert!(duplicates.into_iter().eq([false, false, true]));
    let x = b"x".to_vec();
    let both = [("results.a".to_owned(), x.clone()), ("results.b".to_owned(), x)];
    assert_eq!(server.stored("results").await, both);
    let stream = server.nats.get_stream("results").await.unwrap();
    let message = stream.get_raw_message(1).await.unwrap();
    assert_eq!(message.headers.get("Worker").unwrap().as_str(), "7");
}

#[tokio::test]
async fn a_message_that_is_not_stored_is_a_failure_with_how_many_were() {
    // Rules "Truncated is never complete" and "Completion".
    let Some(server) = Server::start().await else { return };
    server.stream("results", 5).await;
    let done = write(names(100), nats::publish(server.nats.clone(), message).in_flight(10)).await;
    let End::Failed(error) = &done.end else { panic!("{done:?}") };
    assert!(error.to_string().contains("maximum messages"), "{error}");
    assert_eq!(done.inner.stored(), 5);
    assert!(done.moved < 100, "the guest is told: {}", done.moved);
    assert_eq!(server.stored("results").await.len(), 5);

    let nowhere =
        |item: String| PublishMessage::build().payload(item.into()).outbound_message("nowhere");
    let done = write(names(1), nats::publish(server.nats.clone(), nowhere)).await;
    let End::Failed(error) = &done.end else { panic!("{done:?}") };
    assert_eq!((error.kind(), done.inner.stored()), (PublishErrorKind::StreamNotFound, 0));
}

#[tokio::test]
async fn a_server_that_is_gone_is_a_failure() {
    // Rule "Truncated is never complete".
    let Some(mut server) = Server::start().await else { return };
    server.stream("results", -1).await;
    let mut nats = server.nats.clone();
    nats.set_timeout(std::time::Duration::from_millis(500));
    server.kill();
    let done = write(names(10), nats::publish(nats, message)).await;
    let End::Failed(error) = &done.end else { panic!("{done:?}") };
    assert_eq!((error.kind(), done.inner.stored()), (PublishErrorKind::TimedOut, 0));
}

#[tokio::test]
async fn what_is_stored_after_a_message_that_is_not_does_not_count() {
    // Rule "Exactly once, in order": somebody takes the first one, and does not answer.
    let Some(server) = Server::start().await else { return };
    server.stream("results", -1).await;
    let _silent = server.nats.client().subscribe("silent").await.unwrap();
    let mut nats = server.nats.clone();
    nats.set_timeout(std::time::Duration::from_millis(500));
    let (acks, told) = mpsc::channel();
    let sink = nats::publish(nats, |item: String| {
        let subject = if item == "result 0" { "silent" } else { "results.all" };
        PublishMessage::build().payload(item.into()).outbound_message(subject)
    });
    let done = write(names(3), sink.on_stored(move |ack| acks.send(ack.sequence).unwrap())).await;
    let End::Failed(error) = &done.end else { panic!("{done:?}") };
    assert_eq!((error.kind(), done.inner.stored()), (PublishErrorKind::TimedOut, 0));
    drop(done);
    assert_eq!(told.into_iter().count(), 0);
    assert_eq!(server.stored("results").await.len(), 2, "though they are there");
}

#[tokio::test]
async fn no_more_is_taken_than_may_be_in_flight() {
    // Rules "Backpressure" and "Zero-length writes": the server stands still meanwhile.
    let Some(server) = Server::start().await else { return };
    server.stream("results", -1).await;
    let (sink, done) = nats::publish(server.nats.clone(), message).in_flight(4).with_completion();
    server.signal("-STOP");
    let script = Setup::new(()).drive(async |guest: &Guest<'_, (), String>| {
        let writable = guest.sink(sink).await;
        guest.load_items(&names(10)).await;
        let written = match guest.write(writable, 10).await {
            Code::Blocked => guest.wait(writable).await.count(),
            code => code.count(),
        };
        assert_eq!(written, 4);
        assert_eq!(guest.write(writable, 1).await, Code::Blocked);
        assert_eq!(guest.cancel_write(writable).await, Code::Cancelled(0));
        assert_eq!(guest.write(writable, 0).await, Code::Blocked);
        server.signal("-CONT");
        assert_eq!(guest.wait(writable).await, Code::Completed(0));
        guest.drop_writable(writable).await;
        timeout(LONG, done).await.unwrap()
    });
    let done = script.await.unwrap();
    assert!(done.end.is_finished(), "{done:?}");
    assert_eq!((done.moved, done.inner.stored()), (4, 4));
}

#[tokio::test]
async fn a_write_completes_when_its_items_are_stored_if_each_operation_is_flushed() {
    // Rule "Flush policy".
    let Some(server) = Server::start().await else { return };
    server.stream("results", -1).await;
    let sink = nats::publish(server.nats.clone(), message).flush(Flush::EachOp);
    server.signal("-STOP");
    let script = Setup::new(()).drive(async |guest: &Guest<'_, (), String>| {
        let writable = guest.sink(sink).await;
        guest.load_items(&names(3)).await;
        assert_eq!(guest.write(writable, 3).await, Code::Blocked);
        server.signal("-CONT");
        assert_eq!(guest.wait(writable).await, Code::Completed(3));
        assert_eq!(server.stored("results").await.len(), 3);
    });
    script.await.unwrap();
}

#[tokio::test]
async fn what_was_taken_is_published_without_a_completion_and_while_the_guest_does_nothing() {
    let Some(server) = Server::start().await else { return };
    server.stream("results", -1).await;
    let (acks, stored) = tokio::sync::mpsc::unbounded_channel();
    let sink = nats::publish(server.nats.clone(), message)
        .on_stored(move |ack| acks.send(ack.sequence).unwrap());
    let script = Setup::new(()).drive(async |guest: &Guest<'_, (), String>| {
        let mut stored = stored;
        let writable = guest.sink(sink).await;
        guest.load_items(&names(2)).await;
        assert_eq!(guest.write(writable, 1).await, Code::Completed(1));
        let first = timeout(LONG, stored.recv()).await.expect("the guest need not write");
        assert_eq!(first, Some(1));
        assert_eq!(guest.write(writable, 1).await, Code::Completed(1));
        guest.drop_writable(writable).await;
        stored
    });
    let mut stored = script.await.unwrap();
    assert_eq!(timeout(LONG, stored.recv()).await.unwrap(), Some(2));
}

#[tokio::test]
async fn a_panic_of_the_host_is_no_room_and_no_end() {
    // Rules "Truncated is never complete" and "Flush policy".
    let Some(server) = Server::start().await else { return };
    server.stream("results", -1).await;
    for flush in [Flush::EachOp, Flush::OnClose] {
        let sink = nats::publish(server.nats.clone(), message).in_flight(1).flush(flush);
        let sink = sink.on_stored(|_| panic!("scripted panic"));
        let (sink, done) = sink.with_completion();
        let script = Setup::new(()).drive(async |guest: &Guest<'_, (), String>| {
            let writable = guest.sink(sink).await;
            guest.load_items(&names(3)).await;
            let mut last = Code::Blocked;
            for _ in 0..2 {
                last = match guest.write(writable, 1).await {
                    Code::Blocked => timeout(LONG, guest.wait(writable)).await.expect("it hangs"),
                    code => code,
                };
                if let Code::Dropped(_) = last {
                    break;
                }
            }
            guest.drop_writable(writable).await;
            (last, timeout(LONG, done).await.expect("it hangs"))
        });
        let (last, done) = script.await.unwrap();
        assert!(matches!(last, Code::Dropped(_)), "{last:?}");
        assert_eq!(done.end.reason(), EndReason::Abandoned, "{done:?}");
    }
}
