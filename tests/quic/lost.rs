//! Connections that are closed or lost.

use std::time::Duration;

use futures::{StreamExt as _, stream};
use quinn::{ConnectionError, ReadError, TransportConfig, VarInt, WriteError};
use wasmtime_streams::{End, EndReason, iterators, quic, streams};

use crate::machines::{Machines, read, write};

const CODE: VarInt = VarInt::from_u32(7);

#[tokio::test]
async fn a_closed_connection_fails_both_sides_with_its_code() {
    // Rule "Truncated is never complete".
    let machines = Machines::new().await;
    let (send, recv) = machines.stream().await;
    let near = machines.near.clone();
    let data = stream::iter(0..).map(move |n| {
        if n == 100 {
            near.close(CODE, b"bye");
        }
        &b"more"[..]
    });
    let writes = write(streams::chunks(data), quic::write(send));
    let reads = read(quic::read(recv));
    let (written, (received, _)) = tokio::join!(writes, reads);
    let End::Failed(WriteError::ConnectionLost(ConnectionError::LocallyClosed)) = written.end
    else {
        panic!("{written:?}");
    };
    let End::Failed(ReadError::ConnectionLost(ConnectionError::ApplicationClosed(close))) =
        received.end
    else {
        panic!("{received:?}");
    };
    assert_eq!((close.error_code, &close.reason[..]), (CODE, &b"bye"[..]));
}

#[tokio::test]
async fn a_writer_sees_the_code_of_a_connection_that_the_reader_closes() {
    // Rule "Completion".
    let machines = Machines::new().await;
    let (send, recv) = machines.stream().await;
    let writes = write(streams::chunks(stream::repeat(&b"more"[..])), quic::write(send));
    let closes = async {
        let (received, bytes) = read(quic::read(recv).limit(100)).await;
        machines.far.close(CODE, b"bye");
        (received, bytes)
    };
    let (written, _) = tokio::join!(writes, closes);
    match written.end {
        End::Failed(WriteError::ConnectionLost(ConnectionError::ApplicationClosed(close))) => {
            assert_eq!(close.error_code, CODE);
        }
        // The stop came first.
        End::ReceiverDropped => {}
        end => panic!("{end:?}"),
    }
}

#[tokio::test]
async fn a_peer_that_vanishes_times_out() {
    // Rule "Truncated is never complete": nothing is sent any more, as from a machine that has lost its power.
    let transport = || {
        let mut transport = TransportConfig::default();
        transport.max_idle_timeout(Some(Duration::from_millis(200).try_into().unwrap()));
        transport
    };
    let machines = Machines::with(transport).await;
    let (send, recv) = machines.stream().await;
    let sink = quic::write(send).until_stopped();
    let waits = write(streams::chunks(stream::pending::<&[u8]>()), sink);
    let (written, (received, _)) = tokio::join!(waits, read(quic::read(recv)));
    assert_eq!(written.end.reason(), EndReason::ReceiverDropped);
    let End::Failed(ReadError::ConnectionLost(ConnectionError::TimedOut)) = received.end else {
        panic!("{received:?}");
    };
}

#[tokio::test]
async fn a_close_after_everything_was_acknowledged_loses_nothing() {
    // Rule "The completion closes the sink": the other machine has it, though its guest has read nothing yet.
    let machines = Machines::new().await;
    let (send, recv) = machines.stream().await;
    let data = vec![b'x'; 100_000];
    let written = write(iterators::items(data.clone()), quic::write(send)).await;
    assert!(written.end.is_finished(), "{written:?}");
    machines.near.close(CODE, b"done");
    machines.far.closed().await;
    let (received, bytes) = read(quic::read(recv)).await;
    assert!(received.end.is_finished(), "{received:?}");
    assert!(bytes == data);
}
