//! Signals that end a stream from outside: they wake a parked operation, or hand the object back without one.

use std::sync::Arc;

use futures::channel::oneshot;
use futures::{FutureExt as _, StreamExt as _};
use tokio_util::sync::CancellationToken;
use wasmtime_streams::{End, EndReason, sinks, streams, tokio_io};
use wasmtime_streams_testing::executor::idle;

use crate::support::guest::{Code, with_guest};
use crate::support::script::{ChunkWriter, ItemStream, Reader, Script, Step, Writer};

fn held() -> Script {
    Script::new([Step::Data(vec![1]), Step::Hold, Step::Data(vec![2])])
}

/// A source with a token, which gives one item and then waits. The guest reads the item. Then the given code runs.
macro_rules! source {
    (|$guest:ident, $stream:ident, $token:ident, $done:ident| $then:block) => {
        with_guest::<u8, _>(async |$guest| {
            let $token = CancellationToken::new();
            let (producer, $done) =
                tokio_io::read(Reader::new(held())).cancel_on($token.clone()).with_completion();
            let $stream = $guest.source(producer).await;
            assert_eq!($guest.recv($stream, 9).await.1, [1]);
            $then
        });
        with_guest::<u8, _>(async |$guest| {
            let $token = CancellationToken::new();
            let source = streams::items(ItemStream::new(held(), |n| n).map(Result::unwrap));
            let (producer, $done) = source.cancel_on($token.clone()).with_completion();
            let $stream = $guest.source(producer).await;
            assert_eq!($guest.recv($stream, 9).await.1, [1]);
            $then
        });
    };
}

#[test]
fn a_token_wakes_a_parked_read_at_once() {
    // Rule "Completion": whether or not the completion is awaited.
    source!(|guest, stream, token, done| {
        assert_eq!(guest.read(stream, 9).await, Code::Blocked);
        let mut wait = Box::pin(guest.wait(stream));
        assert_eq!(guest.parked(&mut wait).await, None);
        token.cancel();
        assert_eq!(wait.await, Code::Dropped(0));
        let done = done.await;
        assert!(matches!(done.end, End::Cancelled), "{:?}", done.end);
        assert_eq!(done.moved, 1);
    });
    source!(|guest, stream, token, done| {
        drop(done);
        assert_eq!(guest.read(stream, 9).await, Code::Blocked);
        idle().await;
        token.cancel();
        assert_eq!(guest.wait(stream).await, Code::Dropped(0));
    });
}

#[test]
fn a_token_hands_a_source_back_while_no_read_is_pending() {
    // Rule "Completion": while the completion is awaited.
    source!(|guest, stream, token, done| {
        let mut done = done;
        assert!((&mut done).now_or_never().is_none());
        token.cancel();
        let done = done.now_or_never().expect("the completion waits for an operation");
        assert!(matches!(done.end, End::Cancelled), "{:?}", done.end);
        assert_eq!(guest.read(stream, 9).await, Code::Dropped(0));
    });
}

#[test]
fn without_a_completion_the_next_operation_sees_the_end() {
    // Rule "Completion".
    with_guest::<u8, _>(async |guest| {
        let (end, ended) = oneshot::channel::<()>();
        let until = ended.map(|_| ());
        let producer = tokio_io::read(Reader::new(held())).until(EndReason::LimitReached, until);
        let stream = guest.source(producer).await;
        assert_eq!(guest.recv(stream, 9).await.1, [1]);
        end.send(()).unwrap();
        assert_eq!(guest.read(stream, 9).await, Code::Dropped(0));

        let token = CancellationToken::new();
        let stream = guest.sink(tokio_io::write(Vec::new()).cancel_on(token.clone())).await;
        assert_eq!(guest.send(stream, &[1]).await, Code::Completed(1));
        token.cancel();
        assert_eq!(guest.send(stream, &[2]).await, Code::Dropped(0));

        let writer = Writer::new(Script::new([]));
        let log = writer.log();
        let stream = guest.sink(sinks::items::<_, u8>(writer).cancel_on(token)).await;
        assert_eq!(guest.send(stream, &[2]).await, Code::Dropped(0));
        assert!(log.accepted().is_empty());
    });
}

