//! The futures crate's `Stream`.

mod chunks;
mod items;
mod peekable;

pub use self::chunks::{Chunks, TryChunks, chunks, try_chunks};
pub use self::items::{Items, TryItems, items, try_items};
pub use self::peekable::{PeekableItems, TryPeekableItems, peekable, try_peekable};
