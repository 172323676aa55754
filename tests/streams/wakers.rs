//! Wakers that own what holds the stream. Whatever drops the last of them also drops that.

use std::future::Future as _;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use futures::executor::block_on;
use tokio_util::sync::CancellationToken;
use wasmtime::component::StreamReader;
use wasmtime::{Engine, Store};
use wasmtime_streams::{ByteProducer, ByteSource, End, EndReason, Then, iterators};

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

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}

/// A task that owns something. Only its wakers keep it alive.
struct Task<T>(#[allow(dead_code, reason = "held for its drop")] Mutex<Option<T>>);

impl<T> Task<T> {
    fn waker(owned: Option<T>) -> Waker
    where
        T: Send + 'static,
    {
        Arc::new(Self(Mutex::new(owned))).into()
    }
}

impl<T: Send + 'static> Wake for Task<T> {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn a_waker_of_a_completion_may_own_the_store() {
    // Rule "Completion": a waker that is replaced is dropped outside of every lock.
    no_deadlock(|| {
        let token = CancellationToken::new();
        let (producer, done) = ByteProducer::new(Never).cancel_on(token).with_completion();
        let mut store = Store::new(&Engine::default(), ());
        let stream = StreamReader::new(&mut store, producer).unwrap();
        stream.pipe(&mut store, iterators::collect_bytes(9)).unwrap();

        let mut done = pin!(done);
        let first = Task::waker(Some(store));
        assert!(done.as_mut().poll(&mut Context::from_waker(&first)).is_pending());
        drop(first);
        let second = Task::<()>::waker(None);
        let polled = done.as_mut().poll(&mut Context::from_waker(&second));
        let done = match polled {
            Poll::Ready(done) => done,
            Poll::Pending => block_on(done),
        };
        assert!(matches!(done.end, End::PeerDropped));
    });
}
