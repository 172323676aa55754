//! Limits in both directions, and who keeps the rest.

use std::sync::{Arc, Mutex};

use futures::channel::mpsc;
use futures::{StreamExt as _, stream};
use wasmtime_streams::{End, EndReason, Flush, sinks, streams, tokio_io};
use wasmtime_streams_testing::executor::idle;

use crate::support::guest::{Code, with_guest};
use crate::support::script::{ChunkWriter, Reader, Script, Step, Writer};

#[test]
fn a_source_ends_with_the_last_byte_of_its_limit() {
    // Rule "Completion": exact. What exceeds the limit stays in the host object.
    for (limit, buffer) in [(1_u64, 9_u32), (3, 9), (3, 3), (4, 2), (5, 9), (5, 5)] {
        with_guest::<u8, _>(async |guest| {
            let (producer, done) = tokio_io::read(&b"12345"[..]).limit(limit).with_completion();
            let stream = guest.source(producer).await;
            let mut got = Vec::new();
            let code = loop {
                let (code, bytes) = guest.recv(stream, buffer).await;
                got.extend(bytes);
                if !matches!(code, Code::Completed(_)) {
                    break code;
                }
            };
            // In the same answer as the last byte.
            assert!(matches!(code, Code::Dropped(1..)), "{code:?}");
            assert_eq!(got, b"12345"[..limit as usize]);
            let done = done.await;
            assert!(matches!(done.end, End::LimitReached), "{:?}", done.end);
            assert_eq!(done.moved, limit);
            assert_eq!(done.inner.into_inner(), &b"12345"[limit as usize..]);
        });
    }
}

#[test]
fn a_limit_that_is_not_reached_changes_nothing() {
    // Rule "Completion": bytes and items, in both directions.
    with_guest::<u8, _>(async |guest| {
        let (producer, done) = tokio_io::read(&b"12345"[..]).limit(6).with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(guest.recv(stream, 9).await, (Code::Completed(5), b"12345".to_vec()));
        assert_eq!(guest.read(stream, 9).await, Code::Dropped(0));
        let done = done.await;
        assert!(done.end.is_finished());
        assert_eq!(done.moved, 5);

        let (producer, done) = streams::items(stream::iter([1_u8, 2])).limit(3).with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(guest.recv(stream, 9).await, (Code::Dropped(2), vec![1, 2]));
        assert!(done.await.end.is_finished());

        let (consumer, done) = tokio_io::write(Vec::new()).limit(5).with_completion();
        let stream = guest.sink(consumer).await;
        // A sink ends only when more arrives, and not with what just fits.
        assert_eq!(guest.send(stream, b"12345").await, Code::Completed(5));
        guest.drop_writable(stream).await;
        let done = done.await;
        assert!(done.end.is_finished());
        assert_eq!(done.inner.into_inner(), b"12345");

        let writer = Writer::new(Script::new([]));
        let log = writer.log();
        let (consumer, done) = sinks::items::<_, u8>(writer).limit(2).with_completion();
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send(stream, &[1, 2]).await, Code::Completed(2));
        guest.drop_writable(stream).await;
        assert!(done.await.end.is_finished());
        assert_eq!(log.accepted(), [1, 2]);
    });
}

#[test]
fn items_over_the_limit_of_a_source_stay_in_the_host_object() {
    // Rule "Completion".
    for limit in 1..=5 {
        with_guest::<u8, _>(async |guest| {
            let (producer, done) =
                streams::items(stream::iter(1..=5_u8)).limit(limit).with_completion();
            let stream = guest.source(producer).await;
            let (code, bytes) = guest.recv(stream, 9).await;
            assert_eq!(code, Code::Dropped(limit as u32));
            assert_eq!(bytes, (1..=limit as u8).collect::<Vec<_>>());
            let done = done.await;
            // If the data ends at the limit, nothing was cut off.
            let whole = limit == 5;
            let end = done.end.reason();
            assert_eq!(end, if whole { EndReason::Finished } else { EndReason::LimitReached });
            assert_eq!(done.moved, limit);
            let rest = done.inner.into_inner().collect::<Vec<_>>().await;
            assert_eq!(rest, (limit as u8 + 1..=5).collect::<Vec<_>>());
        });
    }
}

