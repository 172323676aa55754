//! Which messages are acknowledged, and which come again.

use std::sync::mpsc;
use std::time::Duration;

use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::pull;
use tokio::runtime::Builder;
use wasmtime::StoreContextMut;
use wasmtime::component::StreamReader;
use wasmtime_streams::iterators;
use wasmtime_streams::nats::{self, Ack, Delivery};
use wasmtime_streams_testing::{Code, Guest, Setup};

use crate::server::{Server, again, consumer, deliveries, messages, next, store, until, workers};

pub(crate) fn text(message: Message) -> String {
    String::from_utf8(message.payload.to_vec()).unwrap()
}

fn numbers(range: std::ops::Range<usize>, delivered: i64) -> Vec<(i64, String)> {
    range.map(|number| (delivered, number.to_string())).collect()
}

#[tokio::test]
async fn what_the_guest_took_is_acknowledged_and_the_rest_goes_to_another_worker_at_once() {
    let Some(server) = Server::start().await else { return };
    server.work(10).await;
    let workers = workers(&server.nats).await;
    let source = nats::read(messages(&workers, 10).await).acknowledge_taken(text);
    let script = Setup::new(()).drive(async |guest: &Guest<'_, (), String>| {
        let readable = guest.source(source).await;
        let mut taken = 0;
        while taken < 3 {
            taken += match guest.read(readable, 3 - taken).await {
                Code::Blocked => guest.wait(readable).await.count(),
                code => code.count(),
            };
        }
        // While the guest does nothing else: the three, and no other, though the client has more.
        until(&workers, |info| info.ack_floor.stream_sequence == 3).await;
        until(&workers, |info| info.num_ack_pending == 7).await;
        guest.drop_readable(readable).await;
    });
    script.await.unwrap();
    assert_eq!(deliveries(&next(&workers, 7).await), numbers(3..10, 2));
}

#[tokio::test]
async fn a_guest_that_traps_while_it_is_given_an_item_does_not_have_it() {
    // Its memory is too small, so its allocator traps within the delivery.
    let Some(server) = Server::start().await else { return };
    server.work(2).await;
    let workers = workers(&server.nats).await;
    let source =
        nats::read(messages(&workers, 2).await).batch(1).acknowledge_taken(|message| match &*text(
            message,
        ) {
            "0" => String::new(),
            _ => "x".repeat(17 << 20),
        });
    let script = Setup::new(()).drive(async |guest: &Guest<'_, (), String>| {
        let readable = guest.source(source).await;
        loop {
            if let Code::Blocked = guest.read(readable, 1).await {
                guest.wait(readable).await;
            }
        }
    });
    script.await.unwrap_err();
    again(&workers, &["1"]).await;
}

#[tokio::test]
async fn an_item_that_a_zero_length_read_looked_ahead_is_not_taken() {
    let Some(server) = Server::start().await else { return };
    server.work(2).await;
    let workers = workers(&server.nats).await;
    let source = nats::read(messages(&workers, 2).await).acknowledge_taken(text);
    let script = Setup::new(()).drive(async |guest: &Guest<'_, (), String>| {
        let readable = guest.source(source).await;
        assert_eq!(guest.read(readable, 0).await, Code::Completed(0));
        if let Code::Blocked = guest.read(readable, 0).await {
            assert_eq!(guest.wait(readable).await, Code::Completed(0));
        }
        guest.drop_readable(readable).await;
    });
    script.await.unwrap();
    assert_eq!(deliveries(&next(&workers, 2).await), numbers(0..2, 2));
    until(&workers, |info| info.ack_floor.stream_sequence == 0).await;
}

#[tokio::test]
async fn a_read_that_is_cancelled_takes_nothing() {
    let Some(server) = Server::start().await else { return };
    server.work(0).await;
    let workers = workers(&server.nats).await;
    let source = nats::read(messages(&workers, 2).await).acknowledge_taken(text);
    let script = Setup::new(()).drive(async |guest: &Guest<'_, (), String>| {
        let readable = guest.source(source).await;
        assert_eq!(guest.read(readable, 1).await, Code::Blocked);
        assert_eq!(guest.cancel_read(readable).await, Code::Cancelled(0));
        server.nats.publish("work.0", "0".into()).await.unwrap().await.unwrap();
        until(&workers, |info| info.num_ack_pending == 1).await;
        if let Code::Blocked = guest.read(readable, 1).await {
            assert_eq!(guest.wait(readable).await, Code::Completed(1));
        }
        assert_eq!(guest.items(1).await, [Some("0".to_owned())]);
        until(&workers, |info| info.ack_floor.stream_sequence == 1).await;
    });
    script.await.unwrap();
}

