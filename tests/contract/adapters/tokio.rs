//! Rows: the feature `tokio`.

use std::sync::{Arc, LazyLock, Mutex, mpsc};

use ::tokio::runtime::{Builder, Runtime};
use wasmtime_streams as ws;
use wasmtime_streams_testing::{self as testing, Made};

use super::std::{Blocking, Log, reads, writes};
use super::{ITEMS, Kind, add, completed};
use crate::script::{Reader, Writer};

/// One thread for blocking work, so that jobs run in the order in which they were given.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().max_blocking_threads(1).build().unwrap());

/// Watches the thread that runs the jobs of one reader or writer.
#[derive(Clone, Default)]
struct Thread {
    log: Arc<Mutex<Option<Arc<Mutex<Log>>>>>,
    calls: usize,
}

impl Thread {
    fn watch(&self, object: &Blocking) {
        *self.log.lock().unwrap() = Some(object.log());
    }

    /// Waits until the thread has finished all jobs; `false` if there were none.
    fn step(&mut self) -> bool {
        let (done, wait) = mpsc::channel();
        RUNTIME.spawn_blocking(move || done.send(()).unwrap());
        wait.recv().unwrap();
        let log = self.log.lock().unwrap();
        let calls = log.as_ref().unwrap().lock().unwrap().calls;
        std::mem::replace(&mut self.calls, calls) != calls
    }
}

fn read(
    reader: Blocking,
    thread: &Thread,
    _: Kind,
) -> ws::ByteProducer<ws::blocking::Read<Blocking>> {
    thread.watch(&reader);
    let _runtime = RUNTIME.enter();
    ws::blocking::read(reader)
}

fn write(
    writer: Blocking,
    thread: &Thread,
    _: Kind,
) -> ws::ByteConsumer<ws::blocking::Write<Blocking>> {
    thread.watch(&writer);
    let _runtime = RUNTIME.enter();
    ws::blocking::write(writer)
}

#[rustfmt::skip]
rows! {
    tokio_io_read: source!(ITEMS.to_vec(), short: true, Ready Parts Fails, |script| ws::tokio_io::read(Reader::new(script)));
    tokio_io_buf_read: source!(ITEMS.to_vec(), short: true, Ready Parts Fails, |script| ws::tokio_io::buf_read(Reader::new(script)));
    tokio_io_write: sink!(ITEMS.to_vec(), Ready Parts Fails, ws::tokio_io::write);
    blocking_read: reads!(Thread::default(), Ready Parts Fails, read);
    blocking_write: writes!(Thread::default(), Ready Parts Fails, write);
}
