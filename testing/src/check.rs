//! The checks and their options.

use std::cell::{Cell, OnceCell};
use std::fmt;
use std::sync::Arc;

use wasmtime::component::{FutureConsumer, FutureProducer};
use wasmtime::component::{LinkerInstance, StreamConsumer, StreamProducer};
use wasmtime::{Result, StoreContextMut};

use super::explore::{Plan, Suffix, explore};
use super::made::Hooks;
use super::pass::Passes;
use super::role::{FutureIn, FutureOut, Role, StreamIn, StreamOut};
use super::schedule::Applies;
use super::session::Side;
use super::setup::Prepared;
use super::{Failure, Finding, Item, Made, Op, Report};

pub(super) type Value<T> = <T as Item>::Value;
type Link<D> = Arc<dyn Fn(&mut LinkerInstance<'_, D>) -> Result<()>>;
type Give<D, T> = Box<dyn Fn(StoreContextMut<'_, D>, usize) -> Result<T>>;

/// A check of one implementation: see [`producer`], [`consumer`], [`future_producer`] and [`future_consumer`].
#[must_use = "nothing is checked until `assert` or `run`"]
pub struct Check<D: 'static, T: Item, R> {
    pub(super) make: Box<dyn Fn() -> (R, Hooks<Value<T>>)>,
    pub(super) items: Vec<Value<T>>,
    pub(super) data: Box<dyn Fn() -> D>,
    pub(super) link: Option<Link<D>>,
    pub(super) gives: Option<Give<D, T>>,
    pub(super) passes: Option<Passes<D, T>>,
    pub(super) leftovers: Option<Box<dyn Fn(&mut D) -> usize>>,
    pub(super) memory: Option<fn() -> usize>,
    pub(super) plan: Plan,
    pub(super) fails: bool,
    pub(super) short: bool,
    pub(super) bound: Option<usize>,
    /// The empty script moved all items: a script that moves fewer does so because of its operations.
    pub(super) empty_script_moves_all: Cell<bool>,
    /// Entries in the table of a store whose guest had no stream.
    pub(super) baseline: Cell<Option<usize>>,
    /// The guest of all scripts.
    pub(super) prepared: OnceCell<Prepared<D, T>>,
    /// What random schedules consist of.
    pub(super) applies: OnceCell<Applies>,
}

/// Checks a [`StreamProducer`] of `items`. `make` makes a new one for each script.
///
/// The stream must end after the last item. Use items that are all different, so that a finding can name the one that
/// was lost or doubled.
pub fn producer<P>(
    items: Vec<Value<P::Item>>,
    make: impl Fn() -> Made<P> + 'static,
) -> Check<(), P::Item, StreamOut<P>>
where
    P: StreamProducer<(), Item: Item>,
{
    producer_in(|| (), items, make)
}

/// Like [`producer`], in a store with the data that `data` returns.
pub fn producer_in<D, P>(
    data: impl Fn() -> D + 'static,
    items: Vec<Value<P::Item>>,
    make: impl Fn() -> Made<P> + 'static,
) -> Check<D, P::Item, StreamOut<P>>
where
    D: Send + 'static,
    P: StreamProducer<D, Item: Item>,
{
    let make = move || {
        let Made { object, hooks } = make();
        (StreamOut(object), hooks.for_producer())
    };
    Check::new(data, items, make)
}

/// Checks a [`StreamConsumer`] to which the guest writes `items`. `make` makes a new one for each script.
///
/// What arrives is checked only with [`Made::received`].
pub fn consumer<C>(
    items: Vec<Value<C::Item>>,
    make: impl Fn() -> Made<C, Value<C::Item>> + 'static,
) -> Check<(), C::Item, StreamIn<C>>
where
    C: StreamConsumer<(), Item: Item>,
{
    consumer_in(|| (), items, make)
}

/// Like [`consumer`], in a store with the data that `data` returns.
pub fn consumer_in<D, C>(
    data: impl Fn() -> D + 'static,
    items: Vec<Value<C::Item>>,
    make: impl Fn() -> Made<C, Value<C::Item>> + 'static,
) -> Check<D, C::Item, StreamIn<C>>
where
    D: Send + 'static,
    C: StreamConsumer<D, Item: Item>,
{
    let make = move || {
        let Made { object, hooks } = make();
        (StreamIn(object), hooks)
    };
    Check::new(data, items, make)
}

/// Checks a [`FutureProducer`] that resolves with `value`.
pub fn future_producer<P>(
    value: Value<P::Item>,
    make: impl Fn() -> Made<P> + 'static,
) -> Check<(), P::Item, FutureOut<P>>
where
    P: FutureProducer<(), Item: Item>,
{
    let make = move || {
        let Made { object, hooks } = make();
        (FutureOut(object), hooks.for_producer())
    };
    Check::new(|| (), vec![value], make)
}

/// Checks a [`FutureConsumer`] to which the guest writes `value`.
pub fn future_consumer<C>(
    value: Value<C::Item>,
    make: impl Fn() -> Made<C, Value<C::Item>> + 'static,
) -> Check<(), C::Item, FutureIn<C>>
where
    C: FutureConsumer<(), Item: Item> + Unpin,
{
    let make = move || {
        let Made { object, hooks } = make();
        (FutureIn(object), hooks)
    };
    Check::new(|| (), vec![value], make)
}

impl<D, T: Item, R> fmt::Debug for Check<D, T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check").field("items", &self.items).finish_non_exhaustive()
    }
}

