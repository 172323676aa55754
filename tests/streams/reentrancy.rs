//! User code that uses its own stream while it is polled or notified.

use std::pin::Pin;
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Poll};
use std::thread;

use futures::FutureExt as _;
use futures::executor::block_on;
use tokio_util::sync::CancellationToken;
use wasmtime_streams::{
    ByteConsumer, ByteProducer, ByteSink, ByteSource, CancelHandle, Completion, End, EndReason,
    Flush, StoreToken, Then,
};
use wasmtime_streams_testing::executor::idle;

use crate::races::{no_deadlock, read};
use crate::support::guest::{Code, with_guest};

/// A place for what exists only later.
type Later<T> = Arc<Mutex<Option<T>>>;

/// Where the object cancels its own stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Poll,
    PollPending,
    Readable,
    Flush,
    Close,
    OpCancelled,
    StreamEnded,
}

/// Cancels its own stream, and records the ends that it is notified of.
struct SelfCancelling {
    at: At,
    handle: Later<CancelHandle>,
    ends: Vec<EndReason>,
}

impl SelfCancelling {
    fn new(at: At) -> (Self, Later<CancelHandle>) {
        let handle = Later::default();
        (Self { at, handle: handle.clone(), ends: Vec::new() }, handle)
    }

    fn reached(&self, at: At) -> bool {
        if self.at == at {
            let handle = self.handle.lock().unwrap().clone().unwrap();
            handle.cancel();
        }
        self.at == at
    }
}

impl ByteSource for SelfCancelling {
    type Error = String;

    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<(usize, Then), String>> {
        if self.reached(At::PollPending) {
            // Nothing else ever wakes it.
            return Poll::Pending;
        }
        self.reached(At::Poll);
        buf[0] = 1;
        Poll::Ready(Ok((1, Then::Stop)))
    }

