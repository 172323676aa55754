use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::thread;

use pin_project_lite::pin_project;
use wasmtime::component::FutureProducer;
use wasmtime::{Error, Result, StoreContextMut};

use crate::items::{Deliver, Identity, Nested, With};
use crate::layer::{Layers, Outcome, Scope};
use crate::oneshot::{Receiver, Sender, oneshot};
use crate::{End, EndReason};

pin_project! {
    /// A `future<T>` from a Rust future, for [`FutureReader::new`](wasmtime::component::FutureReader::new).
    ///
    /// Made by [`future`](future()) and [`try_future`](try_future()). A guest's cancel of its read is answered at once;
    /// the Rust future is kept, and the guest's next read goes on waiting for it.
    #[must_use = "a producer does nothing until it is given to `FutureReader::new`"]
    pub struct ValueProducer<F: Future, V = Identity> {
        #[pin]
        future: F,
        deliver: V,
        instead: Option<Instead<F::Output>>,
        ending: Ending,
    }
}

/// Gives the value if it comes first.
type Instead<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The scopes around the future, each of which is told once how it ended.
struct Ending {
    scopes: Layers<()>,
    ended: bool,
}

impl Ending {
    const NEW: Self = Self { scopes: Layers::NONE, ended: false };

    fn end(&mut self, outcome: &Outcome<'_>, moved: u64) {
        if !mem::replace(&mut self.ended, true) {
            self.scopes.ended(outcome, moved);
        }
    }
}

/// The guest has dropped its end, or its store is gone.
impl Drop for Ending {
    fn drop(&mut self) {
        let reason =
            if thread::panicking() { EndReason::Abandoned } else { EndReason::PeerDropped };
        self.end(&Outcome::Ended(reason), 0);
    }
}

/// How a `future<T>` of the host ended; made by [`ValueProducer::with_completion`].
///
/// It resolves once: with [`End::Finished`] when the guest has got the value, with [`End::PeerDropped`] if the guest dropped its
/// end before, or its store is gone, with [`End::Undeliverable`] if there was no value to give, which is a trap.
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct Delivered(Receiver<End<Infallible>>);

impl Future for Delivered {
    type Output = End<Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<End<Infallible>> {
        Poll::Ready(ready!(Pin::new(&mut self.0).poll(cx)).unwrap_or(End::Abandoned))
    }
}

/// Sends the end to [`Delivered`].
struct Report(Option<Sender<End<Infallible>>>);

impl Scope for Report {
    fn enter(&mut self) {}

    fn exit(&mut self) {}

    fn ended(&mut self, outcome: &Outcome<'_>, _: u64) {
        let end = match outcome {
            Outcome::Undeliverable { error, .. } => {
                End::Undeliverable(Error::msg(format!("{error:#}")))
            }
            Outcome::Ended(reason) => (*reason).into(),
            Outcome::Failed => EndReason::Failed.into(),
        };
        // Nobody has to wait for it.
        let _ = self.0.take().map(|tx| tx.send(end));
    }

    fn closed(&mut self, _: &Outcome<'_>, _: u64) {}
}

impl<F: Future, V> fmt::Debug for ValueProducer<F, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValueProducer").finish_non_exhaustive()
    }
}

/// A `future<T>` that resolves with the output of a Rust future.
///
/// A `future<T>` must resolve: without a value a host can only trap. So a oneshot receiver, whose sender may be
/// dropped, needs a value for that case, as here, or the trap of [`try_future`](try_future()). So does a task, which
/// may panic: pass tokio's `JoinHandle` as `handle.map(|ended| …)`.
///
/// When the guest drops its end, the Rust future is dropped. Dropping a `JoinHandle` detaches its task; use
/// tokio-util's `AbortOnDropHandle` to abort it.
///
/// ```
/// # #[cfg(feature = "futures")] {
/// use futures::FutureExt as _;
///
/// let (tx, rx) = futures::channel::oneshot::channel::<u32>();
/// let producer = wasmtime_streams::values::future(rx.map(|sent| sent.unwrap_or(0)));
/// # let _ = (tx, producer);
/// # }
/// ```
pub fn future<F>(future: F) -> ValueProducer<F>
where
    F: Future + Send + 'static,
{
    ValueProducer { future, deliver: Identity, instead: None, ending: Ending::NEW }
}

/// A `future<T>` that resolves with the `Ok` value of a Rust future.
///
/// An error is a trap and fails everything that runs in the store. For an error that the guest should see, give
/// [`future`](future()) a Rust future whose output is the `result` of the interface.
///
/// It takes a oneshot receiver as it is: a dropped sender is then a trap. It also takes a tokio `JoinHandle`, whose
/// error is that its task panicked or was aborted; for what happens to the task when the guest drops its end see
/// [`future`](future()).
///
/// ```
/// # #[cfg(feature = "tokio")] {
/// let (tx, rx) = tokio::sync::oneshot::channel::<u32>();
/// let producer = wasmtime_streams::values::try_future(rx);
/// # let _ = (tx, producer);
/// # }
/// ```
pub fn try_future<F, T, E>(future: F) -> ValueProducer<F, OrTrap>
where
    F: Future<Output = Result<T, E>> + Send + 'static,
    E: Into<Error>,
{
    ValueProducer { future, deliver: OrTrap(Identity), instead: None, ending: Ending::NEW }
}

