//! Every end of a source, and its reason.

use std::fmt::Debug;
use std::pin::pin;
use std::time::Duration;

use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::pull::{self, MessagesError, MessagesErrorKind};
use futures::{Stream, stream};
use tokio::time::timeout;
use wasmtime::component::StreamReader;
use wasmtime_streams::nats::{self, Read};
use wasmtime_streams::{Completed, End, EndReason, ItemProducer, iterators};
use wasmtime_streams_testing::{Code, Guest, Setup};

use crate::reading::text;
use crate::server::{LONG, Server, deliveries, messages, next, store, until, workers};

/// Reads to the end, and does `then` once all messages were read.
async fn read<S, E>(
    source: ItemProducer<Read<S>>,
    count: usize,
    then: impl AsyncFnOnce(),
) -> Completed<Read<S>, E>
where
    S: Stream<Item = Result<Message, E>> + Unpin + Send + 'static,
    E: Debug + Send + 'static,
{
    let mut store = store();
    let (source, done) = source.acknowledge_taken(text).with_completion();
    let all = iterators::collect::<String>(100);
    let (moved, mut so_far) = tokio::sync::watch::channel(0);
    let all = all.inspect(move |_: &String| moved.send_modify(|sum| *sum += 1));
    let reader = StreamReader::new(&mut store, source).unwrap();
    reader.pipe(&mut store, all).unwrap();
    let then = async {
        if count > 0 {
            so_far.wait_for(|sum| *sum >= count).await.expect("the stream ends before that");
        }
        then().await;
    };
    let run = store.run_concurrent(async |_| timeout(LONG, done).await.expect("no end"));
    let (done, ()) = tokio::join!(run, then);
    let done = done.unwrap();
    assert_eq!(done.moved, count as u64);
    done
}

#[tokio::test]
async fn a_consumer_that_is_deleted_is_a_failure() {
    // Rule "Truncated is never complete".
    let Some(server) = Server::start().await else { return };
    server.work(3).await;
    let source = nats::read(messages(&workers(&server.nats).await, 3).await);
    let deletes = async || {
        let stream = server.nats.get_stream("work").await.unwrap();
        stream.delete_consumer("workers").await.unwrap();
    };
    let End::Failed(error) = read(source, 3, deletes).await.end else { panic!() };
    assert_eq!(error.kind(), MessagesErrorKind::ConsumerDeleted);
}

#[tokio::test]
async fn a_server_that_is_gone_or_silent_is_a_failure() {
    // Rule "Truncated is never complete".
    for silent in [false, true] {
        let Some(mut server) = Server::start().await else { return };
        server.work(3).await;
        let consumer = workers(&server.nats).await;
        let stream = consumer.stream().max_messages_per_batch(3);
        let stream = stream.heartbeat(Duration::from_millis(200)).expires(Duration::from_secs(1));
        let source = nats::read(stream.messages().await.unwrap());
        let goes = async || match silent {
            true => server.signal("-STOP"),
            false => server.kill(),
        };
        let End::Failed(error) = read(source, 3, goes).await.end else { panic!() };
        assert_eq!(error.kind(), MessagesErrorKind::MissingHeartbeat);
    }
}

#[tokio::test]
async fn a_client_that_is_closed_is_a_cut() {
    // Rule "Truncated is never complete".
    let Some(server) = Server::start().await else { return };
    server.work(3).await;
    let other = server.connect().await;
    let source = nats::read(messages(&workers(&other).await, 3).await);
    let done = read(source, 3, async || other.client().drain().await.unwrap()).await;
    assert_eq!(done.end.reason(), EndReason::Abandoned, "{:?}", done.end);
}

#[tokio::test]
async fn the_end_of_a_fetch_is_the_end_of_the_data_if_the_host_says_so() {
    // Rule "Completion".
    let Some(server) = Server::start().await else { return };
    server.work(3).await;
    let consumer = workers(&server.nats).await;
    let fetch = || async { consumer.fetch().max_messages(9).messages().await.unwrap() };
    let done = read(nats::read(fetch().await).finite(), 3, async || {}).await;
    assert!(done.end.is_finished(), "{done:?}");
    until(&consumer, |info| info.ack_floor.stream_sequence == 3).await;
    let done = read(nats::read(fetch().await), 0, async || {}).await;
    assert_eq!(done.end.reason(), EndReason::Abandoned);
}

#[tokio::test]
async fn the_messages_of_an_end_that_comes_with_them_are_taken() {
    // Rule "The end goes with the last items": of these it is known beforehand.
    let Some(server) = Server::start().await else { return };
    server.work(3).await;
    let workers = workers(&server.nats).await;
    let three = next(&workers, 3).await.into_iter().map(Ok::<_, MessagesError>);
    let source = nats::read(stream::iter(three)).finite().acknowledge_taken(text);
    let script = Setup::new(()).drive(async |guest: &Guest<'_, (), String>| {
        let readable = guest.source(source).await;
        assert_eq!(guest.read(readable, 9).await, Code::Blocked);
        assert_eq!(guest.wait(readable).await, Code::Dropped(3));
        guest.drop_readable(readable).await;
    });
    script.await.unwrap();
    until(&workers, |info| info.ack_floor.stream_sequence == 3).await;
}

#[tokio::test]
async fn a_guest_that_leaves_is_no_failure_and_the_messages_stay_for_the_next_one() {
    // Rule "Completion".
    let Some(server) = Server::start().await else { return };
    server.work(6).await;
    let workers = workers(&server.nats).await;
    let mut messages: pull::Stream = messages(&workers, 6).await;
    for guest_number in 0..2 {
        let (source, done) = nats::read(messages).acknowledge_taken(text).with_completion();
        let script = Setup::new(()).drive(async |guest: &Guest<'_, (), String>| {
            let readable = guest.source(source).await;
            for number in 0..3 {
                if let Code::Blocked = guest.read(readable, 1).await {
                    guest.wait(readable).await;
                }
                let expected = (guest_number * 3 + number).to_string();
                assert_eq!(guest.items(1).await, [Some(expected)]);
            }
            guest.drop_readable(readable).await;
            pin!(done).await
        });
        let done = script.await.unwrap();
        assert_eq!(done.end.reason(), EndReason::PeerDropped);
        messages = done.inner.into_inner();
    }
    until(&workers, |info| info.ack_floor.stream_sequence == 6).await;
}

#[tokio::test]
async fn what_the_host_ends_goes_back_once_it_drops_the_adapter() {
    // Rule "Completion".
    let Some(server) = Server::start().await else { return };
    server.work(6).await;
    let workers = workers(&server.nats).await;
    let source = nats::read(messages(&workers, 6).await).limit(2);
    let done = read(source, 2, async || {}).await;
    assert_eq!(done.end.reason(), EndReason::LimitReached);
    until(&workers, |info| info.num_ack_pending == 4).await;
    drop(done);
    let expected: Vec<_> = (2..6).map(|number| (2, number.to_string())).collect();
    assert_eq!(deliveries(&next(&workers, 4).await), expected);
}
