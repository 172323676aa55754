//! Layers: what is configured beside a source or sink (limits, signals, observers, spans). The core calls them; a
//! source or sink never sees them.
//!
//! One struct serves all streams, with bytes as items of type `u8`. No type changes with what is configured, and a
//! stream without layers pays one comparison with a null pointer an operation.

mod meter;
mod signal;

use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

pub use self::meter::Meter;
pub(crate) use self::signal::{Signal, Signals};
use crate::{
    ByteConsumer, ByteProducer, ByteSink, ByteSource, End, EndReason, ItemConsumer, ItemProducer,
    ItemSink, ItemSource, completion::Holding,
};

/// How a stream ended, for a layer: everything but the error of the source or sink.
#[derive(Debug)]
#[cfg_attr(not(feature = "tracing"), allow(dead_code))] // only a span reads all of it
pub(crate) enum Outcome<'a> {
    /// By any reason but the two below.
    Ended(EndReason),
    /// The source or sink failed.
    Failed,
    /// The source gave `lost` items that did not reach the guest.
    Undeliverable { error: &'a wasmtime::Error, lost: usize },
}

impl<'a> Outcome<'a> {
    pub(crate) fn of<E>(end: &'a End<E>, lost: usize) -> Self {
        match end {
            End::Failed(_) => Outcome::Failed,
            End::Undeliverable(error) => Outcome::Undeliverable { error, lost },
            end => Outcome::Ended(end.reason()),
        }
    }
}

/// Surrounds the polls of a source or sink, and is notified of its end.
pub(crate) trait Scope: Send {
    fn enter(&mut self);
    fn exit(&mut self);
    /// Called once, before the object's `ended`.
    fn ended(&mut self, outcome: &Outcome<'_>, moved: u64);
    /// Called once a sink was closed, or its close was given up.
    fn closed(&mut self, outcome: &Outcome<'_>, moved: u64);
}

pub(crate) struct LayerSet<T> {
    /// How many items may still pass.
    left: u64,
    /// Polled in this order: the one added last comes first.
    signals: Vec<Signal>,
    observers: Vec<Box<dyn FnMut(&[T]) + Send>>,
    scopes: Vec<Box<dyn Scope>>,
    /// Set once the data that this stream carries is known to be truncated.
    truncated: Option<Truncated>,
}

/// Why the input of a stream was cut short, once it was.
pub(crate) type Truncated = Arc<OnceLock<EndReason>>;

/// All layers of a stream, in the order in which they were added.
#[allow(unreachable_pub)] // in a sealed trait
pub struct Layers<T>(Option<Box<LayerSet<T>>>);

impl<T> Layers<T> {
    pub(crate) const NONE: Self = Self(None);

    pub(crate) fn is_none(&self) -> bool {
        self.0.is_none()
    }

    fn set(&mut self) -> &mut LayerSet<T> {
        self.0.get_or_insert_with(|| {
            Box::new(LayerSet {
                left: u64::MAX,
                signals: vec![],
                observers: vec![],
                scopes: vec![],
                truncated: None,
            })
        })
    }

    pub(crate) fn limit(&mut self, limit: u64) {
        let set = self.set();
        set.left = set.left.min(limit);
    }

    pub(crate) fn until(&mut self, signal: Signal) {
        self.set().signals.insert(0, signal);
    }

    pub(crate) fn observe(&mut self, look: Box<dyn FnMut(&[T]) + Send>) {
        self.set().observers.push(look);
    }

    pub(crate) fn scope(&mut self, scope: Box<dyn Scope>) {
        self.set().scopes.push(scope);
    }

    /// What ends in order once `truncated` is set ends as that says.
    pub(crate) fn truncated_by(&mut self, truncated: Truncated) {
        self.set().truncated = Some(truncated);
    }

    /// Why the data is truncated although the stream ends in order.
    pub(crate) fn truncated(&self) -> Option<EndReason> {
        self.0.as_ref()?.truncated.as_ref()?.get().copied()
    }

    /// The layers, if there are any, with their scopes entered for a poll.
    #[inline(always)]
    pub(crate) fn entered(&mut self) -> Option<EnteredLayers<'_, T>> {
        self.0.as_deref_mut().map(EnteredLayers::new)
    }

    /// Lets the completion poll the signals as well.
    pub(crate) fn share(&self, signals: &mut Signals) {
        self.0.iter().flat_map(|set| &set.signals).for_each(|signal| signal.share(signals));
    }

    #[inline]
    pub(crate) fn enter(&mut self) {
        if let Some(set) = &mut self.0 {
            set.scopes.iter_mut().rev().for_each(|scope| scope.enter());
        }
    }

    #[inline]
    pub(crate) fn exit(&mut self) {
        if let Some(set) = &mut self.0 {
            set.scopes.iter_mut().for_each(|scope| scope.exit());
        }
    }

    /// Notifies the layers of the end. Called once.
    pub(crate) fn ended(&mut self, outcome: &Outcome<'_>, moved: u64) {
        self.0.iter_mut().flat_map(|set| &mut set.scopes).for_each(|s| s.ended(outcome, moved));
    }

    /// Notifies the layers that a sink was closed, or could not be.
    pub(crate) fn closed(&mut self, outcome: &Outcome<'_>, moved: u64) {
        self.0.iter_mut().flat_map(|set| &mut set.scopes).for_each(|s| s.closed(outcome, moved));
    }
}

/// The layers during a poll. The scopes are exited when this is dropped, after a panic too.
pub(crate) struct EnteredLayers<'a, T>(&'a mut LayerSet<T>);

