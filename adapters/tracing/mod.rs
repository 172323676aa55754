//! Spans of the tracing crate around what a source or sink does.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::tracing::{Span, debug};
use pin_project_lite::pin_project;

use crate::ends::forward::{forward_sink, forward_source};
use crate::{
    ByteConsumer, ByteProducer, ByteSink, ByteSource, Flush, Halt, ItemConsumer, ItemProducer,
    ItemSink, ItemSource, Take, Then, Undelivered, Why,
};

pin_project! {
    /// A source or sink that works inside of a span; see [`ByteProducer::traced`].
    pub struct Traced<S> {
        #[pin]
        inner: S,
        span: Span,
        moved: u64,
        ended: bool,
    }

    impl<S> PinnedDrop for Traced<S> {
        fn drop(this: Pin<&mut Self>) {
            if !this.ended {
                debug!(parent: &this.span, moved = this.moved, "dropped");
            }
        }
    }
}

impl<S> Traced<S> {
    fn new(inner: S, span: Span) -> Self {
        Self { inner, span, moved: 0, ended: false }
    }

    /// The source or sink under it.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The source or sink under it, to configure it before the stream starts.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The span.
    pub fn span(&self) -> &Span {
        &self.span
    }
}

impl<S: fmt::Debug> fmt::Debug for Traced<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traced").field("inner", &self.inner).finish_non_exhaustive()
    }
}

macro_rules! traced {
    ($type:ident<S $(, $rest:ident)*>: $bound:ident) => {
        impl<S: $bound $(, $rest)*> $type<S $(, $rest)*> {
            /// Lets the source or sink work inside of `span`, and says there, as an event of the level `DEBUG`, how the
            /// stream ended and how much had moved.
            ///
            /// An error's own text is not known here: it is in the completion.
            pub fn traced(self, span: Span) -> $type<Traced<S> $(, $rest)*> {
                self.map(|inner| Traced::new(inner, span))
            }
        }
    };
}

traced!(ByteProducer<S>: ByteSource);
traced!(ItemProducer<S, V>: ItemSource);
traced!(ByteConsumer<S>: ByteSink);
traced!(ItemConsumer<S, W, V>: ItemSink);

/// Says how it ended, in the span that is entered.
fn then<E>(answer: &Result<Then, E>, moved: u64, ended: &mut bool) {
    match answer {
        Ok(Then::End(why)) => debug!(moved, ?why, "ended"),
        Err(_) => debug!(moved, "failed"),
        Ok(Then::Stop | Then::More) => return,
    }
    *ended = true;
}

fn halt<E>(halt: &Halt<E>, moved: u64, ended: &mut bool) {
    match halt {
        Halt::Ended(why) => debug!(moved, ?why, "ended"),
        Halt::Failed(_) => debug!(moved, "failed"),
    }
    *ended = true;
}

impl<S: ByteSource> ByteSource for Traced<S> {
    type Error = S::Error;

    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<(usize, Then), S::Error>> {
        let this = self.project();
        let _entered = this.span.enter();
        this.inner.poll_read(cx, buf).map(|answer| {
            *this.moved += answer.as_ref().map_or(0, |(n, _)| *n as u64);
            let said = answer.as_ref().map(|(_, then)| *then);
            then(&said, *this.moved, this.ended);
            answer
        })
    }

    forward_source!(poll_readable, signals);
}

impl<S: ItemSource> ItemSource for Traced<S> {
    type Item = S::Item;
    type Error = S::Error;

    fn poll_items(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        max: usize,
        out: &mut Vec<S::Item>,
    ) -> Poll<Result<Then, S::Error>> {
        let this = self.project();
        let _entered = this.span.enter();
        let before = out.len();
        let answer = this.inner.poll_items(cx, max, out);
        *this.moved += (out.len() - before) as u64;
        if let Poll::Ready(answer) = &answer {
            then(answer, *this.moved, this.ended);
        }
        answer
    }

    fn ended(self: Pin<&mut Self>, delivered: Result<(), Undelivered>) {
        let this = self.project();
        if let Err(Undelivered { error, lost }) = &delivered {
            debug!(parent: &*this.span, moved = *this.moved, lost, %error, "undeliverable");
            *this.ended = true;
        }
        this.inner.ended(delivered);
    }

    forward_source!(poll_readable, signals);
}

macro_rules! sink_methods {
    () => {
        fn poll_flush(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Result<(), Halt<S::Error>>> {
            let this = self.project();
            let _entered = this.span.enter();
            this.inner.poll_flush(cx).map_err(|error| {
                halt(&error, *this.moved, this.ended);
                error
            })
        }

        fn poll_close(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Result<(), Halt<S::Error>>> {
            let this = self.project();
            let _entered = this.span.enter();
            let answer = this.inner.poll_close(cx);
            match &answer {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => debug!(moved = *this.moved, "closed"),
                Poll::Ready(Err(error)) => halt(error, *this.moved, this.ended),
            }
            answer
        }

        fn stream_ended(self: Pin<&mut Self>, cut: Option<Why>) {
            let this = self.project();
            let why = cut.unwrap_or(Why::Finished);
            debug!(parent: &*this.span, moved = *this.moved, ?why, "ended");
            *this.ended = true;
            this.inner.stream_ended(cut);
        }

        fn flush_policy(&mut self, policy: Flush) {
            self.inner.flush_policy(policy);
        }
    };
}

impl<S: ByteSink> ByteSink for Traced<S> {
    type Error = S::Error;

    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize, Halt<S::Error>>> {
        let this = self.project();
        let _entered = this.span.enter();
        this.inner.poll_write(cx, buf).map(|answer| {
            match &answer {
                Ok(n) => *this.moved += *n as u64,
                Err(error) => halt(error, *this.moved, this.ended),
            }
            answer
        })
    }

    sink_methods!();
    forward_sink!(poll_writable, op_cancelled, signals);
}

impl<S: ItemSink> ItemSink for Traced<S> {
    type Item = S::Item;
    type Error = S::Error;

    fn poll_accept(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        items: &mut dyn Take<S::Item>,
    ) -> Poll<Result<(), Halt<S::Error>>> {
        let this = self.project();
        let _entered = this.span.enter();
        let before = items.taken();
        let answer = this.inner.poll_accept(cx, items);
        *this.moved += (items.taken() - before) as u64;
        if let Poll::Ready(Err(error)) = &answer {
            halt(error, *this.moved, this.ended);
        }
        answer
    }

    sink_methods!();
    forward_sink!(poll_writable, op_cancelled, delivery_failed, signals);
}
