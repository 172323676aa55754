//! How streams end.

use std::error::Error;
use std::{fmt, io};

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
    /// Of a sink: whoever it hands its data to is gone.
    PeerDropped,
    /// The store was dropped with the stream in it.
    Abandoned,
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
    /// Of a source: the guest dropped its end before the end of the data. Of a sink: whoever it hands its data to is gone.
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

    /// `Ok` if the data came to its end, or the guest wanted no more of it; else why not.
    ///
    /// # Errors
    ///
    /// The other ends.
    pub fn into_result(self) -> Result<(), EndError<E>> {
        Err(match self {
            End::Finished | End::PeerDropped => return Ok(()),
            End::Abandoned => EndError::Abandoned,
            End::Cancelled => EndError::Cancelled,
            End::TimedOut => EndError::TimedOut,
            End::LimitReached => EndError::LimitReached,
            End::Failed(error) => EndError::Failed(error),
            End::Undeliverable(error) => EndError::Undeliverable(error),
        })
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
            Why::PeerDropped => End::PeerDropped,
            Why::Abandoned => End::Abandoned,
        }
    }
}

/// The ends of a stream that are not in order, as an error.
#[non_exhaustive]
#[derive(Debug)]
pub enum EndError<E> {
    /// [`End::Abandoned`].
    Abandoned,
    /// [`End::Cancelled`].
    Cancelled,
    /// [`End::TimedOut`].
    TimedOut,
    /// [`End::LimitReached`].
    LimitReached,
    /// [`End::Failed`].
    Failed(E),
    /// [`End::Undeliverable`].
    Undeliverable(wasmtime::Error),
}

impl<E: fmt::Display> fmt::Display for EndError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EndError::Abandoned => f.write_str("the store was dropped with the stream in it"),
            EndError::Cancelled => f.write_str("the host cancelled the stream"),
            EndError::TimedOut => f.write_str("the stream took longer than the host allowed"),
            EndError::LimitReached => f.write_str("the stream reached the limit that the host set"),
            EndError::Failed(error) => write!(f, "the stream failed: {error}"),
            EndError::Undeliverable(error) => write!(f, "an item could not be delivered: {error}"),
        }
    }
}

impl<E: Error + 'static> Error for EndError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            EndError::Failed(error) => Some(error),
            EndError::Undeliverable(error) => Some(&**error),
            _ => None,
        }
    }
}

impl From<EndError<io::Error>> for io::Error {
    fn from(error: EndError<io::Error>) -> Self {
        let kind = match error {
            EndError::Failed(error) => return error,
            EndError::TimedOut => io::ErrorKind::TimedOut,
            EndError::LimitReached => io::ErrorKind::FileTooLarge,
            EndError::Undeliverable(_) => io::ErrorKind::InvalidData,
            EndError::Abandoned | EndError::Cancelled => io::ErrorKind::ConnectionAborted,
        };
        io::Error::new(kind, error)
    }
}
