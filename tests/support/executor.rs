//! An executor that knows when nothing can run any more: a lost wake-up is found at once, without a clock.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures::channel::oneshot;

thread_local! {
    /// Who waits until nothing else can run.
    static IDLE: RefCell<VecDeque<oneshot::Sender<()>>> = const { RefCell::new(VecDeque::new()) };
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Nothing can run, and nothing will.
#[derive(Debug, PartialEq, Eq)]
pub struct Stalled;

/// Runs `future` to its end, or until nothing can make progress.
pub fn try_run<F: Future>(future: F) -> Result<F::Output, Stalled> {
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(woken.clone());
    let mut future = pin!(future);
    loop {
        if woken.0.swap(false, Ordering::SeqCst) {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                IDLE.with_borrow_mut(VecDeque::clear);
                return Ok(output);
            }
        } else {
            match IDLE.with_borrow_mut(VecDeque::pop_front) {
                Some(waiting) => drop(waiting.send(())),
                None => return Err(Stalled),
            }
        }
    }
}

/// Like [`try_run`], for what must not stall.
pub fn run<F: Future>(future: F) -> F::Output {
    try_run(future).unwrap_or_else(|Stalled| panic!("stalled: nothing can run any more"))
}

/// Waits until nothing else can run.
pub async fn idle() {
    let (tx, rx) = oneshot::channel();
    IDLE.with_borrow_mut(|idle| idle.push_back(tx));
    let _ = rx.await;
}
