//! Host writers and sinks that a guest reads from.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;

use futures::{AsyncWriteExt as _, FutureExt as _, SinkExt, join};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt};
use wasmtime_streams::Cut;
use wasmtime_streams::to_guest::{self, HostWriter};
use wasmtime_streams::{End, tokio_io};
use wasmtime_streams_testing::executor;

use crate::pattern;
use crate::read_to_end;
use crate::support::guest::{Code, with_guest};

const GONE: Cut = Cut(wasmtime_streams::EndReason::PeerDropped);

/// Writes once, as much as there is room for; `None` if there is none.
async fn write(writer: &mut HostWriter, bytes: &[u8]) -> Option<Result<usize, Cut>> {
    poll_fn(|cx| {
        Poll::Ready(match writer.poll_write(cx, bytes) {
            Poll::Ready(written) => Some(written),
            Poll::Pending => None,
        })
    })
    .await
}

#[test]
fn the_host_gets_no_further_ahead_than_the_capacity() {
    // Rule "Backpressure", in the other direction.
    for (capacity, all, chunk) in [(0, 2, 1), (1, 2, 1), (3, 3, 1), (7, 7, 3), (4096, 4096, 2048)] {
        with_guest::<u8, _>(async |guest| {
            let (mut writer, producer) = to_guest::producer(capacity);
            let stream = guest.source(producer).await;
            let mut written = 0;
            while let Some(n) = write(&mut writer, &[1; 9999]).await {
                written += n.unwrap();
            }
            assert_eq!(written, all);
            for part in [1, chunk - 1] {
                if part > 0 {
                    assert_eq!(guest.recv(stream, part).await.0, Code::Completed(part));
                    assert_eq!(write(&mut writer, &[1; 9999]).await, None);
                }
            }
            // The next read gives back the room of what it had.
            assert_eq!(guest.recv(stream, 1).await.0, Code::Completed(1));
            assert_eq!(write(&mut writer, &[1; 9999]).await, Some(Ok(chunk as usize)));
            assert_eq!(write(&mut writer, &[1; 9999]).await, None);
        });
    }
}

#[test]
fn every_byte_arrives_once_and_in_order() {
    // Rule "Exactly once, in order": with writes that wait, and reads of all sizes.
    let data = pattern(10_000);
    for capacity in [2, 7, 100, 4096, 1 << 20] {
        for buffer in [1, 13, 65_536] {
            with_guest::<u8, _>(async |guest| {
                let (mut writer, producer) = to_guest::producer(capacity);
                let stream = guest.source(producer).await;
                let writes = async {
                    for part in data.chunks(777) {
                        AsyncWriteExt::write_all(&mut writer, part).await.unwrap();
                    }
                    AsyncWriteExt::shutdown(&mut writer).await.unwrap();
                };
                let (_, all) = join!(writes, read_to_end(guest, stream, buffer));
                assert_eq!(all, data);
            });
        }
    }
}

#[test]
fn a_batch_arrives_in_one_read() {
    // Rule "Fill each operation".
    with_guest::<u32, _>(async |guest| {
        let (mut sink, producer) = to_guest::item_producer(2000);
        let stream = guest.source(producer).await;
        sink.send_batch((0..1000).collect()).await.unwrap();
        assert_eq!(guest.read(stream, 5000).await, Code::Completed(1000));
        assert_eq!(guest.items(1000).await, (0..1000).map(Some).collect::<Vec<_>>());
        // A batch larger than the room is sent as the guest reads.
        let sends = async {
            sink.send_batch((0..5000).collect()).await.unwrap();
            sink.close();
        };
        let reads = async {
            let mut all = 0;
            loop {
                let (code, _) = guest.recv(stream, 700).await;
                all += code.count();
                if let Code::Dropped(_) = code {
                    return all;
                }
            }
        };
        assert_eq!(join!(sends, reads).1, 5000);
    });
}

