//! Files. They have no readiness: tokio reads and writes them on other threads.

use std::io::{self, Write as _};

use tokio::fs::File;
use wasmtime_streams::tokio_io;
use wasmtime_streams_testing::Code;

use super::with_guest;

/// A file that blocks a read until the other side writes.
fn blocking() -> (File, io::PipeWriter) {
    let (reader, writer) = io::pipe().unwrap();
    (File::from_std(std::fs::File::from(std::os::fd::OwnedFd::from(reader))), writer)
}

#[test]
fn a_file_that_blocks_does_not_block_the_executor() {
    // Rule "Register the current waker": the guest, this script and another task share one thread.
    with_guest::<u8, _>(async |guest| {
        let (file, mut writer) = blocking();
        let stream = guest.source(tokio_io::read(file)).await;
        assert_eq!(guest.read(stream, 8).await, Code::Blocked);
        let task = tokio::spawn(async move {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            writer.write_all(b"now").unwrap();
            writer
        });
        assert_eq!(guest.wait(stream).await, Code::Completed(3));
        drop(task.await.unwrap());
        assert_eq!(guest.recv(stream, 8).await.0, Code::Dropped(0));
    });
}

#[test]
fn a_cancelled_read_of_a_file_loses_nothing() {
    // Rule "Cancellation keeps the stream": the thread goes on reading, and its data is for the next read.
    with_guest::<u8, _>(async |guest| {
        let (file, mut writer) = blocking();
        let stream = guest.source(tokio_io::read(file)).await;
        for _ in 0..3 {
            assert_eq!(guest.read(stream, 8).await, Code::Blocked);
            assert_eq!(guest.cancel_read(stream).await, Code::Cancelled(0));
        }
        writer.write_all(b"abcdef").unwrap();
        // Shorter than the cancelled one.
        assert_eq!(guest.recv(stream, 2).await, (Code::Completed(2), b"ab".to_vec()));
        assert_eq!(guest.recv(stream, 8).await, (Code::Completed(4), b"cdef".to_vec()));
        drop(writer);
        assert_eq!(guest.recv(stream, 8).await.0, Code::Dropped(0));
    });
}

#[test]
fn a_file_is_copied_by_a_guest() {
    // Rule "Exactly once, in order", rule "The completion closes the sink".
    with_guest::<u8, _>(async |guest| {
        let directory = std::env::temp_dir();
        let name = |what| directory.join(format!("wasmtime-streams-{}.{what}", std::process::id()));
        let (from, to) = (name("from"), name("to"));
        let bytes: Vec<u8> = (0..5 << 20).map(|i: u32| (i ^ (i >> 9)) as u8).collect();
        std::fs::write(&from, &bytes).unwrap();
        let stream = guest.source(tokio_io::read(File::open(&from).await.unwrap())).await;
        let file = File::create(&to).await.unwrap();
        let (consumer, done) = tokio_io::write(file).with_completion();
        let out = guest.sink(consumer).await;
        loop {
            let (code, part) = guest.recv(stream, 1 << 20).await;
            if !part.is_empty() {
                assert!(matches!(guest.send_all(out, &part).await, Code::Completed(_)));
            }
            if matches!(code, Code::Dropped(_)) {
                break;
            }
        }
        guest.drop_writable(out).await;
        let done = done.await;
        assert!(done.end.is_finished());
        let copied = std::fs::read(&to).unwrap();
        for path in [from, to] {
            std::fs::remove_file(path).unwrap();
        }
        assert_eq!(done.moved, bytes.len() as u64);
        assert!(copied == bytes);
    });
}
