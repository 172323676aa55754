use std::fmt;
use std::future::poll_fn;
use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll, ready};

use wasmtime::component::{ComponentType, Lift, Lower};

use super::FileError;
use super::threads::blocking_threads;
use crate::blocking::job::{Blocking, Work};
use crate::{EndReason, ItemProducer, ItemSource, Then, relay::Splice};

/// How many entries one job reads at most.
const BATCH: usize = 256;

/// A batch is complete when its names have this many bytes.
const NAMES: usize = 64 * 1024;

/// The `descriptor-type` of `wasi:filesystem/types@0.3.0`: what a directory entry is.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(variant)]
pub enum FileType {
    /// A block device.
    #[component(name = "block-device")]
    BlockDevice,
    /// A character device.
    #[component(name = "character-device")]
    CharacterDevice,
    /// A directory.
    #[component(name = "directory")]
    Directory,
    /// A named pipe.
    #[component(name = "fifo")]
    Fifo,
    /// A symbolic link.
    #[component(name = "symbolic-link")]
    SymbolicLink,
    /// A regular file.
    #[component(name = "regular-file")]
    RegularFile,
    /// A socket.
    #[component(name = "socket")]
    Socket,
    /// Anything else, in words if there are any.
    #[component(name = "other")]
    Other(Option<String>),
}

impl From<std::fs::FileType> for FileType {
    fn from(kind: std::fs::FileType) -> Self {
        if kind.is_dir() {
            return FileType::Directory;
        }
        if kind.is_file() {
            return FileType::RegularFile;
        }
        if kind.is_symlink() {
            return FileType::SymbolicLink;
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::FileTypeExt as _;

            if kind.is_block_device() {
                return FileType::BlockDevice;
            }
            if kind.is_char_device() {
                return FileType::CharacterDevice;
            }
            if kind.is_fifo() {
                return FileType::Fifo;
            }
            if kind.is_socket() {
                return FileType::Socket;
            }
        }
        FileType::Other(None)
    }
}

/// The `directory-entry` of `wasi:filesystem/types@0.3.0`.
#[derive(Clone, Debug, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(record)]
pub struct DirectoryEntry {
    /// What it is.
    #[component(name = "type")]
    pub kind: FileType,
    /// Its name in the directory.
    #[component(name = "name")]
    pub name: String,
}

crate::plain!(DirectoryEntry, FileType);

/// For [`entries`](entries()) of [`std::fs::read_dir`]. Fails if the name is not UTF-8, or the type cannot be found.
impl TryFrom<std::fs::DirEntry> for DirectoryEntry {
    type Error = io::Error;

    fn try_from(entry: std::fs::DirEntry) -> io::Result<Self> {
        let kind = entry.file_type()?.into();
        let name = entry.file_name().into_string();
        Ok(Self { kind, name: name.map_err(|_| FileError::IllegalByteSequence.into_io())? })
    }
}

/// Lists a `stream<directory-entry>` from an iterator that may block, in batches on tokio's blocking threads.
///
/// For a directory of the system take [`directory`](crate::wasi::directory()); for entries that are in memory,
/// [`iterators::items`](crate::iterators::items()). The iterator must leave out `.` and `..`. With
/// [`file_end`](crate::wasi::file_end()) it is a `tuple<stream<directory-entry>, future<result<_, error-code>>>`.
///
/// # Partial writes
/// A guest read that finds no entry in memory has a thread take a batch from the iterator: 256 entries, or less if
/// their names have 64 KiB. No thread waits while the guest does not read. A read takes what is left of the batch.
///
/// # Cancellation
/// A cancelled read returns at once. The thread's batch is for the guest's next read.
///
/// # Zero-length operations
/// A zero-length read waits for the batch of an earlier operation, and completes while entries of it are left.
/// Otherwise it completes at once.
///
/// # Errors
/// The first error ends the stream, after the entries before it, and is [`End::Failed`](crate::End::Failed) in the
/// completion. Outside of a tokio runtime, the first read fails.
///
/// # Drop
/// The iterator is dropped with the stream, on its thread if one is using it.
///
/// ```
/// use wasmtime::{Engine, Store};
/// use wasmtime_streams::wasi::{self, DirectoryEntry};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let listing = std::fs::read_dir("docs")?.map(|entry| DirectoryEntry::try_from(entry?));
/// let (stream, ended) = wasi::entries(listing).into_wit(&mut store, wasi::file_end)?;
///
/// # let (sink, done) = wasmtime_streams::iterators::collect(100).with_completion();
/// # stream.pipe(&mut store, sink)?; // a guest would get both
/// # let ended = wasmtime_streams::from_guest::value(&mut store, ended)?;
/// # let (done, ended) = store.run_concurrent(async |_| (done.await, ended.await)).await?;
/// # let listed: Vec<DirectoryEntry> = done.inner.into_inner();
/// # assert!(listed.iter().any(|entry| entry.name == "contract.md"));
/// # assert_eq!(ended, Ok(Ok(())));
/// # Ok(())
/// # }
/// ```
pub fn entries<I>(entries: I) -> ItemProducer<Listing<I::IntoIter>>
where
    I: IntoIterator<Item = io::Result<DirectoryEntry>>,
    I::IntoIter: Send + 'static,
{
    let reading = Reading { entries: entries.into_iter(), batch: Vec::new(), end: None };
    let listing = Listing { blocking: Blocking::new(reading, blocking_threads()) };
    // Names are short: the batch of the threads is the bound.
    ItemProducer::new(listing).batch(BATCH)
}

