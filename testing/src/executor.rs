//! A single-threaded executor that detects when nothing can run: it finds a lost wake-up at once, without a clock.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures::channel::oneshot;

thread_local! {
    /// The tasks that wait until nothing else can run.
    static IDLE: RefCell<VecDeque<oneshot::Sender<()>>> = const { RefCell::new(VecDeque::new()) };
}

#[derive(Default)]
struct Woken {
    woken: AtomicBool,
    wakes: AtomicUsize,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        self.wakes.fetch_add(1, Ordering::SeqCst);
    }
}

/// Nothing can run any more: a future is pending, and nothing will wake it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stalled;

/// How much work it was to run a future.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effort {
    /// How often the future was polled.
    pub polls: usize,
    /// How often it was woken.
    pub wakes: usize,
}

/// Runs `future` on this thread until it completes or nothing can make progress.
///
/// Never blocks, and has no timers: a future that waits for another thread or a timer is reported as stalled.
pub fn try_run<F: Future>(future: F) -> (Result<F::Output, Stalled>, Effort) {
    let woken = Arc::new(Woken { woken: AtomicBool::new(true), ..Woken::default() });
    let waker = Waker::from(woken.clone());
    let mut future = pin!(future);
    let mut polls = 0;
    let result = loop {
        if woken.woken.swap(false, Ordering::SeqCst) {
            polls += 1;
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                break Ok(output);
            }
        } else {
            match IDLE.with_borrow_mut(VecDeque::pop_front) {
                Some(waiting) => drop(waiting.send(())),
                None => break Err(Stalled),
            }
        }
    };
    IDLE.with_borrow_mut(VecDeque::clear);
    (result, Effort { polls, wakes: woken.wakes.load(Ordering::SeqCst) })
}

/// Like [`try_run`], for a future that must not stall.
///
/// # Panics
///
/// If nothing can run any more.
pub fn run<F: Future>(future: F) -> F::Output {
    match try_run(future).0 {
        Ok(output) => output,
        Err(Stalled) => panic!("stalled: nothing can run any more"),
    }
}

/// Waits until nothing else can run, inside [`run`] or [`try_run`].
pub async fn idle() {
    let (tx, rx) = oneshot::channel();
    IDLE.with_borrow_mut(|idle| idle.push_back(tx));
    // The executor drops the sender only when it returns.
    let _ = rx.await;
}
