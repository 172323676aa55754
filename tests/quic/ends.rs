//! Every end, and what it is on the other machine.

use std::time::Duration;

use futures::stream;
use quinn::{ReadError, VarInt};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wasmtime::component::StreamReader;
use wasmtime_streams::quic::{self, Codes};
use wasmtime_streams::{End, EndReason, StoreToken, iterators, streams};
use wasmtime_streams_testing::{Code, Guest, Setup};

use crate::machines::{Machines, read, store, write};

const CODE: VarInt = VarInt::from_u32(42);

/// Data that never ends.
fn endless() -> impl wasmtime::component::StreamProducer<(), Item = u8> {
    streams::chunks(stream::repeat(&[b'x'; 1000][..]))
}

/// Data that never comes.
fn silent() -> impl wasmtime::component::StreamProducer<(), Item = u8> {
    streams::chunks(stream::pending::<&[u8]>())
}

#[tokio::test]
async fn the_end_of_the_data_is_its_end_on_the_other_machine() {
    // Rules "Completion" and "The completion closes the sink".
    let machines = Machines::new().await;
    let data: Vec<u8> = (0..300_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let (send, recv) = machines.stream().await;
    let sent = write(iterators::items(data.clone()), quic::write(send));
    let (sent, (received, bytes)) = tokio::join!(sent, read(quic::read(recv)));
    assert!(sent.end.is_finished(), "{sent:?}");
    assert!(received.end.is_finished(), "{received:?}");
    assert_eq!((sent.moved, received.moved), (300_000, 300_000));
    assert!(bytes == data);
    assert_eq!(sent.inner.stop_code(), None);
}

#[tokio::test]
async fn a_cut_has_the_same_reason_on_the_other_machine() {
    // Rule "Truncated is never complete": each reason has a code.
    use EndReason::{
        Abandoned, Cancelled, Failed, LimitReached, PeerDropped, ReceiverDropped, TimedOut,
        Undeliverable,
    };
    let machines = Machines::new().await;
    for reason in [Abandoned, Cancelled, LimitReached, PeerDropped, ReceiverDropped, TimedOut] {
        let (send, recv) = machines.stream().await;
        quic::write(send).abort(reason);
        let (received, _) = read(quic::read(recv)).await;
        assert_eq!(received.end.reason(), reason);
    }
    // One whose error stayed behind has the code.
    let (send, recv) = machines.stream().await;
    quic::write(send).abort(Undeliverable);
    let (received, _) = read(quic::read(recv)).await;
    let code = Codes::default().code(Undeliverable);
    assert!(matches!(received.end, End::Failed(ReadError::Reset(c)) if c == code));
    for reason in [Abandoned, Cancelled, Failed, LimitReached, PeerDropped, TimedOut] {
        let code = Codes::default().code(reason);
        assert_eq!(Codes::default().reason(code), Some(reason));
    }
}

#[tokio::test]
async fn what_the_host_does_to_a_sink_is_a_cut_on_the_other_machine() {
    // Rule "Truncated is never complete": with and without a completion, while it writes and while it waits.
    let machines = Machines::new().await;
    let token = CancellationToken::new();
    token.cancel();
    let past = Instant::now() - Duration::from_millis(1);

    let (send, recv) = machines.stream().await;
    let sent = write(endless(), quic::write(send).limit(100_000));
    let (sent, (received, _)) = tokio::join!(sent, read(quic::read(recv)));
    assert_eq!([sent.end.reason(), received.end.reason()], [EndReason::LimitReached; 2]);

    let (send, recv) = machines.stream().await;
    let sent = write(silent(), quic::write(send).deadline(past));
    let (sent, (received, _)) = tokio::join!(sent, read(quic::read(recv)));
    assert_eq!([sent.end.reason(), received.end.reason()], [EndReason::TimedOut; 2]);

    let (send, recv) = machines.stream().await;
    let mut store = store();
    let sink = quic::write(send).cancel_on(token);
    StreamReader::new(&mut store, endless()).unwrap().pipe(&mut store, sink).unwrap();
    let run = store.run_concurrent(async |_| std::future::pending::<()>().await);
    tokio::select! {
        _ = run => unreachable!("it runs for ever"),
        (received, _) = read(quic::read(recv)) => {
            assert_eq!(received.end.reason(), EndReason::Cancelled);
        }
    }
}

#[tokio::test]
async fn a_sink_that_was_never_given_to_a_stream_is_a_cut() {
    // Rule "Truncated is never complete": quinn would finish the stream.
    let machines = Machines::new().await;
    let (send, recv) = machines.stream().await;
    drop(quic::write(send).into_inner());
    let (received, _) = read(quic::read(recv)).await;
    assert_eq!(received.end.reason(), EndReason::Abandoned);
}

#[tokio::test]
async fn a_reset_and_a_stop_with_a_code_of_the_peers_own_keep_it() {
    // Rule "Completion": the error has the code.
    let machines = Machines::new().await;
    let (mut send, recv) = machines.stream().await;
    send.reset(CODE).unwrap();
    let (received, _) = read(quic::read(recv)).await;
    assert!(matches!(received.end, End::Failed(ReadError::Reset(CODE))), "{received:?}");

    let (send, mut recv) = machines.stream().await;
    recv.stop(CODE).unwrap();
    let sent = write(endless(), quic::write(send)).await;
    assert_eq!(sent.end.reason(), EndReason::ReceiverDropped);
    assert_eq!(sent.inner.stop_code(), Some(CODE));
}

#[tokio::test]
async fn a_protocol_of_the_hosts_gives_its_own_codes() {
    // Rule "Completion".
    let machines = Machines::new().await;
    let codes = Codes::new(
        |reason| VarInt::from_u32(if reason == EndReason::TimedOut { 1 } else { 2 }),
        |code| (code == VarInt::from_u32(1)).then_some(EndReason::TimedOut),
    );
    let (send, recv) = machines.stream().await;
    quic::write(send).with_codes(codes).abort(EndReason::TimedOut);
    let (received, _) = read(quic::read(recv).with_codes(codes)).await;
    assert_eq!(received.end.reason(), EndReason::TimedOut);

    let (send, recv) = machines.stream().await;
    let sent = write(endless(), quic::write(send).with_codes(codes));
    let received = read(quic::read(recv).with_codes(codes).limit(5));
    let (sent, (received, bytes)) = tokio::join!(sent, received);
    assert_eq!(received.end.reason(), EndReason::LimitReached);
    assert_eq!(bytes, b"xxxxx");
    assert_eq!(sent.inner.stop_code(), Some(VarInt::from_u32(2)));
}

#[tokio::test]
async fn a_reader_that_leaves_stops_the_writer() {
    // Rule "Completion": also one that waits, if the host watches for it.
    let machines = Machines::new().await;
    let (send, recv) = machines.stream().await;
    let sent = write(endless(), quic::write(send));
    let past = Instant::now() - Duration::from_millis(1);
    let (sent, (received, _)) = tokio::join!(sent, read(quic::read(recv).deadline(past)));
    assert_eq!(received.end.reason(), EndReason::TimedOut);
    assert_eq!(sent.end.reason(), EndReason::ReceiverDropped);
    let code = sent.inner.stop_code().unwrap();
    assert_eq!(Codes::default().reason(code), Some(EndReason::TimedOut));

    let (send, recv) = machines.stream().await;
    let sent = write(silent(), quic::write(send).until_stopped());
    let (sent, (received, _)) = tokio::join!(sent, read(quic::read(recv).deadline(past)));
    assert_eq!(received.end.reason(), EndReason::TimedOut);
    assert_eq!(sent.end.reason(), EndReason::ReceiverDropped);
    assert_eq!(sent.inner.stop_code(), Some(code));
}

#[tokio::test]
async fn a_guest_that_traps_resets_its_stream_and_stops_the_other() {
    // Rules "Completion" and "Truncated is never complete".
    let machines = Machines::new().await;
    let (send, recv) = machines.stream().await;
    let (mut back, back_recv) = machines.stream().await;
    let token = StoreToken::new();
    let (sink, sent) = quic::write(send).with_completion();
    let (source, received) = quic::read(back_recv).with_completion();
    let (sent, received) = (sent.watch_store(&token), received.watch_store(&token));
    let trapped = Setup::new(token).drive(async |guest: &Guest<'_, StoreToken, u8>| {
        let writable = guest.sink(sink).await;
        assert_eq!(guest.send(writable, b"some").await, Code::Completed(4));
        let readable = guest.source(source).await;
        assert_eq!(guest.read(readable, 5).await, Code::Blocked);
        guest.trap().await;
    });
    trapped.await.unwrap_err();
    let (other, _) = read(quic::read(recv)).await;
    assert_eq!(other.end.reason(), EndReason::Abandoned);
    assert_eq!(sent.await.end.reason(), EndReason::Abandoned);
    assert_eq!(received.await.end.reason(), EndReason::Abandoned);
    let code = back.stopped().await.unwrap().expect("a stop");
    assert_eq!(Codes::default().reason(code), Some(EndReason::Abandoned));
    back.reset(code).unwrap();
}

