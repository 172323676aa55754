//! Input through a guest to output, in one call.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use wasmtime::component::{Accessor, Lift, Lower, StreamConsumer, StreamProducer, StreamReader};
use wasmtime::{AsContextMut, Result};

use crate::completion::Shared;
use crate::items::{Deliver, Receive};
use crate::layer::{Outcome, Scope, Truncated};
use crate::oneshot::oneshot;
use crate::{
    ByteConsumer, ByteProducer, ByteSink, ByteSource, Completed, Completion, EndReason,
    ItemConsumer, ItemProducer, ItemSink, ItemSource,
};

/// How both streams of a [`transform`] ended, how much moved, and the host objects.
#[non_exhaustive]
pub struct Transformed<S, E, T, F> {
    /// The stream that the guest read.
    pub input: Completed<S, E>,
    /// The stream that the guest wrote.
    pub output: Completed<T, F>,
}

impl<S, E, T, F> fmt::Debug for Transformed<S, E, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transformed")
            .field("input", &self.input.end.reason())
            .field("output", &self.output.end.reason())
            .finish_non_exhaustive()
    }
}

mod sealed {
    use super::*;

    /// A producer that can be given a completion.
    #[allow(unreachable_pub)] // sealed
    pub trait Input<D: 'static> {
        type Item: Lower + Lift + Send + Sync + 'static;
        type Object: Unpin + 'static;
        type Error: 'static;
        type Producer: StreamProducer<D, Item = Self::Item>;

        fn share(self, scope: Link) -> (Self::Producer, Completion<Self::Object, Self::Error>);
    }

    /// A consumer that can be given a completion.
    #[allow(unreachable_pub)] // sealed
    pub trait Output<D: 'static> {
        type Item: Lift + Send + Sync + 'static;
        type Object: Unpin + 'static;
        type Error: 'static;
        type Consumer: StreamConsumer<D, Item = Self::Item> + Unpin;

        fn share(
            self,
            truncated: Truncated,
        ) -> (Self::Consumer, Completion<Self::Object, Self::Error>);
    }
}

use sealed::{Input, Output};

/// Marks the data as truncated when the input is cut short: the guest sees no difference, and would end its output in order.
#[derive(Debug)]
#[allow(unreachable_pub)] // in a sealed trait
pub struct Link(Truncated);

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

/// How often the store is polled after the end of the output before the input is cancelled: a guest drops its two ends one
/// after the other.
const GRACE: usize = 2;

/// Runs `input` through a guest into `output`, and returns how both ended: the store is polled for as long as that takes.
///
/// `call` calls the guest with the stream it is to read, and returns the stream that the guest gave. Any producer and any
/// consumer of this crate will do, of bytes or of items, with its limits, deadlines and meters.
///
/// - The output is flushed and closed before this returns, as by its [completion](crate::Completion).
/// - Truncated input is not passed on as complete: if the input is cut short, an output that the guest then ends in order ends
///   with the same reason instead, after all its data; if the input fails, as [`Undeliverable`](EndReason::Undeliverable).
/// - When the output ends first (a limit, a receiver that leaves, a guest that has seen enough), the guest may drop its input
///   as well; if it does not, the input is cancelled. So this returns once the output has ended. A guest that keeps its output
///   open for ever and writes nothing is waited for: give the output a `deadline` or an `idle_timeout`.
///
/// Dropping the future leaves both streams in the store, which may run on.
///
/// # Errors
///
/// That of `call`, a trap of the guest, or a full table of the store. Both streams are cut then, as
/// [`Abandoned`](EndReason::Abandoned).
///
/// ```
/// # #[cfg(feature = "tokio")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// use wasmtime::{Engine, Store};
/// use wasmtime_streams::{iterators, tokio_io, transform};
///
/// let mut store = Store::new(&Engine::default(), ());
/// let input = tokio_io::read(&b"hello"[..]);
/// let output = iterators::collect_bytes(1 << 20);
/// // A guest would be called here: `Ok(f.call_concurrent(store, (input,)).await?.0)`.
/// let done = transform(&mut store, input, output, async |_, input| Ok(input)).await?;
/// assert!(done.output.end.is_finished());
/// assert_eq!(done.output.inner.into_inner(), b"hello");
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "tokio"))] fn main() {}
/// ```
pub async fn transform<S, I, O>(
    mut store: S,
    input: I,
    output: O,
    call: impl AsyncFnOnce(&Accessor<S::Data>, StreamReader<I::Item>) -> Result<StreamReader<O::Item>>,
) -> Result<Transformed<I::Object, I::Error, O::Object, O::Error>>
where
    S: AsContextMut<Data: Send + 'static>,
    I: Input<S::Data>,
    O: Output<S::Data>,
{
    let truncated = Truncated::default();
    let (consumer, mut output) = output.share(truncated.clone());
    let piping = output.piping();
    let cut_output = output.cancel_handle();
    let (producer, mut input) = input.share(Link(truncated));
    let cut_input = input.cancel_handle();
    let (run, done) = oneshot::<()>();
    let store = store.as_context_mut().run_concurrent(async |accessor| {
        let connect = async {
            let input = accessor.with(|store| StreamReader::new(store, producer))?;
            let stream = call(accessor, input).await?;
            accessor.with(|store| stream.pipe(store, consumer))?;
            piping.done();
            Ok(())
        };
        let (mut connect, mut done) = (pin!(connect), pin!(done));
        let mut connected = false;
        poll_fn(|cx| {
            // Both streams may end before the guest has returned one.
            if done.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            if !connected && let Poll::Ready(result) = connect.as_mut().poll(cx) {
                connected = true;
                if result.is_err() {
                    return Poll::Ready(result);
                }
            }
            Poll::Pending
        })
        .await
    });
    let mut store = pin!(store);
    let (mut run, mut grace) = (Some(run), GRACE);
    let (mut read, mut written) = (None, None);
    let ran = poll_fn(|cx| {
        if read.is_none()
            && let Poll::Ready(ended) = Pin::new(&mut input).poll(cx)
        {
            read = Some(ended);
        }
        if written.is_none()
            && let Poll::Ready(ended) = Pin::new(&mut output).poll(cx)
        {
            written = Some(ended);
        }
        match (&read, &written) {
            (Some(_), Some(_)) => run = None,
            (None, Some(_)) if grace > 0 => {
                grace -= 1;
                cx.waker().wake_by_ref();
            }
            (None, Some(_)) => {
                // It resolves at once, with the next poll.
                cut_input.cancel();
                cx.waker().wake_by_ref();
            }
            _ => {}
        }
        store.as_mut().poll(cx)
    })
    .await;
    drop(run);
    match (ran.flatten(), read, written) {
        (Ok(()), Some(input), Some(output)) => Ok(Transformed { input, output }),
        (failed, ..) => {
            cut_input.cut(EndReason::Abandoned);
            cut_output.cut(EndReason::Abandoned);
            failed?;
            Err(wasmtime::Error::msg("the store stopped before its streams ended"))
        }
    }
}