impl<D, T: Item, R> Check<D, T, R> {
    /// The host object fails after the items. The items must arrive, the guest must not trap, and the report must be
    /// [`Failed`](super::Reported::Failed).
    pub fn fails(mut self) -> Self {
        self.fails = true;
        self
    }

    /// An operation may move fewer items than are ready: for a raw reader, which does not know whether more is in
    /// memory, and for small batches.
    pub fn short(mut self) -> Self {
        self.short = true;
        self
    }

    /// Allows a known deviation: it is no failure. If no script shows it, that is a failure.
    pub fn allow(mut self, deviation: Finding) -> Self {
        self.plan.allowed.push(deviation);
        self
    }

    /// For a consumer: how many items it may accept before its host object first advances.
    pub fn bound(mut self, items: usize) -> Self {
        self.bound = Some(items);
        self
    }

    /// Defines more imports, such as the resource `item` if the items are resources.
    pub fn link(
        mut self,
        link: impl Fn(&mut LinkerInstance<'_, D>) -> Result<()> + 'static,
    ) -> Self {
        self.link = Some(Arc::new(link));
        self
    }

    /// For a consumer of items that are or hold handles: makes the item with this index, with access to the store. The
    /// guest receives it before the script starts, and writes it unchanged. The items given to the check are then only
    /// counted. Without this, the guest makes items that are streams of scalars itself.
    pub fn gives(
        mut self,
        give: impl Fn(StoreContextMut<'_, D>, usize) -> Result<T> + 'static,
    ) -> Self {
        self.gives = Some(Box::new(give));
        self
    }

    /// Counts the resources left in the store after the guest has dropped its handles and the hooks of [`Made`] are
    /// dropped: there must be none. Streams and futures are counted without this.
    pub fn leftovers(mut self, leftovers: impl Fn(&mut D) -> usize + 'static) -> Self {
        self.leftovers = Some(Box::new(leftovers));
        self
    }

    /// Also checks that no memory is allocated by a length that the guest names. `peak` returns the peak of allocated
    /// bytes since its last call, and resets it; crates such as `peak_alloc` count it.
    pub fn memory(mut self, peak: fn() -> usize) -> Self {
        self.memory = Some(peak);
        self
    }

    /// Runs all scripts of up to this many operations, 3 by default. One more operation makes 9 times as many scripts.
    pub fn depth(mut self, operations: usize) -> Self {
        self.plan.depth = operations;
        self
    }

    /// Runs this many longer random scripts, 200 by default.
    pub fn random(mut self, scripts: usize) -> Self {
        self.plan.random = scripts;
        self
    }

    /// The seed of the random scripts, 1 by default. The same seed gives the same scripts.
    pub fn seed(mut self, seed: u64) -> Self {
        self.plan.seed = seed;
        self
    }

    /// Runs only this script.
    pub fn replay(mut self, script: &[Op]) -> Self {
        self.plan.replay = Some(script.to_vec());
        self
    }
}

impl<D: Send + 'static, T: Item, R: Role<D, T>> Check<D, T, R> {
    fn new(
        data: impl Fn() -> D + 'static,
        items: Vec<Value<T>>,
        make: impl Fn() -> (R, Hooks<Value<T>>) + 'static,
    ) -> Self {
        Self {
            make: Box::new(make),
            items,
            data: Box::new(data),
            link: None,
            gives: None,
            passes: None,
            leftovers: None,
            memory: None,
            plan: Plan::new(&[0, 1, 2, 5]),
            fails: false,
            short: false,
            bound: None,
            empty_script_moves_all: Cell::new(false),
            baseline: Cell::new(None),
            prepared: OnceCell::new(),
            applies: OnceCell::new(),
        }
    }

    /// How scripts end, other than by dropping the guest's end.
    fn endings(&self) -> Vec<Suffix> {
        let suffix = |ops, shorter| Suffix { ops, shorter };
        let (_, hooks) = (self.make)();
        let mut endings = Vec::new();
        if R::SIDE == Side::Reads {
            endings.push(suffix(&[Op::Ask], 2));
            endings.push(suffix(&[Op::Pass], 1));
        }
        if hooks.control.cut.is_some() && matches!(R::SIDE, Side::Reads | Side::Writes) {
            endings.push(suffix(&[Op::Cut], 1));
            endings.push(suffix(&[Op::Cut, Op::Cancel], 2));
            endings.push(suffix(&[Op::Cut, Op::Drop], 2));
        }
        if hooks.observed_without_store() {
            // For an implementation that does not watch the store, shorter scripts suffice.
            endings.push(suffix(&[Op::Trap], if hooks.watches_store { 1 } else { 2 }));
            endings.push(suffix(&[Op::DropStore], 2));
        }
        endings
    }

    /// Runs all scripts.
    ///
    /// # Errors
    ///
    /// The first finding, with the shortest script that shows it.
    pub fn run(mut self) -> Result<Report, Box<Failure>> {
        self.plan.endings = self.endings();
        if self.plan.replay.is_some() {
            self.script(&[]);
        }
        let report = explore(&self.plan, &|script| self.script(script)).map_err(Box::new)?;
        if let Some(failure) = self.memory.and_then(|peak| self.memory_failure(peak)) {
            return Err(Box::new(failure));
        }
        Ok(report)
    }

    /// Runs all scripts.
    ///
    /// # Panics
    ///
    /// If there is a finding, with the text of its [`Failure`].
    #[track_caller]
    pub fn assert(self) -> Report {
        match self.run() {
            Ok(report) => report,
            Err(failure) => panic!("\n{failure}\n"),
        }
    }
}
