use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::forward::{forward_sink, forward_source};
use super::signal::{Signal, Signals};
use crate::{ByteSink, ByteSource, Halt, ItemSink, ItemSource, Take, Then, Why};

/// Called when something has moved.
pub(crate) type OnProgress = Option<Box<dyn FnMut() + Send>>;

pin_project! {
    /// A source or sink that something outside of it can end; see [`ByteProducer::until`](crate::ByteProducer::until).
    pub struct Until<S> {
        #[pin]
        inner: S,
        signal: Signal,
        on_progress: OnProgress,
    }
}

impl<S> Until<S> {
    pub(crate) fn new(
        inner: S,
        ending: impl Future<Output = Why> + Send + 'static,
        on_progress: OnProgress,
    ) -> Self {
        Self { inner, signal: Signal::new(ending), on_progress }
    }

    wrapper_accessors!();
}

impl<S: fmt::Debug> fmt::Debug for Until<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Until").field("inner", &self.inner).finish_non_exhaustive()
    }
}

macro_rules! signals {
    () => {
        fn signals(&self, signals: &mut Signals) {
            self.signal.share(signals);
            self.inner.signals(signals);
        }
    };
}

fn progress(on_progress: &mut OnProgress, moved: usize) {
    if let (Some(on_progress), true) = (on_progress, moved > 0) {
        on_progress();
    }
}

impl<S: ByteSource> ByteSource for Until<S> {
    type Error = S::Error;

    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<(usize, Then), S::Error>> {
        let this = self.project();
        if let Poll::Ready(why) = this.signal.poll(cx) {
            this.inner.stream_ended(Some(why));
            return Poll::Ready(Ok((0, Then::End(why))));
        }
        this.inner.poll_read(cx, buf).map_ok(|(n, then)| {
            progress(this.on_progress, n);
            (n, then)
        })
    }

    fn poll_readable(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<(), S::Error>>> {
        let this = self.project();
        let readable = this.inner.poll_readable(cx)?;
        // To a source whose stream is over the end is what is ready.
        Some(if this.signal.poll(cx).is_ready() { Poll::Ready(Ok(())) } else { readable })
    }

    forward_source!(stream_ended);
    signals!();
}

impl<S: ItemSource> ItemSource for Until<S> {
    type Item = S::Item;
    type Error = S::Error;

    fn poll_items(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        max: usize,
        out: &mut Vec<S::Item>,
    ) -> Poll<Result<Then, S::Error>> {
        let this = self.project();
        if let Poll::Ready(why) = this.signal.poll(cx) {
            this.inner.stream_ended(Some(why));
            return Poll::Ready(Ok(Then::End(why)));
        }
        let before = out.len();
        let answer = this.inner.poll_items(cx, max, out);
        progress(this.on_progress, out.len() - before);
        answer
    }

    fn poll_readable(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<(), S::Error>>> {
        let this = self.project();
        let readable = this.inner.poll_readable(cx)?;
        Some(if this.signal.poll(cx).is_ready() { Poll::Ready(Ok(())) } else { readable })
    }

    forward_source!(ended, stream_ended);
    signals!();
}

/// The signal first, then what the sink says: also where only flushing hangs.
macro_rules! or_signal {
    ($this:ident, $cx:ident, $poll:expr) => {{
        if let Poll::Ready(why) = $this.signal.poll($cx) {
            $this.inner.stream_ended(Some(why));
            return Poll::Ready(Err(Halt::Ended(why)));
        }
        $poll
    }};
}

macro_rules! sink_methods {
    () => {
        fn poll_writable(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Option<Poll<Result<(), Halt<S::Error>>>> {
            let this = self.project();
            let mut inner = this.inner;
            let writable = inner.as_mut().poll_writable(cx)?;
            Some(match this.signal.poll(cx) {
                Poll::Ready(why) => {
                    inner.stream_ended(Some(why));
                    Poll::Ready(Err(Halt::Ended(why)))
                }
                Poll::Pending => writable,
            })
        }

        fn poll_flush(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Result<(), Halt<S::Error>>> {
            let this = self.project();
            or_signal!(this, cx, this.inner.poll_flush(cx))
        }

        fn poll_close(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Result<(), Halt<S::Error>>> {
            let this = self.project();
            // That the stream is over was said before this.
            if let Poll::Ready(why) = this.signal.poll(cx) {
                return Poll::Ready(Err(Halt::Ended(why)));
            }
            this.inner.poll_close(cx)
        }

        signals!();
    };
}

impl<S: ByteSink> ByteSink for Until<S> {
    type Error = S::Error;

    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize, Halt<S::Error>>> {
        let this = self.project();
        or_signal!(
            this,
            cx,
            this.inner.poll_write(cx, buf).map_ok(|n| {
                progress(this.on_progress, n);
                n
            })
        )
    }

    sink_methods!();
    forward_sink!(op_cancelled, stream_ended, flush_policy);
}

impl<S: ItemSink> ItemSink for Until<S> {
    type Item = S::Item;
    type Error = S::Error;

    fn poll_accept(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        items: &mut dyn Take<S::Item>,
    ) -> Poll<Result<(), Halt<S::Error>>> {
        let this = self.project();
        let before = items.taken();
        or_signal!(this, cx, {
            let answer = this.inner.poll_accept(cx, items);
            progress(this.on_progress, items.taken() - before);
            answer
        })
    }

    sink_methods!();
    forward_sink!(op_cancelled, stream_ended, flush_policy, delivery_failed);
}
