//! The `error-code` of `wasi:cli`.

use std::error::Error;
use std::{fmt, io};

use wasmtime::component::{ComponentType, Lift, Lower};

use crate::{End, EndReason};

/// The `error-code` of `wasi:cli/types`, as the interface defines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(enum)]
#[repr(u8)]
pub enum StdioError {
    /// Input or output failed.
    #[component(name = "io")]
    Io,
    /// The data is no text of the expected encoding.
    #[component(name = "illegal-byte-sequence")]
    IllegalByteSequence,
    /// The other side is gone.
    #[component(name = "pipe")]
    Pipe,
}

impl fmt::Display for StdioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StdioError::Io => "input or output failed",
            StdioError::IllegalByteSequence => "the data is not in the expected encoding",
            StdioError::Pipe => "the other side is gone",
        })
    }
}

impl Error for StdioError {}

/// The result of a stdio function of WASI for a stream that ended as `end`, for
/// [`into_wit`](crate::ByteProducer::into_wit) and [`pipe_wit`](crate::ByteConsumer::pipe_wit).
///
/// | end | result |
/// |---|---|
/// | [`Finished`](End::Finished), [`PeerDropped`](End::PeerDropped) | `Ok` |
/// | [`ReceiverDropped`](End::ReceiverDropped), an [`io::Error`] of the kind `BrokenPipe` | `pipe` |
/// | an [`io::Error`] of the kind `InvalidData` | `illegal-byte-sequence` |
/// | any other error, and a stream that the host cut short | `io` |
pub fn stdio_end<E>(end: End<E>) -> Result<(), StdioError>
where
    E: Error + 'static,
{
    code(&end)
}

pub(super) fn code<E: Error + 'static>(end: &End<E>) -> Result<(), StdioError> {
    if let End::Failed(error) = end {
        let error: &(dyn Error + 'static) = error;
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        return Err(match kind {
            Some(io::ErrorKind::BrokenPipe) => StdioError::Pipe,
            Some(io::ErrorKind::InvalidData) => StdioError::IllegalByteSequence,
            _ => StdioError::Io,
        });
    }
    match end.reason() {
        EndReason::Finished | EndReason::PeerDropped => Ok(()),
        EndReason::ReceiverDropped => Err(StdioError::Pipe),
        _ => Err(StdioError::Io),
    }
}
