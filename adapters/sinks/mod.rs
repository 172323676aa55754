//! The futures crate's `Sink`, and its oneshot channel.

mod chunks;
mod items;
mod oneshot;

pub use self::chunks::{Chunks, chunks};
pub use self::items::{Items, items};
pub use self::oneshot::{Oneshot, oneshot};
