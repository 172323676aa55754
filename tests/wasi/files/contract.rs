//! The contract kit over files and listings: all of its scripts, on a thread that runs between the guest's operations.

use std::cell::Cell;
use std::io::{self, Read as _, Seek as _};
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use wasmtime_streams::wasi::{self, At, DirectoryEntry, FileType, ReadAt, WriteAt};
use wasmtime_streams::{Completion, End};
use wasmtime_streams_testing::{self as testing, Made, Reported};

use super::{Scratch, Threads};

const ITEMS: [u8; 7] = [1, 2, 3, 4, 5, 6, 7];

/// How often a script may wait for the thread. More would be an endless wait.
const STEPS: usize = 200;

/// Reports the result of the completion, lets the kit drive it, and cuts the stream by its handle. The thread runs when
/// the kit says so.
fn completed<X, V, S, E>(
    made: Made<X, V>,
    completion: Completion<S, E>,
    threads: &Rc<Threads>,
) -> Made<X, V>
where
    S: Unpin + 'static,
    E: 'static,
{
    let reports = Arc::new(Mutex::new(Vec::new()));
    let results = reports.clone();
    let handle = completion.cancel_handle();
    let (threads, left) = (threads.clone(), Cell::new(STEPS));
    made.drive(async move {
        let report = match completion.await.end {
            End::Cancelled => Reported::Cut,
            End::Failed(_) => Reported::Failed,
            _ => Reported::Ended,
        };
        results.lock().unwrap().push(report);
    })
    .cut(move || handle.cancel())
    .reports(move || reports.lock().unwrap().clone())
    .step(move || {
        let more = left.get() > 0;
        if more {
            left.set(left.get() - 1);
            threads.settle();
        }
        more
    })
}

/// How an object behaves.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Everything on the thread at once.
    Thread,
    /// Some of it without the thread, a part at a time, often interrupted.
    Mixed,
    /// The same, and it fails at the end.
    Fails,
}

struct Object {
    kind: Kind,
    turn: Mutex<usize>,
    data: Arc<Mutex<Vec<u8>>>,
}

impl Object {
    fn new(kind: Kind, data: &[u8]) -> Self {
        Self { kind, turn: Mutex::new(0), data: Arc::new(Mutex::new(data.to_vec())) }
    }

    fn part(&self, len: usize) -> io::Result<usize> {
        let mut turn = self.turn.lock().unwrap();
        *turn += 1;
        match self.kind {
            Kind::Thread => Ok(len),
            _ if *turn % 2 == 1 => Err(io::ErrorKind::Interrupted.into()),
            _ => Ok(len.min(*turn % 3 + 1)),
        }
    }
}

