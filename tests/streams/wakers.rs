//! Wakers that own the task that holds the stream: whatever drops the last of them drops that too.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use futures::executor::block_on;
use tokio_util::sync::CancellationToken;
use wasmtime_streams::{ByteProducer, ByteSource, Completing, End, Then, Until};

use crate::races::no_deadlock;

/// Never ready, and keeps no waker.
struct Never;

impl ByteSource for Never {
    type Error = String;

    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut [u8],
    ) -> Poll<Result<(usize, Then), String>> {
        Poll::Pending
    }
}

/// A task that owns something and is kept alive by its wakers alone.
struct Task<T>(Mutex<Option<T>>);

impl<T> Task<T> {
    fn new(owned: Option<T>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(owned)))
    }
}

impl<T: Send + 'static> Wake for Task<T> {
    fn wake(self: Arc<Self>) {}
}

fn poll_read<S: ByteSource + Unpin>(source: &mut S, waker: Waker) {
    let mut cx = Context::from_waker(&waker);
    assert!(Pin::new(source).poll_read(&mut cx, &mut [0]).is_pending());
}

#[test]
fn a_waker_may_own_the_task_that_holds_the_stream() {
    // Rule "Completion": whatever it is that drops the last of its wakers.
    type Stream = Completing<Never, String>;
    let parked = || {
        let (producer, done) = ByteProducer::new(Never).with_completion();
        let task = Task::<Stream>::new(None);
        let mut source = producer.into_inner();
        poll_read(&mut source, task.clone().into());
        *task.0.lock().unwrap() = Some(source);
        done
    };
    // Woken by a cancel, which drops the waker, and the stream with it.
    no_deadlock(move || {
        let done = parked();
        done.cancel();
        assert!(matches!(block_on(done).end, End::Cancelled));
    });
    // Replaced by another waker, in a completion that is awaited elsewhere now.
    no_deadlock(|| {
        let (producer, mut done) = ByteProducer::new(Never).with_completion();
        let task = Task::new(Some(producer.into_inner()));
        let waker = Waker::from(task);
        assert!(Pin::new(&mut done).poll(&mut Context::from_waker(&waker)).is_pending());
        drop(waker);
        let done = block_on(done);
        assert!(matches!(done.end, End::PeerDropped), "{:?}", done.end);
    });
    // Replaced in the stream: it owns the completion.
    no_deadlock(|| {
        let (producer, done) = ByteProducer::new(Never).with_completion();
        let mut source = producer.into_inner();
        poll_read(&mut source, Task::new(Some(done)).into());
        poll_read(&mut source, Waker::noop().clone());
    });
}

#[test]
fn a_waker_may_own_the_task_that_holds_what_a_token_ends() {
    // Rule "Completion".
    no_deadlock(|| {
        let token = CancellationToken::new();
        let alive = Arc::new(());
        let task = Task::<(Until<Never>, Arc<()>)>::new(None);
        let mut source = ByteProducer::new(Never).cancel_on(token.clone()).into_inner();
        poll_read(&mut source, task.clone().into());
        *task.0.lock().unwrap() = Some((source, alive.clone()));
        drop(task);
        assert_eq!(Arc::strong_count(&alive), 2);
        token.cancel();
        assert_eq!(Arc::strong_count(&alive), 1);
    });
}
