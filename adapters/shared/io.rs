//! What the answers of readers and writers mean, whichever ecosystem they are of.

use std::io;

use crate::{End, EndReason, Then};

/// A reader read `n` bytes; 0 bytes are the end. A short read ends the fill of the operation: a reader cannot say whether
/// more is in memory.
pub(crate) fn filled(n: usize) -> (usize, Then) {
    match n {
        0 => (0, Then::End(EndReason::Finished)),
        n => (n, Then::Stop),
    }
}

/// A writer accepted so many bytes.
pub(crate) fn written(accepted: io::Result<usize>) -> Result<usize, End<io::Error>> {
    match accepted {
        // Rule "A write of zero bytes is an error": to go on asking would be a spin.
        Ok(0) => Err(End::Failed(io::ErrorKind::WriteZero.into())),
        Ok(n) => Ok(n),
        Err(error) => Err(End::Failed(error)),
    }
}
