use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::forward::{forward_sink, forward_source};
use crate::{ByteSink, ByteSource, Halt, ItemSink, ItemSource, Take, Then};

pin_project! {
    /// A source or sink whose data is looked at; see [`ByteProducer::inspect`](crate::ByteProducer::inspect).
    pub struct Inspect<S, F> {
        #[pin]
        inner: S,
        look: F,
    }
}

impl<S, F> Inspect<S, F> {
    pub(crate) fn new(inner: S, look: F) -> Self {
        Self { inner, look }
    }

    wrapper_accessors!();
}

impl<S: fmt::Debug, F> fmt::Debug for Inspect<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspect").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<S: ByteSource, F: FnMut(&[u8]) + Send + 'static> ByteSource for Inspect<S, F> {
    type Error = S::Error;

    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<(usize, Then), S::Error>> {
        let this = self.project();
        let answer = this.inner.poll_read(cx, buf);
        if let Poll::Ready(Ok((n, _))) = answer
            && let Some(given) = buf.get(..n).filter(|given| !given.is_empty())
        {
            (this.look)(given);
        }
        answer
    }

    forward_source!(poll_readable, stream_ended, signals);
}

impl<S: ItemSource, F: FnMut(&S::Item) + Send + 'static> ItemSource for Inspect<S, F> {
    type Item = S::Item;
    type Error = S::Error;

    fn poll_items(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        max: usize,
        out: &mut Vec<S::Item>,
    ) -> Poll<Result<Then, S::Error>> {
        let this = self.project();
        let before = out.len();
        let answer = this.inner.poll_items(cx, max, out);
        out.iter().skip(before).for_each(this.look);
        answer
    }

    forward_source!(poll_readable, ended, stream_ended, signals);
}

impl<S: ByteSink, F: FnMut(&[u8]) + Send + 'static> ByteSink for Inspect<S, F> {
    type Error = S::Error;

    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize, Halt<S::Error>>> {
        let this = self.project();
        let answer = this.inner.poll_write(cx, buf);
        if let Poll::Ready(Ok(n)) = answer
            && let Some(accepted) = buf.get(..n)
        {
            (this.look)(accepted);
        }
        answer
    }

    forward_sink!(
        poll_writable,
        poll_flush,
        poll_close,
        op_cancelled,
        stream_ended,
        flush_policy,
        signals
    );
}

/// Looks at what the sink takes.
struct Looked<'a, I, F> {
    items: &'a mut dyn Take<I>,
    look: &'a mut F,
}

impl<I, F: FnMut(&I)> Take<I> for Looked<'_, I, F> {
    fn remaining(&self) -> usize {
        self.items.remaining()
    }

    fn taken(&self) -> usize {
        self.items.taken()
    }

    fn take(&mut self, max: usize, out: &mut Vec<I>) -> usize {
        let before = out.len();
        let n = self.items.take(max, out);
        out.iter().skip(before).for_each(&mut self.look);
        n
    }

    fn take_one(&mut self) -> Option<I> {
        self.items.take_one().inspect(|item| (self.look)(item))
    }
}

impl<S: ItemSink, F: FnMut(&S::Item) + Send + 'static> ItemSink for Inspect<S, F> {
    type Item = S::Item;
    type Error = S::Error;

    fn poll_accept(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        items: &mut dyn Take<S::Item>,
    ) -> Poll<Result<(), Halt<S::Error>>> {
        let this = self.project();
        this.inner.poll_accept(cx, &mut Looked { items, look: this.look })
    }

    forward_sink!(
        poll_writable,
        poll_flush,
        poll_close,
        op_cancelled,
        stream_ended,
        flush_policy,
        delivery_failed,
        signals
    );
}
