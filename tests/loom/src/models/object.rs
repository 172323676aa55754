//! The source and sink of the models, and what it has seen.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use crate::completion::Shared;
use crate::layer::Signal;
use crate::place::{BytesFrom, BytesInto, Kind, Place};
use crate::sync::step;
use crate::{ByteSink, ByteSource, Completed, Completion, End, EndReason, Then};

/// What became of an object. Read it once the threads are joined: it is no step.
#[derive(Default)]
pub(super) struct Seen {
    ends: Mutex<Vec<EndReason>>,
    drops: AtomicUsize,
    closes: AtomicUsize,
}

impl Seen {
    /// The one end that the object was notified of.
    pub(super) fn end(&self) -> EndReason {
        let ends = self.ends.lock().unwrap();
        assert_eq!(ends.len(), 1, "the object is notified of {} ends", ends.len());
        ends[0]
    }

    pub(super) fn is_dropped(&self) -> bool {
        self.drops.load(Ordering::Relaxed) == 1
    }
}

pub(super) struct Object {
    seen: Arc<Seen>,
    /// Called by `ended`.
    on_end: Option<Box<dyn FnOnce() + Send>>,
    /// How often a close is pending.
    pub(super) slow_close: usize,
}

impl Object {
    pub(super) fn new() -> (Self, Arc<Seen>) {
        let seen = Arc::new(Seen::default());
        (Self { seen: seen.clone(), on_end: None, slow_close: 0 }, seen)
    }

    pub(super) fn on_end(mut self, act: impl FnOnce() + Send + 'static) -> Self {
        self.on_end = Some(Box::new(act));
        self
    }

    fn told(&mut self, reason: EndReason) {
        self.seen.ends.lock().unwrap().push(reason);
        if let Some(act) = self.on_end.take() {
            act();
        }
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        self.seen.drops.fetch_add(1, Ordering::Relaxed);
    }
}

impl ByteSource for Object {
    type Error = Infallible;

    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut [u8],
    ) -> Poll<Result<(usize, Then), Infallible>> {
        Poll::Pending
    }

    fn ended(mut self: Pin<&mut Self>, reason: EndReason) {
        self.told(reason);
    }
}

impl ByteSink for Object {
    type Error = Infallible;

    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &[u8],
    ) -> Poll<Result<usize, End<Infallible>>> {
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), End<Infallible>>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Result<(), End<Infallible>>> {
        match self.slow_close.checked_sub(1) {
            // Nobody wakes it: only a cancel ends the wait.
            Some(left) => {
                self.slow_close = left;
                Poll::Pending
            }
            None => Poll::Ready(Ok(())),
        }
    }

    fn ended(mut self: Pin<&mut Self>, reason: EndReason) {
        self.told(reason);
    }
}

/// The stream's side, as the guest's operations use it.
pub(super) struct Stream<K: Kind<Object>>(Place<K, Object, Shared>);

pub(super) type Done = Completion<Object, Infallible>;

pub(super) fn source(object: Object) -> (Stream<BytesFrom>, Done) {
    let (place, done) = Place::<BytesFrom, _, _>::new(object).share();
    (Stream(place), done)
}

pub(super) fn sink(object: Object) -> (Stream<BytesInto>, Done) {
    let (place, done) = Place::<BytesInto, _, _>::new(object).share();
    (Stream(place), done)
}

impl<K: Kind<Object, Error = Infallible>> Stream<K> {
    /// One poll of an operation, in which the object does `act`. Ready with whether the stream is open.
    pub(super) fn poll_with(
        &mut self,
        cx: &mut Context<'_>,
        act: impl FnOnce(&mut Context<'_>) -> Poll<()>,
    ) -> Poll<bool> {
        match Pin::new(&mut self.0).poll(cx, |_, _, cx| act(cx)) {
            Some(polled) => polled.map(|()| true),
            None => Poll::Ready(false),
        }
    }

    /// An operation that the object answers at once. Whether the stream is open.
    pub(super) fn ready(&mut self) -> bool {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        self.poll_with(&mut cx, |_| Poll::Ready(())) == Poll::Ready(true)
    }

    /// A poll of an operation that the object never answers. Ready once the stream has ended.
    pub(super) fn poll_pending(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_with(cx, |_| Poll::Pending).map(|open| assert!(!open))
    }

    /// A poll as a layer sees it: a signal ends the stream.
    pub(super) fn poll_signals(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        use crate::layer::ActiveLayers as _;

        let polled =
            Pin::new(&mut self.0).poll(cx, |_, state, cx| state.layers.entered().poll_end(cx));
        match polled {
            None => Poll::Ready(()),
            Some(Poll::Pending) => Poll::Pending,
            Some(Poll::Ready(reason)) => {
                self.end(reason);
                Poll::Ready(())
            }
        }
    }

    pub(super) fn until(&mut self, signal: Signal) {
        self.0.until(signal);
    }

    /// A call that cannot wait, as a cancelled operation makes it.
    pub(super) fn act(&mut self, act: impl FnOnce()) {
        Pin::new(&mut self.0).with_object(|_| act());
    }

    /// The operation ends the stream.
    pub(super) fn end(&mut self, reason: EndReason) {
        Pin::new(&mut self.0).end(reason.into(), 0);
    }
}

/// Polls a completion.
pub(super) fn poll_done(
    done: &mut Done,
    cx: &mut Context<'_>,
) -> Poll<Completed<Object, Infallible>> {
    Future::poll(Pin::new(done), cx)
}

/// The result of a completion whose stream has ended.
pub(super) fn resolved(mut done: Done) -> Completed<Object, Infallible> {
    let mut cx = Context::from_waker(std::task::Waker::noop());
    match poll_done(&mut done, &mut cx) {
        Poll::Ready(completed) => completed,
        Poll::Pending => panic!("the stream has not ended"),
    }
}

/// Drops what counts as an owner of the slot, as a step.
pub(super) fn release<T>(owner: T) {
    step();
    drop(owner);
}
