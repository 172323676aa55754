use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::forward::{forward_sink, forward_source};
use crate::{ByteSink, ByteSource, Flush, Halt, ItemSink, ItemSource, Take, Then, Why};

pin_project! {
    /// A source or sink that moves only so much; see [`ByteProducer::limit`](crate::ByteProducer::limit).
    #[derive(Debug)]
    pub struct Limit<S> {
        #[pin]
        inner: S,
        left: u64,
        flush: Flush,
        // Of a sink: it has taken something since it was flushed.
        unflushed: bool,
    }
}

impl<S> Limit<S> {
    pub(crate) fn new(inner: S, limit: u64) -> Self {
        Self { inner, left: limit, flush: Flush::default(), unflushed: false }
    }

    /// How much may still be moved.
    pub fn left(&self) -> u64 {
        self.left
    }

    wrapper_accessors!();
}

fn at_most(left: u64, n: usize) -> usize {
    n.min(usize::try_from(left).unwrap_or(usize::MAX))
}

/// What comes after `n` more. A limit on a source ends it with its last byte or item, unless the data ends there by itself.
fn after(left: &mut u64, n: usize, then: Then, reached: impl FnOnce(Option<Why>)) -> Then {
    *left = left.saturating_sub(n as u64);
    match then {
        Then::Stop | Then::More if *left == 0 => {
            reached(Some(Why::LimitReached));
            Then::End(Why::LimitReached)
        }
        then => then,
    }
}

impl<S: ByteSource> ByteSource for Limit<S> {
    type Error = S::Error;

    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<(usize, Then), S::Error>> {
        let mut this = self.project();
        let max = at_most(*this.left, buf.len());
        let answer = match max {
            0 => Poll::Ready(Ok((0, Then::Stop))),
            _ => this.inner.as_mut().poll_read(cx, &mut buf[..max]),
        };
        answer.map_ok(|(n, then)| {
            (n, after(this.left, n, then, |why| this.inner.as_mut().stream_ended(why)))
        })
    }

    fn poll_readable(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<(), S::Error>>> {
        let this = self.project();
        // The end is what is ready.
        if *this.left == 0 { Some(Poll::Ready(Ok(()))) } else { this.inner.poll_readable(cx) }
    }

    forward_source!(stream_ended, signals);
}

impl<S: ItemSource> ItemSource for Limit<S> {
    type Item = S::Item;
    type Error = S::Error;

    fn poll_items(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        max: usize,
        out: &mut Vec<S::Item>,
    ) -> Poll<Result<Then, S::Error>> {
        let mut this = self.project();
        let max = at_most(*this.left, max);
        let before = out.len();
        let answer = match max {
            0 => Poll::Ready(Ok(Then::Stop)),
            _ => this.inner.as_mut().poll_items(cx, max, out),
        };
        let n = out.len() - before;
        let mut next =
            |then| after(this.left, n, then, |why| this.inner.as_mut().stream_ended(why));
        match answer {
            // Items beside it: the operation completes with them.
            Poll::Pending => match next(Then::Stop) {
                Then::Stop => Poll::Pending,
                then => Poll::Ready(Ok(then)),
            },
            Poll::Ready(ready) => Poll::Ready(ready.map(next)),
        }
    }

    fn poll_readable(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<(), S::Error>>> {
        let this = self.project();
        if *this.left == 0 { Some(Poll::Ready(Ok(()))) } else { this.inner.poll_readable(cx) }
    }

    forward_source!(ended, stream_ended, signals);
}

macro_rules! sink_methods {
    () => {
        fn poll_writable(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Option<Poll<Result<(), Halt<S::Error>>>> {
            let this = self.project();
            // A write would be answered at once: with the end.
            if *this.left == 0 { Some(Poll::Ready(Ok(()))) } else { this.inner.poll_writable(cx) }
        }

        fn poll_flush(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Result<(), Halt<S::Error>>> {
            let this = self.project();
            ready!(this.inner.poll_flush(cx))?;
            *this.unflushed = false;
            Poll::Ready(Ok(()))
        }

        fn flush_policy(&mut self, policy: Flush) {
            self.flush = policy;
            self.inner.flush_policy(policy);
        }
    };
}

/// More arrives than is allowed, which ends a sink. What it took before counts as written, so that is flushed first.
macro_rules! over {
    ($trait:ident, $this:ident, $cx:ident) => {{
        let flushed = match $this.flush == Flush::EachOp && $this.unflushed {
            true => $trait::poll_flush($this.as_mut(), $cx),
            false => Poll::Ready(Ok(())),
        };
        flushed.map(|flushed| {
            flushed.err().unwrap_or_else(|| {
                $this.project().inner.stream_ended(Some(Why::LimitReached));
                Halt::Ended(Why::LimitReached)
            })
        })
    }};
}

impl<S: ByteSink> ByteSink for Limit<S> {
    type Error = S::Error;

    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize, Halt<S::Error>>> {
        let max = at_most(self.left, buf.len());
        if max == 0 {
            return over!(ByteSink, self, cx).map(Err);
        }
        let this = self.project();
        this.inner.poll_write(cx, &buf[..max]).map_ok(|n| {
            *this.left = this.left.saturating_sub(n as u64);
            *this.unflushed = true;
            n
        })
    }

    sink_methods!();
    forward_sink!(poll_close, op_cancelled, stream_ended, signals);
}

/// Shows the sink no more than it may take.
struct Limited<'a, I> {
    items: &'a mut dyn Take<I>,
    left: &'a mut u64,
}

impl<I> Take<I> for Limited<'_, I> {
    fn remaining(&self) -> usize {
        at_most(*self.left, self.items.remaining())
    }

    fn taken(&self) -> usize {
        self.items.taken()
    }

    fn take(&mut self, max: usize, out: &mut Vec<I>) -> usize {
        let n = self.items.take(at_most(*self.left, max), out);
        *self.left = self.left.saturating_sub(n as u64);
        n
    }

    fn take_one(&mut self) -> Option<I> {
        let item = if *self.left == 0 { None } else { self.items.take_one() };
        *self.left = self.left.saturating_sub(u64::from(item.is_some()));
        item
    }
}

impl<S: ItemSink> ItemSink for Limit<S> {
    type Item = S::Item;
    type Error = S::Error;

    fn poll_accept(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        items: &mut dyn Take<S::Item>,
    ) -> Poll<Result<(), Halt<S::Error>>> {
        // What was taken in this operation, before the limit was reached, is still to be sent.
        if self.left > 0 || items.taken() > 0 {
            let this = self.as_mut().project();
            *this.unflushed = true;
            ready!(this.inner.poll_accept(cx, &mut Limited { items, left: this.left }))?;
        }
        if self.left > 0 || items.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        match over!(ItemSink, self, cx) {
            Poll::Ready(halt) => Poll::Ready(Err(halt)),
            // The operation is held until it is flushed; the next one hears of the end.
            Poll::Pending if items.taken() > 0 => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        }
    }

    sink_methods!();
    forward_sink!(poll_close, op_cancelled, stream_ended, delivery_failed, signals);
}
