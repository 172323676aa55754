//! Rows: real files.

use std::fs;
use std::io::{Read as _, Seek as _, Write as _};
use std::sync::{LazyLock, mpsc};

use ::tokio::fs::File;
use ::tokio::io::BufReader;
use ::tokio::runtime::{Builder, EnterGuard, Runtime};
use wasmtime_streams as ws;
use wasmtime_streams::Flush;
use wasmtime_streams_testing::{self as testing, BoxedCheck, Made};

use super::{ITEMS, completed};

/// How often a script may wait for the thread that reads and writes. More would be an endless wait.
const STEPS: usize = 200;

/// A runtime with one thread for files, so that jobs run one after the other.
static POOL: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().max_blocking_threads(1).build().unwrap());

/// Enters the runtime for one script. A step waits until the thread has finished all its jobs, wake-ups included.
fn in_pool<X, V>(made: Made<X, V>, entered: EnterGuard<'static>) -> Made<X, V> {
    let mut left = STEPS;
    made.step(move || {
        let _entered = &entered;
        let more = left > 0;
        if more {
            left -= 1;
            let (done, wait) = mpsc::channel();
            POOL.spawn_blocking(move || done.send(()).unwrap());
            wait.recv().unwrap();
        }
        more
    })
}

/// A file that has no name any more.
fn file() -> fs::File {
    tempfile::tempfile().unwrap()
}

/// Checks the source that `$make` makes of a file.
macro_rules! reads {
    ($make:expr) => {
        testing::producer(ITEMS.to_vec(), move || {
            let entered = POOL.enter();
            let mut file = file();
            file.write_all(&ITEMS).unwrap();
            file.rewind().unwrap();
            let (producer, completion) = $make(File::from_std(file)).with_completion();
            in_pool(completed(Made::new(producer), completion), entered)
        })
        .short()
        .boxed()
    };
}

fn writes(policy: Flush) -> BoxedCheck {
    testing::consumer(ITEMS.to_vec(), move || {
        let entered = POOL.enter();
        let file = file();
        let mut same = file.try_clone().unwrap();
        let writer = ws::tokio_io::write(File::from_std(file)).flush(policy);
        let (consumer, completion) = writer.with_completion();
        in_pool(completed(Made::new(consumer), completion), entered).received(move || {
            let mut bytes = Vec::new();
            same.rewind().unwrap();
            same.read_to_end(&mut bytes).unwrap();
            bytes
        })
    })
    .boxed()
}

rows! {
    tokio_io_read_file: reads!(ws::tokio_io::read);
    tokio_io_buf_read_file: reads!(|file| ws::tokio_io::buf_read(BufReader::with_capacity(4, file)));
    tokio_io_write_file: writes(Flush::EachOp);
    tokio_io_write_file_on_close: writes(Flush::OnClose);
}