/// A source whose acknowledgements the host keeps.
async fn kept(
    server: &Server,
    batch: usize,
) -> (impl wasmtime::component::StreamProducer<(), Item = String>, mpsc::Receiver<Ack>) {
    let (acks, kept) = mpsc::channel();
    let messages = messages(&workers(&server.nats).await, batch).await;
    let source = nats::read(messages).deliver_with(
        move |_: StoreContextMut<'_, ()>, Delivery { message, ack }| {
            acks.send(ack)?;
            Ok(text(message))
        },
    );
    (source, kept)
}

#[tokio::test]
async fn the_host_acknowledges_when_it_likes() {
    let Some(server) = Server::start().await else { return };
    server.work(5).await;
    let workers = workers(&server.nats).await;
    let (source, acks) = kept(&server, 5).await;
    let mut store = store();
    let (all, _done) = iterators::collect::<String>(5).with_completion();
    StreamReader::new(&mut store, source).unwrap().pipe(&mut store, all).unwrap();
    let acks = store.run_concurrent(async |_| {
        until(&workers, |info| info.delivered.consumer_sequence == 5).await;
        let mut got = Vec::new();
        while got.len() < 5 {
            got.extend(acks.try_iter());
            tokio::task::yield_now().await;
        }
        got
    });
    let mut acks = acks.await.unwrap().into_iter();
    // From here on nobody asks for messages.
    drop(store);
    until(&workers, |info| info.num_waiting == 0).await;
    // Nothing before the host says so.
    until(&workers, |info| info.num_ack_pending == 5 && info.ack_floor.stream_sequence == 0).await;
    acks.next().unwrap().ack();
    until(&workers, |info| info.ack_floor.stream_sequence == 1).await;
    acks.next().unwrap().confirm().await.unwrap();
    assert_eq!(workers.clone().info().await.unwrap().ack_floor.stream_sequence, 2);
    acks.next().unwrap().term();
    until(&workers, |info| info.ack_floor.stream_sequence == 3).await;
    acks.next().unwrap().nak(Duration::from_millis(1));
    assert_eq!(deliveries(&next(&workers, 1).await), numbers(3..4, 2));
    let last = acks.next().unwrap();
    last.progress();
    drop(last);
    assert_eq!(deliveries(&next(&workers, 1).await), numbers(4..5, 2));
}

#[tokio::test]
async fn the_acknowledgements_of_a_guest_that_traps_are_the_hosts() {
    let Some(server) = Server::start().await else { return };
    server.work(2).await;
    let workers = workers(&server.nats).await;
    let (source, acks) = kept(&server, 2).await;
    let script = Setup::new(()).drive(async |guest: &Guest<'_, (), String>| {
        let readable = guest.source(source).await;
        for _ in 0..2 {
            if let Code::Blocked = guest.read(readable, 1).await {
                guest.wait(readable).await;
            }
        }
        guest.trap().await;
    });
    script.await.unwrap_err();
    acks.recv().unwrap().ack();
    drop(acks);
    again(&workers, &["1"]).await;
}

#[test]
fn what_a_worker_that_dies_has_not_acknowledged_is_delivered_again() {
    // All that it has stops within one moment, so that it tells the server nothing: its thread, its connection.
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let Some(server) = runtime.block_on(Server::start()) else { return };
    runtime.block_on(server.work(4));
    let config = pull::Config { ack_wait: Duration::from_millis(500), ..pull::Config::default() };
    let workers = runtime.block_on(consumer(&server.nats, config.clone()));

    let dies = Builder::new_current_thread().enable_all().build().unwrap();
    let kept = dies.block_on(async {
        let other = consumer(&server.connect().await, config).await;
        let (acks, kept) = mpsc::channel();
        let source = nats::read(messages(&other, 4).await).deliver_with(
            move |_: StoreContextMut<'_, ()>, Delivery { message, ack }| {
                acks.send(ack)?;
                Ok(text(message))
            },
        );
        let mut store = store();
        let all = iterators::collect::<String>(9);
        StreamReader::new(&mut store, source).unwrap().pipe(&mut store, all).unwrap();
        let got = store.run_concurrent(async |_| {
            let mut got = Vec::new();
            while got.len() < 4 {
                got.extend(kept.try_iter());
                tokio::task::yield_now().await;
            }
            got
        });
        got.await.unwrap()
    });
    drop(dies);
    runtime.block_on(async {
        assert_eq!(deliveries(&next(&workers, 4).await), numbers(0..4, 2));
    });
    drop(kept);
}
