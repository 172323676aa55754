//! Scripted host objects for adapters. They stall, split and fail as a script says, and panic if they are used wrongly.
//!
//! ```
//! use wasmtime_streams_testing::inner::{Reader, Script, Step};
//!
//! // A spurious `Pending`, five bytes, a wait until the test releases it, five more bytes, and an error.
//! let script = Script::new([
//!     Step::Pending,
//!     Step::Data(b"hello".to_vec()),
//!     Step::Hold,
//!     Step::Data(b"world".to_vec()),
//!     Step::Fail,
//! ]);
//! let control = script.control();
//! let reader = Reader::new(script); // an `AsyncRead`, for the adapter under test
//! // … and once the adapter's operation is parked:
//! control.release();
//! # let _ = reader;
//! ```

mod read;
mod script;
mod write;

pub use self::read::{ChunkStream, ItemStream, Reader};
pub use self::script::{Control, FAILURE, Script, Step};
pub use self::write::{ChunkWriter, Log, Writer, Written};