#[tokio::test]
async fn a_guest_that_drops_its_reader_midway_stops_the_writer() {
    // Rule "Completion".
    let machines = Machines::new().await;
    let (send, recv) = machines.stream().await;
    let read_four = Setup::new(()).drive(async |guest: &Guest<'_, (), u8>| {
        let readable = guest.source(quic::read(recv)).await;
        let (_, bytes) = guest.recv(readable, 4).await;
        assert_eq!(bytes, b"xxxx");
        guest.drop_readable(readable).await;
    });
    let (sent, four) = tokio::join!(write(endless(), quic::write(send)), read_four);
    four.unwrap();
    assert_eq!(sent.end.reason(), EndReason::ReceiverDropped);
    let code = sent.inner.stop_code().unwrap();
    assert_eq!(Codes::default().reason(code), Some(EndReason::PeerDropped));
}

#[tokio::test]
async fn a_guest_that_knows_the_length_does_not_make_the_stream_look_cut() {
    // Rule "Completion": the end had arrived with the last bytes, and the guest read just those.
    let machines = Machines::new().await;
    let (send, recv) = machines.stream().await;
    let sent = write(iterators::items(*b"four"), quic::write(send)).await;
    assert!(sent.end.is_finished(), "{sent:?}");
    let (source, received) = quic::read(recv).with_completion();
    let read_four = Setup::new(()).drive(async |guest: &Guest<'_, (), u8>| {
        let readable = guest.source(source).await;
        assert_eq!(guest.recv(readable, 4).await.1, b"four");
        guest.drop_readable(readable).await;
    });
    read_four.await.unwrap();
    assert_eq!(received.await.end.reason(), EndReason::PeerDropped);
}

#[tokio::test]
async fn a_zero_length_read_waits_and_loses_nothing() {
    // Rule "Zero-length reads".
    let machines = Machines::new().await;
    let (mut send, recv) = machines.stream().await;
    let script = Setup::new(()).drive(async |guest: &Guest<'_, (), u8>| {
        let readable = guest.source(quic::read(recv)).await;
        assert_eq!(guest.read(readable, 0).await, Code::Blocked);
        send.write_all(b"abc").await.unwrap();
        assert_eq!(guest.wait(readable).await, Code::Completed(0));
        assert_eq!(guest.read(readable, 0).await, Code::Completed(0));
        assert_eq!(guest.recv(readable, 2).await, (Code::Completed(2), b"ab".to_vec()));
        send.finish().unwrap();
        assert_eq!(send.stopped().await, Ok(None));
        assert_eq!(guest.recv(readable, 2).await, (Code::Dropped(1), b"c".to_vec()));
    });
    script.await.unwrap();
}
