//! A cancel at the moment when a ready poll returns: the stream ends as cancelled, at once.

use std::hint::black_box;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread;

use futures::FutureExt as _;
use wasmtime_streams::{
    ByteConsumer, ByteProducer, ByteSink, ByteSource, CancelHandle, End, EndReason, Then,
};

use crate::races::no_deadlock;
use crate::support::guest::{Code, Guest, with_guest};

/// How many cancels must meet a poll, and how many rounds are tried at most. On a busy machine the two threads rarely
/// run at the same time.
const MEETINGS: usize = 400;
const ROUNDS: u32 = 4000;

/// The state that the polling and the cancelling thread share.
#[derive(Default)]
struct Meeting {
    /// The round in which the object is being polled.
    polled: AtomicU32,
    /// Whether the object is being polled.
    polling: AtomicBool,
    /// The round whose cancel has returned.
    cancelled: AtomicU32,
    meetings: AtomicUsize,
    handle: Mutex<Option<CancelHandle>>,
}

impl Meeting {
    /// Cancels each round's stream, until the test has ended.
    fn cancel_all(&self) {
        for round in 1.. {
            wait(&self.polled, round);
            let Some(handle) = self.handle.lock().unwrap().take() else { return };
            if self.polling.load(Ordering::Acquire) {
                self.meetings.fetch_add(1, Ordering::Relaxed);
            }
            handle.cancel();
            self.cancelled.store(round, Ordering::Release);
        }
    }
}

/// Waits for the other thread, at first without yielding.
fn wait(counter: &AtomicU32, round: u32) {
    while !(0..10_000).any(|_| counter.load(Ordering::Acquire) >= round) {
        thread::yield_now();
    }
}

/// An object that is always ready, and is cancelled while it is polled.
struct Ready {
    meeting: Arc<Meeting>,
    round: u32,
    notify: Arc<AtomicUsize>,
}

impl Ready {
    fn poll(&self) {
        let meeting = &*self.meeting;
        meeting.polling.store(true, Ordering::Release);
        meeting.polled.store(self.round, Ordering::Release);
        // The length of the poll varies, so that some cancels come exactly at its end.
        (0..self.round % 24).for_each(|n| {
            black_box(n);
        });
        meeting.polling.store(false, Ordering::Release);
    }

    fn notify(&self) {
        self.notify.fetch_add(1, Ordering::SeqCst);
    }
}

impl ByteSource for Ready {
    type Error = String;

    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<(usize, Then), String>> {
        self.poll();
        buf[0] = 1;
        Poll::Ready(Ok((1, Then::Stop)))
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {
        self.notify();
    }
}

impl ByteSink for Ready {
    type Error = String;

    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &[u8],
    ) -> Poll<Result<usize, End<String>>> {
        self.poll();
        Poll::Ready(Ok(1))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), End<String>>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), End<String>>> {
        Poll::Ready(Ok(()))
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {
        self.notify();
    }
}

/// Runs `round` many times beside a thread that cancels its stream. A round returns how the stream ended, and how often
/// the object was notified of the end before the guest's next operation.
fn meet(
    round: impl AsyncFn(&Guest<'_, u8>, &Meeting, Ready) -> Option<(End<String>, usize)>
    + Send
    + 'static,
) {
    no_deadlock(move || {
        let meeting = Arc::new(Meeting::default());
        let mut lost = Vec::new();
        thread::scope(|scope| {
            scope.spawn(|| meeting.cancel_all());
            with_guest::<u8, _>(async |guest| {
                for n in 1..=ROUNDS {
                    let object =
                        Ready { meeting: meeting.clone(), round: n, notify: Arc::default() };
                    match round(guest, &meeting, object).await {
                        Some((End::Cancelled, 1)) => {}
                        seen => lost.push(format!("{n}: {seen:?}")),
                    }
                    if meeting.meetings.load(Ordering::Relaxed) >= MEETINGS {
                        break;
                    }
                }
            });
            meeting.polled.store(u32::MAX, Ordering::Release);
        });
        let few = &lost[..lost.len().min(5)];
        assert!(lost.is_empty(), "{} were lost: {few:?}", lost.len());
    });
}

#[test]
fn a_cancel_of_a_source_at_the_end_of_its_poll_is_not_lost() {
    // Rule "Completion": once `cancel` and the poll have returned, the stream has ended and the source was notified.
    meet(async |guest, meeting, source| {
        let (round, notify) = (source.round, source.notify.clone());
        let (producer, done) = ByteProducer::new(source).with_completion();
        *meeting.handle.lock().unwrap() = Some(done.cancel_handle());
        let stream = guest.source(producer).await;
        assert_eq!(guest.read(stream, 1).await, Code::Completed(1));
        wait(&meeting.cancelled, round);
        let notify = notify.load(Ordering::SeqCst);
        guest.drop_readable(stream).await;
        done.now_or_never().map(|done| (done.end, notify))
    });
}

#[test]
fn a_cancel_of_a_sink_at_the_end_of_its_poll_is_not_lost() {
    // Rule "Completion": otherwise a sink is closed that should be handed back open.
    meet(async |guest, meeting, sink| {
        let (round, notify) = (sink.round, sink.notify.clone());
        let (consumer, done) = ByteConsumer::new(sink).with_completion();
        *meeting.handle.lock().unwrap() = Some(done.cancel_handle());
        let stream = guest.sink(consumer).await;
        assert!(matches!(guest.write(stream, 1).await, Code::Completed(1) | Code::Dropped(1)));
        wait(&meeting.cancelled, round);
        let notify = notify.load(Ordering::SeqCst);
        guest.drop_writable(stream).await;
        done.now_or_never().map(|done| (done.end, notify))
    });
}
