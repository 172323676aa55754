//! The writer for the guest's output.
//!
//! A guest ends its output in the same way whether its input was complete or cut short. So the host ends the writer, or
//! cuts it.

use std::fs;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::fs::File;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::tcp;
#[cfg(unix)]
use tokio::net::unix;

pub(crate) enum Target {
    File(File),
    #[cfg(unix)]
    Pipe(unix::pipe::Sender),
    Tcp(tcp::OwnedWriteHalf),
    #[cfg(unix)]
    Unix(unix::OwnedWriteHalf),
}

impl Target {
    fn get(&mut self) -> &mut (dyn AsyncWrite + Send + Unpin) {
        match self {
            Self::File(file) => file,
            #[cfg(unix)]
            Self::Pipe(pipe) => pipe,
            Self::Tcp(half) => half,
            #[cfg(unix)]
            Self::Unix(half) => half,
        }
    }
}

pub(crate) struct Writer {
    target: Target,
    /// The output file, while it has its old content.
    old: Option<fs::File>,
    accepted: u64,
    flushed: u64,
}

impl Writer {
    /// Writes to a connection.
    pub(crate) fn connection(target: Target) -> Self {
        Self { target, old: None, accepted: 0, flushed: 0 }
    }

    /// Writes to a file, a pipe, a terminal or the like. `replace` replaces the content of a regular file.
    pub(crate) fn file(file: fs::File, replace: bool) -> io::Result<Self> {
        let replace = replace && file.metadata()?.is_file();
        let old = if replace { Some(file.try_clone()?) } else { None };
        #[cfg(unix)]
        if let Some(pipe) = crate::nonblocking::writer(&file)? {
            return Ok(Self { old, ..Self::connection(Target::Pipe(pipe)) });
        }
        Ok(Self { old, ..Self::connection(Target::File(File::from_std(file))) })
    }

    /// The number of bytes written and flushed. A `File` accepts bytes before it has written them.
    pub(crate) fn flushed(&self) -> u64 {
        self.flushed
    }

    /// Shuts the writer down: the end of the data.
    pub(crate) async fn end(mut self) -> io::Result<()> {
        self.truncate()?;
        self.target.get().shutdown().await
    }

    /// Drops the writer and resets a TCP connection. The reader of a file, a pipe or a Unix socket cannot distinguish
    /// this from the end of the data.
    pub(crate) fn cut(self) {
        if let Target::Tcp(half) = self.target {
            // Makes the close reset the connection. Dropping this half would shut it down in order first.
            let _ = half.as_ref().set_zero_linger();
            half.forget();
        }
    }

    fn truncate(&mut self) -> io::Result<()> {
        self.old.take().map_or(Ok(()), |file| file.set_len(0))
    }
}

impl AsyncWrite for Writer {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        // Truncate at the first byte: if the input fails before, the file keeps its content.
        self.truncate()?;
        let written = ready!(Pin::new(self.target.get()).poll_write(cx, buf))?;
        self.accepted += written as u64;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(self.target.get()).poll_flush(cx))?;
        self.flushed = self.accepted;
        Poll::Ready(Ok(()))
    }

    /// Only flushes: see `end` and `cut`.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}
