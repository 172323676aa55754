use std::error::Error;
use std::fmt;
use std::io;

use crate::EndReason;

/// A guest's stream was cut short on the host's side, before the guest's own end: it is not the end of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut(
    /// What cut it.
    pub EndReason,
);

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.text())
    }
}

impl Error for Cut {}

impl From<Cut> for io::Error {
    fn from(cut: Cut) -> Self {
        let kind = match cut.0 {
            EndReason::TimedOut => io::ErrorKind::TimedOut,
            EndReason::LimitReached => io::ErrorKind::FileTooLarge,
            _ => io::ErrorKind::ConnectionAborted,
        };
        io::Error::new(kind, cut)
    }
}