/// The delivery step of [`try_future`](try_future()): an error is a trap.
#[derive(Clone, Copy, Debug)]
pub struct OrTrap<V = Identity>(V);

impl<D: 'static, T, E: Into<Error>, V: Deliver<D, T>> Deliver<D, Result<T, E>> for OrTrap<V> {
    type Wire = V::Wire;

    fn deliver(&mut self, store: StoreContextMut<'_, D>, outcome: Result<T, E>) -> Result<V::Wire> {
        self.0.deliver(store, outcome.map_err(Into::into)?)
    }
}

impl<F: Future> ValueProducer<F, OrTrap> {
    /// Gives a value that is a stream or future for the guest, or holds some: see [`ItemProducer::nested`].
    ///
    /// [`ItemProducer::nested`]: crate::ItemProducer::nested
    pub fn nested(self) -> ValueProducer<F, OrTrap<Nested>> {
        self.with_step(OrTrap(Nested::default()))
    }
}

impl<F: Future, V> ValueProducer<F, V> {
    pub(crate) fn with_step<W>(self, deliver: W) -> ValueProducer<F, W> {
        let Self { future, instead, ending, .. } = self;
        ValueProducer { future, deliver, instead, ending }
    }

    pub(crate) fn scope(mut self, scope: Box<dyn Scope>) -> Self {
        self.ending.scopes.scope(scope);
        self
    }

    /// Gives the guest the output of `instead` if that resolves first: a `future<T>` cannot end without a value but by a trap,
    /// so whatever ends it early brings one.
    ///
    /// `instead` is a deadline (`async { sleep_until(at).await; Err(TimedOut) }`), a token's cancellation, a oneshot
    /// receiver. It counts while the guest reads, and a guest that reads later gets whichever was first then. The future itself
    /// is dropped with the producer. A second call takes the place of the first.
    ///
    /// ```
    /// # #[cfg(feature = "tokio")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> wasmtime::Result<()> {
    /// use std::future::pending;
    /// use wasmtime::{Engine, Store, component::FutureReader};
    /// use wasmtime_streams::{End, from_guest, values};
    ///
    /// let mut store = Store::new(&Engine::default(), ());
    /// let (answer, delivered) = values::future(pending::<Result<u32, u8>>())
    ///     .until(async { Err(110) }) // in place of the value
    ///     .with_completion();
    /// let answer = FutureReader::new(&mut store, answer)?; // for a guest
    /// # let answer = from_guest::value(&mut store, answer)?;
    /// # let got = store.run_concurrent(async |_| answer.await).await?;
    /// # assert_eq!(got, Ok(Err(110)));
    /// assert!(matches!(delivered.await, End::Finished));
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "tokio"))] fn main() {}
    /// ```
    pub fn until(mut self, instead: impl Future<Output = F::Output> + Send + 'static) -> Self {
        self.instead = Some(Box::pin(instead));
        self
    }

    /// Adds [`Delivered`]: a future that says whether the guest has got the value.
    pub fn with_completion(self) -> (Self, Delivered) {
        let (tx, rx) = oneshot();
        (self.scope(Box::new(Report(Some(tx)))), Delivered(rx))
    }
}

impl<F: Future> ValueProducer<F> {
    /// Gives a value that is a stream or future for the guest, or holds some: see [`ItemProducer::nested`].
    ///
    /// [`ItemProducer::nested`]: crate::ItemProducer::nested
    pub fn nested(self) -> ValueProducer<F, Nested> {
        self.with_step(Nested::default())
    }

    /// Converts the output of the future into what crosses to the guest, with store access. An error of `deliver` is a
    /// trap.
    pub fn deliver_with<D, W, V>(self, deliver: V) -> ValueProducer<F, With<V>>
    where
        D: 'static,
        V: FnMut(StoreContextMut<'_, D>, F::Output) -> Result<W> + Send + 'static,
    {
        self.with_step(With(deliver))
    }
}

impl<D, F, V> FutureProducer<D> for ValueProducer<F, V>
where
    D: 'static,
    F: Future + Send + 'static,
    V: Deliver<D, F::Output>,
{
    type Item = V::Wire;

    fn poll_produce(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        finish: bool,
    ) -> Poll<Result<Option<V::Wire>>> {
        // Rule "Cancellation keeps the stream": the future keeps its progress.
        if finish {
            return Poll::Ready(Ok(None));
        }
        let this = self.project();
        let polled = {
            let _within = this.ending.scopes.entered();
            match this.future.poll(cx) {
                Poll::Pending => this.instead.as_mut().map(|instead| instead.as_mut().poll(cx)),
                ready => Some(ready),
            }
        };
        let output = ready!(polled.unwrap_or(Poll::Pending));
        let delivered = this.deliver.deliver(store, output);
        match &delivered {
            Ok(_) => this.ending.end(&Outcome::Ended(EndReason::Finished), 1),
            Err(error) => this.ending.end(&Outcome::Undeliverable { error, lost: 1 }, 0),
        }
        Poll::Ready(delivered.map(Some))
    }
}
