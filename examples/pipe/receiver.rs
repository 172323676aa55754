//! The receiver of the output.

use std::io;
use std::time::Duration;

use crate::hang_up::{HangUp, gone};
use crate::peer::Peer;

pub(crate) struct Receiver {
    pub(crate) hang_up: HangUp,
    /// The peer, if it is a connection.
    pub(crate) peer: Option<Peer>,
}

impl Receiver {
    /// Returns when the receiver leaves. Reads and drops what a peer sends.
    pub(crate) async fn gone(&mut self) -> io::Error {
        let Some(peer) = &mut self.peer else { return self.hang_up.seen().await };
        tokio::select! {
            biased;
            cause = self.hang_up.seen() => cause,
            cause = peer.failed() => gone(cause),
        }
    }

    /// Returns when every byte has arrived. The writer must be shut down first.
    pub(crate) async fn has_all(&mut self, wait: Duration) -> io::Result<()> {
        match &mut self.peer {
            Some(peer) => peer.has_all(wait).await,
            // Bytes flushed to a file or a pipe have arrived.
            None => Ok(()),
        }
    }
}