    fn poll_readable(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Option<Poll<Result<Then, String>>> {
        Some(if self.reached(At::Readable) { Poll::Pending } else { Poll::Ready(Ok(Then::More)) })
    }

    fn ended(mut self: Pin<&mut Self>, reason: EndReason) {
        self.ends.push(reason);
    }
}

type Answer<T> = Poll<Result<T, End<String>>>;

impl ByteSink for SelfCancelling {
    type Error = String;

    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Answer<usize> {
        if self.reached(At::PollPending) || self.at == At::OpCancelled {
            return Poll::Pending;
        }
        self.reached(At::Poll);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Option<Answer<()>> {
        Some(if self.reached(At::Readable) { Poll::Pending } else { Poll::Ready(Ok(())) })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Answer<()> {
        if self.reached(At::Flush) { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Answer<()> {
        if self.reached(At::Close) { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn op_cancelled(self: Pin<&mut Self>) {
        self.reached(At::OpCancelled);
    }

    fn ended(mut self: Pin<&mut Self>, reason: EndReason) {
        self.ends.push(reason);
        self.reached(At::StreamEnded);
    }
}

#[test]
fn a_source_may_cancel_its_own_stream_wherever_it_is_asked() {
    // Rule "Completion": also if it then waits for nothing.
    for at in [At::Poll, At::PollPending, At::Readable] {
        no_deadlock(move || {
            with_guest::<u8, _>(async |guest| {
                let (source, handle) = SelfCancelling::new(at);
                let (producer, done) = ByteProducer::new(source).with_completion();
                *handle.lock().unwrap() = Some(done.cancel_handle());
                let stream = guest.source(producer).await;
                let moved = match at {
                    At::Poll => {
                        assert_eq!(guest.recv(stream, 9).await.0, Code::Completed(1));
                        1
                    }
                    At::Readable => {
                        assert_eq!(guest.recv(stream, 0).await.0, Code::Dropped(0));
                        0
                    }
                    _ => 0,
                };
                if at != At::Readable {
                    assert_eq!(guest.recv(stream, 9).await.0, Code::Dropped(0));
                }
                let done = done.await;
                assert!(matches!(done.end, End::Cancelled), "{at:?}: {:?}", done.end);
                assert_eq!(done.moved, moved);
                assert_eq!(done.inner.ends, [EndReason::Cancelled], "{at:?}");
            });
        });
    }
}

#[test]
fn a_sink_may_cancel_its_own_stream_wherever_it_is_asked() {
    // Rule "Completion": it is notified of its end once.
    let all = [At::Poll, At::PollPending, At::Readable, At::Flush, At::Close];
    for at in all.into_iter().chain([At::OpCancelled, At::StreamEnded]) {
        no_deadlock(move || {
            with_guest::<u8, _>(async |guest| {
                let (sink, handle) = SelfCancelling::new(at);
                let (consumer, done) = ByteConsumer::new(sink).with_completion();
                *handle.lock().unwrap() = Some(done.cancel_handle());
                let stream = guest.sink(consumer).await;
                let code = if at == At::Readable {
                    guest.send(stream, &[]).await
                } else {
                    guest.load(&[1, 2]).await;
                    match guest.write(stream, 2).await {
                        Code::Blocked if at == At::OpCancelled => {
                            idle().await;
                            guest.cancel_write(stream).await
                        }
                        Code::Blocked => guest.wait(stream).await,
                        code => code,
                    }
                };
                guest.drop_writable(stream).await;
                let done = done.await;
                let (expected, moved) = match at {
                    At::PollPending => (Code::Dropped(0), 0),
                    At::Readable => (Code::Dropped(0), 0),
                    At::OpCancelled => (Code::Cancelled(0), 0),
                    At::Flush => (Code::Dropped(2), 2),
                    // What the poll accepted is flushed before the cancel takes effect.
                    At::Poll | At::Close | At::StreamEnded => (Code::Completed(2), 2),
                };
                assert_eq!((code, done.moved), (expected, moved), "{at:?}");
                if at == At::StreamEnded {
                    // The end came first.
                    assert!(done.end.is_finished(), "{at:?}: {:?}", done.end);
                } else {
                    assert!(matches!(done.end, End::Cancelled), "{at:?}: {:?}", done.end);
                }
                let ended = matches!(at, At::Close | At::StreamEnded);
                let reason = if ended { EndReason::Finished } else { EndReason::Cancelled };
                assert_eq!(done.inner.ends, [reason], "{at:?}");
            });
        });
    }
}

/// Takes a lock while it is polled.
struct LocksInPoll {
    lock: Arc<Mutex<()>>,
    polled: Arc<Barrier>,
}

impl ByteSource for LocksInPoll {
    type Error = String;

    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut [u8],
    ) -> Poll<Result<(usize, Then), String>> {
        self.polled.wait();
        drop(self.lock.lock().unwrap());
        Poll::Pending
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}

#[test]
fn a_canceller_may_hold_a_lock_that_the_poll_waits_for() {
    // Rule "Completion": a canceller never waits for a poll.
    no_deadlock(|| {
        let (lock, polled) = (Arc::new(Mutex::new(())), Arc::new(Barrier::new(2)));
        let source = LocksInPoll { lock: lock.clone(), polled: polled.clone() };
        let (producer, done) = ByteProducer::new(source).with_completion();
        let handle = done.cancel_handle();
        let canceller = thread::spawn(move || {
            let _held = lock.lock().unwrap();
            polled.wait();
            handle.cancel();
        });
        assert_eq!(read(producer, u64::MAX), 0);
        assert!(matches!(block_on(done).end, End::Cancelled));
        canceller.join().unwrap();
    });
}

/// A source that polls its own completion, has it watch a store, and cancels it.
struct PollsItself(Later<Completion<PollsItself, String>>);

impl ByteSource for PollsItself {
    type Error = String;

    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<(usize, Then), String>> {
        let mut done = self.0.lock().unwrap().take().unwrap();
        assert!((&mut done).now_or_never().is_none());
        let done = done.watch_store(&StoreToken::new());
        done.cancel();
        *self.0.lock().unwrap() = Some(done);
        Poll::Ready(Ok((buf.len(), Then::Stop)))
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}

#[test]
fn a_source_may_poll_and_cancel_its_own_completion() {
    // Rule "Completion".
    no_deadlock(|| {
        let later = Later::default();
        let (producer, done) = ByteProducer::new(PollsItself(later.clone())).with_completion();
        *later.lock().unwrap() = Some(done);
        assert_eq!(read(producer.capacity(3), u64::MAX), 3);
        let done = later.lock().unwrap().take().unwrap();
        let done = block_on(done);
        assert!(matches!(done.end, End::Cancelled), "{:?}", done.end);
        assert_eq!(done.moved, 3);
    });
}

#[test]
fn a_cancel_handle_keeps_nothing_alive() {
    // Rule "Completion": keeping handles does not keep sockets open.
    with_guest::<u8, _>(async |guest| {
        let (sink, _) = SelfCancelling::new(At::Close);
        let handle = sink.handle.clone();
        let (consumer, done) = ByteConsumer::new(sink).with_completion();
        let cancel = done.cancel_handle();
        drop(done);
        let stream = guest.sink(consumer).await;
        assert_eq!(Arc::strong_count(&handle), 2);
        guest.drop_writable(stream).await;
        assert_eq!(Arc::strong_count(&handle), 1);
        cancel.cancel();
    });
}

#[test]
fn a_sink_is_notified_once_of_its_end() {
    // Rule "The completion closes the sink": whatever ends it, and whatever comes after that.
    let assert_end = |end: &'static str, expected: EndReason| {
        let token = CancellationToken::new();
        with_guest::<u8, _>(async |guest| {
            let (sink, handle) = SelfCancelling::new(At::StreamEnded);
            let consumer = ByteConsumer::new(sink).flush(Flush::OnClose).limit(2);
            let (consumer, mut done) = consumer.cancel_on(token.clone()).with_completion();
            *handle.lock().unwrap() = Some(done.cancel_handle());
            let stream = guest.sink(consumer).await;
            guest.send(stream, &[1]).await;
            match end {
                "guest" => guest.drop_writable(stream).await,
                "limit" => assert_eq!(guest.send(stream, &[2, 3]).await, Code::Dropped(1)),
                "token" => {
                    token.cancel();
                    assert_eq!(guest.send(stream, &[2]).await, Code::Dropped(0));
                }
                "awaited token" => {
                    assert!((&mut done).now_or_never().is_none());
                    token.cancel();
                }
                "cancel" => done.cancel(),
                "guest, then token" => {
                    guest.drop_writable(stream).await;
                    token.cancel();
                }
                _ => unreachable!(),
            }
            let ends = done.await.inner.ends;
            assert_eq!(ends, [expected], "{end}");
        });
    };
    assert_end("guest", EndReason::Finished);
    assert_end("limit", EndReason::LimitReached);
    assert_end("token", EndReason::Cancelled);
    assert_end("awaited token", EndReason::Cancelled);
    assert_end("cancel", EndReason::Cancelled);
    assert_end("guest, then token", EndReason::Finished);
}
