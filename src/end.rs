//! How streams end.

/// The reason with which a source or sink ends in order.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The end of the data.
    Finished,
    /// The host cancelled it.
    Cancelled,
    /// It took longer than the host allowed.
    TimedOut,
    /// It moved as much as the host allowed.
    LimitReached,
}

/// How a stream ended, as a [`Completion`](crate::Completion) reports it.
#[non_exhaustive]
#[derive(Debug)]
pub enum End<E> {
    /// The end of the data: the source had no more, or, of a sink, the guest dropped its end.
    ///
    /// A guest that traps, and a handle that is forgotten in a store until the store is dropped, look the same to a sink,
    /// unless a completion [watches the store](crate::Completion::watch_store).
    Finished,
    /// The guest dropped its end of a source before the end of the data.
    PeerDropped,
    /// The store was dropped with the stream in it: the guest trapped, or it never dropped its end. Only a completion that
    /// [watches the store](crate::Completion::watch_store) can tell.
    Abandoned,
    /// The host cancelled it.
    Cancelled,
    /// It took longer than the host allowed.
    TimedOut,
    /// It moved as much as the host allowed.
    LimitReached,
    /// The source or sink failed.
    Failed(E),
    /// An item could not be turned into its form on the other side: by the [`Deliver`](crate::Deliver) or
    /// [`Receive`](crate::Receive) step, or because what the guest wrote is no valid item.
    Undeliverable(wasmtime::Error),
}

impl<E> End<E> {
    /// Whether this is [`End::Finished`].
    pub fn is_finished(&self) -> bool {
        matches!(self, End::Finished)
    }

    /// Maps the error of [`End::Failed`].
    pub fn map_err<F>(self, f: impl FnOnce(E) -> F) -> End<F> {
        match self {
            End::Finished => End::Finished,
            End::PeerDropped => End::PeerDropped,
            End::Abandoned => End::Abandoned,
            End::Cancelled => End::Cancelled,
            End::TimedOut => End::TimedOut,
            End::LimitReached => End::LimitReached,
            End::Failed(error) => End::Failed(f(error)),
            End::Undeliverable(error) => End::Undeliverable(error),
        }
    }
}

impl<E> From<Why> for End<E> {
    fn from(why: Why) -> Self {
        match why {
            Why::Finished => End::Finished,
            Why::Cancelled => End::Cancelled,
            Why::TimedOut => End::TimedOut,
            Why::LimitReached => End::LimitReached,
        }
    }
}
