use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::forward::{forward_sink, forward_source};
use crate::{ByteSink, ByteSource, Halt, ItemSink, ItemSource, Take, Then, Why};

pin_project! {
    /// A source or sink that moves only so much; see [`ByteProducer::limit`](crate::ByteProducer::limit).
    #[derive(Debug)]
    pub struct Limit<S> {
        #[pin]
        inner: S,
        left: u64,
    }
}

impl<S> Limit<S> {
    pub(crate) fn new(inner: S, limit: u64) -> Self {
        Self { inner, left: limit }
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

impl<S: ByteSink> ByteSink for Limit<S> {
    type Error = S::Error;

    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize, Halt<S::Error>>> {
        let this = self.project();
        let max = at_most(*this.left, buf.len());
        if max == 0 {
            // A limit on a sink ends it only when more arrives.
            this.inner.stream_ended(Some(Why::LimitReached));
            return Poll::Ready(Err(Halt::Ended(Why::LimitReached)));
        }
        this.inner.poll_write(cx, &buf[..max]).map_ok(|n| {
            *this.left = this.left.saturating_sub(n as u64);
            n
        })
    }

    fn poll_writable(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<(), Halt<S::Error>>>> {
        let this = self.project();
        // A write would be answered at once: with the end.
        if *this.left == 0 { Some(Poll::Ready(Ok(()))) } else { this.inner.poll_writable(cx) }
    }

    forward_sink!(poll_flush, poll_close, op_cancelled, stream_ended, flush_policy, signals);
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
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        items: &mut dyn Take<S::Item>,
    ) -> Poll<Result<(), Halt<S::Error>>> {
        let this = self.project();
        // What was taken in this operation, before the limit was reached, is still to be sent.
        if *this.left == 0 && items.taken() == 0 {
            this.inner.stream_ended(Some(Why::LimitReached));
            return Poll::Ready(Err(Halt::Ended(Why::LimitReached)));
        }
        this.inner.poll_accept(cx, &mut Limited { items, left: this.left })
    }

    fn poll_writable(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<(), Halt<S::Error>>>> {
        let this = self.project();
        if *this.left == 0 { Some(Poll::Ready(Ok(()))) } else { this.inner.poll_writable(cx) }
    }

    forward_sink!(
        poll_flush,
        poll_close,
        op_cancelled,
        stream_ended,
        flush_policy,
        delivery_failed,
        signals
    );
}
