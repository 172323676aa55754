//! The futures crate's `AsyncRead`, `AsyncBufRead` and `AsyncWrite`.
//!
//! Its readers and writers have adapters of their own, beside those for tokio's: a bridge between the two (`compat` of
//! tokio-util) would make tokio a dependency of whoever has none, and put itself between the host and its object.

mod buf_read;
mod read;
mod write;

pub use self::buf_read::{BufRead, buf_read};
pub use self::read::{Read, read};
pub use self::write::{Write, write};
