use std::fmt;

use quinn::VarInt;

use crate::EndReason;

/// The first of the default codes, less one. High, so that it meets no code of an application.
const BASE: u32 = 0x7773_7400;

/// The application error codes of the frames that cut a stream, `RESET_STREAM` and `STOP_SENDING`, and what they mean.
///
/// The default codes carry every [`EndReason`] of a cut:
///
/// | reason | code |
/// |---|---|
/// | [`PeerDropped`](EndReason::PeerDropped) | `0x7773_7401` |
/// | [`ReceiverDropped`](EndReason::ReceiverDropped) | `0x7773_7402` |
/// | [`Abandoned`](EndReason::Abandoned) | `0x7773_7403` |
/// | [`Cancelled`](EndReason::Cancelled) | `0x7773_7404` |
/// | [`TimedOut`](EndReason::TimedOut) | `0x7773_7405` |
/// | [`LimitReached`](EndReason::LimitReached) | `0x7773_7406` |
/// | [`Failed`](EndReason::Failed) | `0x7773_7407` |
/// | [`Undeliverable`](EndReason::Undeliverable) | `0x7773_7408` |
///
/// A protocol that has codes of its own gives them by [`new`](Self::new) and `with_codes`:
///
/// ```
/// use quinn::VarInt;
/// use wasmtime_streams::{EndReason, quic::Codes};
///
/// // Those of HTTP/3.
/// const INTERNAL_ERROR: VarInt = VarInt::from_u32(0x102);
/// const REQUEST_CANCELLED: VarInt = VarInt::from_u32(0x10c);
///
/// let codes = Codes::new(
///     |reason| match reason {
///         EndReason::Failed | EndReason::Undeliverable => INTERNAL_ERROR,
///         _ => REQUEST_CANCELLED,
///     },
///     |code| (code == REQUEST_CANCELLED).then_some(EndReason::Cancelled),
/// );
/// assert_eq!(codes.code(EndReason::TimedOut), REQUEST_CANCELLED);
/// assert_eq!(codes.reason(INTERNAL_ERROR), None); // `End::Failed`, with the code
/// ```
#[derive(Clone, Copy)]
pub struct Codes {
    code: fn(EndReason) -> VarInt,
    reason: fn(VarInt) -> Option<EndReason>,
}

impl Codes {
    /// Codes of your own: `code` for what is sent, `reason` for what is received.
    ///
    /// A stream that is reset with a code that `reason` does not know has failed, and the error has the code.
    pub const fn new(
        code: fn(EndReason) -> VarInt,
        reason: fn(VarInt) -> Option<EndReason>,
    ) -> Self {
        Self { code, reason }
    }

    /// The code that tells the peer of a cut for this reason.
    pub fn code(self, reason: EndReason) -> VarInt {
        (self.code)(reason)
    }

    /// The reason that a code from the peer stands for.
    pub fn reason(self, code: VarInt) -> Option<EndReason> {
        (self.reason)(code)
    }

    /// How a source ends whose stream the peer has reset: `None` if as a failure, which alone has the code.
    pub(super) fn cut(self, code: VarInt) -> Option<EndReason> {
        use EndReason::{Failed, Finished, Undeliverable};
        // A reset is never the end of the data.
        self.reason(code).filter(|reason| !matches!(reason, Finished | Failed | Undeliverable))
    }
}

impl Default for Codes {
    fn default() -> Self {
        Self::new(
            |reason| VarInt::from_u32(BASE + number(reason)),
            |code| {
                REASONS.into_iter().find(|reason| code == VarInt::from_u32(BASE + number(*reason)))
            },
        )
    }
}

impl fmt::Debug for Codes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codes").finish_non_exhaustive()
    }
}

const REASONS: [EndReason; 8] = [
    EndReason::PeerDropped,
    EndReason::ReceiverDropped,
    EndReason::Abandoned,
    EndReason::Cancelled,
    EndReason::TimedOut,
    EndReason::LimitReached,
    EndReason::Failed,
    EndReason::Undeliverable,
];

fn number(reason: EndReason) -> u32 {
    match reason {
        EndReason::PeerDropped => 1,
        EndReason::ReceiverDropped => 2,
        EndReason::Abandoned => 3,
        EndReason::Cancelled => 4,
        EndReason::TimedOut => 5,
        EndReason::LimitReached => 6,
        EndReason::Failed => 7,
        EndReason::Undeliverable => 8,
        // No cut, so no frame carries it.
        EndReason::Finished => 0,
    }
}
