//! Adapters for the traits and types of the futures crate.

mod chunk_sink;
mod chunks;
mod lift;
mod oneshot;
mod sink;
mod stream;

pub use self::chunk_sink::{ChunkSink, chunk_sink};
pub use self::chunks::{Chunks, TryChunks, chunks, try_chunks};
pub use self::oneshot::{Oneshot, oneshot};
pub use self::sink::{SinkItems, sink};
pub use self::stream::{StreamItems, TryStreamItems, stream, try_stream};