#[test]
fn a_limit_ends_a_source_that_has_nothing_more_ready() {
    // Rule "Completion": with items beside `Pending`, and with a chunk that is cut.
    with_guest::<u8, _>(async |guest| {
        let (tx, rx) = mpsc::unbounded();
        tx.unbounded_send(1_u8).unwrap();
        tx.unbounded_send(2).unwrap();
        let (producer, done) = streams::items(rx).limit(2).with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(guest.recv(stream, 9).await, (Code::Dropped(2), vec![1, 2]));
        assert!(matches!(done.await.end, End::LimitReached));
        drop(tx);

        let chunk = stream::iter([&b"12345"[..]]).chain(stream::pending());
        let (producer, done) = streams::chunks(chunk).limit(2).with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(guest.recv(stream, 9).await, (Code::Dropped(2), b"12".to_vec()));
        assert_eq!(done.await.inner.into_parts().1.unwrap(), &b"345"[..]);
    });
}

#[test]
fn bytes_over_the_limit_of_a_sink_stay_with_the_guest() {
    // Rule "Exact partial writes": the same write reports it, and the sink is closed with what it has.
    for split in [5, 3, 2] {
        with_guest::<u8, _>(async |guest| {
            let writer = Writer::new(Script::new([Step::Accept(1)]));
            let log = writer.log();
            let (consumer, done) = tokio_io::write(writer).limit(3).with_completion();
            let stream = guest.sink(consumer).await;
            let mut wrote = 0;
            let code = loop {
                let rest = &b"12345"[wrote..];
                let code = guest.send(stream, &rest[..split.min(rest.len())]).await;
                wrote += code.count() as usize;
                if !matches!(code, Code::Completed(_)) {
                    break code;
                }
            };
            assert!(matches!(code, Code::Dropped(_)), "{code:?}");
            assert_eq!((wrote, log.accepted()), (3, b"123".to_vec()));
            let done = done.await;
            assert!(matches!(done.end, End::LimitReached), "{:?}", done.end);
            assert_eq!(done.moved, 3);
            assert!(log.look(|written| written.closed && written.flushed == 3));
        });
    }
}

#[test]
fn items_over_the_limit_of_a_sink_are_never_taken() {
    // Rule "Exact partial writes": also if the sink takes a batch and holds the write.
    for held in [false, true] {
        with_guest::<u8, _>(async |guest| {
            let writer = Writer::new(match held {
                true => Script::new([Step::Accept(1), Step::Hold, Step::Accept(1)]),
                false => Script::new([]),
            });
            let (log, dropped) = (writer.log(), Arc::new(Mutex::new(Vec::new())));
            let looked = dropped.clone();
            let (consumer, done) = sinks::items::<_, u8>(writer)
                .inspect(move |n| looked.lock().unwrap().push(*n))
                .limit(3)
                .with_completion();
            let stream = guest.sink(consumer).await;
            guest.load(&[1, 2, 3, 4, 5]).await;
            let code = match guest.write(stream, 5).await {
                Code::Blocked => {
                    let mut wait = Box::pin(guest.wait(stream));
                    // The limit is reached, but what was taken before is not sent yet.
                    assert_eq!(guest.parked(&mut wait).await, None);
                    done.cancel();
                    wait.await
                }
                code => code,
            };
            assert_eq!(*dropped.lock().unwrap(), [1, 2, 3]);
            assert_eq!(code, Code::Dropped(3));
            if held {
                let (_, unsent) = done.await.inner.into_parts();
                assert_eq!((log.accepted(), unsent.into()), (vec![1], vec![2, 3]));
            } else {
                assert!(matches!(done.await.end, End::LimitReached));
                assert_eq!(log.accepted(), [1, 2, 3]);
            }
        });
    }
}

#[test]
fn a_held_write_is_finished_after_the_limit_is_reached() {
    // Rule "Exact partial writes".
    with_guest::<u8, _>(async |guest| {
        let script = Script::new([Step::Accept(1), Step::Hold, Step::Accept(1), Step::Accept(1)]);
        let control = script.control();
        let writer = Writer::new(script);
        let log = writer.log();
        let (consumer, done) = sinks::items::<_, u8>(writer).limit(3).with_completion();
        let stream = guest.sink(consumer).await;
        guest.load(&[1, 2, 3, 4, 5]).await;
        assert_eq!(guest.write(stream, 5).await, Code::Blocked);
        idle().await;
        control.release();
        assert_eq!(guest.wait(stream).await, Code::Dropped(3));
        assert_eq!(log.accepted(), [1, 2, 3]);
        assert!(matches!(done.await.end, End::LimitReached));
    });
}

