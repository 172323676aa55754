//! Input through a guest to output, in one call.

mod sides;

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use wasmtime::component::{Accessor, StreamReader};
use wasmtime::{AsContextMut, Result};

use self::sides::{Input, Link, Output};
use crate::completion::Piping;
use crate::layer::Truncated;
use crate::oneshot::oneshot;
use crate::{Completed, Completion, EndReason};

/// How both streams of a [`transform`] ended, how much moved, and the host objects.
///
/// It holds both objects, and after a cut they are not closed: a socket stays open until this is dropped, and the receiver of a
/// channel waits for more as long as its sender is here. Drop `output.inner` before you await who receives. What a protocol
/// only closes in part (TLS, WebSocket) stays open in any case.
#[non_exhaustive]
#[must_use = "`result` may be an error"]
pub struct Transformed<S, E, T, F> {
    /// The stream that the guest read.
    pub input: Completed<S, E>,
    /// The stream that the guest wrote.
    pub output: Completed<T, F>,
    /// The error of the call, a trap of the guest, or a full table of the store. Streams that had not ended by then were cut, as
    /// [`Abandoned`](EndReason::Abandoned).
    pub result: Result<()>,
}

impl<S, E, T, F> fmt::Debug for Transformed<S, E, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transformed")
            .field("input", &self.input.end.reason())
            .field("output", &self.output.end.reason())
            .field("result", &self.result)
            .finish_non_exhaustive()
    }
}

/// How often the store is polled after the end of the output before the input is cancelled: a guest drops its two ends one
/// after the other.
const GRACE: usize = 2;

/// The completions of both streams.
struct Ends<S, E, T, F> {
    input: Completion<S, E>,
    output: Completion<T, F>,
    read: Option<Completed<S, E>>,
    written: Option<Completed<T, F>>,
    grace: usize,
}

impl<S, E, T, F> Ends<S, E, T, F>
where
    S: Unpin + 'static,
    E: 'static,
    T: Unpin + 'static,
    F: 'static,
{
    fn new(input: Completion<S, E>, output: Completion<T, F>) -> Self {
        Self { input, output, read: None, written: None, grace: GRACE }
    }

    /// Ready when both streams have ended. An input that the guest keeps after its output is cancelled.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.read.is_none()
            && let Poll::Ready(ended) = Pin::new(&mut self.input).poll(cx)
        {
            self.read = Some(ended);
        }
        if self.written.is_none()
            && let Poll::Ready(ended) = Pin::new(&mut self.output).poll(cx)
        {
            self.written = Some(ended);
        }
        match (&self.read, &self.written) {
            (Some(_), Some(_)) => return Poll::Ready(()),
            (None, Some(_)) if self.grace > 0 => {
                self.grace -= 1;
                cx.waker().wake_by_ref();
            }
            // It resolves with the next poll.
            (None, Some(_)) => {
                self.input.cancel();
                cx.waker().wake_by_ref();
            }
            (_, None) => {}
        }
        Poll::Pending
    }

    /// Cuts what has not ended, if there is an error, and waits for both completions.
    async fn finish(mut self, result: Result<()>) -> Transformed<S, E, T, F> {
        if result.is_err() {
            self.input.cancel_handle().cut(EndReason::Abandoned);
            self.output.cancel_handle().cut(EndReason::Abandoned);
        }
        poll_fn(|cx| self.poll(cx)).await;
        match (self.read, self.written) {
            (Some(input), Some(output)) => Transformed { input, output, result },
            _ => unreachable!("both have ended"),
        }
    }
}

/// Runs `input` through a guest into `output`, and returns how both ended: the store is polled for as long as that takes.
///
/// `call` calls the guest with the stream it is to read, and returns the stream that the guest gave. Any [`ByteProducer`](crate::ByteProducer) or
/// [`ItemProducer`](crate::ItemProducer) and any [`ByteConsumer`](crate::ByteConsumer) or [`ItemConsumer`](crate::ItemConsumer)
/// will do, with its limits, deadlines and meters, but not boxed and
/// without a completion of its own, which this adds. For streams in a store that runs already see [`transform_in`].
///
/// - The output is flushed and closed before this returns, as by its [completion](crate::Completion).
/// - Truncated input is not passed on as complete: if the input is cut short, an output that the guest then ends in order ends
///   with the same reason instead, after all its data; if the input fails, as [`Undeliverable`](EndReason::Undeliverable). It is
///   not closed, also for a limit of the input, whereas a limit of the output itself closes it.
/// - When the output ends first (a limit, a receiver that leaves, a guest that has seen enough), the guest may drop its input
///   as well; if it does not, the input is cancelled. So this returns once the output has ended. A guest that keeps its output
///   open for ever and writes nothing is waited for: give the output a `deadline` or an `idle_timeout`. A timeout around this
///   future drops the host objects with it.
/// - The call's error or the guest's trap is [`Transformed::result`], and the host objects come back all the same: what cannot
///   tell its peer of a cut when it is dropped (a TCP socket) can be [reset](crate::ends#tcp).
///
/// Write `call` in place, or with a type for its first parameter (`async |store: &_, input| …`): rustc finds a closure in a
/// variable "not general enough" otherwise. A guest that returns more than a stream, a `future<result>` beside it, hands that out
/// through a captured variable.
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
/// let done = transform(&mut store, input, output, async |_, input| Ok(input)).await;
/// done.result?;
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
) -> Transformed<I::Object, I::Error, O::Object, O::Error>
where
    S: AsContextMut<Data: Send + 'static>,
    I: Input<S::Data>,
    O: Output<S::Data>,
{
    let (parts, mut ends) = split(input, output);
    let (run, mut ended) = oneshot::<()>();
    let store = store.as_context_mut().run_concurrent(async |accessor| {
        let mut connect = pin!(connect::<S::Data, I, O>(accessor, parts, call));
        let mut connected = false;
        poll_fn(|cx| {
            // Both streams may end before the guest has returned one.
            if Pin::new(&mut ended).poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            poll_once(&mut connected, connect.as_mut(), cx)
        })
        .await
    });
    let (mut store, mut run) = (pin!(store), Some(run));
    let result = poll_fn(|cx| {
        if ends.poll(cx).is_ready() {
            run = None;
        }
        store.as_mut().poll(cx)
    })
    .await;
    ends.finish(result.flatten()).await
}

