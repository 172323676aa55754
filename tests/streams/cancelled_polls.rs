//! A cancel while another thread polls the object, or notifies it. The completion neither spins nor misses the end of that.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use futures::executor::block_on;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::CancellationToken;
use wasmtime_streams::{ByteProducer, ByteSource, End, EndReason, Then, tokio_io};

use crate::races::no_deadlock;
use crate::support::guest::{Code, with_guest};

/// How often a completion may be polled while the object is being polled.
const MAX_POLLS: usize = 10;

/// Blocks in each of its polls until the test releases it.
struct Blocks {
    polled: SyncSender<()>,
    go_on: Receiver<()>,
}

impl Blocks {
    fn new() -> (Self, Receiver<()>, SyncSender<()>) {
        let ((polled, is_polled), (release, go_on)) =
            (mpsc::sync_channel(9), mpsc::sync_channel(9));
        (Self { polled, go_on }, is_polled, release)
    }

    fn block(&self) {
        self.polled.send(()).unwrap();
        self.go_on.recv().unwrap();
    }
}

impl AsyncRead for Blocks {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.block();
        buf.put_slice(&[1]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Blocks {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        self.block();
        Poll::Ready(Ok(1))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A source that blocks when it is notified of its end.
struct BlocksAtEnd(Blocks);

impl ByteSource for BlocksAtEnd {
    type Error = Infallible;

    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut [u8],
    ) -> Poll<Result<(usize, Then), Infallible>> {
        Poll::Pending
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {
        self.0.block();
    }
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Polls `done` until it no longer wakes itself, and returns how often. It must not resolve before that.
fn polls<F: Future>(mut done: Pin<&mut F>) -> usize {
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    for polls in 1..=1000 {
        let poll = done.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(poll.is_pending(), "the object is still in use");
        if !woken.0.swap(false, Ordering::SeqCst) {
            return polls;
        }
    }
    1000
}

/// What cuts a stream from another thread.
#[derive(Clone, Copy, Debug)]
enum By {
    Handle,
    Token,
}

/// Cancels while the object blocks in its poll, and counts the polls of the completion.
macro_rules! cut_while_polled {
    ($by:expr, $made:expr, |$guest:ident, $made_of:ident| $run:expr) => {
        for early in [false, true] {
            let (object, is_polled, release) = Blocks::new();
            let token = CancellationToken::new();
            let ($made_of, done) = $made(object).cancel_on(token.clone()).with_completion();
            let thread = thread::spawn(move || with_guest::<u8, _>(async |$guest| $run));
            is_polled.recv().unwrap();
            let mut done = pin!(done);
            // With and without a waker that was registered before the cancel.
            let before = if early { polls(done.as_mut()) } else { 0 };
            match $by {
                By::Handle => done.cancel(),
                By::Token => token.cancel(),
            }
            let polls = before + polls(done.as_mut());
            assert!(polls <= MAX_POLLS, "{:?}: polled {polls} times or more", $by);
            release.send(()).unwrap();
            let done = block_on(done);
            assert!(matches!(done.end, End::Cancelled), "{:?}: {:?}", $by, done.end);
            assert_eq!(done.moved, 1);
            thread.join().unwrap();
        }
    };
}

#[test]
fn a_completion_does_not_spin_while_the_object_of_a_cancelled_stream_is_polled() {
    // Rule "Completion": the completion is woken when the poll returns, and has the object then.
    for by in [By::Handle, By::Token] {
        no_deadlock(move || {
            cut_while_polled!(by, tokio_io::read, |guest, producer| {
                let stream = guest.source(producer).await;
                assert_eq!(guest.recv(stream, 9).await.0, Code::Completed(1));
                assert_eq!(guest.recv(stream, 9).await.0, Code::Dropped(0));
            });
        });
        no_deadlock(move || {
            cut_while_polled!(by, tokio_io::write, |guest, consumer| {
                let stream = guest.sink(consumer).await;
                // The cancel may be noticed before the flush.
                match guest.send(stream, &[1]).await {
                    Code::Dropped(1) => {}
                    code => {
                        assert_eq!(code, Code::Completed(1));
                        assert_eq!(guest.send(stream, &[1]).await, Code::Dropped(0));
                    }
                }
            });
        });
    }
}

#[test]
fn a_completion_does_not_spin_while_another_thread_notifies_the_object_of_the_end() {
    // Rule "Completion": the completion is woken when the object is back.
    no_deadlock(|| {
        let (object, is_notified, release) = Blocks::new();
        let (producer, done) = ByteProducer::new(BlocksAtEnd(object)).with_completion();
        let handle = done.cancel_handle();
        let canceller = thread::spawn(move || handle.cancel());
        is_notified.recv().unwrap();
        let mut done = pin!(done);
        let polls = polls(done.as_mut());
        assert!(polls <= MAX_POLLS, "polled {polls} times or more");
        release.send(()).unwrap();
        assert!(matches!(block_on(done).end, End::Cancelled));
        canceller.join().unwrap();
        drop(producer);
    });
}
