use std::fs::File;
use std::io;
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, DirEntry, Mode, OFlags, openat, statat};
use rustix::io::Errno;

use super::{DirectoryEntry, FileError, FileType, Listing, entries};
use crate::ItemProducer;

/// Lists a `stream<directory-entry>` of an open directory, in batches on tokio's blocking threads.
///
/// The directory is opened once more, so listings do not interfere with each other, and one opened with `O_PATH` can be
/// listed too. `.` and `..` are left out. Types come with the names; only where the file system does not tell them, each
/// entry is looked up. On Unix; [`entries`](crate::wasi::entries()) takes `std::fs::read_dir` everywhere.
///
/// # Partial writes
/// As for [`entries`](crate::wasi::entries()).
///
/// # Cancellation
/// As for [`entries`](crate::wasi::entries()).
///
/// # Zero-length operations
/// As for [`entries`](crate::wasi::entries()).
///
/// # Errors
/// As for [`entries`](crate::wasi::entries()). A name that is not UTF-8 ends the listing with
/// [`IllegalByteSequence`](FileError::IllegalByteSequence). An entry that is removed meanwhile can be missing or not.
///
/// # Drop
/// As for [`entries`](crate::wasi::entries()). A descriptor of its own is open from the first read to the end.
///
/// ```
/// use wasmtime::{Engine, Store};
/// use wasmtime_streams::wasi;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let dir = std::fs::File::open("docs")?;
/// let (stream, ended) = wasi::directory(dir).into_wit(&mut store, wasi::file_end)?;
///
/// # let (sink, done) = wasmtime_streams::iterators::collect(100).with_completion();
/// # stream.pipe(&mut store, sink)?; // a guest would get both
/// # let ended = wasmtime_streams::from_guest::value(&mut store, ended)?;
/// # let (done, ended) = store.run_concurrent(async |_| (done.await, ended.await)).await?;
/// # let listed: Vec<wasi::DirectoryEntry> = done.inner.into_inner();
/// # assert!(listed.iter().any(|entry| entry.name == "contract.md"));
/// # assert_eq!(ended, Ok(Ok(())));
/// # Ok(())
/// # }
/// ```
pub fn directory(dir: impl Into<Arc<File>>) -> ItemProducer<Listing<OpenDirectory>> {
    entries(OpenDirectory { dir: dir.into(), listed: None })
}

/// The entries of [`directory`](directory()).
#[derive(Debug)]
pub struct OpenDirectory {
    dir: Arc<File>,
    /// Opened on the thread that reads first.
    listed: Option<Dir>,
}

impl OpenDirectory {
    /// The directory that is listed.
    pub fn get_ref(&self) -> &Arc<File> {
        &self.dir
    }

    fn open(&self) -> Result<Dir, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Dir::new(openat(&*self.dir, c".", flags, Mode::empty())?)
    }
}

/// It may block.
impl Iterator for OpenDirectory {
    type Item = io::Result<DirectoryEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        let listed = match &mut self.listed {
            Some(listed) => listed,
            None => match self.open() {
                Ok(listed) => self.listed.insert(listed),
                Err(error) => return Some(Err(error.into())),
            },
        };
        loop {
            let entry = match listed.read()? {
                Ok(entry) => entry,
                Err(error) => return Some(Err(error.into())),
            };
            if matches!(entry.file_name().to_bytes(), b"." | b"..") {
                continue;
            }
            match converted(listed, &entry) {
                // It was removed meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                converted => return Some(converted),
            }
        }
    }
}

fn converted(listed: &Dir, entry: &DirEntry) -> io::Result<DirectoryEntry> {
    let name = match entry.file_name().to_str() {
        Ok(name) => name.to_owned(),
        Err(_) => return Err(FileError::IllegalByteSequence.into_io()),
    };
    let kind = match entry.file_type() {
        rustix::fs::FileType::Unknown => {
            let stat = statat(listed.fd()?, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)?;
            rustix::fs::FileType::from_raw_mode(stat.st_mode)
        }
        known => known,
    };
    Ok(DirectoryEntry { kind: kind.into(), name })
}

impl From<rustix::fs::FileType> for FileType {
    fn from(kind: rustix::fs::FileType) -> Self {
        match kind {
            rustix::fs::FileType::BlockDevice => FileType::BlockDevice,
            rustix::fs::FileType::CharacterDevice => FileType::CharacterDevice,
            rustix::fs::FileType::Directory => FileType::Directory,
            rustix::fs::FileType::Fifo => FileType::Fifo,
            rustix::fs::FileType::Symlink => FileType::SymbolicLink,
            rustix::fs::FileType::RegularFile => FileType::RegularFile,
            rustix::fs::FileType::Socket => FileType::Socket,
            rustix::fs::FileType::Unknown => FileType::Other(None),
        }
    }
}
