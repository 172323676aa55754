//! The peer of a connection that is written to.
//!
//! Bytes that the system has accepted may still be in its buffer, and are lost if the connection is reset. The system
//! resets a connection that is closed with unread data from the peer, or whose peer sends data after that. So the
//! program reads all that the peer sends, up to its end, before it exits.

use std::future;
use std::io;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::tcp;
#[cfg(unix)]
use tokio::net::unix;
use tokio::time::{Instant, timeout};

use crate::acknowledged;

/// How long to wait for the end of a peer that has acknowledged all bytes and never sent any.
const SILENCE: Duration = Duration::from_secs(5);

/// The interval between two queries of what the peer has acknowledged.
const INTERVAL: Duration = Duration::from_millis(100);

pub(crate) struct Peer {
    half: ReadHalf,
    has_sent: bool,
    has_ended: bool,
}

pub(crate) enum ReadHalf {
    Tcp(tcp::OwnedReadHalf),
    #[cfg(unix)]
    Unix(unix::OwnedReadHalf),
}

impl Peer {
    pub(crate) fn new(half: ReadHalf) -> Self {
        Self { half, has_sent: false, has_ended: false }
    }

    /// Reads and drops what the peer sends, up to its end. Some peers stop reading until their answer is read.
    async fn drain(&mut self) -> io::Result<()> {
        let mut buffer = [0; 8192];
        while !self.has_ended {
            match self.half.read(&mut buffer).await? {
                0 => self.has_ended = true,
                _ => self.has_sent = true,
            }
        }
        Ok(())
    }

    /// Drains, and returns when the connection fails. A peer that has shut down its own sending may still read.
    pub(crate) async fn failed(&mut self) -> io::Error {
        match self.drain().await {
            Err(cause) => cause,
            Ok(()) => future::pending().await,
        }
    }

    /// Returns when the peer has received all bytes. The writer must be shut down first. Fails `wait` after the last
    /// acknowledgement.
    pub(crate) async fn has_all(&mut self, wait: Duration) -> io::Result<()> {
        let (mut before, mut progress) = (None, Instant::now());
        loop {
            let unacknowledged = self.half.unacknowledged();
            // Checked after the acknowledgements: a connection that was reset has nothing unacknowledged.
            if let Some(cause) = self.half.take_error()? {
                return Err(cause);
            }
            if self.has_ended && unacknowledged.unwrap_or(0) == 0 {
                return Ok(());
            }
            if unacknowledged != before {
                (before, progress) = (unacknowledged, Instant::now());
            }
            let idle = progress.elapsed();
            if unacknowledged == Some(0) && !self.has_sent && idle >= SILENCE.min(wait) {
                return Ok(());
            }
            if idle >= wait {
                return Err(self.timed_out(wait, unacknowledged));
            }
            self.drain_for(INTERVAL).await?;
        }
    }

    async fn drain_for(&mut self, time: Duration) -> io::Result<()> {
        if self.has_ended {
            tokio::time::sleep(time).await;
            return Ok(());
        }
        timeout(time, self.drain()).await.unwrap_or(Ok(()))
    }

    fn timed_out(&self, wait: Duration, unacknowledged: Option<u64>) -> io::Error {
        let seconds = wait.as_secs();
        let what = match unacknowledged {
            Some(0) | None => "the peer has not ended the connection".to_owned(),
            Some(bytes) => format!("the peer has not acknowledged the last {bytes} bytes"),
        };
        io::Error::new(io::ErrorKind::TimedOut, format!("{what} in {seconds} s (see --wait)"))
    }
}

impl ReadHalf {
    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(half) => half.read(buffer).await,
            #[cfg(unix)]
            Self::Unix(half) => half.read(buffer).await,
        }
    }

    fn take_error(&self) -> io::Result<Option<io::Error>> {
        match self {
            Self::Tcp(half) => half.as_ref().take_error(),
            #[cfg(unix)]
            Self::Unix(half) => half.as_ref().take_error(),
        }
    }

    /// The number of bytes that the peer's system has not received yet; `None` if it is unknown.
    fn unacknowledged(&self) -> Option<u64> {
        match self {
            Self::Tcp(half) => acknowledged::missing(half.as_ref()),
            // A write goes straight into the peer's buffer.
            #[cfg(unix)]
            Self::Unix(_) => Some(0),
        }
    }
}
