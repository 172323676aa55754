//! Listings of directories.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::sync::mpsc::channel;
use std::time::Duration;

use futures::StreamExt as _;
use wasmtime::component::StreamReader;
use wasmtime::{Engine, Store};
use wasmtime_streams::ItemProducer;
use wasmtime_streams::wasi::{self, DirectoryEntry, FileError, FileType, Listing};
use wasmtime_streams::{from_guest, iterators};

use super::guest::{Code, World, with_guest};
use super::{Scratch, Threads};

/// Host to host: the entries, and how it ends.
fn all<I>(listing: ItemProducer<Listing<I>>) -> (Vec<DirectoryEntry>, Result<(), FileError>)
where
    I: Iterator<Item = io::Result<DirectoryEntry>> + Send + 'static,
{
    let mut store = Store::new(&Engine::default(), ());
    let (producer, ended) = listing.with_completion();
    let reader = StreamReader::new(&mut store, producer).unwrap();
    let (sink, done) = iterators::collect(20_000).with_completion();
    reader.pipe(&mut store, sink).unwrap();
    let both = store.run_concurrent(async |_| (ended.await.end, done.await.inner.into_inner()));
    let (end, entries) = futures::executor::block_on(both).unwrap();
    (entries, wasi::file_end(end))
}

fn entry(name: impl Into<String>) -> DirectoryEntry {
    DirectoryEntry { kind: FileType::RegularFile, name: name.into() }
}

/// Names, as items that the scripted guest reads.
macro_rules! names {
    ($listing:expr) => {
        $listing.deliver_with(|_: wasmtime::StoreContextMut<'_, World>, entry| Ok(entry.name))
    };
}

#[test]
fn all_of_10_000_entries_are_listed_once() {
    let (threads, scratch) = (Threads::new(), Scratch::new());
    let _entered = threads.enter();
    for n in 0..10_000 {
        fs::write(scratch.0.join(n.to_string()), "").unwrap();
    }
    let (entries, end) = all(wasi::directory(File::open(&scratch.0).unwrap()));
    assert_eq!((entries.len(), end), (10_000, Ok(())));
    assert!(entries.iter().all(|entry| entry.kind == FileType::RegularFile));
    let names: BTreeSet<_> = entries.into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, (0..10_000).map(|n| n.to_string()).collect());
}

