//! Cancels at any moment, from real threads. The stream runs on another thread, and its completion on a third.

use std::convert::Infallible;
use std::hint::spin_loop;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use futures::executor::block_on;
use tokio_util::sync::CancellationToken;
use wasmtime::component::{StreamConsumer, StreamProducer, StreamReader};
use wasmtime::{Engine, Store};
use wasmtime_streams::{
    ByteConsumer, ByteProducer, ByteSink, ByteSource, CancelHandle, Completed, End, EndReason, Then,
};
use wasmtime_streams_testing::Setup;

use crate::support::guest::Code;

/// A small random number generator (SplitMix64).
#[derive(Clone)]
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    fn spin(&mut self, most: u64) {
        for _ in 0..self.below(most) {
            spin_loop();
        }
    }
}

/// The seeds of a test. `STREAMS_SEED` is the first, if it is set.
fn seeds(runs: u64) -> std::ops::Range<u64> {
    let first = std::env::var("STREAMS_SEED").map_or(1, |seed| seed.parse().unwrap());
    first..first + runs
}

/// Runs `work` on a thread of its own. A hang fails this test, and does not stop the others.
fn in_time<R: Send + 'static>(
    seed: &Arc<AtomicU64>,
    work: impl FnOnce() -> R + Send + 'static,
) -> R {
    let (tx, rx) = mpsc::channel();
    let thread = thread::spawn(move || tx.send(work()));
    match rx.recv_timeout(Duration::from_secs(60)) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => {
            panic!("timed out with STREAMS_SEED={}", seed.load(Ordering::SeqCst))
        }
        Err(RecvTimeoutError::Disconnected) => {
            eprintln!("failed with STREAMS_SEED={}", seed.load(Ordering::SeqCst));
            std::panic::resume_unwind(thread.join().expect_err("it has panicked"))
        }
    }
}

/// The same, without a seed: a deadlock fails the test.
pub(crate) fn no_deadlock<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    in_time(&Arc::new(AtomicU64::new(0)), work)
}

/// An object that is ready, pending, or pending for ever.
struct Racing {
    seed: u64,
    random: Random,
    told: u32,
}

impl Racing {
    fn new(seed: u64) -> Self {
        Self { seed, random: Random(!seed), told: 0 }
    }

    fn step<T>(&mut self, cx: &mut Context<'_>, ready: impl FnOnce(usize) -> T) -> Poll<T> {
        self.random.spin(200);
        match self.random.below(16) {
            // Only the canceller wakes it.
            0 => Poll::Pending,
            1..=5 => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            n => Poll::Ready(ready(n as usize % 3 + 1)),
        }
    }
}

impl ByteSource for Racing {
    type Error = String;

    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<(usize, Then), String>> {
        self.step(cx, |n| Ok((n.min(buf.len()), Then::Stop)))
    }

    fn ended(mut self: Pin<&mut Self>, _: EndReason) {
        self.told += 1;
    }
}

impl ByteSink for Racing {
    type Error = String;

    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize, End<String>>> {
        self.step(cx, |n| Ok(n.min(buf.len())))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), End<String>>> {
        self.step(cx, |_| Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), End<String>>> {
        Poll::Ready(Ok(()))
    }

    fn ended(mut self: Pin<&mut Self>, _: EndReason) {
        self.told += 1;
    }
}

/// Shared by all tests: making one takes longer than a race.
static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::default);

/// Counts bytes, and leaves after `most` accepted writes.
struct Reads {
    left: u64,
}

impl ByteSink for Reads {
    type Error = Infallible;

    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize, End<Infallible>>> {
        self.left = self.left.saturating_sub(1);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), End<Infallible>>> {
        Poll::Ready(if self.left == 0 { Err(End::ReceiverDropped) } else { Ok(()) })
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), End<Infallible>>> {
        Poll::Ready(Ok(()))
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}

/// Reads until the end, or `most` times. Returns how many bytes it got.
pub(crate) fn read(producer: impl StreamProducer<(), Item = u8>, most: u64) -> u64 {
    let mut store = Store::new(&ENGINE, ());
    let stream = StreamReader::new(&mut store, producer).unwrap();
    let (consumer, done) = ByteConsumer::new(Reads { left: most }).with_completion();
    stream.pipe(&mut store, consumer).unwrap();
    block_on(store.run_concurrent(async |_| done.await)).unwrap().moved
}

/// Gives 4 bytes `most` times.
struct Writes {
    left: u64,
}

impl ByteSource for Writes {
    type Error = Infallible;

    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<(usize, Then), Infallible>> {
        Poll::Ready(Ok(match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                (buf.len().min(4), Then::Stop)
            }
            None => (0, Then::End(EndReason::Finished)),
        }))
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}

/// Writes until the end, or `most` times. Returns how many bytes it offered.
fn write(consumer: impl StreamConsumer<(), Item = u8>, most: u64) -> u64 {
    let mut store = Store::new(&ENGINE, ());
    let (producer, done) = ByteProducer::new(Writes { left: most }).with_completion();
    let stream = StreamReader::new(&mut store, producer).unwrap();
    stream.pipe(&mut store, consumer).unwrap();
    block_on(store.run_concurrent(async |_| done.await)).unwrap().moved
}

