//! tokio's `AsyncRead`, `AsyncBufRead` and `AsyncWrite`.

mod buf_read;
mod duplex;
mod read;
mod write;

pub use self::buf_read::{BufRead, buf_read};
pub use self::duplex::duplex;
pub(crate) use self::read::poll_read;
pub use self::read::{Read, read};
pub(crate) use self::write::poll_write;
pub use self::write::{Write, write};