#[test]
fn entries_have_their_own_types() {
    // A link is not followed, and `.` and `..` are left out.
    let (threads, scratch) = (Threads::new(), Scratch::new());
    let _entered = threads.enter();
    fs::create_dir(scratch.0.join("directory")).unwrap();
    fs::write(scratch.0.join("file"), "").unwrap();
    symlink("nowhere", scratch.0.join("link")).unwrap();
    let _socket = UnixListener::bind(scratch.0.join("socket")).unwrap();
    #[cfg(target_os = "linux")]
    rustix::fs::mknodat(
        rustix::fs::CWD,
        scratch.0.join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    let expected = [
        (FileType::Directory, "directory"),
        (FileType::RegularFile, "file"),
        (FileType::SymbolicLink, "link"),
        #[cfg(target_os = "linux")]
        (FileType::Fifo, "pipe"),
        (FileType::Socket, "socket"),
    ];
    let expected = expected.map(|(kind, name)| DirectoryEntry { kind, name: name.into() });
    let std = fs::read_dir(&scratch.0).unwrap().map(|entry| DirectoryEntry::try_from(entry?));
    let directory = wasi::directory(File::open(&scratch.0).unwrap());
    for (mut entries, end) in [all(directory), all(wasi::entries(std))] {
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!((&entries[..], end), (&expected[..], Ok(())));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_directory_that_was_opened_only_as_a_path_is_listed() {
    use std::os::unix::fs::OpenOptionsExt as _;

    let (threads, scratch) = (Threads::new(), Scratch::new());
    let _entered = threads.enter();
    fs::write(scratch.0.join("file"), "").unwrap();
    let path = rustix::fs::OFlags::PATH.bits() as i32;
    let dir = fs::OpenOptions::new().read(true).custom_flags(path).open(&scratch.0).unwrap();
    let dir = std::sync::Arc::new(dir);
    for _ in 0..2 {
        assert_eq!(all(wasi::directory(dir.clone())), (vec![entry("file")], Ok(())));
    }
}

#[test]
fn what_is_no_directory_cannot_be_listed() {
    let (threads, scratch) = (Threads::new(), Scratch::new());
    let _entered = threads.enter();
    let listed = all(wasi::directory(scratch.file(b"")));
    assert_eq!(listed, (Vec::new(), Err(FileError::NotDirectory)));
}

#[test]
#[cfg(target_os = "linux")]
fn an_empty_directory_and_a_removed_one_end_at_once() {
    let (threads, scratch) = (Threads::new(), Scratch::new());
    let _entered = threads.enter();
    assert_eq!(all(wasi::directory(File::open(&scratch.0).unwrap())), (Vec::new(), Ok(())));
    let removed = scratch.0.join("removed");
    fs::create_dir(&removed).unwrap();
    let dir = File::open(&removed).unwrap();
    fs::remove_dir(&removed).unwrap();
    assert_eq!(all(wasi::directory(dir)), (Vec::new(), Ok(())));
}

#[test]
#[cfg(target_os = "linux")]
fn a_name_that_is_not_utf_8_is_an_illegal_byte_sequence() {
    let (threads, scratch) = (Threads::new(), Scratch::new());
    let _entered = threads.enter();
    fs::write(
        scratch.0.join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"\xff")),
        "",
    )
    .unwrap();
    let (_, end) = all(wasi::directory(File::open(&scratch.0).unwrap()));
    assert_eq!(end, Err(FileError::IllegalByteSequence));
}

#[test]
fn entries_before_an_error_are_listed() {
    let threads = Threads::new();
    let _entered = threads.enter();
    for before in [0, 1, 255, 256, 257] {
        let entries = (0..before).map(|n| Ok(entry(n.to_string())));
        let failed = io::Error::from(io::ErrorKind::NotFound);
        let (listed, end) = all(wasi::entries(entries.chain([Err(failed)])));
        assert_eq!((listed.len(), end), (before, Err(FileError::NoEntry)));
    }
}

#[test]
fn a_batch_is_bounded_by_its_names_too() {
    let threads = Threads::new();
    let _entered = threads.enter();
    let (taken, seen) = channel();
    let entries = (0..9).map(move |n| {
        taken.send(n).unwrap();
        Ok(entry("x".repeat(40_000)))
    });
    with_guest::<String, _>(async |guest| {
        let stream = guest.source(names!(wasi::entries(entries))).await;
        assert_eq!(guest.read(stream, 1).await, Code::Blocked);
        threads.settle();
        assert_eq!(guest.wait(stream).await, Code::Completed(1));
        assert_eq!(seen.try_iter().count(), 2);
        guest.drop_readable(stream).await;
    });
}

#[test]
fn the_entries_of_a_cancelled_read_are_for_the_next() {
    // Rule "Cancellation keeps the stream": the thread is blocked meanwhile.
    let threads = Threads::new();
    let _entered = threads.enter();
    let (release, gate) = channel::<()>();
    let entries = ["a", "b", "c"].into_iter().map(move |name| {
        gate.recv().unwrap();
        Ok(entry(name))
    });
    with_guest::<String, _>(async |guest| {
        let (listing, done) = names!(wasi::entries(entries)).with_completion();
        let stream = guest.source(listing).await;
        assert_eq!(guest.read(stream, 2).await, Code::Blocked);
        assert_eq!(guest.cancel_read(stream).await, Code::Cancelled(0));
        assert_eq!(guest.read(stream, 0).await, Code::Blocked);
        (0..3).for_each(|_| release.send(()).unwrap());
        threads.settle();
        assert_eq!(guest.wait(stream).await, Code::Completed(0));
        // Blocked until the guest has allocated the names.
        assert_eq!(guest.read(stream, 2).await, Code::Blocked);
        assert_eq!(guest.wait(stream).await, Code::Completed(2));
        assert_eq!(guest.items(2).await, [Some("a".into()), Some("b".into())]);
        // The end goes with the last entry.
        assert_eq!(guest.read(stream, 2).await, Code::Blocked);
        assert_eq!(guest.wait(stream).await, Code::Dropped(1));
        assert_eq!(guest.items(1).await, [Some("c".into())]);
        guest.drop_readable(stream).await;
        assert_eq!(done.await.moved, 3);
    });
}

#[test]
fn listings_that_nobody_reads_occupy_no_thread() {
    // More listings than threads: each begun, and left in the middle.
    let scratch = Scratch::new();
    for n in 0..300 {
        fs::write(scratch.0.join(n.to_string()), "").unwrap();
    }
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().max_blocking_threads(4).build().unwrap();
    runtime.block_on(async {
        let mut store = Store::new(&Engine::default(), ());
        let dir = std::sync::Arc::new(File::open(&scratch.0).unwrap());
        let mut listings = Vec::new();
        for _ in 0..600 {
            let reader = StreamReader::new(&mut store, wasi::directory(dir.clone())).unwrap();
            listings.push(from_guest::items(&mut store, reader, 1).unwrap());
        }
        let work = async |_: &wasmtime::component::Accessor<()>| {
            for listing in &mut listings {
                assert!(listing.next().await.is_some());
            }
            tokio::task::spawn_blocking(|| 7).await.unwrap()
        };
        // A time limit, so that the test fails instead of hanging.
        let work = tokio::time::timeout(Duration::from_secs(60), store.run_concurrent(work));
        assert_eq!(work.await.expect("blocking work is stopped").unwrap(), 7);
    });
}
