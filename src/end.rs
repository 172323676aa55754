//! How streams end.

use std::error::Error;
use std::{fmt, io};

use crate::handoff::ReaderGone;

/// Why a stream ended, without the error.
///
/// A source or sink is told it by `ended`, and a source answers it when it ends by itself
/// ([`Then::End`](crate::Then::End)). [`End`] is the same with the error.
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

/// How a stream ended: what a [`Completion`](crate::Completion) reports, and what a sink answers when it takes no more.
///
/// It is an [`Error`] as well, for [`into_result`](Self::into_result).
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

    /// `Ok` if the data came to its end, or the guest that read it wanted no more of it; else the end, as an error.
    ///
    /// # Errors
    ///
    /// The other ends, [`End::ReceiverDropped`] among them: what the guest wrote last may have reached nobody.
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

impl<E: fmt::Display> fmt::Display for End<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Failed(error) => write!(f, "the stream failed: {error}"),
            End::Undeliverable(error) => write!(f, "an item could not be delivered: {error}"),
            end => f.write_str(end.reason().text()),
        }
    }
}

impl<E: Error + 'static> Error for End<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            End::Failed(error) => Some(error),
            End::Undeliverable(error) => Some(&**error),
            _ => None,
        }
    }
}

/// The error of an [`End::Failed`] as it is; of any other end an error that says it.
impl From<End<io::Error>> for io::Error {
    fn from(end: End<io::Error>) -> Self {
        match end {
            End::Failed(error) => error,
            end => io::Error::new(kind(end.reason()), end),
        }
    }
}

/// What comes nearest to `reason` in [`io::ErrorKind`].
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

/// A stream was cut short: the error of a hand-over, on the host's side of it.
///
/// A guest's reader or stream ([`from_guest`](crate::from_guest)) gives it in place of the end of the data. A writer or sink to a
/// guest ([`to_guest`](crate::to_guest)) fails with it once nobody takes what is written, as
/// [`PeerDropped`](EndReason::PeerDropped), also after it was closed. A value that never comes is
/// [`Abandoned`](EndReason::Abandoned).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut(
    /// What cut it.
    pub EndReason,
);

impl Cut {
    /// Nobody takes what is written.
    pub(crate) const PEER_DROPPED: Self = Self(EndReason::PeerDropped);
    /// Whoever was to give it is gone.
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
