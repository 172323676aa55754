//! Spans of the tracing crate around what a source or sink does.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::tracing::{Span, debug};
use pin_project_lite::pin_project;

use crate::ends::forward::{forward_sink, forward_source};
use crate::{
    ByteConsumer, ByteProducer, ByteSink, ByteSource, Halt, ItemConsumer, ItemProducer, ItemSink,
    ItemSource, Take, Then, Undelivered, Why,
};

pin_project! {
    /// A source or sink that works inside of a span; see [`ByteProducer::traced`].
    pub struct Traced<S> {
        #[pin]
        inner: S,
        events: Events,
    }
}

impl<S> Traced<S> {
    fn new(inner: S, span: Span) -> Self {
        Self { inner, events: Events { span, moved: 0, last: None, ended: false } }
    }

    /// The source or sink under it.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The source or sink under it, to configure it before the stream starts.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The source or sink under it.
    pub fn into_inner(self) -> S {
        self.inner
    }

    /// The span.
    pub fn span(&self) -> &Span {
        &self.events.span
    }
}

impl<S: fmt::Debug> fmt::Debug for Traced<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traced").field("inner", &self.inner).finish_non_exhaustive()
    }
}

/// Says, once, how the stream ended.
struct Events {
    span: Span,
    moved: u64,
    /// The end of an item source, until its last items are delivered; `None` in it is a failure.
    last: Option<Option<Why>>,
    ended: bool,
}

impl Events {
    fn moved(&mut self, n: usize) {
        self.moved += n as u64;
    }

    /// Whether the end is still to be said.
    fn end(&mut self) -> bool {
        !mem::replace(&mut self.ended, true)
    }

    fn ended(&mut self, why: Why) {
        if self.end() {
            debug!(parent: &self.span, moved = self.moved, ?why, "ended");
        }
    }

    fn failed(&mut self) {
        if self.end() {
            debug!(parent: &self.span, moved = self.moved, "failed");
        }
    }

    fn undeliverable(&mut self, Undelivered { error, lost }: &Undelivered) {
        if self.end() {
            let moved = self.moved.saturating_sub(*lost as u64);
            debug!(parent: &self.span, moved, lost, %error, "undeliverable");
        }
    }

    fn then<E>(&mut self, answer: Result<Then, &E>) {
        match answer {
            Ok(Then::End(why)) => self.ended(why),
            Err(_) => self.failed(),
            Ok(Then::Stop | Then::More) => {}
        }
    }

    fn halt<E>(&mut self, halt: &Halt<E>) {
        match halt {
            Halt::Ended(why) => self.ended(*why),
            Halt::Failed(_) => self.failed(),
        }
    }

    /// Closing comes after the end.
    fn closed<E>(&mut self, answer: &Result<(), Halt<E>>) {
        self.ended = true;
        let (moved, parent) = (self.moved, &self.span);
        match answer {
            Ok(()) => debug!(parent: parent, moved, "closed"),
            Err(Halt::Ended(why)) => debug!(parent: parent, moved, ?why, "not closed"),
            Err(Halt::Failed(_)) => debug!(parent: parent, moved, "failed to close"),
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        if self.end() {
            debug!(parent: &self.span, moved = self.moved, "dropped");
        }
    }
}

macro_rules! traced {
    ($type:ident<S $(, $rest:ident)*>: $bound:ident) => {
        impl<S: $bound $(, $rest)*> $type<S $(, $rest)*> {
            /// Lets the source or sink work inside of `span`, and says there, as one event of the level `DEBUG`, how the
            /// stream ended and how much had `moved`; of a sink that is closed, that too.
            ///
            /// An error's own text is not known here: it is in the completion. Where no [completion](crate::Completion) and
            /// no other combinator knows how the stream ended, it is `dropped`.
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

impl<S: ByteSource> ByteSource for Traced<S> {
    type Error = S::Error;

    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<(usize, Then), S::Error>> {
        let this = self.project();
        let answer = this.events.span.in_scope(|| this.inner.poll_read(cx, buf));
        if let Poll::Ready(answer) = &answer {
            this.events.moved(answer.as_ref().map_or(0, |(n, _)| *n));
            this.events.then(answer.as_ref().map(|(_, then)| *then));
        }
        answer
    }

    fn stream_ended(self: Pin<&mut Self>, cut: Option<Why>) {
        let this = self.project();
        this.events.ended(cut.unwrap_or(Why::PeerDropped));
        this.inner.stream_ended(cut);
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
        let before = out.len();
        let answer = this.events.span.in_scope(|| this.inner.poll_items(cx, max, out));
        this.events.moved(out.len() - before);
        match &answer {
            Poll::Ready(Ok(Then::End(why))) => this.events.last = Some(Some(*why)),
            Poll::Ready(Err(_)) => this.events.last = Some(None),
            _ => {}
        }
        answer
    }

    fn ended(self: Pin<&mut Self>, delivered: Result<(), Undelivered>) {
        let this = self.project();
        let last = this.events.last.take();
        match (&delivered, last) {
            (Err(undelivered), _) => this.events.undeliverable(undelivered),
            (Ok(()), Some(None)) => this.events.failed(),
            (Ok(()), Some(Some(why))) => this.events.ended(why),
            // Something outside of it has ended it, and knows why.
            (Ok(()), None) => {}
        }
        this.inner.ended(delivered);
    }

    fn stream_ended(self: Pin<&mut Self>, cut: Option<Why>) {
        let this = self.project();
        this.events.ended(cut.unwrap_or(Why::PeerDropped));
        this.inner.stream_ended(cut);
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
            let answer = this.events.span.in_scope(|| this.inner.poll_flush(cx));
            if let Poll::Ready(Err(halt)) = &answer {
                this.events.halt(halt);
            }
            answer
        }

        fn poll_close(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Result<(), Halt<S::Error>>> {
            let this = self.project();
            let answer = this.events.span.in_scope(|| this.inner.poll_close(cx));
            if let Poll::Ready(answer) = &answer {
                this.events.closed(answer);
            }
            answer
        }

        fn stream_ended(self: Pin<&mut Self>, cut: Option<Why>) {
            let this = self.project();
            this.events.ended(cut.unwrap_or(Why::Finished));
            this.inner.stream_ended(cut);
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
        let answer = this.events.span.in_scope(|| this.inner.poll_write(cx, buf));
        match &answer {
            Poll::Ready(Ok(n)) => this.events.moved(*n),
            Poll::Ready(Err(halt)) => this.events.halt(halt),
            Poll::Pending => {}
        }
        answer
    }

    sink_methods!();
    forward_sink!(poll_writable, op_cancelled, flush_policy, signals);
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
        let before = items.taken();
        let answer = this.events.span.in_scope(|| this.inner.poll_accept(cx, items));
        this.events.moved(items.taken() - before);
        if let Poll::Ready(Err(halt)) = &answer {
            this.events.halt(halt);
        }
        answer
    }

    fn delivery_failed(self: Pin<&mut Self>, error: wasmtime::Error) {
        let this = self.project();
        if this.events.end() {
            debug!(parent: &this.events.span, moved = this.events.moved, %error, "undeliverable");
        }
        this.inner.delivery_failed(error);
    }

    sink_methods!();
    forward_sink!(poll_writable, op_cancelled, flush_policy, signals);
}
