//! tokio-util's `FramedRead` and `FramedWrite`.

mod read;
mod write;

pub use self::read::{Read, read};
pub use self::write::{Write, write};