/// Like [`transform`], in a store that runs: within [`run_concurrent`](wasmtime::Store::run_concurrent), for many streams of one
/// store at a time.
///
/// A trap of the guest ends the store's run, and with it this future.
///
/// ```
/// # #[cfg(feature = "tokio")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// use futures::future::join_all;
/// use wasmtime::{Engine, Store};
/// use wasmtime_streams::{iterators, tokio_io, transform_in};
///
/// let mut store = Store::new(&Engine::default(), ());
/// let done = store.run_concurrent(async |store| {
///     let all = (0..3).map(|_| {
///         let (input, output) = (tokio_io::read(&b"hello"[..]), iterators::collect_bytes(10));
///         transform_in(store, input, output, async |_, input| Ok(input)) // a guest would be called
///     });
///     join_all(all).await
/// });
/// for done in done.await? {
///     done.result?;
///     assert_eq!(done.output.inner.into_inner(), b"hello");
/// }
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "tokio"))] fn main() {}
/// ```
pub async fn transform_in<D, I, O>(
    store: &Accessor<D>,
    input: I,
    output: O,
    call: impl AsyncFnOnce(&Accessor<D>, StreamReader<I::Item>) -> Result<StreamReader<O::Item>>,
) -> Transformed<I::Object, I::Error, O::Object, O::Error>
where
    D: Send + 'static,
    I: Input<D>,
    O: Output<D>,
{
    let (parts, mut ends) = split(input, output);
    let mut connect = pin!(connect::<D, I, O>(store, parts, call));
    let mut connected = false;
    let result = poll_fn(|cx| match ends.poll(cx) {
        Poll::Ready(()) => Poll::Ready(Ok(())),
        Poll::Pending => poll_once(&mut connected, connect.as_mut(), cx),
    })
    .await;
    ends.finish(result).await
}

/// A producer, a consumer, and what cuts the output if the consumer is dropped before it is piped.
type Parts<I, O, D> = (
    <I as Input<D>>::Producer,
    <O as Output<D>>::Consumer,
    Piping<<O as Output<D>>::Object, <O as Output<D>>::Error>,
);

type EndsOf<I, O, D> = Ends<
    <I as Input<D>>::Object,
    <I as Input<D>>::Error,
    <O as Output<D>>::Object,
    <O as Output<D>>::Error,
>;

fn split<D, I, O>(input: I, output: O) -> (Parts<I, O, D>, EndsOf<I, O, D>)
where
    D: 'static,
    I: Input<D>,
    O: Output<D>,
{
    let truncated = Truncated::default();
    let (consumer, output) = output.share(truncated.clone());
    let (producer, input) = input.share(Link(truncated));
    let piping = output.piping();
    ((producer, consumer, piping), Ends::new(input, output))
}

/// Gives the input to the guest, and the guest's stream to the output.
async fn connect<D, I, O>(
    store: &Accessor<D>,
    (producer, consumer, piping): Parts<I, O, D>,
    call: impl AsyncFnOnce(&Accessor<D>, StreamReader<I::Item>) -> Result<StreamReader<O::Item>>,
) -> Result<()>
where
    D: Send + 'static,
    I: Input<D>,
    O: Output<D>,
{
    let input = store.with(|store| StreamReader::new(store, producer))?;
    let stream = call(store, input).await?;
    store.with(|store| stream.pipe(store, consumer))?;
    piping.done();
    Ok(())
}

/// Ready if `connect` fails; it is not polled again after its end.
fn poll_once(
    connected: &mut bool,
    connect: Pin<&mut impl Future<Output = Result<()>>>,
    cx: &mut Context<'_>,
) -> Poll<Result<()>> {
    if !*connected && let Poll::Ready(result) = connect.poll(cx) {
        *connected = true;
        if result.is_err() {
            return Poll::Ready(result);
        }
    }
    Poll::Pending
}
