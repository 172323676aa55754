//! What a test hands to the kit for each script: an implementation, and what can be seen of its host object.

use std::fmt;
use std::future::Future;

use super::moves::Moves;
use super::over::Due;

/// How an implementation told the host of the end of a stream.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reported {
    /// In order.
    Ended,
    /// With the host object's error.
    Failed,
    /// Cut short: cancelled, timed out, abandoned with its store.
    Cut,
}

/// What the receiver of a stream's data can tell of its end.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiverEnd {
    /// Nothing yet: it waits for more.
    Open,
    /// That was all.
    Complete,
    /// That was not all: an error, an abort, a reset, or whatever else the receiver cannot take for the end of the data.
    Cut,
    /// The receiver has gone away itself.
    Left,
}

/// A fresh producer or consumer, and what can be seen and moved of the host object under it.
///
/// `V` is the [value](super::Item::Value) of the items. All but the implementation itself is optional: what is not given
/// is not checked.
pub struct Made<X, V = ()> {
    pub(super) object: X,
    pub(super) hooks: Hooks<V>,
}

/// A closure that looks at the host object.
type Look<R> = Option<Box<dyn FnMut() -> R>>;

pub(super) struct Hooks<V> {
    pub(super) moves: Moves,
    pub(super) due: Vec<Due>,
    pub(super) reports: Look<Vec<Reported>>,
    pub(super) received: Look<Vec<V>>,
    pub(super) receiver: Look<ReceiverEnd>,
    pub(super) places: Look<usize>,
    pub(super) closed: Look<bool>,
    pub(super) empty_chunks: Look<usize>,
    pub(super) watches_store: bool,
}

impl<V> Default for Hooks<V> {
    fn default() -> Self {
        Self {
            moves: Moves::default(),
            due: Vec::new(),
            reports: None,
            received: None,
            receiver: None,
            places: None,
            closed: None,
            empty_chunks: None,
            watches_store: false,
        }
    }
}

impl<X, V> Made<X, V> {
    /// Only the implementation. Everything that it carries is taken to be ready at any time.
    pub fn new(object: X) -> Self {
        Self { object, hooks: Hooks::default() }
    }

    /// The host object is not always ready: `step` moves it on (lets the next part arrive, makes room for one more), and
    /// wakes whoever it has to. It returns `false` once there is nothing left to move.
    pub fn step(mut self, step: impl FnMut() -> bool + 'static) -> Self {
        self.hooks.moves.step = Some(Box::new(step));
        self
    }

    /// What has to run when the stream is over: a completion that flushes and closes. It must come to an end. Let it keep
    /// what it resolves to until the script is over, or a place or a future that is freed only by dropping that is not
    /// found.
    pub fn drive(mut self, drive: impl Future<Output = ()> + 'static) -> Self {
        self.hooks.due.push(Due { name: None, future: Box::pin(drive) });
        self
    }

    /// What else must resolve once the stream is over, however it ended: trailers, the future beside a stream. It runs
    /// together with what is to be [driven](Self::drive). Give one for each, under its name.
    pub fn resolves(
        mut self,
        name: &'static str,
        future: impl Future<Output = ()> + 'static,
    ) -> Self {
        self.hooks.due.push(Due { name: Some(name), future: Box::pin(future) });
        self
    }

    /// All that was reported to the host so far of how the stream ended. It should be one report, in the end.
    pub fn reports(mut self, reports: impl FnMut() -> Vec<Reported> + 'static) -> Self {
        self.hooks.reports = Some(Box::new(reports));
        self
    }

    /// Of a consumer: all that has arrived on the host's side, in order.
    pub fn received(mut self, received: impl FnMut() -> Vec<V> + 'static) -> Self {
        self.hooks.received = Some(Box::new(received));
        self
    }

    /// Of what hands its data over: what its receiver can tell of the end so far. The receiver is whoever has the other
    /// side of a consumer's hand-over: the reader of a body, of a channel, of a pipe. Of a producer it is who reads the
    /// future beside the stream, which says how it ended. The closure may read what has arrived; it is asked again as long
    /// as it says [`Open`](ReceiverEnd::Open) and the host object moves on.
    ///
    /// A cut is what the host does and what fails, and also what a consumer does that ends the stream while the guest has
    /// more to write: at a limit, for example.
    ///
    /// Where a completion is awaited by nobody, leave out [`drive`](Self::drive) and keep it in this closure.
    pub fn receiver_end(mut self, end: impl FnMut() -> ReceiverEnd + 'static) -> Self {
        self.hooks.receiver = Some(Box::new(end));
        self
    }

    /// Of a stream: cuts it short, as the host would: by a cancel, a deadline that passes. The kit does so once in a script
    /// at most, with and without an operation under way.
    pub fn cut(mut self, cut: impl FnMut() + 'static) -> Self {
        self.hooks.moves.cut = Some(Box::new(cut));
        self
    }

    /// The implementation can tell a store that is gone, and so a guest that has trapped, from a guest that ends its
    /// stream: then its receiver must be shown a cut, and the host must be told of one.
    ///
    /// Wasmtime drops a producer or consumer in both cases; to tell them apart takes a value in the store's data that the
    /// implementation watches.
    pub fn watches_store(mut self) -> Self {
        self.hooks.watches_store = true;
        self
    }

    /// Of what sends to a channel: how many places in it the implementation holds: room that is reserved and not used, and
    /// places in the queue of those that wait for room; not what it has sent. It must be none when the stream is over,
    /// whether or not a completion is awaited or dropped.
    pub fn places(mut self, places: impl FnMut() -> usize + 'static) -> Self {
        self.hooks.places = Some(Box::new(places));
        self
    }

    /// Of a producer: how many items have left its host object so far. A zero-length read may take one to look ahead, but
    /// not the first of several in a row.
    pub fn taken(mut self, taken: impl FnMut() -> usize + 'static) -> Self {
        self.hooks.moves.taken = Some(Box::new(taken));
        self
    }

    /// Of a consumer: whether its host object is shut down.
    pub fn closed(mut self, closed: impl FnMut() -> bool + 'static) -> Self {
        self.hooks.closed = Some(Box::new(closed));
        self
    }

    /// Of a consumer of chunks: how many empty ones have arrived.
    pub fn empty_chunks(mut self, empty_chunks: impl FnMut() -> usize + 'static) -> Self {
        self.hooks.empty_chunks = Some(Box::new(empty_chunks));
        self
    }
}

impl<X: fmt::Debug, V> fmt::Debug for Made<X, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Made").field("object", &self.object).finish_non_exhaustive()
    }
}

impl Hooks<()> {
    /// A producer receives nothing.
    pub(super) fn of_producer<V>(self) -> Hooks<V> {
        let Self { moves, due, reports, receiver, places, closed, empty_chunks, .. } = self;
        let watches_store = self.watches_store;
        Hooks {
            moves,
            due,
            reports,
            received: None,
            receiver,
            places,
            closed,
            empty_chunks,
            watches_store,
        }
    }
}

impl<V> Hooks<V> {
    /// Something is left to be seen when the guest traps or the store is dropped.
    pub(super) fn outlive_store(&self) -> bool {
        let named = self.due.iter().any(|due| due.name.is_some());
        named || self.receiver.is_some() || self.places.is_some() || self.watches_store
    }
}
