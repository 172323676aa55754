//! What ends a stream from outside: one future, which the stream and its completion both wait for.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use crate::EndReason;
use crate::wake::wake_both;

type Ending = Pin<Box<dyn Future<Output = EndReason> + Send>>;

struct State {
    /// Away while it is polled: no code of the user's runs under the lock.
    future: Option<Ending>,
    why: Option<EndReason>,
    /// Of the guest's parked operation, and of the completion: whoever polls last must not silence the other.
    wakers: [Option<Waker>; 2],
}

struct Shared {
    state: Mutex<State>,
    /// The future has something to say. Else it need not be polled, and an operation costs no timer.
    woken: AtomicBool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing is run under the lock that could leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll(self: &Arc<Self>, who: usize, cx: &mut Context<'_>) -> Poll<EndReason> {
        let mut state = self.lock();
        if let Some(why) = state.why {
            return Poll::Ready(why);
        }
        let registered = state.wakers[who].as_ref().is_some_and(|w| w.will_wake(cx.waker()));
        let stale = if registered { None } else { state.wakers[who].replace(cx.waker().clone()) };
        if !self.woken.swap(false, Ordering::AcqRel) {
            drop(state);
            drop(stale);
            return Poll::Pending;
        }
        // If it is away, whoever polls it hears of the wake-up: it came by the same waker.
        let Some(mut future) = state.future.take() else {
            self.woken.store(true, Ordering::Release);
            drop(state);
            drop(stale);
            return Poll::Pending;
        };
        drop(state);
        drop(stale);
        let waker = Waker::from(self.clone());
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        let mut state = self.lock();
        match polled {
            Poll::Pending => {
                state.future = Some(future);
                drop(state);
                // A wake-up that the other side saw while the future was away.
                if self.woken.load(Ordering::Acquire) {
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            }
            Poll::Ready(why) => {
                state.why = Some(why);
                let [parked, waiting] = std::mem::take(&mut state.wakers);
                drop(state);
                drop(future);
                wake_both(parked, waiting);
                Poll::Ready(why)
            }
        }
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        let [parked, waiting] = std::mem::take(&mut self.lock().wakers);
        wake_both(parked, waiting);
    }
}

/// The signal as the stream holds it. The future goes away with it: it may hold the waker that holds the signal.
#[allow(unreachable_pub)] // in a sealed trait
pub struct Signal(Arc<Shared>);

impl Signal {
    pub(crate) fn new(future: impl Future<Output = EndReason> + Send + 'static) -> Self {
        let future: Ending = Box::pin(future);
        let state = State { future: Some(future), why: None, wakers: [None, None] };
        Self(Arc::new(Shared { state: Mutex::new(state), woken: AtomicBool::new(true) }))
    }

    /// Waits in a poll of the guest's operation.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<EndReason> {
        self.0.poll(0, cx)
    }

    pub(crate) fn share(&self, signals: &mut Signals) {
        signals.0.push(self.0.clone());
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        let future = state.future.take();
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        drop((future, wakers));
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal").finish_non_exhaustive()
    }
}

/// What can end a stream while the guest has no operation under way; a [`Completion`](crate::Completion) waits for it.
#[derive(Clone, Default)]
pub(crate) struct Signals(Vec<Arc<Shared>>);

impl Signals {
    /// Waits for the first of them.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<EndReason> {
        self.0.iter().map(|signal| signal.poll(1, cx)).find(Poll::is_ready).unwrap_or(Poll::Pending)
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signals").finish_non_exhaustive()
    }
}
