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

