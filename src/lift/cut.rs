use std::error::Error;
use std::fmt;
use std::io;

use crate::Why;

/// A guest's stream was cut short on the host's side, before the guest's own end: it is not the end of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut(
    /// What cut it.
    pub Why,
);

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Why::Finished => "the stream ended",
            Why::Cancelled => "the host cancelled the stream",
            Why::TimedOut => "the stream took longer than the host allowed",
            Why::LimitReached => "the stream reached the limit that the host set",
            Why::Abandoned => "the store of the stream was dropped",
            Why::PeerDropped => "the other side of the stream is gone",
        })
    }
}

impl Error for Cut {}

impl From<Cut> for io::Error {
    fn from(cut: Cut) -> Self {
        let kind = match cut.0 {
            Why::TimedOut => io::ErrorKind::TimedOut,
            Why::LimitReached => io::ErrorKind::FileTooLarge,
            _ => io::ErrorKind::ConnectionAborted,
        };
        io::Error::new(kind, cut)
    }
}