impl<'a, T> EnteredLayers<'a, T> {
    fn new(set: &'a mut LayerSet<T>) -> Self {
        set.scopes.iter_mut().rev().for_each(|scope| scope.enter());
        Self(set)
    }
}

impl<T> Drop for EnteredLayers<'_, T> {
    fn drop(&mut self) {
        self.0.scopes.iter_mut().for_each(|scope| scope.exit());
    }
}

/// The layers as the core uses them during a poll. `()` stands for none, at no cost.
pub(crate) trait ActiveLayers<T> {
    /// Whether a signal ends the stream. Called once a poll.
    #[inline(always)]
    fn poll_end(&mut self, _: &mut Context<'_>) -> Poll<EndReason> {
        Poll::Pending
    }

    /// How many items may still pass.
    #[inline(always)]
    fn allowance(&self) -> u64 {
        u64::MAX
    }

    /// Counts and shows items that have passed.
    #[inline(always)]
    fn passed(&mut self, _: &[T]) {}
}

impl<T> ActiveLayers<T> for () {}

/// For paths where a branch for each call does not matter.
impl<T, L: ActiveLayers<T>> ActiveLayers<T> for Option<L> {
    #[inline]
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<EndReason> {
        self.as_mut().map_or(Poll::Pending, |layers| layers.poll_end(cx))
    }

    #[inline]
    fn allowance(&self) -> u64 {
        self.as_ref().map_or(u64::MAX, |layers| layers.allowance())
    }

    #[inline]
    fn passed(&mut self, items: &[T]) {
        if let Some(layers) = self {
            layers.passed(items);
        }
    }
}

impl<T> ActiveLayers<T> for EnteredLayers<'_, T> {
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<EndReason> {
        let mut polled = self.0.signals.iter().map(|signal| signal.poll(cx));
        polled.find(Poll::is_ready).unwrap_or(Poll::Pending)
    }

    fn allowance(&self) -> u64 {
        self.0.left
    }

    fn passed(&mut self, items: &[T]) {
        if !items.is_empty() {
            self.0.left = self.0.left.saturating_sub(items.len() as u64);
            self.0.observers.iter_mut().for_each(|look| look(items));
        }
    }
}

impl<T> fmt::Debug for Layers<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layers").finish_non_exhaustive()
    }
}

/// `n`, but not more than `allowance`.
#[inline]
pub(crate) fn at_most(allowance: u64, n: usize) -> usize {
    n.min(usize::try_from(allowance).unwrap_or(usize::MAX))
}

/// The methods that all producers and consumers have.
macro_rules! layers {
    ($type:ident<S $(, $rest:ident)*>: $bound:ident, $item:ty, $look:ty, $what:literal, $unit:literal, |$f:ident| $observe:expr) => {
        impl<S: $bound $(, $rest)*, C: Holding> $type<S $(, $rest)*, C> {
            #[doc = concat!("Ends the stream once `limit` ", $unit, " have moved, as [`End::LimitReached`](crate::End::LimitReached).")]
            ///
            /// It is exact: nothing beyond the limit is taken. A source that has exactly `limit` ends so as well, since
            /// what comes after is not looked at: to accept up to `limit`, give it one more.
            #[doc = $what]
            pub fn limit(self, limit: u64) -> Self {
                self.layer(|layers| layers.limit(limit))
            }

            /// Ends the stream as `why` when `signal` resolves.
            ///
            /// A parked guest operation is woken and returns `Dropped`; otherwise the guest's next operation does.
            /// While a [completion](crate::Completion) is awaited the stream ends at once, also while no operation is
            /// under way, and the object is handed back.
            pub fn until(
                self,
                why: EndReason,
                signal: impl Future<Output = ()> + Send + 'static,
            ) -> Self {
                self.until_with(async move { signal.await; why })
            }

            pub(crate) fn until_with(
                self,
                signal: impl Future<Output = EndReason> + Send + 'static,
            ) -> Self {
                self.until_signal(Signal::new(signal))
            }

            #[doc = concat!("Calls `look` with the ", $unit, " that pass.")]
            pub fn inspect(self, $f: impl FnMut(&$look) + Send + 'static) -> Self {
                self.observe($observe)
            }

            pub(crate) fn observe(self, look: impl FnMut(&[$item]) + Send + 'static) -> Self {
                self.layer(|layers| layers.observe(Box::new(look)))
            }
        }
    };
}

layers!(ByteProducer<S>: ByteSource, u8, [u8], "A source ends with its last byte.", "bytes", |look| look);
layers!(ItemProducer<S, V>: ItemSource, S::Item, S::Item, "A source ends with its last item.", "items",
    |look| { let mut look = look; move |items: &[S::Item]| items.iter().for_each(&mut look) });
layers!(ByteConsumer<S>: ByteSink, u8, [u8], "A sink ends when the guest writes more.", "bytes", |look| look);
layers!(ItemConsumer<S, W, V>: ItemSink, S::Item, S::Item, "A sink ends when the guest writes more.", "items",
    |look| { let mut look = look; move |items: &[S::Item]| items.iter().for_each(&mut look) });