#[test]
fn a_token_wakes_a_parked_write_with_what_had_moved() {
    // Rule "Exact partial writes": of bytes that are being flushed, and of items that are held.
    for awaited in [false, true] {
        with_guest::<u8, _>(async |guest| {
            let token = CancellationToken::new();
            let flush = Script::new([Step::Hold]);
            let writer = Writer::with_flush(Script::new([]), flush);
            let (consumer, mut done) =
                tokio_io::write(writer).cancel_on(token.clone()).with_completion();
            let stream = guest.sink(consumer).await;
            guest.load(&[1, 2, 3]).await;
            assert_eq!(guest.write(stream, 3).await, Code::Blocked);
            idle().await;
            if awaited {
                assert!((&mut done).now_or_never().is_none());
            }
            token.cancel();
            assert_eq!(guest.wait(stream).await, Code::Dropped(3));
            let done = done.await;
            assert!(matches!(done.end, End::Cancelled), "{:?}", done.end);
            let log = done.inner.into_inner().log();
            assert!(log.look(|written| written.flushed == 0 && !written.closed));

            let token = CancellationToken::new();
            let writer = Writer::new(Script::new([Step::Accept(1), Step::Hold]));
            let log = writer.log();
            let (consumer, mut done) =
                sinks::items::<_, u8>(writer).cancel_on(token.clone()).with_completion();
            let stream = guest.sink(consumer).await;
            guest.load(&[1, 2, 3]).await;
            assert_eq!(guest.write(stream, 3).await, Code::Blocked);
            idle().await;
            if awaited {
                assert!((&mut done).now_or_never().is_none());
            }
            token.cancel();
            assert_eq!(guest.wait(stream).await, Code::Dropped(3));
            let done = done.await;
            assert!(matches!(done.end, End::Cancelled), "{:?}", done.end);
            assert_eq!((done.moved, log.accepted()), (3, vec![1]));
            let unsent = done.inner.into_parts().1;
            assert_eq!(Vec::from(unsent), [2, 3]);
        });
    }
}

#[test]
fn a_token_hands_a_sink_back_while_no_write_is_pending() {
    // Rule "Completion": open, so that the host can go on with it.
    with_guest::<u8, _>(async |guest| {
        let token = CancellationToken::new();
        let writer = Writer::new(Script::new([]));
        let log = writer.log();
        let (consumer, mut done) =
            tokio_io::write(writer).cancel_on(token.clone()).with_completion();
        let stream = guest.sink(consumer).await;
        guest.send_all(stream, &[1, 2]).await;
        assert!((&mut done).now_or_never().is_none());
        token.cancel();
        let done = done.now_or_never().expect("the completion waits for an operation");
        assert!(matches!(done.end, End::Cancelled), "{:?}", done.end);
        assert!(log.look(|written| !written.closed && !written.dropped));
        assert_eq!(guest.send(stream, &[3]).await, Code::Dropped(0));
        assert_eq!(log.accepted(), [1, 2]);
    });
}

#[test]
fn a_token_wakes_a_waiting_zero_length_operation() {
    // Rule "Zero-length reads": the end is ready. Rule "Zero-length writes".
    with_guest::<u8, _>(async |guest| {
        let token = CancellationToken::new();
        let reader = Reader::new(Script::new([Step::Hold]));
        let stream = guest.source(tokio_io::buf_read(reader).cancel_on(token.clone())).await;
        assert_eq!(guest.read(stream, 0).await, Code::Blocked);
        idle().await;
        token.cancel();
        assert_eq!(guest.wait(stream).await, Code::Dropped(0));

        let token = CancellationToken::new();
        let writer = ChunkWriter(Writer::new(Script::new([Step::Hold])));
        let stream = guest.sink(sinks::chunks(writer).cancel_on(token.clone())).await;
        assert_eq!(guest.write(stream, 0).await, Code::Blocked);
        idle().await;
        token.cancel();
        assert_eq!(guest.wait(stream).await, Code::Dropped(0));
    });
}