#[test]
fn the_end_comes_with_the_last_items() {
    // Rule "The end goes with the last items": if the host has closed by then.
    for close in [true, false] {
        with_guest::<u8, _>(async |guest| {
            let (mut writer, producer) = to_guest::producer(64);
            let stream = guest.source(producer).await;
            assert_eq!(write(&mut writer, &[1, 2, 3]).await, Some(Ok(3)));
            if close {
                writer.close();
                assert_eq!(write(&mut writer, &[4]).await, Some(Err(GONE)));
                assert_eq!(guest.recv(stream, 9).await, (Code::Dropped(3), vec![1, 2, 3]));
            } else {
                assert_eq!(guest.recv(stream, 9).await, (Code::Completed(3), vec![1, 2, 3]));
                assert_eq!(guest.read(stream, 9).await, Code::Blocked);
                drop(writer);
                assert_eq!(guest.wait(stream).await, Code::Dropped(0));
            }
        });
    }
}

#[test]
fn a_zero_length_read_waits_until_the_host_writes() {
    // Rule "Zero-length reads": for data or the end. It takes nothing.
    with_guest::<u8, _>(async |guest| {
        let (mut writer, producer) = to_guest::producer(64);
        let stream = guest.source(producer).await;
        for more in [true, false] {
            assert_eq!(guest.read(stream, 0).await, Code::Blocked);
            let mut wait = Box::pin(guest.wait(stream));
            assert_eq!(guest.parked(&mut wait).await, None);
            if more {
                assert_eq!(write(&mut writer, &[7]).await, Some(Ok(1)));
                assert_eq!(wait.await, Code::Completed(0));
                assert_eq!(guest.recv(stream, 9).await.1, [7]);
            } else {
                writer.close();
                assert_eq!(wait.await, Code::Dropped(0));
            }
        }
    });
}

#[test]
fn a_cancelled_read_loses_nothing() {
    // Rule "Cancellation keeps the stream".
    with_guest::<u8, _>(async |guest| {
        let (mut writer, producer) = to_guest::producer(64);
        let stream = guest.source(producer).await;
        assert_eq!(guest.read(stream, 9).await, Code::Blocked);
        assert_eq!(guest.cancel_read(stream).await, Code::Cancelled(0));
        assert_eq!(write(&mut writer, &[1, 2]).await, Some(Ok(2)));
        assert_eq!(guest.recv(stream, 1).await.1, [1]);
        assert_eq!(guest.recv(stream, 1).await.1, [2]);
    });
}

