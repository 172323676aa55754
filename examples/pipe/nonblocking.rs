//! Standard streams that another program, which shares them, has made non-blocking.
//!
//! A `tokio::fs::File` reads and writes on a thread that expects to block. It fails with "Resource temporarily
//! unavailable" on such a stream.

use std::fs::File;
use std::io;

use rustix::fs::{OFlags, fcntl_getfl};
use tokio::net::unix::pipe;

/// The same stream as a reader that waits until it is readable, if it is non-blocking. tokio's type for pipes works for
/// sockets and terminals as well. It refuses regular files and devices such as `/dev/null`, which always are readable.
pub(crate) fn reader(file: &File) -> io::Result<Option<pipe::Receiver>> {
    if !is_nonblocking(file)? {
        return Ok(None);
    }
    Ok(pipe::Receiver::from_owned_fd_unchecked(file.try_clone()?.into()).ok())
}

/// The same stream as a writer that waits until it is writable, if it is non-blocking.
pub(crate) fn writer(file: &File) -> io::Result<Option<pipe::Sender>> {
    if !is_nonblocking(file)? {
        return Ok(None);
    }
    Ok(pipe::Sender::from_owned_fd_unchecked(file.try_clone()?.into()).ok())
}

fn is_nonblocking(file: &File) -> io::Result<bool> {
    Ok(fcntl_getfl(file)?.contains(OFlags::NONBLOCK))
}
