//! What is configured beside a source or sink: limits, endings, observers. The core asks; a source never sees them.
//!
//! One struct for all streams, bytes being items of type `u8`: no type changes with what is configured, and a stream without
//! layers pays one look at a null pointer.

mod meter;
mod signal;

use std::fmt;
use std::future::Future;
use std::task::{Context, Poll};

pub use self::meter::Meter;
pub(crate) use self::signal::{Signal, Signals};
use crate::{
    ByteConsumer, ByteProducer, ByteSink, ByteSource, End, EndReason, ItemConsumer, ItemProducer,
    ItemSink, ItemSource, completion::Holding,
};

/// How a stream ended, as far as a layer is told: everything but the error of the source or sink.
#[derive(Debug)]
#[cfg_attr(not(feature = "tracing"), allow(dead_code))] // only a span says all of it
pub(crate) enum Outcome<'a> {
    /// In order, or cut short by the host or the guest.
    Ended(EndReason),
    /// The source or sink failed.
    Failed,
    /// `lost` items were given and did not reach the other side.
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

/// What surrounds the polls of a source or sink, and hears of its end.
pub(crate) trait Scope: Send {
    fn enter(&mut self);
    fn exit(&mut self);
    fn ended(&mut self, outcome: &Outcome<'_>, moved: u64);
    fn closed(&mut self, outcome: &Outcome<'_>, moved: u64);
}

pub(crate) struct Set<T> {
    /// What a limit still allows.
    left: u64,
    endings: Vec<Signal>,
    observers: Vec<Box<dyn FnMut(&[T]) + Send>>,
    scopes: Vec<Box<dyn Scope>>,
}

/// All layers of a stream, in the order in which they were added.
#[allow(unreachable_pub)] // in a sealed trait
pub struct Layers<T>(Option<Box<Set<T>>>);

impl<T> Layers<T> {
    pub(crate) const NONE: Self = Self(None);

    pub(crate) fn is_none(&self) -> bool {
        self.0.is_none()
    }

    fn set(&mut self) -> &mut Set<T> {
        self.0.get_or_insert_with(|| {
            Box::new(Set { left: u64::MAX, endings: vec![], observers: vec![], scopes: vec![] })
        })
    }

    pub(crate) fn limit(&mut self, limit: u64) {
        let set = self.set();
        set.left = set.left.min(limit);
    }

    pub(crate) fn until(&mut self, ending: Signal) {
        self.set().endings.insert(0, ending);
    }

    pub(crate) fn observe(&mut self, look: Box<dyn FnMut(&[T]) + Send>) {
        self.set().observers.push(look);
    }

    #[allow(dead_code)] // of tracing alone
    pub(crate) fn scope(&mut self, scope: Box<dyn Scope>) {
        self.set().scopes.push(scope);
    }

    /// The layers, if there are any, entered for a poll.
    #[inline(always)]
    pub(crate) fn within(&mut self) -> Option<Within<'_, T>> {
        self.0.as_deref_mut().map(Within::new)
    }

    /// What can end the stream while no operation is under way.
    pub(crate) fn share(&self, signals: &mut Signals) {
        self.0.iter().flat_map(|set| &set.endings).for_each(|ending| ending.share(signals));
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

    /// The stream has ended; said once.
    pub(crate) fn ended(&mut self, outcome: &Outcome<'_>, moved: u64) {
        self.0.iter_mut().flat_map(|set| &mut set.scopes).for_each(|s| s.ended(outcome, moved));
    }

    /// A sink was closed after that.
    pub(crate) fn closed(&mut self, outcome: &Outcome<'_>, moved: u64) {
        self.0.iter_mut().flat_map(|set| &mut set.scopes).for_each(|s| s.closed(outcome, moved));
    }
}

/// The layers during a poll; left however it ends.
pub(crate) struct Within<'a, T>(&'a mut Set<T>);

impl<'a, T> Within<'a, T> {
    fn new(set: &'a mut Set<T>) -> Self {
        set.scopes.iter_mut().rev().for_each(|scope| scope.enter());
        Self(set)
    }
}

impl<T> Drop for Within<'_, T> {
    fn drop(&mut self) {
        self.0.scopes.iter_mut().for_each(|scope| scope.exit());
    }
}

/// What the core asks of the layers; of none at all it asks nothing.
pub(crate) trait Ask<T> {
    /// Whether something outside of the stream ends it now. Asked once an operation, the layer added last first.
    #[inline(always)]
    fn poll_end(&mut self, _: &mut Context<'_>) -> Poll<EndReason> {
        Poll::Pending
    }

    /// How many items may still pass.
    #[inline(always)]
    fn allowance(&self) -> u64 {
        u64::MAX
    }

    /// These have passed.
    #[inline(always)]
    fn passed(&mut self, _: &[T]) {}
}

impl<T> Ask<T> for () {}

/// For where a look each time costs nothing beside the rest.
impl<T, L: Ask<T>> Ask<T> for Option<L> {
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

impl<T> Ask<T> for Within<'_, T> {
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<EndReason> {
        let mut polled = self.0.endings.iter().map(|ending| ending.poll(cx));
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

/// `n`, or what may still pass.
#[inline]
pub(crate) fn at_most(allowance: u64, n: usize) -> usize {
    n.min(usize::try_from(allowance).unwrap_or(usize::MAX))
}

/// The methods that are the same for all four.
macro_rules! layers {
    ($type:ident<S $(, $rest:ident)*>: $bound:ident, $item:ty, $look:ty, $what:literal, $unit:literal, |$f:ident| $observe:expr) => {
        impl<S: $bound $(, $rest)*, C: Holding> $type<S $(, $rest)*, C> {
            #[doc = concat!("Ends the stream once so many ", $unit, " have moved, as [`End::LimitReached`](crate::End::LimitReached).")]
            ///
            /// It is exact: what is over is not taken, and stays with its owner.
            #[doc = $what]
            pub fn limit(self, limit: u64) -> Self {
                self.layer(|layers| layers.limit(limit))
            }

            /// Ends the stream as `why` when `ending` resolves.
            ///
            /// An operation that is parked is woken, and sees the other end dropped; else the guest learns it at its next
            /// operation. With a [completion](crate::Completion) that is awaited the stream ends at once, also while no
            /// operation is under way, and the object is handed back.
            pub fn until(
                self,
                why: EndReason,
                ending: impl Future<Output = ()> + Send + 'static,
            ) -> Self {
                self.until_with(async move { ending.await; why })
            }

            pub(crate) fn until_with(
                self,
                ending: impl Future<Output = EndReason> + Send + 'static,
            ) -> Self {
                self.until_signal(Signal::new(ending))
            }

            #[doc = concat!("Lets `look` see the ", $unit, " that pass.")]
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
