//! Detects that the reader of the output has left, even while nothing is written.

use std::io;

pub(crate) fn gone(cause: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, format!("the reader is gone: {cause}"))
}

#[cfg(unix)]
mod system {
    use std::future;
    use std::io;
    use std::os::fd::AsFd;

    use tokio::io::Interest;
    use tokio::net::unix::pipe;

    pub(crate) struct HangUp {
        // Used for readiness only. tokio's pipe type can watch sockets and terminals as well. Regular files cannot be
        // watched, and have no reader that could leave.
        watched: Option<pipe::Sender>,
    }

    impl HangUp {
        pub(crate) fn watch(writer: &impl AsFd) -> io::Result<Self> {
            let fd = writer.as_fd().try_clone_to_owned()?;
            Ok(Self { watched: pipe::Sender::from_owned_fd_unchecked(fd).ok() })
        }

        /// Returns when the reader hangs up.
        pub(crate) async fn seen(&self) -> io::Error {
            let Some(watched) = &self.watched else { return future::pending().await };
            loop {
                // tokio registers a sender for writability only; the system always adds errors and hang-ups. So
                // "readable" means a hang-up. A peer that has only shut down its own sending has not hung up.
                match watched.ready(Interest::READABLE | Interest::ERROR).await {
                    Ok(ready) if ready.is_empty() => {}
                    Ok(_) => return super::gone("it has hung up"),
                    Err(error) => return error,
                }
            }
        }
    }
}

/// On other systems the next write fails, or the read of a connection.
#[cfg(not(unix))]
mod system {
    use std::future;
    use std::io;

    pub(crate) struct HangUp;

    impl HangUp {
        pub(crate) fn watch<W>(_: &W) -> io::Result<Self> {
            Ok(Self)
        }

        pub(crate) async fn seen(&self) -> io::Error {
            future::pending().await
        }
    }
}

pub(crate) use self::system::HangUp;
