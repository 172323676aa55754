//! The two sides of a transform: what can be given a completion, and how a cut of the input reaches the output.

use wasmtime::component::{Lift, Lower, StreamConsumer, StreamProducer};

use crate::completion::Shared;
use crate::items::{Deliver, Receive};
use crate::layer::{Outcome, Scope, Truncated};
use crate::{
    ByteConsumer, ByteProducer, ByteSink, ByteSource, Completion, EndReason, ItemConsumer,
    ItemProducer, ItemSink, ItemSource,
};

/// A producer that can be given a completion.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no producer that `transform` can give a completion",
    note = "give it a `ByteProducer` or `ItemProducer`, not boxed and without a completion of its own, over a source that is \
            `Unpin` (else `Box::pin` it)"
)]
#[allow(unreachable_pub)] // sealed
pub trait Input<D: 'static> {
    type Item: Lower + Lift + Send + Sync + 'static;
    type Object: Unpin + 'static;
    type Error: 'static;
    type Producer: StreamProducer<D, Item = Self::Item>;

    fn share(self, scope: Link) -> (Self::Producer, Completion<Self::Object, Self::Error>);
}

/// A consumer that can be given a completion.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no consumer that `transform` can give a completion",
    note = "give it a `ByteConsumer` or `ItemConsumer`, not boxed and without a completion of its own, over a sink that is \
            `Unpin` (else `Box::pin` it)"
)]
#[allow(unreachable_pub)] // sealed
pub trait Output<D: 'static> {
    type Item: Lift + Send + Sync + 'static;
    type Object: Unpin + 'static;
    type Error: 'static;
    type Consumer: StreamConsumer<D, Item = Self::Item> + Unpin;

    fn share(self, truncated: Truncated)
    -> (Self::Consumer, Completion<Self::Object, Self::Error>);
}

/// Marks the data as truncated when the input is cut short: the guest sees no difference, and would end its output in order.
#[derive(Debug)]
#[allow(unreachable_pub)] // in a sealed trait
pub struct Link(pub(super) Truncated);

impl Scope for Link {
    fn enter(&mut self) {}

    fn exit(&mut self) {}

    fn ended(&mut self, outcome: &Outcome<'_>, _: u64) {
        let reason = match outcome {
            Outcome::Ended(EndReason::Finished | EndReason::PeerDropped) => return,
            Outcome::Ended(reason) => *reason,
            Outcome::Failed => EndReason::Failed,
            Outcome::Undeliverable { .. } => EndReason::Undeliverable,
        };
        let _ = self.0.set(reason);
    }

    fn closed(&mut self, _: &Outcome<'_>, _: u64) {}
}

impl<D: 'static, S: ByteSource + Unpin> Input<D> for ByteProducer<S> {
    type Item = u8;
    type Object = S;
    type Error = S::Error;
    type Producer = ByteProducer<S, Shared>;

    fn share(self, link: Link) -> (Self::Producer, Completion<S, S::Error>) {
        self.layer(|layers| layers.scope(Box::new(link))).with_completion()
    }
}

impl<D, S, V> Input<D> for ItemProducer<S, V>
where
    D: 'static,
    S: ItemSource + Unpin,
    V: Deliver<D, S::Item>,
    V::Wire: Lower + Lift + Send + Sync + 'static,
{
    type Item = V::Wire;
    type Object = S;
    type Error = S::Error;
    type Producer = ItemProducer<S, V, Shared>;

    fn share(self, link: Link) -> (Self::Producer, Completion<S, S::Error>) {
        self.layer(|layers| layers.scope(Box::new(link))).with_completion()
    }
}

impl<D: 'static, S: ByteSink + Unpin> Output<D> for ByteConsumer<S> {
    type Item = u8;
    type Object = S;
    type Error = S::Error;
    type Consumer = ByteConsumer<S, Shared>;

    fn share(self, truncated: Truncated) -> (Self::Consumer, Completion<S, S::Error>) {
        self.layer(|layers| layers.truncated_by(truncated)).with_completion()
    }
}

impl<D, S, X, V> Output<D> for ItemConsumer<S, X, V>
where
    D: 'static,
    S: ItemSink + Unpin,
    X: Lift + Send + Sync + 'static,
    V: Receive<D, X, Item = S::Item>,
{
    type Item = X;
    type Object = S;
    type Error = S::Error;
    type Consumer = ItemConsumer<S, X, V, Shared>;

    fn share(self, truncated: Truncated) -> (Self::Consumer, Completion<S, S::Error>) {
        self.layer(|layers| layers.truncated_by(truncated)).with_completion()
    }
}
