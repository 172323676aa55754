//! What a test makes for each script: an implementation, and hooks into its host object.

use std::fmt;
use std::future::Future;

use super::control::HostControl;
use super::finish::MustResolve;

/// How an implementation reported the end of a stream to the host.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reported {
    /// The stream ended in order.
    Ended,
    /// The host object failed.
    Failed,
    /// The stream was cut short: cancelled, timed out, abandoned with its store.
    Cut,
}

/// What the receiver of a stream's data sees of the stream's end.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiverEnd {
    /// The receiver waits for more.
    Open,
    /// The receiver has seen the end of the data.
    Complete,
    /// The receiver has seen that data is missing: an error, an abort, a reset, or anything else that does not look
    /// like the end of the data.
    Cut,
    /// The receiver left.
    Left,
}

/// A new implementation, with hooks into its host object.
///
/// `V` is the [value](super::Item::Value) of the items. All hooks are optional; without a hook its subject is not
/// checked.
pub struct Made<X, V = ()> {
    pub(super) object: X,
    pub(super) hooks: Hooks<V>,
}

/// A closure that inspects the host object.
type Hook<R> = Option<Box<dyn FnMut() -> R>>;

pub(super) struct Hooks<V> {
    pub(super) control: HostControl,
    pub(super) must_resolve: Vec<MustResolve>,
    pub(super) reports: Hook<Vec<Reported>>,
    pub(super) received: Hook<Vec<V>>,
    pub(super) receiver: Hook<ReceiverEnd>,
    pub(super) places: Hook<usize>,
    pub(super) closed: Hook<bool>,
    pub(super) empty_chunks: Hook<usize>,
    pub(super) watches_store: bool,
}

impl<V> Default for Hooks<V> {
    fn default() -> Self {
        Self {
            control: HostControl::default(),
            must_resolve: Vec::new(),
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
    /// An implementation without hooks. It must always be ready, unless [`step`](Self::step) is added.
    pub fn new(object: X) -> Self {
        Self { object, hooks: Hooks::default() }
    }

    /// For a host object that is not always ready: `step` advances it (makes the next part arrive, or makes room for
    /// one more item), and wakes the tasks that wait for it. It returns `false` when nothing is left to advance.
    pub fn step(mut self, step: impl FnMut() -> bool + 'static) -> Self {
        self.hooks.control.step = Some(Box::new(step));
        self
    }

    /// A future to run after the end of the stream, such as a completion that flushes and closes. It must resolve. Keep
    /// its output until the script ends: otherwise a place or a future that is freed only with it is not found.
    pub fn drive(mut self, drive: impl Future<Output = ()> + 'static) -> Self {
        self.hooks.must_resolve.push(MustResolve { name: None, future: Box::pin(drive) });
        self
    }

    /// Another future that must resolve after the end of the stream, however it ended: trailers, the future beside a
    /// stream. It runs together with [`drive`](Self::drive)'s. Call this once per future, with its name.
    pub fn resolves(
        mut self,
        name: &'static str,
        future: impl Future<Output = ()> + 'static,
    ) -> Self {
        self.hooks.must_resolve.push(MustResolve { name: Some(name), future: Box::pin(future) });
        self
    }

    /// The reports of the end that the host has received so far. At the end of the script there must be exactly one.
    pub fn reports(mut self, reports: impl FnMut() -> Vec<Reported> + 'static) -> Self {
        self.hooks.reports = Some(Box::new(reports));
        self
    }

    /// For a consumer: all items that the host object has received so far, in order.
    pub fn received(mut self, received: impl FnMut() -> Vec<V> + 'static) -> Self {
        self.hooks.received = Some(Box::new(received));
        self
    }

    /// What the receiver has seen of the end so far. For a consumer, the receiver is the other side of its hand-over:
    /// the reader of a body, of a channel, of a pipe. For a producer, it is the reader of the future beside the stream
    /// that reports its end. The closure may read what has arrived. It is called again while it returns
    /// [`Open`](ReceiverEnd::Open) and the host object can advance.
    ///
    /// A stream is cut if the host cuts it, if the host object fails, and if a consumer ends it while the guest has
    /// more to write, such as at a limit.
    ///
    /// To check a completion that is never awaited, leave out [`drive`](Self::drive) and keep it in this closure.
    pub fn receiver_end(mut self, end: impl FnMut() -> ReceiverEnd + 'static) -> Self {
        self.hooks.receiver = Some(Box::new(end));
        self
    }

    /// For a stream: cuts it as the host would, such as by a cancel or a deadline. Called at most once per script, with
    /// and without a pending operation.
    pub fn cut(mut self, cut: impl FnMut() + 'static) -> Self {
        self.hooks.control.cut = Some(Box::new(cut));
        self
    }

    /// The implementation can distinguish a store that was dropped, and so a guest that has trapped, from a guest that
    /// ends its stream. Its receiver must then see a cut, and its report must be one.
    ///
    /// Wasmtime drops the implementation in both cases. To distinguish them, the implementation has to watch a value in
    /// the store's data.
    pub fn watches_store(mut self) -> Self {
        self.hooks.watches_store = true;
        self
    }

    /// For a sender to a channel: how many places in it the implementation holds. These are reserved room that is not
    /// used, and places in the queue for room, not the items that were sent. There must be none after the end of the
    /// stream, whether or not a completion is awaited or dropped.
    pub fn places(mut self, places: impl FnMut() -> usize + 'static) -> Self {
        self.hooks.places = Some(Box::new(places));
        self
    }

    /// For a producer: how many items it has taken from its host object so far. A zero-length read may take one to look
    /// ahead, but not the first one in a row.
    pub fn taken(mut self, taken: impl FnMut() -> usize + 'static) -> Self {
        self.hooks.control.taken = Some(Box::new(taken));
        self
    }

    /// For a consumer: whether its host object is shut down.
    pub fn closed(mut self, closed: impl FnMut() -> bool + 'static) -> Self {
        self.hooks.closed = Some(Box::new(closed));
        self
    }

    /// For a consumer of chunks: how many empty chunks its host object has received.
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
    /// The hooks of a producer, which has no [`received`](Made::received).
    pub(super) fn for_producer<V>(self) -> Hooks<V> {
        let Self { control, must_resolve, reports, receiver, places, closed, empty_chunks, .. } =
            self;
        let watches_store = self.watches_store;
        Hooks {
            control,
            must_resolve,
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
    /// Some hooks are checked even after the guest trapped or the store was dropped.
    pub(super) fn observed_without_store(&self) -> bool {
        let named = self.must_resolve.iter().any(|future| future.name.is_some());
        named || self.receiver.is_some() || self.places.is_some() || self.watches_store
    }
}
