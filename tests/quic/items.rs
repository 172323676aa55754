//! Items in frames, and frames that are wrong.

use futures::stream;
use quinn::ReadError;
use tokio::time::timeout;
use wasmtime::component::StreamReader;
use wasmtime_streams::quic::{self, Codes, ItemError};
use wasmtime_streams::{Completed, End, EndReason, ItemProducer, iterators, streams};
use wasmtime_streams_testing::{Code, Guest, Setup};

use crate::machines::{LONG, Machines, store};

type Row = (u32, String);

fn rows(count: u32) -> Vec<Row> {
    (0..count).map(|n| (n, format!("row {n}"))).collect()
}

/// Collects what comes from `source`, in a store of its own.
async fn read(
    source: ItemProducer<quic::ReadItems<Row>>,
) -> (Completed<quic::ReadItems<Row>, ItemError>, Vec<Row>) {
    let mut store = store();
    let (source, done) = source.with_completion();
    let (all, collected) = iterators::collect::<Row>(1 << 20).with_completion();
    StreamReader::new(&mut store, source).unwrap().pipe(&mut store, all).unwrap();
    let done = store.run_concurrent(async |_| timeout(LONG, done).await);
    let done = done.await.unwrap().expect("the source does not end");
    let collected = store.run_concurrent(async |_| collected.await).await.unwrap();
    (done, collected.inner.into_inner())
}

/// Sends bytes as they are.
async fn read_raw(bytes: &[u8], finish: bool) -> (End<ItemError>, Vec<Row>, EndReason) {
    let machines = Machines::new().await;
    let (mut send, recv) = machines.stream().await;
    send.write_all(bytes).await.unwrap();
    if finish {
        send.finish().unwrap();
    }
    let (done, rows) = read(quic::read_items(recv)).await;
    let stopped = send.stopped().await.unwrap();
    let reason = stopped.map_or(Some(EndReason::Finished), |code| Codes::default().reason(code));
    (done.end, rows, reason.expect("a code"))
}

/// The frame of the row 1, "a".
const FRAME: &[u8] = &[0, 0, 0, 3, 1, 1, b'a'];

#[tokio::test]
async fn all_items_arrive_in_order() {
    // Rule "Exactly once, in order".
    let machines = Machines::new().await;
    let (send, recv) = machines.stream().await;
    let mut store = store();
    let (sink, sent) = quic::write_items::<Row>(send).with_completion();
    let source = iterators::items(rows(10_000));
    StreamReader::new(&mut store, source).unwrap().pipe(&mut store, sink).unwrap();
    let sent = store.run_concurrent(async |_| sent.await);
    let (sent, (received, all)) = tokio::join!(sent, read(quic::read_items(recv)));
    let sent = sent.unwrap();
    assert!(
        sent.end.is_finished() && received.end.is_finished(),
        "{:?} {:?}",
        sent.end,
        received.end
    );
    assert_eq!((sent.moved, received.moved), (10_000, 10_000));
    assert_eq!(all, rows(10_000));
    assert!(sent.inner.into_unsent().is_empty());
}

#[tokio::test]
async fn a_frame_is_a_length_and_the_item_of_postcard() {
    // Other programs can read and write it.
    let (end, rows, _) = read_raw(&[FRAME, FRAME].concat(), true).await;
    assert!(end.is_finished(), "{end:?}");
    assert_eq!(rows, vec![(1, "a".to_owned()); 2]);

    let machines = Machines::new().await;
    let (send, mut recv) = machines.stream().await;
    let mut store = store();
    let (sink, sent) = quic::write_items::<Row>(send).with_completion();
    let source = iterators::items([(1, "a".to_owned())]);
    StreamReader::new(&mut store, source).unwrap().pipe(&mut store, sink).unwrap();
    store.run_concurrent(async |_| sent.await).await.unwrap();
    assert_eq!(recv.read_to_end(100).await.unwrap(), FRAME);
}

#[tokio::test]
async fn a_frame_that_is_no_item_fails_the_stream_after_the_items_before_it() {
    // Rule "Items before the error".
    for (bad, text) in [
        (&[0, 0, 0, 3, 1, 1, 0xff][..], "no valid item"),
        (&[0, 0, 0, 4, 1, 1, b'a', b'b'], "1 bytes are left over"),
        (&[0, 0, 0, 0], "no valid item"),
        (&[0, 0, 0, 2, 1, 1], "no valid item"),
    ] {
        let (end, rows, stopped) = read_raw(&[FRAME, bad].concat(), false).await;
        let End::Failed(ItemError::Invalid(_)) = end else { panic!("{bad:?}: {end:?}") };
        assert!(end.to_string().contains(text), "{end}");
        assert_eq!(rows, [(1, "a".to_owned())], "{bad:?}");
        assert_eq!(stopped, EndReason::Failed, "the writer is told to stop");
    }
}

#[tokio::test]
async fn a_frame_that_is_too_long_fails_the_stream_before_it_is_read() {
    // Rule "Bounded memory".
    let (end, rows, stopped) = read_raw(&[FRAME, &[0xff; 4]].concat(), false).await;
    assert!(matches!(end, End::Failed(ItemError::TooLong(1_048_576))), "{end:?}");
    assert_eq!(rows.len(), 1);
    assert_eq!(stopped, EndReason::Failed);
    let text = "the stream failed: a frame is longer than 1048576 bytes, the most that is allowed";
    assert_eq!(end.to_string(), text);
}

