//! Adapters for the traits and types of the futures crate.
//!
//! Its readers and writers have adapters of their own, beside those for tokio's: a bridge between the two (`compat` of
//! tokio-util) would make tokio a dependency of whoever has none, and put itself between the host and its object.

mod buf_read;
mod chunk_sink;
mod chunks;
mod lift;
mod oneshot;
mod peekable;
mod read;
mod sink;
mod stream;
mod write;

pub use self::buf_read::{FuturesBufRead, futures_buf_read};
pub use self::chunk_sink::{ChunkSink, chunk_sink};
pub use self::chunks::{Chunks, TryChunks, chunks, try_chunks};
pub use self::oneshot::{Oneshot, oneshot};
pub use self::peekable::{PeekableItems, TryPeekableItems, peekable, try_peekable};
pub use self::read::{FuturesRead, futures_read};
pub use self::sink::{SinkItems, sink};
pub use self::stream::{StreamItems, TryStreamItems, stream, try_stream};
pub use self::write::{FuturesWrite, futures_write};
