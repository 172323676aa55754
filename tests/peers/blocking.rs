//! Blocking readers and writers on real threads: pipes of the operating system, and files.

use std::fs::{self, File};
use std::io::{self, BufWriter, PipeReader, Read as _, Write as _};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use tokio::runtime::{Builder, Runtime};
use wasmtime::component::StreamReader;
use wasmtime::{Engine, Store};
use wasmtime_streams::{
    End,
    blocking::{self, Job},
};
use wasmtime_streams_testing::{Code, Guest, Setup};

const MIB: usize = 1 << 20;

/// Bytes that differ from their neighbours.
fn pattern() -> Vec<u8> {
    (0..MIB).map(|i| (i.wrapping_mul(31) ^ (i >> 8) ^ (i >> 16)) as u8).collect()
}

/// A file for one test, removed at its end.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str) -> Self {
        let name = format!("wasmtime-streams-{}-{name}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// One thread for all jobs, and a receiver that gets a message after each, its wake-up included.
fn worker() -> (impl FnMut(Job) + Clone + Send + 'static, Receiver<()>) {
    let (jobs, queue) = mpsc::channel::<Job>();
    let (over, done) = mpsc::channel();
    thread::spawn(move || {
        for job in queue {
            job.run();
            let _ = over.send(());
        }
    });
    (move |job| jobs.send(job).unwrap(), done)
}

fn run(script: impl AsyncFnOnce(&Guest<'_, (), u8>)) {
    Setup::new(()).run(script).0.expect("stalled").unwrap();
}

/// Waits for an operation that a thread completes. The guest's executor does not know of threads.
async fn wait(guest: &Guest<'_, (), u8>, stream: u32, code: Code, done: &Receiver<()>) -> Code {
    if code != Code::Blocked {
        return code;
    }
    let mut wait = Box::pin(guest.wait(stream));
    loop {
        done.recv().unwrap();
        // The job may have been that of an earlier operation, which completed without waiting for it.
        if let Some(code) = guest.parked(&mut wait).await {
            return code;
        }
    }
}

#[test]
fn a_guest_cancels_a_read_of_a_pipe_that_blocks_and_reads_again() {
    // Rule "Cancellation keeps the stream": the thread stays in its read, whose data is for the guest's next read.
    let (reader, mut writer) = io::pipe().unwrap();
    let (spawn, done) = worker();
    run(async |guest| {
        let (producer, completion) = blocking::read_on(reader, spawn).with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(guest.read(stream, 4).await, Code::Blocked);
        assert_eq!(guest.cancel_read(stream).await, Code::Cancelled(0));
        assert_eq!(guest.read(stream, 2).await, Code::Blocked);
        assert_eq!(guest.cancel_read(stream).await, Code::Cancelled(0));
        assert_eq!(guest.read(stream, 3).await, Code::Blocked);
        writer.write_all(b"hello").unwrap();
        // The first read asked for four bytes. They go to the next reader.
        assert_eq!(wait(guest, stream, Code::Blocked, &done).await, Code::Completed(3));
        assert_eq!(guest.dump(wasmtime_streams_testing::BUFFER, 3).await, b"hel");
        assert_eq!(guest.recv(stream, 9).await, (Code::Completed(1), b"l".to_vec()));
        let code = guest.read(stream, 9).await;
        assert_eq!(wait(guest, stream, code, &done).await, Code::Completed(1));
        drop(writer);
        let code = guest.read(stream, 9).await;
        assert_eq!(wait(guest, stream, code, &done).await, Code::Dropped(0));
        assert!(completion.await.end.is_finished());
    });
}

#[test]
fn a_reader_that_blocks_for_ever_does_not_delay_a_guest_that_leaves() {
    // Rule "Completion": the guest leaves at once. The reader comes back when its read returns.
    let (reader, mut writer) = io::pipe().unwrap();
    let mut kept = None;
    run(async |guest| {
        let (producer, completion) =
            blocking::read_on(reader, |job| drop(thread::spawn(|| job.run()))).with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(guest.read(stream, 4).await, Code::Blocked);
        assert_eq!(guest.cancel_read(stream).await, Code::Cancelled(0));
        guest.drop_readable(stream).await;
        let done = completion.await;
        assert!(matches!(done.end, End::PeerDropped));
        kept = Some(done.inner);
    });
    let mut source = kept.unwrap();
    assert!(source.get_mut().is_none());
    writer.write_all(b"late").unwrap();
    futures::executor::block_on(source.settled());
    let (reader, rest): (Option<PipeReader>, _) = source.into_parts();
    assert!(reader.is_some());
    assert_eq!(rest, b"late");
}

#[test]
fn a_mebibyte_is_read_from_a_file_unchanged() {
    // Rule "Exactly once, in order".
    let file = Temporary::new("read");
    let data = pattern();
    fs::write(&file.0, &data).unwrap();
    let (spawn, done) = worker();
    run(async |guest| {
        let reader = File::open(&file.0).unwrap();
        let stream = guest.source(blocking::read_on(reader, spawn)).await;
        let mut got = Vec::new();
        for size in [1, 70_000, 4096, 65_536].into_iter().cycle() {
            let code = guest.read(stream, size).await;
            let code = wait(guest, stream, code, &done).await;
            got.extend(guest.dump(wasmtime_streams_testing::BUFFER, code.count()).await);
            if code == Code::Dropped(0) {
                break;
            }
        }
        assert!(got == data);
    });
}

#[test]
fn a_mebibyte_is_written_to_a_file_unchanged() {
    // Rule "Exactly once, in order"; rule "Flush policy": a completed write is in the file.
    let file = Temporary::new("write");
    let data = pattern();
    let (spawn, done) = worker();
    run(async |guest| {
        let writer = BufWriter::new(File::create(&file.0).unwrap());
        let stream = guest.sink(blocking::write_on(writer, spawn)).await;
        let mut rest = &data[..];
        for size in [1, 70_000, 4096, 65_536].into_iter().cycle() {
            let part = &rest[..size.min(rest.len())];
            guest.load(part).await;
            let code = guest.write(stream, part.len() as u32).await;
            let code = wait(guest, stream, code, &done).await;
            rest = &rest[code.count() as usize..];
            assert_eq!(fs::metadata(&file.0).unwrap().len() as usize, MIB - rest.len());
            if rest.is_empty() {
                break;
            }
        }
    });
    assert!(fs::read(&file.0).unwrap() == data);
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).build().unwrap()
}

#[test]
fn a_mebibyte_goes_from_file_to_file_on_tokios_threads() {
    // Rule "Host to host".
    let (from, to) = (Temporary::new("from"), Temporary::new("to"));
    let data = pattern();
    fs::write(&from.0, &data).unwrap();
    let (source, sink) = runtime().block_on(async {
        let mut store = Store::new(&Engine::default(), ());
        let (producer, source) = blocking::read(File::open(&from.0).unwrap()).with_completion();
        let reader = StreamReader::new(&mut store, producer).unwrap();
        let writer = BufWriter::new(File::create(&to.0).unwrap());
        let (consumer, sink) = blocking::write(writer).with_completion();
        reader.pipe(&mut store, consumer).unwrap();
        store.run_concurrent(async |_| (source.await, sink.await)).await.unwrap()
    });
    assert!(source.end.is_finished() && sink.end.is_finished());
    assert_eq!((source.moved, sink.moved), (MIB as u64, MIB as u64));
    assert!(sink.inner.into_inner().unwrap().buffer().is_empty());
    assert!(fs::read(&to.0).unwrap() == data);
    let mut rest = Vec::new();
    source.inner.into_inner().unwrap().read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty());
}

#[test]
fn a_stream_on_tokios_threads_fails_when_its_runtime_is_gone() {
    // Rule "Completion": an error instead of a hang, and the reader is handed back.
    let runtime = runtime();
    let reader = {
        let _runtime = runtime.enter();
        blocking::read(&b"hello"[..])
    };
    runtime.shutdown_background();
    run(async |guest| {
        let (producer, completion) = reader.with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(guest.read(stream, 4).await, Code::Dropped(0));
        let done = completion.await;
        assert!(matches!(done.end, End::Failed(_)), "{:?}", done.end);
        assert_eq!(done.inner.into_inner().unwrap(), b"hello");
    });
}
