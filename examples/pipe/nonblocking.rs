//! Standard streams that were made non-blocking by another program that shares them.
//!
//! A `tokio::fs::File` uses blocking reads and writes on another thread. On such a stream they fail with "Resource
//! temporarily unavailable".

use std::fs::File;
use std::io;

use rustix::fs::{OFlags, fcntl_getfl};
use tokio::net::unix::pipe;

/// The stream as a reader that waits for readiness, if it is non-blocking. tokio's pipe type works for sockets and
/// terminals as well. It rejects regular files and devices such as `/dev/null`, which are always readable.
pub(crate) fn reader(file: &File) -> io::Result<Option<pipe::Receiver>> {
    if !is_nonblocking(file)? {
        return Ok(None);
    }
    Ok(pipe::Receiver::from_owned_fd_unchecked(file.try_clone()?.into()).ok())
}

/// The stream as a writer that waits for readiness, if it is non-blocking.
pub(crate) fn writer(file: &File) -> io::Result<Option<pipe::Sender>> {
    if !is_nonblocking(file)? {
        return Ok(None);
    }
    Ok(pipe::Sender::from_owned_fd_unchecked(file.try_clone()?.into()).ok())
}

fn is_nonblocking(file: &File) -> io::Result<bool> {
    Ok(fcntl_getfl(file)?.contains(OFlags::NONBLOCK))
}