impl ReadAt for Object {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        assert!(!buf.is_empty(), "a read into an empty buffer");
        let part = self.part(buf.len())?;
        match self.data.lock().unwrap().read_at(&mut buf[..part], offset)? {
            0 if self.kind == Kind::Fails => Err(io::Error::other("scripted failure")),
            n => Ok(n),
        }
    }

    fn try_read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        match self.kind {
            Kind::Thread => Err(io::ErrorKind::Unsupported.into()),
            _ if offset % 3 == 1 => self.read_at(buf, offset),
            _ => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl WriteAt for Object {
    fn write_at(&self, buf: &[u8], at: At) -> io::Result<usize> {
        assert!(!buf.is_empty(), "a write of an empty buffer");
        let n = self.part(buf.len())?;
        let mut data = self.data.lock().unwrap();
        if self.kind == Kind::Fails && data.len() + n > 5 {
            return Err(io::Error::other("scripted failure"));
        }
        assert!(at == At::End || at == At::Offset(data.len() as u64));
        data.extend_from_slice(&buf[..n]);
        Ok(n)
    }
}

fn read(kind: Kind) {
    let threads = Rc::new(Threads::new());
    let runtime = threads.clone();
    let _entered = runtime.enter();
    let check = testing::producer(ITEMS.to_vec(), move || {
        let data: Vec<u8> = [9].into_iter().chain(ITEMS).collect();
        let (producer, done) = wasi::read_at(Object::new(kind, &data), 1).with_completion();
        completed(Made::new(producer), done, &threads)
    });
    let check = check.short();
    if kind == Kind::Fails {
        check.fails().assert()
    } else {
        check.assert()
    };
}

fn write(kind: Kind, at: At) {
    let threads = Rc::new(Threads::new());
    let runtime = threads.clone();
    let _entered = runtime.enter();
    let check = testing::consumer(ITEMS.to_vec(), move || {
        let object = Object::new(kind, &[]);
        let data = object.data.clone();
        let (consumer, done) = wasi::write_at(object, at).with_completion();
        completed(Made::new(consumer), done, &threads)
            .received(move || data.lock().unwrap().clone())
    });
    if kind == Kind::Fails {
        check.fails().assert()
    } else {
        check.assert()
    };
}

#[test]
fn reads_on_a_thread_keep_the_contract() {
    read(Kind::Thread);
}

#[test]
fn reads_with_and_without_a_thread_keep_the_contract() {
    read(Kind::Mixed);
}

#[test]
fn reads_that_fail_keep_the_contract() {
    read(Kind::Fails);
}

#[test]
fn reads_of_a_real_file_keep_the_contract() {
    let (threads, scratch) = (Rc::new(Threads::new()), Scratch::new());
    let runtime = threads.clone();
    let _entered = runtime.enter();
    let file = Arc::new(scratch.file(&ITEMS));
    testing::producer(ITEMS.to_vec(), move || {
        let (producer, done) = wasi::read_at(file.clone(), 0).with_completion();
        completed(Made::new(producer), done, &threads)
    })
    .short()
    .assert();
}

#[test]
fn writes_keep_the_contract() {
    write(Kind::Thread, At::Offset(0));
    write(Kind::Mixed, At::End);
}

#[test]
fn writes_that_fail_keep_the_contract() {
    write(Kind::Fails, At::Offset(0));
}

#[test]
fn writes_to_a_real_file_keep_the_contract() {
    let (threads, scratch) = (Rc::new(Threads::new()), Scratch::new());
    let runtime = threads.clone();
    let _entered = runtime.enter();
    let file = Arc::new(scratch.file(&[]));
    testing::consumer(ITEMS.to_vec(), move || {
        // The last script may have left a write behind.
        threads.settle();
        file.set_len(0).unwrap();
        let mut written = file.try_clone().unwrap();
        let (consumer, done) = wasi::write_at(file.clone(), At::End).with_completion();
        completed(Made::new(consumer), done, &threads).received(move || {
            let mut data = Vec::new();
            written.rewind().unwrap();
            written.read_to_end(&mut data).unwrap();
            data
        })
    })
    .assert();
}

fn list(fails: bool) {
    let threads = Rc::new(Threads::new());
    let runtime = threads.clone();
    let _entered = runtime.enter();
    let names: Vec<String> = ITEMS.iter().map(|n| "x".repeat((*n).into())).collect();
    let check = testing::producer(names.clone(), move || {
        let entries = names.clone().into_iter();
        let entries = entries.map(|name| Ok(DirectoryEntry { kind: FileType::Fifo, name }));
        let failure = fails.then(|| Err(io::Error::other("scripted failure")));
        let listing = wasi::entries(entries.chain(failure));
        let listing =
            listing.deliver_with(|_: wasmtime::StoreContextMut<'_, ()>, entry| Ok(entry.name));
        let (producer, done) = listing.with_completion();
        completed(Made::new(producer), done, &threads)
    });
    if fails {
        check.fails().assert()
    } else {
        check.assert()
    };
}

#[test]
fn listings_keep_the_contract() {
    list(false);
}

#[test]
fn listings_that_fail_keep_the_contract() {
    list(true);
}
