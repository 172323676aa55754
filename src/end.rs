//! How streams end.

use std::error::Error;
use std::{fmt, io};

use crate::handoff::ReaderGone;

/// Why a stream ended, without the error. [`End`] is the same with the error.
///
/// Each end is told once: to the source or sink by `ended`, to the host by the [completion](crate::Completion) as an
/// [`End`], and to the other side of a hand-over as a [`Cut`]. The guest sees `Dropped`, whatever the reason.
///
/// | reason | of a source | of a sink |
/// |---|---|---|
/// | `Finished` | it answered [`Then::End`](crate::Then::End) with it: the end of the data | the guest dropped its end: the end of the data |
/// | `PeerDropped` | the guest dropped its end before the end of the data | — |
/// | `ReceiverDropped` | — | it answered [`End::ReceiverDropped`]: whoever receives the data has left |
/// | `Abandoned` | the host's writer was dropped without being closed; or as for a sink | the executor dropped the task of [`driven_by`](crate::Completion::driven_by); the stream could not be piped; the store was dropped, if the completion [watches it](crate::Completion::watch_store), or by a panic |
/// | `Cancelled` | [`cancel`](crate::Completion::cancel), or a token | the same |
/// | `TimedOut` | a deadline or an idle timeout | the same |
/// | `LimitReached` | a limit, with its last byte or item | a limit, when the guest writes more; or it answered [`End::LimitReached`] |
/// | `Failed` | it answered an error | it answered [`End::Failed`], or its close failed (which only the completion reports) |
/// | `Undeliverable` | the delivery step failed, or the source broke its trait | the receiving step failed, what the guest wrote is no valid item, or the sink broke its trait |
///
/// `until` and `abort` end a stream with any reason, and so does a source by `Then::End`. A guest that traps, and a
/// store that is dropped without being watched, look like a guest that drops its end: `PeerDropped` of a source,
/// `Finished` of a sink. The page [How streams end](crate::ends) has the same for each operation and each adapter.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// The end of the data. Only this says that nothing is missing.
    Finished,
    /// Of a source: the guest dropped its end before the end of the data.
    PeerDropped,
    /// Of a sink: whoever receives its data has left.
    ReceiverDropped,
    /// Whoever should have ended the stream was dropped first: the store, the host's writer, or the task of
    /// `driven_by`.
    Abandoned,
    /// The host cancelled the stream.
    Cancelled,
    /// The stream took longer than the host allowed.
    TimedOut,
    /// The stream moved as much as the host allowed.
    LimitReached,
    /// The source or sink failed.
    Failed,
    /// An item could not be converted for the other side.
    Undeliverable,
}

impl EndReason {
    /// The reason in words, for error texts.
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

/// How a stream ended: a [`Completion`](crate::Completion) reports it, and a sink answers it when it takes no more.
///
/// [`EndReason`] has a table of when each occurs. It is an [`Error`] as well, for [`into_result`](Self::into_result).
#[non_exhaustive]
#[derive(Debug)]
pub enum End<E> {
    /// The end of the data. Of a source: it has no more. Of a sink: the guest dropped its end.
    ///
    /// A guest that traps, and a handle that is forgotten in a store until the store is dropped, look the same to a
    /// sink, unless a completion [watches the store](crate::Completion::watch_store).
    Finished,
    /// Of a source: the guest dropped its end before the end of the data. That is no error: it wanted no more.
    PeerDropped,
    /// Of a sink: whoever receives its data has left (the receiver of a channel, the reader of a hand-over or of a
    /// body). What the guest wrote last may have reached nobody.
    ReceiverDropped,
    /// Whoever should have ended the stream was dropped first:
    ///
    /// - the store with the stream in it, because the guest trapped or never dropped its end. Only a completion that
    ///   [watches the store](crate::Completion::watch_store) reports this;
    /// - a host writer or sink of [`to_guest`](crate::to_guest), without being closed;
    /// - the task of [`driven_by`](crate::Completion::driven_by).
    Abandoned,
    /// The host cancelled the stream.
    Cancelled,
    /// The stream took longer than the host allowed.
    TimedOut,
    /// The stream moved as much as the host allowed.
    LimitReached,
    /// The source or sink failed.
    Failed(E),
    /// An item could not be converted: the [`Deliver`](crate::items::Deliver) or [`Receive`](crate::items::Receive)
    /// step failed, or what the guest wrote is no valid item.
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

    /// `Ok` for [`End::Finished`] and [`End::PeerDropped`].
    ///
    /// # Errors
    ///
    /// Any other end, [`End::ReceiverDropped`] among them: what the guest wrote last may have reached nobody.
    pub fn into_result(self) -> Result<(), Self> {
        match self {
            End::Finished | End::PeerDropped => Ok(()),
            cut => Err(cut),
        }
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
    /// [`EndReason::Failed`] comes without its error (of a stream that feeds this one, say), so it becomes
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

impl<E: fmt::Display> fmt::Display for End<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Failed(error) => write!(f, "the stream failed: {error}"),
            End::Undeliverable(error) => write!(f, "an item could not be delivered: {error:#}"),
            end => f.write_str(end.reason().text()),
        }
    }
}

impl<E: Error + 'static> Error for End<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            End::Failed(error) => Some(error),
            // The text has all of its causes.
            End::Undeliverable(_) => None,
            _ => None,
        }
    }
}

/// The error of [`End::Failed`] as it is. Any other end becomes an error that wraps it.
impl From<End<io::Error>> for io::Error {
    fn from(end: End<io::Error>) -> Self {
        match end {
            End::Failed(error) => error,
            end => io::Error::new(kind(end.reason()), end),
        }
    }
}

/// The [`io::ErrorKind`] that comes nearest to `reason`.
fn kind(reason: EndReason) -> io::ErrorKind {
    match reason {
        EndReason::PeerDropped | EndReason::ReceiverDropped => io::ErrorKind::BrokenPipe,
        EndReason::TimedOut => io::ErrorKind::TimedOut,
        EndReason::LimitReached => io::ErrorKind::FileTooLarge,
        EndReason::Undeliverable => io::ErrorKind::InvalidData,
        EndReason::Abandoned | EndReason::Cancelled => io::ErrorKind::ConnectionAborted,
        EndReason::Finished | EndReason::Failed => io::ErrorKind::Other,
    }
}

/// A stream was cut short: the error of a hand-over, on the host's side.
///
/// | object | fails with it | reason |
/// |---|---|---|
/// | reader or items of [`from_guest`](crate::from_guest) | in place of the end of the data | that of the guest's stream |
/// | writer or sink of [`to_guest`](crate::to_guest) | when nobody takes what is written, also after it was closed | [`PeerDropped`](EndReason::PeerDropped) |
/// | a value, or a [`Driven`](crate::completion::Driven), that never comes | when its sender is dropped | [`Abandoned`](EndReason::Abandoned) |
///
/// See [How streams end](crate::ends).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut(
    /// Why.
    pub EndReason,
);

impl Cut {
    /// Nobody takes what is written.
    pub(crate) const PEER_DROPPED: Self = Self(EndReason::PeerDropped);
    /// The sender was dropped without a value.
    pub(crate) const ABANDONED: Self = Self(EndReason::Abandoned);
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.text())
    }
}

impl Error for Cut {}

impl From<Cut> for io::Error {
    fn from(cut: Cut) -> Self {
        io::Error::new(kind(cut.0), cut)
    }
}

impl From<ReaderGone> for Cut {
    fn from(_: ReaderGone) -> Self {
        Cut::PEER_DROPPED
    }
}