#[tokio::test]
async fn data_that_ends_within_a_frame_is_a_cut() {
    // Rule "Truncated is never complete": at each byte of a frame.
    for len in 1..FRAME.len() {
        let (end, rows, _) = read_raw(&[FRAME, &FRAME[..len]].concat(), true).await;
        assert!(matches!(end, End::Failed(ItemError::Incomplete)), "{len}: {end:?}");
        assert_eq!(rows.len(), 1);
    }
}

#[tokio::test]
async fn an_item_that_is_too_long_to_send_is_a_cut_on_the_other_machine() {
    // Rules "Items before the error" and "Truncated is never complete".
    let machines = Machines::new().await;
    let (send, recv) = machines.stream().await;
    let mut store = store();
    let (sink, sent) = quic::write_items::<Row>(send).max_frame_len(10).with_completion();
    let source = iterators::items([(1, "short".to_owned()), (2, "x".repeat(10))]);
    StreamReader::new(&mut store, source).unwrap().pipe(&mut store, sink).unwrap();
    let sent = store.run_concurrent(async |_| sent.await);
    let (sent, (received, _)) = tokio::join!(sent, read(quic::read_items(recv)));
    assert!(matches!(sent.unwrap().end, End::Failed(ItemError::TooLong(10))));
    let failed = Codes::default().code(EndReason::Failed);
    let End::Failed(ItemError::Read(ReadError::Reset(code))) = received.end else {
        panic!("{:?}", received.end);
    };
    assert_eq!(code, failed);
}

#[tokio::test]
async fn the_longest_item_that_is_allowed_arrives() {
    // Rule "Bounded memory".
    let machines = Machines::new().await;
    let (send, recv) = machines.stream().await;
    let mut store = store();
    let row = (1, "x".repeat(200_000));
    // The number, the length of the text in three bytes, the text.
    let len = 1 + 3 + 200_000;
    let (sink, sent) = quic::write_items::<Row>(send).max_frame_len(len).with_completion();
    let source = iterators::items([row.clone()]);
    StreamReader::new(&mut store, source).unwrap().pipe(&mut store, sink).unwrap();
    let sent = store.run_concurrent(async |_| sent.await);
    let source = quic::read_items(recv).max_frame_len(len);
    let (sent, (received, all)) = tokio::join!(sent, read(source));
    assert!(sent.unwrap().end.is_finished() && received.end.is_finished());
    assert!(all == [row]);
}

#[tokio::test]
async fn the_ends_of_items_are_those_of_bytes() {
    // Rules "Completion" and "Truncated is never complete".
    let machines = Machines::new().await;
    let (send, recv) = machines.stream().await;
    quic::write_items::<Row>(send).abort(EndReason::TimedOut);
    let (received, _) = read(quic::read_items(recv)).await;
    assert_eq!(received.end.reason(), EndReason::TimedOut);

    let (send, recv) = machines.stream().await;
    drop(quic::write_items::<Row>(send).into_inner());
    let (received, _) = read(quic::read_items(recv)).await;
    assert_eq!(received.end.reason(), EndReason::Abandoned);

    let (send, recv) = machines.stream().await;
    let mut store = store();
    let (sink, sent) = quic::write_items::<Row>(send).with_completion();
    let endless = streams::items(stream::repeat((1, "a".to_owned())));
    StreamReader::new(&mut store, endless).unwrap().pipe(&mut store, sink).unwrap();
    let sent = store.run_concurrent(async |_| timeout(LONG, sent).await.expect("no end"));
    let (sent, (received, all)) = tokio::join!(sent, read(quic::read_items(recv).limit(3)));
    assert_eq!(received.end.reason(), EndReason::LimitReached);
    assert_eq!(all.len(), 3);
    let sent = sent.unwrap();
    assert_eq!(sent.end.reason(), EndReason::ReceiverDropped);
    let code = sent.inner.stop_code().unwrap();
    assert_eq!(Codes::default().reason(code), Some(EndReason::LimitReached));
}

#[tokio::test]
async fn items_of_a_cancelled_write_that_are_held_up_do_not_look_sent() {
    // Rule "Truncated is never complete": without a completion nobody sends them at the end.
    let machines = Machines::with(|| {
        let mut transport = quinn::TransportConfig::default();
        transport.send_window(4096);
        transport
    })
    .await;
    let (send, recv) = machines.stream().await;
    let script = Setup::new(()).drive(async |guest: &Guest<'_, (), u64>| {
        let writable = guest.sink(quic::write_items::<u64>(send)).await;
        // More than the write buffer and the window hold.
        assert_eq!(guest.write(writable, 8192).await, Code::Blocked);
        let Code::Cancelled(taken) = guest.cancel_write(writable).await else { panic!() };
        assert!(taken > 0);
        guest.drop_writable(writable).await;
    });
    script.await.unwrap();
    let mut store = store();
    let (source, received) = quic::read_items::<u64>(recv).with_completion();
    let (all, _collected) = iterators::collect::<u64>(1 << 20).with_completion();
    StreamReader::new(&mut store, source).unwrap().pipe(&mut store, all).unwrap();
    let received = store.run_concurrent(async |_| received.await).await.unwrap();
    assert_eq!(received.end.reason(), EndReason::Abandoned);
}
