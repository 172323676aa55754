//! Inner objects for adapters, that misbehave on purpose: they do what a script says, step by step, and fail when they are
//! used wrongly.
//!
//! ```
//! use wasmtime_streams_testing::inner::{Reader, Script, Step};
//!
//! // Spurious `Pending`, a part, a wait until the test lets it go on, another part, and an error.
//! let script = Script::new([
//!     Step::Pending,
//!     Step::Data(b"hello".to_vec()),
//!     Step::Hold,
//!     Step::Data(b"world".to_vec()),
//!     Step::Fail,
//! ]);
//! let control = script.control();
//! let reader = Reader::new(script); // an `AsyncRead`, for the adapter under test
//! // … and once that is parked:
//! control.release();
//! # let _ = reader;
//! ```

mod read;
mod script;
mod write;

pub use self::read::{ChunkStream, ItemStream, Reader};
pub use self::script::{Control, FAILURE, Script, Step};
pub use self::write::{ChunkWriter, Log, Writer, Written};
