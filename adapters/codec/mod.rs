//! Adapters for frames: what a codec of tokio-util makes of the bytes of a reader, or into the bytes of a writer.

mod read;
mod write;

pub use self::read::{FramedReadItems, framed_read};
pub use self::write::{FramedWriteItems, framed_write};