/// The source of [`entries`](entries()).
pub struct Listing<I> {
    blocking: Blocking<Reading<I>>,
}

impl<I> Listing<I> {
    /// Waits until no thread uses the iterator.
    pub async fn settled(&mut self) {
        poll_fn(|cx| self.blocking.poll_work(cx).map(drop)).await
    }

    /// The entries that the guest has not taken, and the rest of the iterator; `None` while a thread uses it.
    pub fn into_parts(self) -> Option<(Vec<DirectoryEntry>, I)> {
        let mut work = self.blocking.into_inner()?;
        work.batch.reverse();
        Some((work.batch, work.entries))
    }
}

// The iterator is never pinned.
impl<I> Unpin for Listing<I> {}

impl<I> Splice for Listing<I> {}

impl<I> fmt::Debug for Listing<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing").finish_non_exhaustive()
    }
}

/// An iterator, and what a thread has taken from it.
struct Reading<I> {
    entries: I,
    /// In reverse.
    batch: Vec<DirectoryEntry>,
    end: Option<io::Result<()>>,
}

impl<I: Iterator<Item = io::Result<DirectoryEntry>> + Send + 'static> Work for Reading<I> {
    fn work(&mut self, _: &AtomicBool) {
        let mut names = 0;
        while self.batch.len() < BATCH && names < NAMES {
            match self.entries.next() {
                Some(Ok(entry)) => {
                    names += entry.name.len();
                    self.batch.push(entry);
                }
                Some(Err(error)) => {
                    self.end = Some(Err(error));
                    break;
                }
                None => {
                    self.end = Some(Ok(()));
                    break;
                }
            }
        }
        self.batch.reverse();
    }
}

impl<I> ItemSource for Listing<I>
where
    I: Iterator<Item = io::Result<DirectoryEntry>> + Send + 'static,
{
    type Item = DirectoryEntry;
    type Error = io::Error;

    fn poll_items(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        max: usize,
        out: &mut Vec<DirectoryEntry>,
    ) -> Poll<io::Result<Then>> {
        let blocking = &mut self.get_mut().blocking;
        loop {
            let work = ready!(blocking.poll_work(cx))?;
            let given = work.batch.len().min(max);
            out.extend(work.batch.drain(work.batch.len() - given..).rev());
            if !work.batch.is_empty() {
                return Poll::Ready(Ok(Then::More));
            }
            // Rule "Bounded memory": an idle stream holds no batch.
            work.batch = Vec::new();
            // Rules "The end goes with the last items" and "Items before the error".
            if let Some(end) = mem::take(&mut work.end) {
                return Poll::Ready(end.map(|()| Then::End(EndReason::Finished)));
            }
            if given > 0 {
                return Poll::Ready(Ok(Then::Stop));
            }
            blocking.start(false);
        }
    }

    fn poll_readable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Option<Poll<io::Result<Then>>> {
        match self.get_mut().blocking.poll_work(cx) {
            Poll::Pending => Some(Poll::Pending),
            Poll::Ready(Err(error)) => Some(Poll::Ready(Err(error))),
            Poll::Ready(Ok(work)) => match &work.end {
                _ if !work.batch.is_empty() => Some(Poll::Ready(Ok(Then::More))),
                Some(Ok(())) => Some(Poll::Ready(Ok(Then::End(EndReason::Finished)))),
                // An error is left to the read itself.
                Some(Err(_)) => Some(Poll::Ready(Ok(Then::Stop))),
                None => None,
            },
        }
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}
