//! Rows: real files.

use std::cell::Cell;
use std::fs;
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::rc::Rc;

use ::tokio::fs::File;
use ::tokio::io::BufReader;
use ::tokio::runtime::{Builder, Runtime};
use wasmtime_streams as ws;
use wasmtime_streams::Flush;
use wasmtime_streams_testing::{self as testing, Made, Report};

use super::{ITEMS, completed};

/// How often a script may wait for the thread that reads and writes. More would be an endless wait.
const STEPS: usize = 200;

/// A runtime with one thread for files, so that jobs run one after the other.
fn pool() -> Rc<Runtime> {
    Rc::new(Builder::new_current_thread().max_blocking_threads(1).build().unwrap())
}

/// Waits until the thread has finished all its jobs, wake-ups included.
fn settle(pool: &Runtime, left: &Cell<usize>) -> bool {
    let more = left.get() > 0;
    if more {
        left.set(left.get() - 1);
        pool.block_on(pool.spawn_blocking(|| ())).unwrap();
    }
    more
}

/// A file that has no name any more.
fn file() -> fs::File {
    tempfile::tempfile().unwrap()
}

/// Checks the source that `$make` makes of a file.
macro_rules! reads {
    ($make:expr) => {{
        let pool = pool();
        let _entered = pool.enter();
        let pool = pool.clone();
        let check = testing::producer(ITEMS.to_vec(), move || {
            let mut file = file();
            file.write_all(&ITEMS).unwrap();
            file.rewind().unwrap();
            let (producer, completion) = $make(File::from_std(file)).with_completion();
            let (pool, left) = (pool.clone(), Cell::new(STEPS));
            completed(Made::new(producer), completion).step(move || settle(&pool, &left))
        });
        check.short().assert()
    }};
}

fn writes(policy: Flush) -> Report {
    let pool = pool();
    let _entered = pool.enter();
    let pool = pool.clone();
    let check = testing::consumer(ITEMS.to_vec(), move || {
        let file = file();
        let same = file.try_clone().unwrap();
        let writer = ws::tokio_io::write(File::from_std(file)).flush(policy);
        let (consumer, completion) = writer.with_completion();
        let (pool, left) = (pool.clone(), Cell::new(STEPS));
        completed(Made::new(consumer), completion).step(move || settle(&pool, &left)).received(
            move || {
                let mut bytes = vec![0; same.metadata().unwrap().len() as usize];
                same.read_exact_at(&mut bytes, 0).unwrap();
                bytes
            },
        )
    });
    check.assert()
}

rows! {
    tokio_io_read_file: reads!(ws::tokio_io::read);
    tokio_io_buf_read_file: reads!(|file| ws::tokio_io::buf_read(BufReader::with_capacity(4, file)));
    tokio_io_write_file: writes(Flush::EachOp);
    tokio_io_write_file_on_close: writes(Flush::OnClose);
}
