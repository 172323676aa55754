use std::error::Error;
use std::fmt;
use std::io;

use quinn::{ReadError, WriteError};

/// Why a stream of items over QUIC failed: the error of [`read_items`](crate::quic::read_items()) and
/// [`write_items`](crate::quic::write_items()).
#[non_exhaustive]
#[derive(Debug)]
pub enum ItemError {
    /// The peer reset the stream, or the connection was lost.
    Read(ReadError),
    /// The connection was lost, or the stream was closed before.
    Write(WriteError),
    /// A frame is longer than this many bytes, the most that the host allows.
    TooLong(usize),
    /// The data ended within a frame.
    Incomplete,
    /// The bytes of a frame are no item of this type, or the item cannot be serialized.
    Invalid(Box<dyn Error + Send + Sync>),
    /// Another error of the stream.
    Io(io::Error),
}

impl fmt::Display for ItemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ItemError::Read(error) => error.fmt(f),
            ItemError::Write(error) => error.fmt(f),
            ItemError::TooLong(most) => {
                write!(f, "a frame is longer than {most} bytes, the most that is allowed")
            }
            ItemError::Incomplete => f.write_str("the data ended within a frame"),
            ItemError::Invalid(error) => write!(f, "a frame holds no valid item: {error}"),
            ItemError::Io(error) => error.fmt(f),
        }
    }
}

impl Error for ItemError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // The texts of the others are part of this one's.
        match self {
            ItemError::Read(error) => error.source(),
            ItemError::Write(error) => error.source(),
            ItemError::Invalid(error) => error.source(),
            ItemError::Io(error) => error.source(),
            ItemError::TooLong(_) | ItemError::Incomplete => None,
        }
    }
}

/// Finds quinn's error in one that came through `AsyncRead` or `AsyncWrite`.
impl From<io::Error> for ItemError {
    fn from(error: io::Error) -> Self {
        let error = match error.downcast() {
            Ok(read) => return ItemError::Read(read),
            Err(error) => error,
        };
        error.downcast().map_or_else(ItemError::Io, ItemError::Write)
    }
}
