//! Runs sources and sinks inside a tracing span.

use std::future::Future;
use std::mem;

use ::tracing::{Span, debug};

use crate::layer::{Outcome, Scope};
use crate::{
    ByteConsumer, ByteProducer, ByteSink, ByteSource, EndReason, ItemConsumer, ItemProducer,
    ItemSink, ItemSource, ValueProducer, completion::Holding,
};

/// The span of a source or sink; see [`ByteProducer::traced`].
struct Traced {
    span: Span,
    ended: bool,
}

impl Scope for Traced {
    fn enter(&mut self) {
        self.span.with_subscriber(|(id, dispatch)| dispatch.enter(id));
    }

    fn exit(&mut self) {
        self.span.with_subscriber(|(id, dispatch)| dispatch.exit(id));
    }

    fn ended(&mut self, outcome: &Outcome<'_>, moved: u64) {
        self.ended = true;
        let parent = &self.span;
        match outcome {
            Outcome::Ended(why) => debug!(parent: parent, moved, ?why, "ended"),
            Outcome::Failed => debug!(parent: parent, moved, "failed"),
            Outcome::Undeliverable { error, lost } => {
                debug!(parent: parent, moved, lost, %error, "undeliverable");
            }
        }
    }

    fn closed(&mut self, outcome: &Outcome<'_>, moved: u64) {
        let parent = &self.span;
        match outcome {
            Outcome::Ended(EndReason::Finished) => debug!(parent: parent, moved, "closed"),
            Outcome::Ended(why) => debug!(parent: parent, moved, ?why, "not closed"),
            _ => debug!(parent: parent, moved, "failed to close"),
        }
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        if !mem::replace(&mut self.ended, true) {
            debug!(parent: &self.span, "dropped");
        }
    }
}

macro_rules! traced {
    ($type:ident<S $(, $rest:ident)*>: $bound:ident) => {
        impl<S: $bound $(, $rest)*, C: Holding> $type<S $(, $rest)*, C> {
            /// Runs the source or sink inside `span`. At the end it records one event of the level `DEBUG`: how the
            /// stream ended, and how much `moved`. Closing a sink records another one.
            ///
            /// The events do not have the text of an error: take it from the completion.
            pub fn traced(self, span: Span) -> Self {
                self.layer(|layers| layers.scope(Box::new(Traced { span, ended: false })))
            }
        }
    };
}

traced!(ByteProducer<S>: ByteSource);
traced!(ItemProducer<S, V>: ItemSource);
traced!(ByteConsumer<S>: ByteSink);
traced!(ItemConsumer<S, W, V>: ItemSink);

impl<F: Future, V> ValueProducer<F, V> {
    /// Polls the future inside `span`, and records one event of the level `DEBUG` when it has ended: whether the guest got the
    /// value.
    pub fn traced(self, span: Span) -> Self {
        self.scope(Box::new(Traced { span, ended: false }))
    }
}
