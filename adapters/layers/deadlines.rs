//! Deadlines, idle timeouts and cancellation tokens for every producer and consumer.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ::tokio::runtime::Handle;
use ::tokio::time::{Instant, sleep_until};
use tokio_util::context::TokioContext;
use tokio_util::sync::CancellationToken;

use crate::shared::timer::{NoTimer, Timed};

use crate::{
    ByteConsumer, ByteProducer, ByteSink, ByteSource, EndReason, ItemConsumer, ItemProducer,
    ItemSink, ItemSource, completion::Holding,
};

/// A timer whose runtime is gone never fires, so the stream ends as cancelled.
fn ended(timed: Result<EndReason, NoTimer>) -> EndReason {
    timed.unwrap_or(EndReason::Cancelled)
}

/// A future that resolves once nothing has moved for `timeout`, and the closure to call when something has.
fn idle(
    timeout: Duration,
) -> (impl Future<Output = EndReason> + Send + 'static, impl Fn() + Send + 'static) {
    let start = Instant::now();
    let last = Arc::new(AtomicU64::new(0));
    let moved = last.clone();
    // An operation does not reset the timer: when it fires, it checks when data last moved.
    let idle = async move {
        loop {
            let last = Duration::from_nanos(last.load(Ordering::Relaxed));
            let due = start.checked_add(last).and_then(|last| last.checked_add(timeout));
            match due {
                Some(due) if Instant::now() >= due => return EndReason::TimedOut,
                Some(due) => sleep_until(due).await,
                // Later than an `Instant` can represent.
                None => std::future::pending().await,
            }
        }
    };
    let on_progress = move || {
        let now = start.elapsed().as_nanos().try_into().unwrap_or(u64::MAX);
        moved.store(now, Ordering::Relaxed);
    };
    (idle, on_progress)
}

macro_rules! ends {
    ($type:ident<S $(, $rest:ident)*>: $bound:ident) => {
        impl<S: $bound $(, $rest)*, C: Holding> $type<S $(, $rest)*, C> {
            /// Ends the stream at `deadline`, as [`End::TimedOut`](crate::End::TimedOut): see [`until`](Self::until).
            /// If the runtime is shut down earlier, the stream ends then, as [`End::Cancelled`](crate::End::Cancelled).
            ///
            /// # Panics
            ///
            /// If called outside of a tokio runtime with time enabled. The stream itself can run anywhere.
            pub fn deadline(self, deadline: Instant) -> Self {
                let deadline = Timed::new(sleep_until(deadline));
                self.until_with(async move { ended(deadline.await.map(|()| EndReason::TimedOut)) })
            }

            /// Ends the stream once nothing has moved for `timeout`, as [`End::TimedOut`](crate::End::TimedOut): see
            /// [`until`](Self::until).
            ///
            /// A slow host object and an inactive guest both count as idle. If the runtime is shut down, the stream
            /// ends as [`End::Cancelled`](crate::End::Cancelled).
            ///
            /// # Panics
            ///
            /// If called outside of a tokio runtime with time enabled. The stream itself can run anywhere.
            pub fn idle_timeout(self, timeout: Duration) -> Self {
                let (idle, on_progress) = idle(timeout);
                let idle = Timed::new(TokioContext::new(idle, Handle::current()));
                self.until_with(async move { ended(idle.await) }).observe(move |_| on_progress())
            }

            /// Ends the stream when `token` is cancelled, as [`End::Cancelled`](crate::End::Cancelled): see
            /// [`until`](Self::until).
            pub fn cancel_on(self, token: CancellationToken) -> Self {
                self.until(EndReason::Cancelled, token.cancelled_owned())
            }
        }
    };
}

ends!(ByteProducer<S>: ByteSource);
ends!(ItemProducer<S, V>: ItemSource);
ends!(ByteConsumer<S>: ByteSink);
ends!(ItemConsumer<S, W, V>: ItemSink);