enum Cancel {
    Handle(CancelHandle),
    Token(CancellationToken),
}

impl Cancel {
    fn cancel(self) {
        match self {
            Cancel::Handle(handle) => handle.cancel(),
            Cancel::Token(token) => token.cancel(),
        }
    }
}

/// One run: a stream, a completion and two cancellers, each on a thread of its own.
fn race<S: Send>(
    random: &mut Random,
    cancels: [Cancel; 2],
    stream: impl FnOnce() -> u64 + Send,
    done: impl Future<Output = Completed<S, String>> + Send,
) -> (Completed<S, String>, u64) {
    thread::scope(|scope| {
        for cancel in cancels {
            let mut random = Random(random.below(u64::MAX));
            scope.spawn(move || {
                random.spin(8000);
                cancel.cancel();
            });
        }
        let mut late = Random(random.below(u64::MAX));
        let done = scope.spawn(move || {
            late.spin(8000);
            block_on(done)
        });
        let moved = stream();
        (done.join().unwrap(), moved)
    })
}

#[test]
fn a_stream_that_is_cancelled_at_any_moment_ends_once_and_is_handed_back() {
    // Rule "Completion": no wake-up is lost, nothing waits for a lock, no byte is counted twice or lost.
    let at = Arc::new(AtomicU64::new(0));
    let seed = at.clone();
    in_time(&at, move || {
        for run in seeds(4000) {
            seed.store(run, Ordering::SeqCst);
            let mut random = Random(run);
            // Sometimes the other end is dropped meanwhile, as a guest would.
            let most = if random.below(4) == 0 { random.below(20) } else { u64::MAX };
            let token = CancellationToken::new();
            let second = random.below(2) == 0;
            let cancels = |handle: CancelHandle| {
                let one = Cancel::Handle(handle.clone());
                let two = Cancel::Token(token.clone());
                if second { [one, two] } else { [Cancel::Handle(handle), two] }
            };
            let (end, told) = if random.below(2) == 0 {
                let producer = ByteProducer::new(Racing::new(run)).cancel_on(token.clone());
                let (producer, done) = producer.with_completion();
                let cancels = cancels(done.cancel_handle());
                let (done, moved) = race(&mut random, cancels, || read(producer, most), done);
                assert_eq!(done.moved, moved);
                let inner = done.inner;
                assert_eq!(inner.seed, run);
                (done.end, inner.told)
            } else {
                let consumer = ByteConsumer::new(Racing::new(run)).cancel_on(token.clone());
                let (consumer, done) = consumer.with_completion();
                let cancels = cancels(done.cancel_handle());
                let (done, moved) = race(&mut random, cancels, || write(consumer, most), done);
                assert!(done.moved <= moved);
                let inner = done.inner;
                assert_eq!(inner.seed, run);
                (done.end, inner.told)
            };
            assert_eq!(told, 1, "the object is notified once of the end");
            match end {
                End::Cancelled => {}
                End::PeerDropped | End::Finished if most < u64::MAX => {}
                end => panic!("{end:?}"),
            }
        }
    });
}

#[test]
fn a_guest_whose_stream_is_cancelled_at_any_moment_sees_what_was_counted() {
    // Rule "Completion": the same with a real guest, and with the completion's own handle as the only canceller.
    let at = Arc::new(AtomicU64::new(0));
    let seed = at.clone();
    in_time(&at, move || {
        for run in seeds(200) {
            seed.store(run, Ordering::SeqCst);
            let mut random = Random(run);
            let (producer, of_source) = ByteProducer::new(Racing::new(run)).with_completion();
            let (consumer, of_sink) = ByteConsumer::new(Racing::new(run)).with_completion();
            let cancels = [of_source.cancel_handle(), of_sink.cancel_handle()];
            let guest = async |guest: &wasmtime_streams_testing::Guest<'_, (), u8>| {
                let (input, output) = (guest.source(producer).await, guest.sink(consumer).await);
                let (mut got, mut gave) = (0, 0);
                let (mut reads, mut writes) = (true, true);
                while reads || writes {
                    if reads {
                        let code = guest.recv(input, 8).await.0;
                        got += u64::from(code.count());
                        reads = matches!(code, Code::Completed(_));
                    }
                    if writes {
                        let code = guest.send(output, &[0; 8]).await;
                        gave += u64::from(code.count());
                        writes = matches!(code, Code::Completed(_));
                    }
                }
                (got, gave)
            };
            let (got, gave) = thread::scope(|scope| {
                for cancel in cancels {
                    let mut random = Random(random.below(u64::MAX));
                    scope.spawn(move || {
                        random.spin(200_000);
                        cancel.cancel();
                    });
                }
                block_on(Setup::new(()).drive(guest)).unwrap()
            });
            let (source, sink) = (block_on(of_source), block_on(of_sink));
            assert!(matches!(source.end, End::Cancelled), "{:?}", source.end);
            assert!(matches!(sink.end, End::Cancelled), "{:?}", sink.end);
            assert_eq!((source.moved, sink.moved), (got, gave));
        }
    });
}