#[test]
fn a_token_or_cancel_gives_up_a_close_that_hangs() {
    // Rule "The completion closes the sink": by a token, and by the completion's own handle.
    for token in [Some(CancellationToken::new()), None] {
        with_guest::<u8, _>(async |guest| {
            let writer = Writer::with_flush(Script::new([]), Script::new([Step::Hold]));
            let log = writer.log();
            let consumer = tokio_io::write(writer).flush(wasmtime_streams::Flush::OnClose);
            let consumer = consumer.cancel_on(token.clone().unwrap_or_default());
            let (consumer, mut done) = consumer.with_completion();
            let handle = done.cancel_handle();
            let stream = guest.sink(consumer).await;
            guest.send_all(stream, &[1]).await;
            guest.drop_writable(stream).await;
            assert!((&mut done).now_or_never().is_none(), "the close hangs");
            let woken = crate::completion::wakes(&mut done, async {
                match &token {
                    Some(token) => token.cancel(),
                    None => handle.cancel(),
                }
            });
            assert!(woken.await);
            let done = done.now_or_never().expect("the close is not given up");
            assert!(matches!(done.end, End::Cancelled), "{:?}", done.end);
            assert!(log.look(|written| !written.closed && !written.dropped));
        });
    }
}

#[test]
fn a_close_that_completes_at_once_is_not_given_up() {
    // Rule "Completion": it resolves with the end that came first.
    with_guest::<u8, _>(async |guest| {
        let (consumer, done) = tokio_io::write(Vec::new()).with_completion();
        let stream = guest.sink(consumer).await;
        guest.send_all(stream, &[1]).await;
        guest.drop_writable(stream).await;
        done.cancel();
        assert!(done.await.end.is_finished());
    });
}

#[test]
fn the_first_of_several_counts() {
    // Rule "Completion".
    with_guest::<u8, _>(async |guest| {
        for first in [0, 1] {
            let tokens = [CancellationToken::new(), CancellationToken::new()];
            let (one, two) = (tokens[0].clone(), tokens[1].clone());
            let (producer, mut done) = tokio_io::read(Reader::new(held()))
                .until(EndReason::LimitReached, one.cancelled_owned())
                .until(EndReason::TimedOut, two.cancelled_owned())
                .with_completion();
            let stream = guest.source(producer).await;
            assert!((&mut done).now_or_never().is_none());
            tokens[first].cancel();
            let done = done.await;
            match first {
                0 => assert!(matches!(done.end, End::LimitReached), "{:?}", done.end),
                _ => assert!(matches!(done.end, End::TimedOut), "{:?}", done.end),
            }
            guest.drop_readable(stream).await;
        }
    });
}

#[test]
fn the_future_goes_with_the_stream() {
    // Rule "Completion": whatever ended it first, no future is left that waits.
    with_guest::<u8, _>(async |guest| {
        let alive = Arc::new(());
        let until = |alive: Arc<()>| async move {
            let _alive = alive;
            std::future::pending().await
        };
        let producer = tokio_io::read(&b"1"[..]).until(EndReason::Cancelled, until(alive.clone()));
        let stream = guest.source(producer).await;
        guest.recv(stream, 9).await;
        guest.drop_readable(stream).await;
        assert_eq!(Arc::strong_count(&alive), 1);

        let consumer =
            tokio_io::write(Vec::new()).until(EndReason::Cancelled, until(alive.clone()));
        let (consumer, mut done) = consumer.with_completion();
        let stream = guest.sink(consumer).await;
        assert!((&mut done).now_or_never().is_none());
        guest.send_all(stream, &[1]).await;
        guest.drop_writable(stream).await;
        drop(done.await);
        assert_eq!(Arc::strong_count(&alive), 1);
    });
}