#[test]
fn a_guest_that_drops_its_end_wakes_a_waiting_write() {
    // Rule "Register the current waker": the host's task is woken, or else its next write reports it.
    for waits in [true, false] {
        with_guest::<u8, _>(async |guest| {
            let (mut writer, producer) = to_guest::producer(4);
            let stream = guest.source(producer).await;
            let writes = async {
                let all: &[u8] = if waits { &[1; 99] } else { &[1; 2] };
                match AsyncWriteExt::write_all(&mut writer, all).await {
                    Ok(()) => assert!(!waits),
                    Err(error) => {
                        assert!(waits && error.kind() == io::ErrorKind::BrokenPipe, "{error}");
                    }
                }
            };
            let drops = async {
                executor::idle().await;
                guest.drop_readable(stream).await;
            };
            join!(writes, drops);
            let error = AsyncWriteExt::write_all(&mut writer, &[2]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
            // There is nothing to flush or close any more, which is no error.
            AsyncWriteExt::shutdown(&mut writer).await.unwrap();
        });
    }
}

#[test]
fn what_could_not_be_sent_is_handed_back() {
    // Rule "Exact partial writes": of a batch, the items that were not sent; of one item, that item.
    with_guest::<String, _>(async |guest| {
        let name = |n: u32| format!("item {n}");
        let (mut sink, producer) = to_guest::item_producer(8);
        let stream = guest.source(producer).await;
        for n in 0..8 {
            assert_eq!(sink.try_send(name(n)), Ok(()));
        }
        assert_eq!(sink.try_send(name(8)), Err(name(8)), "the sink has room");
        let sends = sink.send_batch((8..20).map(name).collect());
        let reads = async {
            assert_eq!(guest.recv(stream, 3).await.0, Code::Completed(3));
            executor::idle().await;
            guest.drop_readable(stream).await;
        };
        let unsent = join!(sends, reads).0.unwrap_err();
        assert_eq!(unsent.items, (8..20).map(name).collect::<Vec<_>>());
        assert_eq!(sink.try_send(name(8)), Err(name(8)));
        assert_eq!(sink.send_item(name(8)).await, Err(GONE));
        assert_eq!(sink.send(name(8)).await, Err(GONE));

        // Refused, though there is room.
        let (mut sink, producer) = to_guest::item_producer(8);
        let stream = guest.source(producer).await;
        guest.drop_readable(stream).await;
        assert_eq!(sink.try_send(name(0)), Err(name(0)), "after the guest dropped its end");
        let (mut sink, _producer) = to_guest::item_producer(8);
        sink.close();
        assert_eq!(sink.try_send(name(0)), Err(name(0)), "after it was closed");
    });
}

#[test]
fn a_completion_hands_back_what_the_guest_did_not_read() {
    // Rule "Completion": a cancel loses nothing that was written.
    with_guest::<u8, _>(async |guest| {
        let (mut writer, producer) = to_guest::producer(8);
        let (producer, done) = producer.with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(write(&mut writer, &[1, 2, 3]).await, Some(Ok(3)));
        assert_eq!(guest.recv(stream, 1).await.1, [1]);
        assert_eq!(write(&mut writer, &[4, 5]).await, Some(Ok(2)));
        done.cancel();
        let done = done.await;
        assert!(matches!(done.end, End::Cancelled) && done.moved == 1);
        assert_eq!(done.inner.into_unread(), [2, 3, 4, 5]);
        assert_eq!(write(&mut writer, &[6]).await, Some(Err(GONE)));
    });
}

#[test]
fn the_halves_of_a_duplex_close_independently() {
    // Rule "The completion closes the sink": each direction on its own.
    for host_first in [true, false] {
        with_guest::<u8, _>(async |guest| {
            let (output, writable) = guest.stream().await;
            let (mut socket, input) =
                guest.with(|store| tokio_io::duplex(store, output, 64)).unwrap();
            let readable = guest.take(input).await;
            let (mut all, mut rest) = (Vec::new(), [0; 2]);
            AsyncWriteExt::write_all(&mut socket, b"to").await.unwrap();
            assert_eq!(guest.recv(readable, 9).await.1, b"to");
            assert_eq!(guest.send(writable, b"fro").await, Code::Completed(3));
            assert_eq!(socket.read_exact(&mut rest).await.unwrap(), 2);
            if host_first {
                AsyncWriteExt::shutdown(&mut socket).await.unwrap();
                assert_eq!(guest.recv(readable, 9).await.0, Code::Dropped(0));
                assert_eq!(guest.send(writable, b"m").await, Code::Completed(1));
                guest.drop_writable(writable).await;
                assert_eq!(socket.read_to_end(&mut all).await.unwrap(), 2);
            } else {
                guest.drop_writable(writable).await;
                assert_eq!(socket.read_to_end(&mut all).await.unwrap(), 1);
                AsyncWriteExt::write_all(&mut socket, b"ld").await.unwrap();
                assert_eq!(guest.recv(readable, 9).await.1, b"ld");
                drop(socket);
                assert_eq!(guest.recv(readable, 9).await.0, Code::Dropped(0));
            }
        });
    }
}

#[test]
fn the_traits_of_tokio_and_futures_do_the_same() {
    // Rule "Exactly once, in order": `AsyncWrite` of the futures crate, and its `Sink`.
    with_guest::<u8, _>(async |guest| {
        let (mut writer, producer) = to_guest::producer(64);
        let stream = guest.source(producer).await;
        let mut pinned = Pin::new(&mut writer);
        futures::AsyncWriteExt::write_all(&mut pinned, &[1, 2]).await.unwrap();
        pinned.close().await.unwrap();
        assert_eq!(guest.recv(stream, 9).await, (Code::Dropped(2), vec![1, 2]));

        let (mut sink, producer) = to_guest::item_producer(2);
        let stream = guest.source(producer).await;
        sink.send(1).await.unwrap();
        sink.send(2).await.unwrap();
        assert!(sink.send(9).now_or_never().is_none(), "it is full");
        assert_eq!(guest.recv(stream, 9).await.1, [1, 2]);
        sink.send(3).await.unwrap();
        SinkExt::<u8>::close(&mut sink).await.unwrap();
        assert_eq!(guest.recv(stream, 9).await, (Code::Dropped(1), vec![3]));
    });
}
