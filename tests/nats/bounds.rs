//! What is in flight, and in memory.

use std::sync::mpsc;

use async_nats::jetstream::consumer::pull;
use wasmtime::StoreContextMut;
use wasmtime_streams::nats::{self, Delivery};
use wasmtime_streams_testing::{Code, Guest, Setup};

use crate::ALLOCATED;
use crate::reading::text;
use crate::server::{LONG, Server, consumer, messages, until};

#[tokio::test]
async fn no_more_messages_than_the_consumer_allows_wait_for_their_acknowledgement() {
    // Rule "Backpressure": the guest waits until the host acknowledges.
    let Some(server) = Server::start().await else { return };
    server.work(40).await;
    let config =
        pull::Config { ack_wait: 10 * LONG, max_ack_pending: 8, ..pull::Config::default() };
    let workers = consumer(&server.nats, config).await;
    let (acks, kept) = mpsc::channel();
    let source = nats::read(messages(&workers, 4).await).deliver_with(
        move |_: StoreContextMut<'_, ()>, Delivery { message, ack }| {
            acks.send(ack)?;
            Ok(text(message))
        },
    );
    let script = Setup::new(()).drive(async |guest: &Guest<'_, (), String>| {
        let readable = guest.source(source).await;
        for round in 0..5 {
            let mut taken = 0;
            while taken < 8 {
                taken += match guest.read(readable, 8).await {
                    Code::Blocked => guest.wait(readable).await.count(),
                    code => code.count(),
                };
                let info = workers.clone().info().await.unwrap().clone();
                assert!(info.num_ack_pending <= 8, "{info:?}");
            }
            assert_eq!(taken, 8, "round {round}");
            assert_eq!(guest.read(readable, 8).await, Code::Blocked);
            until(&workers, |info| info.num_ack_pending == 8).await;
            assert_eq!(guest.cancel_read(readable).await, Code::Cancelled(0));
            kept.try_iter().for_each(nats::Ack::ack);
            until(&workers, |info| info.ack_floor.stream_sequence == 8 * (round + 1)).await;
        }
    });
    script.await.unwrap();
}

#[tokio::test]
async fn memory_stays_flat_before_a_guest_that_reads_slowly() {
    // Rule "Bounded memory": 128 MiB of messages, of which the client has a few.
    const LEN: usize = 256 << 10;
    const COUNT: usize = 512;
    let Some(server) = Server::start().await else { return };
    server.stream("work", -1).await;
    for number in 0..COUNT {
        let sent = server.nats.publish(format!("work.{number}"), vec![b'x'; LEN].into());
        sent.await.unwrap().await.unwrap();
    }
    let config = pull::Config { ack_wait: 10 * LONG, ..pull::Config::default() };
    let workers = consumer(&server.nats, config).await;
    let source = nats::read(messages(&workers, 8).await).acknowledge_taken(text);
    let script = Setup::new(()).drive(async |guest: &Guest<'_, (), String>| {
        let readable = guest.source(source).await;
        let before = ALLOCATED.current_usage();
        let mut most = 0;
        for number in 1..=COUNT {
            if let Code::Blocked = guest.read(readable, 1).await {
                assert_eq!(guest.wait(readable).await, Code::Completed(1));
            }
            guest.reset_heap().await;
            if number % 64 == 0 {
                // The client has time to get ahead.
                until(&workers, |info| info.ack_floor.stream_sequence == number as u64).await;
            }
            most = most.max(ALLOCATED.current_usage().saturating_sub(before));
        }
        most
    });
    let most = script.await.unwrap();
    println!("{most} bytes at most");
    assert!(most < 24 << 20, "{most}");
}