#[test]
fn a_limit_of_zero_takes_nothing() {
    // Rules "Zero-length reads" and "Zero-length writes": the end is ready, and no write waits for room.
    with_guest::<u8, _>(async |guest| {
        let script = Script::new([Step::Hold, Step::Data(vec![1])]);
        let control = script.control();
        let (producer, done) = tokio_io::buf_read(Reader::new(script)).limit(0).with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(guest.read(stream, 0).await, Code::Dropped(0));
        assert!(matches!(done.await.end, End::LimitReached));
        assert_eq!(control.steps(), 0);

        let (producer, done) = streams::items(stream::iter([1_u8])).limit(0).with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(guest.read(stream, 9).await, Code::Dropped(0));
        assert_eq!(done.await.inner.into_inner().collect::<Vec<_>>().await, [1]);

        for chunk in [true, false] {
            let writer = Writer::new(Script::new([Step::Hold]));
            let log = writer.log();
            let (stream, end) = if chunk {
                let (consumer, done) =
                    sinks::chunks(ChunkWriter(writer)).limit(0).with_completion();
                (guest.sink(consumer).await, Box::pin(async { done.await.end }) as _)
            } else {
                let (consumer, done) = sinks::items::<_, u8>(writer).limit(0).with_completion();
                let end: futures::future::LocalBoxFuture<'_, _> =
                    Box::pin(async { done.await.end });
                (guest.sink(consumer).await, end)
            };
            assert_eq!(guest.write(stream, 0).await, Code::Completed(0));
            assert_eq!(guest.send(stream, &[1]).await, Code::Dropped(0));
            assert!(matches!(end.await, End::LimitReached));
            assert!(log.look(|written| written.accepted.is_empty() && written.closed));
        }
    });
}

#[test]
fn what_was_written_up_to_the_limit_is_flushed() {
    // Rule "Flush policy": also without a completion, which would flush.
    with_guest::<u8, _>(async |guest| {
        for policy in [Flush::EachOp, Flush::OnClose] {
            for early in [false, true] {
                let flush = Script::new([Step::Hold, Step::Accept(0)]);
                let control = flush.control();
                let writer = Writer::with_flush(Script::new([]), flush);
                let log = writer.log();
                let consumer = match early {
                    true => tokio_io::write(writer).flush(policy).limit(3),
                    false => tokio_io::write(writer).limit(3).flush(policy),
                };
                let stream = guest.sink(consumer).await;
                guest.load(&[1, 2, 3, 4, 5]).await;
                let code = guest.write(stream, 5).await;
                if policy == Flush::OnClose {
                    assert_eq!((code, log.look(|written| written.flushed)), (Code::Dropped(3), 0));
                    continue;
                }
                assert_eq!(code, Code::Blocked);
                idle().await;
                control.release();
                assert_eq!(guest.wait(stream).await, Code::Dropped(3));
                assert_eq!(log.look(|written| written.flushed), 3);
            }
        }
        for items in [false, true] {
            let writer = Writer::new(Script::new([]));
            let log = writer.log();
            let stream = match items {
                true => guest.sink(sinks::items::<_, u8>(writer).limit(3)).await,
                false => guest.sink(tokio_io::write(writer).limit(3)).await,
            };
            assert_eq!(guest.send(stream, &[1, 2, 3, 4, 5]).await, Code::Dropped(3));
            assert_eq!(log.look(|written| written.flushed), 3);
        }
    });
}

#[test]
fn a_limit_passes_the_flush_policy_on() {
    // Rule "Flush policy": `OnClose`, set on the outside, reaches a sink that would flush by itself.
    with_guest::<u8, _>(async |guest| {
        let writer = Writer::new(Script::new([]));
        let log = writer.log();
        let (consumer, done) = sinks::items::<_, u8>(writer).limit(9).with_completion();
        let stream = guest.sink(consumer.flush(Flush::OnClose)).await;
        guest.send_all(stream, &[1, 2]).await;
        assert_eq!(log.look(|written| written.flushed), 0);
        guest.drop_writable(stream).await;
        assert!(done.await.end.is_finished());
        assert_eq!(log.look(|written| written.flushed), 2);
    });
}
