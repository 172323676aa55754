//! Files and directories: host objects that are read and written at an offset, listings, and the four stream functions
//! of `wasi:filesystem/types`.

mod at;
mod directory;
mod error;
mod functions;
#[cfg(unix)]
mod open;
mod os;
mod place;
mod read;
mod threads;
mod write;

pub use self::at::{At, ReadAt, WriteAt};
pub use self::directory::{DirectoryEntry, FileType, Listing, entries};
pub use self::error::{FileError, file_end};
pub use self::functions::files;
#[cfg(unix)]
pub use self::open::{OpenDirectory, directory};
pub use self::read::{OffsetRead, read_at};
pub use self::write::{OffsetWrite, write_at};
