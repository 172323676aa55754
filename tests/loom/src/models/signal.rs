//! A signal that ends a stream from outside (`src/layer/signal.rs`), awaited by the stream and by its completion.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use loom::sync::Mutex;
use loom::thread;

use crate::EndReason;
use crate::layer::{ActiveLayers as _, Layers, Signal, Signals};
use crate::task::{Owning, Task, block_on};

super::models!(signal:
    UNBOUNDED(
        the_future_goes_with_the_stream,
        a_token_wakes_the_waker_of_the_last_poll,
        a_side_that_polls_does_not_replace_the_waker_of_the_other,
        a_token_wakes_the_stream,
        a_token_wakes_the_completion,
        a_waker_may_own_the_stream,
        a_future_that_wakes_itself_is_polled_again,
    ),
    BOUNDED(
        a_token_wakes_both_sides,
    )
);

/// Fires once, and keeps the waker of the last poll, as a token or a timer does.
#[derive(Clone, Default)]
struct Token(Arc<Mutex<(bool, Option<Waker>)>>);

impl Token {
    fn fire(&self) {
        let mut state = self.0.lock().unwrap();
        state.0 = true;
        let waker = state.1.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Waits for a token. Counts its drops.
struct Fired(Token, Arc<AtomicUsize>);

impl Future for Fired {
    type Output = EndReason;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<EndReason> {
        let mut state = self.0.0.lock().unwrap();
        if state.0 {
            return Poll::Ready(EndReason::Cancelled);
        }
        let stale = state.1.replace(cx.waker().clone());
        drop(state);
        drop(stale);
        Poll::Pending
    }
}

impl Drop for Fired {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

/// The stream's layers and what its completion polls.
fn shared(future: impl Future<Output = EndReason> + Send + 'static) -> (Layers<u8>, Signals) {
    let signal = Signal::new(future);
    let mut signals = Signals::default();
    signal.share(&mut signals);
    let mut layers = Layers::NONE;
    layers.until(signal);
    (layers, signals)
}

fn token() -> (Layers<u8>, Signals, Token, Arc<AtomicUsize>) {
    let (token, drops) = (Token::default(), Arc::new(AtomicUsize::new(0)));
    let (layers, signals) = shared(Fired(token.clone(), drops.clone()));
    (layers, signals, token, drops)
}

fn poll_end(layers: &mut Layers<u8>, cx: &mut Context<'_>) -> Poll<EndReason> {
    layers.entered().poll_end(cx)
}

/// Signal, invariant 2, for the stream.
fn a_token_wakes_the_stream() {
    let (mut layers, _signals, token, drops) = token();
    let fires = thread::spawn(move || token.fire());
    assert_eq!(block_on(|cx| poll_end(&mut layers, cx)), EndReason::Cancelled);
    fires.join().unwrap();
    // Invariant 5.
    assert_eq!(drops.load(Ordering::Relaxed), 1);
}

/// Signal, invariant 2, for the completion.
fn a_token_wakes_the_completion() {
    let (mut layers, signals, token, drops) = token();
    let fires = thread::spawn(move || token.fire());
    assert_eq!(block_on(|cx| signals.poll(cx)), EndReason::Cancelled);
    fires.join().unwrap();
    // Invariant 5: the other side gets it as well, and the future is gone.
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    assert_eq!(block_on(|cx| poll_end(&mut layers, cx)), EndReason::Cancelled);
}

/// Signal, invariants 2 to 5: whichever side finds the future moved out.
fn a_token_wakes_both_sides() {
    let (mut layers, signals, token, drops) = token();
    let stream = thread::spawn(move || {
        let reason = block_on(|cx| poll_end(&mut layers, cx));
        (reason, layers)
    });
    let fires = thread::spawn(move || token.fire());
    assert_eq!(block_on(|cx| signals.poll(cx)), EndReason::Cancelled);
    fires.join().unwrap();
    assert_eq!(stream.join().unwrap().0, EndReason::Cancelled);
    assert_eq!(drops.load(Ordering::Relaxed), 1);
}

/// Signal, invariant 4.
fn a_side_that_polls_does_not_replace_the_waker_of_the_other() {
    let (mut layers, signals, token, _) = token();
    let (stream, completion) = (Task::new(), Task::new());
    let polled = completion.poll(|cx| signals.poll(cx));
    assert!(polled.is_pending());
    let fires = thread::spawn(move || token.fire());
    assert_eq!(stream.block_on(|cx| poll_end(&mut layers, cx)), EndReason::Cancelled);
    fires.join().unwrap();
    assert!(completion.is_woken());
}

/// Signal, invariant 2: a task with another waker polls meanwhile.
fn a_token_wakes_the_waker_of_the_last_poll() {
    let (mut layers, _signals, token, _) = token();
    let fires = thread::spawn(move || token.fire());
    let first = Task::new();
    if first.poll(|cx| poll_end(&mut layers, cx)).is_pending() {
        assert_eq!(block_on(|cx| poll_end(&mut layers, cx)), EndReason::Cancelled);
    }
    fires.join().unwrap();
    assert_eq!(first.wakers(), 0);
}

/// Wakes itself in its first polls.
struct Yields(usize);

impl Future for Yields {
    type Output = EndReason;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<EndReason> {
        match self.0.checked_sub(1) {
            None => Poll::Ready(EndReason::Cancelled),
            Some(left) => {
                self.0 = left;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

/// Signal, invariants 2 and 3: the side that finds the future moved out leaves its poll to the other.
fn a_future_that_wakes_itself_is_polled_again() {
    let (mut layers, signals) = shared(Yields(1));
    let stream = thread::spawn(move || {
        let reason = block_on(|cx| poll_end(&mut layers, cx));
        (reason, layers)
    });
    assert_eq!(block_on(|cx| signals.poll(cx)), EndReason::Cancelled);
    assert_eq!(stream.join().unwrap().0, EndReason::Cancelled);
}

/// Signal, invariant 1: a waker is called after the unlock, so it may own the stream.
fn a_waker_may_own_the_stream() {
    let (mut layers, _signals, token, _) = token();
    let fires = thread::spawn(move || token.fire());
    let owner = Owning::empty();
    if poll_end(&mut layers, &mut Context::from_waker(&owner.waker())).is_pending() {
        owner.own(layers);
    }
    fires.join().unwrap();
}

/// Signal, invariant 6: though the token keeps the waker that keeps the signal.
fn the_future_goes_with_the_stream() {
    let (mut layers, signals, token, drops) = token();
    let task = Task::new();
    assert!(task.poll(|cx| poll_end(&mut layers, cx)).is_pending());
    let kept = token.clone();
    let fires = thread::spawn(move || token.fire());
    drop(layers);
    fires.join().unwrap();
    assert_eq!(drops.load(Ordering::Relaxed), 1, "the future outlives the stream");
    drop((signals, kept));
    assert_eq!(task.wakers(), 0, "the signal keeps the stream's task");
}
