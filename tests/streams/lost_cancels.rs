//! A cancel that comes just as a poll, which was ready, is over: the stream has ended with it, at once.

use std::hint::black_box;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread;

use futures::FutureExt as _;
use wasmtime_streams::{
    ByteConsumer, ByteProducer, ByteSink, ByteSource, CancelHandle, End, EndReason, Halt, Then,
};

use crate::races::no_deadlock;
use crate::support::guest::{Code, Guest, with_guest};

/// How often the two threads meet in a poll, and how often that is tried at most: on a busy machine they miss each other.
const MEETINGS: usize = 400;
const ROUNDS: u32 = 4000;

/// Where the thread that polls and the one that cancels meet.
#[derive(Default)]
struct Meeting {
    /// The round in which the object is being polled.
    polled: AtomicU32,
    /// The object's own part of the poll is not over yet.
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

/// Waits, for as long as another thread usually takes without giving up its own.
fn wait(counter: &AtomicU32, round: u32) {
    while !(0..10_000).any(|_| counter.load(Ordering::Acquire) >= round) {
        thread::yield_now();
    }
}

/// Is always ready, and is cancelled meanwhile.
struct Ready {
    meeting: Arc<Meeting>,
    round: u32,
    told: Arc<AtomicUsize>,
}

impl Ready {
    fn poll(&self) {
        let meeting = &*self.meeting;
        meeting.polling.store(true, Ordering::Release);
        meeting.polled.store(self.round, Ordering::Release);
        // About as long as the other thread takes from seeing that to its cancel.
        (0..self.round % 24).for_each(|n| {
            black_box(n);
        });
        meeting.polling.store(false, Ordering::Release);
    }

    fn told(&self) {
        self.told.fetch_add(1, Ordering::SeqCst);
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
        self.told();
    }
}

impl ByteSink for Ready {
    type Error = String;

    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &[u8],
    ) -> Poll<Result<usize, Halt<String>>> {
        self.poll();
        Poll::Ready(Ok(1))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Halt<String>>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Halt<String>>> {
        Poll::Ready(Ok(()))
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {
        self.told();
    }
}

/// Lets the two threads meet in each round of `round`, which says how its stream ended, and how often the object was told
/// before the guest did anything more.
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
                    let object = Ready { meeting: meeting.clone(), round: n, told: Arc::default() };
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
        assert!(lost.is_empty(), "{} are lost: {few:?}", lost.len());
    });
}

#[test]
fn a_cancel_of_a_source_that_comes_as_its_poll_is_over_is_not_lost() {
    // Rule "Completion": once `cancel` has returned, and so has the poll, the stream is cancelled and the source knows it.
    meet(async |guest, meeting, source| {
        let (round, told) = (source.round, source.told.clone());
        let (producer, done) = ByteProducer::new(source).with_completion();
        *meeting.handle.lock().unwrap() = Some(done.cancel_handle());
        let stream = guest.source(producer).await;
        assert_eq!(guest.read(stream, 1).await, Code::Completed(1));
        wait(&meeting.cancelled, round);
        let told = told.load(Ordering::SeqCst);
        guest.drop_readable(stream).await;
        done.now_or_never().map(|done| (done.end, told))
    });
}

#[test]
fn a_cancel_of_a_sink_that_comes_as_its_poll_is_over_is_not_lost() {
    // Rule "Completion": or a sink is closed that was to be handed back open.
    meet(async |guest, meeting, sink| {
        let (round, told) = (sink.round, sink.told.clone());
        let (consumer, done) = ByteConsumer::new(sink).with_completion();
        *meeting.handle.lock().unwrap() = Some(done.cancel_handle());
        let stream = guest.sink(consumer).await;
        assert!(matches!(guest.write(stream, 1).await, Code::Completed(1) | Code::Dropped(1)));
        wait(&meeting.cancelled, round);
        let told = told.load(Ordering::SeqCst);
        guest.drop_writable(stream).await;
        done.now_or_never().map(|done| (done.end, told))
    });
}
