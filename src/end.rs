//! How streams end.

use std::error::Error;
use std::{fmt, io};

/// Why a stream ended, without the error.
///
/// A source or sink is told it by `ended`, and answers it when it ends by itself ([`Then::End`](crate::Then::End),
/// [`Halt::Ended`](crate::Halt::Ended)). [`End`] is the same with the error, for the host.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// The end of the data. This alone says that nothing is missing.
    Finished,
    /// Of a source: the guest dropped its end before the end of the data.
    PeerDropped,
    /// Of a sink: whoever receives its data has left.
    ReceiverDropped,
    /// Whoever was to end the stream was dropped before it did: the store with the stream in it, or the host's writer.
    Abandoned,
    /// The host cancelled it.
    Cancelled,
    /// It took longer than the host allowed.
    TimedOut,
    /// It moved as much as the host allowed.
    LimitReached,
    /// The source or sink failed.
    Failed,
    /// An item could not be turned into its form on the other side.
    Undeliverable,
}

impl EndReason {
    /// The same in words, for error texts.
    pub(crate) fn text(self) -> &'static str {
        match self {
            EndReason::Finished => "the stream ended",
            EndReason::PeerDropped => "the guest dropped its end of the stream",
            EndReason::ReceiverDropped => "the receiver of the stream was dropped",
            EndReason::Abandoned => "the stream was dropped before its end",
            EndReason::Cancelled => "the host cancelled the stream",
            EndReason::TimedOut => "the stream took longer than the host allowed",
            EndReason::LimitReached => "the stream reached the limit that the host set",
            EndReason::Failed => "the stream failed",
            EndReason::Undeliverable => "an item of the stream could not be delivered",
        }
    }
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
    /// Of a source: the guest dropped its end before the end of the data; it wanted no more.
    PeerDropped,
    /// Of a sink: whoever receives its data has left (the receiver of a channel, the reader of a hand-over, the reader of a
    /// body), so what the guest wrote last may have reached nobody.
    ReceiverDropped,
    /// Whoever was to end the stream was dropped before it did. The store was dropped with the stream in it, since the guest
    /// trapped or never dropped its end: only a completion that [watches the store](crate::Completion::watch_store) can
    /// tell. Or the host's writer, of [`lower`](crate::to_guest), was dropped without being closed.
    Abandoned,
    /// The host cancelled it.
    Cancelled,
    /// It took longer than the host allowed.
    TimedOut,
    /// It moved as much as the host allowed.
    LimitReached,
    /// The source or sink failed.
    Failed(E),
    /// An item could not be turned into its form on the other side: by the [`Deliver`](crate::items::Deliver) or
    /// [`Receive`](crate::items::Receive) step, or because what the guest wrote is no valid item.
    Undeliverable(wasmtime::Error),
}

impl<E> End<E> {
    /// Whether this is [`End::Finished`].
    pub fn is_finished(&self) -> bool {
        matches!(self, End::Finished)
    }

    /// The reason, without the error.
    pub fn reason(&self) -> EndReason {
        match self {
            End::Finished => EndReason::Finished,
            End::PeerDropped => EndReason::PeerDropped,
            End::ReceiverDropped => EndReason::ReceiverDropped,
            End::Abandoned => EndReason::Abandoned,
            End::Cancelled => EndReason::Cancelled,
            End::TimedOut => EndReason::TimedOut,
            End::LimitReached => EndReason::LimitReached,
            End::Failed(_) => EndReason::Failed,
            End::Undeliverable(_) => EndReason::Undeliverable,
        }
    }

    /// `Ok` if the data came to its end, or the guest that read it wanted no more of it; else why not.
    ///
    /// # Errors
    ///
    /// The other ends, [`End::ReceiverDropped`] among them: what the guest wrote last may have reached nobody.
    pub fn into_result(self) -> Result<(), EndError<E>> {
        Err(match self {
            End::Finished | End::PeerDropped => return Ok(()),
            End::ReceiverDropped => EndError::ReceiverDropped,
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
            End::ReceiverDropped => End::ReceiverDropped,
            End::Abandoned => End::Abandoned,
            End::Cancelled => End::Cancelled,
            End::TimedOut => End::TimedOut,
            End::LimitReached => End::LimitReached,
            End::Failed(error) => End::Failed(f(error)),
            End::Undeliverable(error) => End::Undeliverable(error),
        }
    }
}

impl<E> From<EndReason> for End<E> {
    /// A failure of which only the reason is known (that of the stream which feeds this one, say) is
    /// [`End::Undeliverable`].
    fn from(reason: EndReason) -> Self {
        match reason {
            EndReason::Finished => End::Finished,
            EndReason::PeerDropped => End::PeerDropped,
            EndReason::ReceiverDropped => End::ReceiverDropped,
            EndReason::Abandoned => End::Abandoned,
            EndReason::Cancelled => End::Cancelled,
            EndReason::TimedOut => End::TimedOut,
            EndReason::LimitReached => End::LimitReached,
            EndReason::Failed | EndReason::Undeliverable => {
                End::Undeliverable(wasmtime::Error::msg(reason.text()))
            }
        }
    }
}

impl<E> From<crate::Halt<E>> for End<E> {
    fn from(halt: crate::Halt<E>) -> Self {
        match halt {
            crate::Halt::Ended(why) => why.into(),
            crate::Halt::Failed(error) => End::Failed(error),
        }
    }
}

/// The ends of a stream that are not in order, as an error.
#[non_exhaustive]
#[derive(Debug)]
pub enum EndError<E> {
    /// [`End::ReceiverDropped`].
    ReceiverDropped,
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
            EndError::ReceiverDropped => f.write_str(EndReason::ReceiverDropped.text()),
            EndError::Abandoned => f.write_str(EndReason::Abandoned.text()),
            EndError::Cancelled => f.write_str(EndReason::Cancelled.text()),
            EndError::TimedOut => f.write_str(EndReason::TimedOut.text()),
            EndError::LimitReached => f.write_str(EndReason::LimitReached.text()),
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
            EndError::ReceiverDropped => io::ErrorKind::BrokenPipe,
            EndError::TimedOut => io::ErrorKind::TimedOut,
            EndError::LimitReached => io::ErrorKind::FileTooLarge,
            EndError::Undeliverable(_) => io::ErrorKind::InvalidData,
            EndError::Abandoned | EndError::Cancelled => io::ErrorKind::ConnectionAborted,
        };
        io::Error::new(kind, error)
    }
}
