//! Messages that are acknowledged when their result is stored.

use async_nats::jetstream::message::PublishMessage;
use wasmtime::component::StreamReader;
use wasmtime_streams::End;
use wasmtime_streams::nats::{self, Acks};

use crate::reading::text;
use crate::server::{Server, again, messages, store, until, workers};

#[tokio::test]
async fn a_message_is_acknowledged_when_its_result_is_stored_and_no_other_is() {
    // The stream of results takes three of five.
    let Some(server) = Server::start().await else { return };
    server.work(5).await;
    server.stream("results", 3).await;
    let workers = workers(&server.nats).await;
    let acks = Acks::new();
    let input = nats::read(messages(&workers, 5).await).acknowledge_later(acks.clone(), text);
    let output = nats::publish(server.nats.clone(), |item: String| {
        PublishMessage::build()
            .message_id(&item)
            .payload(item.into())
            .outbound_message("results.all")
    });
    let (output, done) = output.in_flight(1).acknowledge_stored(acks).with_completion();
    let mut store = store();
    let reader = StreamReader::new(&mut store, input).unwrap();
    reader.pipe(&mut store, output).unwrap();
    let done = store.run_concurrent(async |_| done.await).await.unwrap();
    assert!(matches!(done.end, End::Failed(_)), "{done:?}");
    assert_eq!(done.inner.stored(), 3);
    drop(done);
    until(&workers, |info| info.ack_floor.stream_sequence == 3).await;
    drop(store);
    again(&workers, &["3", "4"]).await;
}
