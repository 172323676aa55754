//! Blocking readers and writers of the standard library.

mod job;
#[cfg(feature = "tokio")]
mod pool;
mod read;
mod write;

pub use self::job::Job;
#[cfg(feature = "tokio")]
pub use self::pool::{read, write};
pub use self::read::{Read, read_on};
pub use self::write::{Write, write_on};
