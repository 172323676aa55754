//! The checks: what is to be run, and against what.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use wasmtime::component::{FutureConsumer, FutureProducer};
use wasmtime::component::{LinkerInstance, StreamConsumer, StreamProducer};
use wasmtime::{Result, StoreContextMut};

use super::explore::{Plan, Suffix, explore};
use super::made::Hooks;
use super::role::{FutureIn, FutureOut, Role, StreamIn, StreamOut};
use super::session::Side;
use super::{Failure, Finding, Item, Made, Op, Report};

pub(super) type Value<T> = <T as Item>::Value;
type Link<D> = Arc<dyn Fn(&mut LinkerInstance<'_, D>) -> Result<()>>;
type Give<D, T> = Box<dyn Fn(StoreContextMut<'_, D>, usize) -> Result<T>>;

/// A check of one implementation, made by [`producer`], [`consumer`] and their like.
#[must_use = "nothing is checked until `assert` or `run`"]
pub struct Check<D: 'static, T: Item, R> {
    pub(super) make: Box<dyn Fn() -> (R, Hooks<Value<T>>)>,
    pub(super) items: Vec<Value<T>>,
    pub(super) data: Box<dyn Fn() -> D>,
    pub(super) link: Option<Link<D>>,
    pub(super) gives: Option<Give<D, T>>,
    pub(super) leftovers: Option<Box<dyn Fn(&mut D) -> usize>>,
    pub(super) memory: Option<fn() -> usize>,
    pub(super) plan: Plan,
    pub(super) fails: bool,
    pub(super) short: bool,
    pub(super) bound: Option<usize>,
    /// A script without operations moved all items: what moves less is to blame on its operations.
    pub(super) whole: Cell<bool>,
    /// How much a store holds after a guest that had no stream at all.
    pub(super) nothing: Cell<Option<usize>>,
}

/// Checks a [`StreamProducer`] that carries `items`; `make` makes a fresh one for each script.
///
/// The stream must come to an end, after all items. The items are best all different, so that it can be told which one is
/// lost or doubled.
pub fn producer<P>(
    items: Vec<Value<P::Item>>,
    make: impl Fn() -> Made<P> + 'static,
) -> Check<(), P::Item, StreamOut<P>>
where
    P: StreamProducer<(), Item: Item>,
{
    producer_in(|| (), items, make)
}

/// Like [`producer`], in a store with the data that `data` makes.
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
        (StreamOut(object), hooks.of_producer())
    };
    Check::new(data, items, make)
}

/// Checks a [`StreamConsumer`]: the guest writes `items`; `make` makes a fresh one for each script.
///
/// Give it [`Made::received`], or it is not checked what arrives.
pub fn consumer<C>(
    items: Vec<Value<C::Item>>,
    make: impl Fn() -> Made<C, Value<C::Item>> + 'static,
) -> Check<(), C::Item, StreamIn<C>>
where
    C: StreamConsumer<(), Item: Item>,
{
    consumer_in(|| (), items, make)
}

/// Like [`consumer`], in a store with the data that `data` makes.
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
        (FutureOut(object), hooks.of_producer())
    };
    Check::new(|| (), vec![value], make)
}

/// Checks a [`FutureConsumer`]: the guest writes `value`.
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
    /// The host object fails after the items: they must arrive, the guest must not trap, and the report must say so.
    pub fn fails(mut self) -> Self {
        self.fails = true;
        self
    }

    /// An operation may move less than what is ready: for a raw reader, which cannot know whether more is in memory, and
    /// for batches that are smaller than what is ready.
    pub fn short(mut self) -> Self {
        self.short = true;
        self
    }

    /// A known deviation: not a failure where it happens, and a failure if it never does.
    pub fn allow(mut self, deviation: Finding) -> Self {
        self.plan.allowed.push(deviation);
        self
    }

    /// Of a consumer: how many items it may accept while its host object does not move on.
    pub fn bound(mut self, items: usize) -> Self {
        self.bound = Some(items);
        self
    }

    /// Defines further imports: the resource `item`, where the items are resources.
    pub fn link(
        mut self,
        link: impl Fn(&mut LinkerInstance<'_, D>) -> Result<()> + 'static,
    ) -> Self {
        self.link = Some(Arc::new(link));
        self
    }

    /// Of a consumer of items that are or hold handles: makes the item of this number, with access to the store. It is
    /// handed to the guest before the script begins, and the guest writes it as it got it. The items that the check is
    /// given are then only counted. Streams of scalars the guest makes itself, unless this is given.
    pub fn gives(
        mut self,
        give: impl Fn(StoreContextMut<'_, D>, usize) -> Result<T> + 'static,
    ) -> Self {
        self.gives = Some(Box::new(give));
        self
    }

    /// How many resources are left in the store, once the guest has dropped all that it had, and all that [`Made`] holds
    /// is dropped: it should be none. Streams and futures are counted without this.
    pub fn leftovers(mut self, leftovers: impl Fn(&mut D) -> usize + 'static) -> Self {
        self.leftovers = Some(Box::new(leftovers));
        self
    }

    /// Also checks that no memory is allocated by a length that the guest names. `peak` is the greatest number of bytes
    /// that were allocated at a time since it was last called; crates such as `peak_alloc` tell it, and set it back.
    pub fn memory(mut self, peak: fn() -> usize) -> Self {
        self.memory = Some(peak);
        self
    }

    /// All scripts of up to so many operations are run; 3 by default. Each further one multiplies their number by 9.
    pub fn depth(mut self, operations: usize) -> Self {
        self.plan.depth = operations;
        self
    }

    /// So many longer scripts are run at random; 200 by default.
    pub fn random(mut self, scripts: usize) -> Self {
        self.plan.random = scripts;
        self
    }

    /// The seed of the random scripts, 1 by default: the same seed gives the same scripts.
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
            leftovers: None,
            memory: None,
            plan: Plan::new(&[0, 1, 2, 5]),
            fails: false,
            short: false,
            bound: None,
            whole: Cell::new(false),
            nothing: Cell::new(None),
        }
    }

    /// How scripts end, besides by dropping the guest's end.
    fn endings(&self) -> Vec<Suffix> {
        let suffix = |ops, shorter| Suffix { ops, shorter };
        let (_, hooks) = (self.make)();
        let mut endings = Vec::new();
        if R::SIDE == Side::Reads {
            endings.push(suffix(&[Op::Ask], 2));
        }
        if hooks.moves.cut.is_some() && matches!(R::SIDE, Side::Reads | Side::Writes) {
            endings.push(suffix(&[Op::Cut], 1));
            endings.push(suffix(&[Op::Cut, Op::Cancel], 2));
            endings.push(suffix(&[Op::Cut, Op::Drop], 2));
        }
        if hooks.outlive_store() {
            // Without a look at the store it matters little at which point that goes.
            endings.push(suffix(&[Op::Trap], if hooks.watches_store { 1 } else { 2 }));
            endings.push(suffix(&[Op::DropStore], 2));
        }
        endings
    }

    /// Runs all scripts.
    ///
    /// # Errors
    ///
    /// The first thing that was found, with the shortest script that shows it.
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
    /// With the text of the [`Failure`], if something is found.
    #[track_caller]
    pub fn assert(self) -> Report {
        match self.run() {
            Ok(report) => report,
            Err(failure) => panic!("\n{failure}\n"),
        }
    }
}
