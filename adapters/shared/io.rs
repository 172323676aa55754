//! Turns the results of readers and writers, tokio's and futures', into those of sources and sinks.

use std::io;

use crate::{End, EndReason, Then};

/// The result of a reader that read `n` bytes; 0 bytes are the end. Rule "Fill each operation": the reader is not asked
/// again, since it cannot say whether more is in memory.
pub(crate) fn filled(n: usize) -> (usize, Then) {
    match n {
        0 => (0, Then::End(EndReason::Finished)),
        n => (n, Then::Stop),
    }
}

/// The result of a writer that accepted some bytes.
pub(crate) fn written(accepted: io::Result<usize>) -> Result<usize, End<io::Error>> {
    match accepted {
        // Rule "A write of zero bytes is an error".
        Ok(0) => Err(End::Failed(io::ErrorKind::WriteZero.into())),
        Ok(n) => Ok(n),
        Err(error) => Err(End::Failed(error)),
    }
}
