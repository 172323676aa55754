//! Writes at an offset.

use std::fs;
use std::io;

use wasmtime_streams::Flush;
use wasmtime_streams::wasi::{self, At, FileError, WriteAt};

use super::guest::{Code, Guest, with_guest, with_large_guest};
use super::{Gated, Scratch, Threads};

/// Writes all of `bytes` and ends the stream: the codes of the operations, and how it ended.
async fn write(
    guest: &Guest<'_, u8>,
    threads: &Threads,
    object: impl WriteAt,
    at: At,
    bytes: &[u8],
) -> (Vec<Code>, Result<(), FileError>) {
    let (consumer, done) = wasi::write_at(object, at).with_completion();
    let stream = guest.sink(consumer).await;
    let (mut codes, mut left) = (Vec::new(), bytes);
    while !left.is_empty() {
        guest.load(left).await;
        let mut code = guest.write(stream, left.len() as u32).await;
        if code == Code::Blocked {
            threads.settle();
            code = guest.wait(stream).await;
        }
        codes.push(code);
        left = &left[code.count() as usize..];
        if matches!(code, Code::Dropped(_)) {
            break;
        }
    }
    guest.drop_writable(stream).await;
    (codes, wasi::file_end(done.await.end))
}

#[test]
fn a_write_begins_at_its_offset() {
    let (threads, scratch) = (Threads::new(), Scratch::new());
    let _entered = threads.enter();
    with_guest::<u8, _>(async |guest| {
        let file = scratch.file(b"0123456789");
        let written = write(guest, &threads, file, At::Offset(8), b"abcd").await;
        assert_eq!(written, (vec![Code::Completed(4)], Ok(())));
        assert_eq!(fs::read(scratch.0.join("file")).unwrap(), b"01234567abcd");
        let file = scratch.file(b"0");
        let written = write(guest, &threads, file, At::Offset(3), b"x").await;
        assert_eq!(written, (vec![Code::Completed(1)], Ok(())));
        assert_eq!(fs::read(scratch.0.join("file")).unwrap(), b"0\0\0x");
    });
}

#[test]
fn one_write_accepts_at_most_256_kib() {
    let (threads, scratch) = (Threads::new(), Scratch::new());
    let _entered = threads.enter();
    with_large_guest::<u8, _>(1 << 20, async |guest| {
        let (file, bytes) = (scratch.file(b""), vec![7; 300 << 10]);
        let (codes, end) = write(guest, &threads, file, At::Offset(0), &bytes).await;
        let full = 256 << 10;
        assert_eq!(codes, [Code::Completed(full), Code::Completed((300 << 10) - full)]);
        assert_eq!(end, Ok(()));
        assert_eq!(fs::read(scratch.0.join("file")).unwrap(), bytes);
    });
}

#[test]
fn two_streams_append_operation_by_operation() {
    // The file is not open for appending.
    let (threads, scratch) = (Threads::new(), Scratch::new());
    let _entered = threads.enter();
    with_guest::<u8, _>(async |guest| {
        let file = std::sync::Arc::new(scratch.file(b"begin"));
        let mut streams = Vec::new();
        for _ in 0..2 {
            streams.push(guest.sink(wasi::write_at(file.clone(), At::End)).await);
        }
        for (stream, bytes) in [(0, b" one"), (1, b" two"), (0, b" 3rd")] {
            guest.load(bytes).await;
            let mut code = guest.write(streams[stream], 4).await;
            if code == Code::Blocked {
                threads.settle();
                code = guest.wait(streams[stream]).await;
            }
            assert_eq!(code, Code::Completed(4));
        }
        assert_eq!(fs::read(scratch.0.join("file")).unwrap(), b"begin one two 3rd");
        for stream in streams {
            guest.drop_writable(stream).await;
        }
    });
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_told_to_the_guest() {
    let threads = Threads::new();
    let _entered = threads.enter();
    with_guest::<u8, _>(async |guest| {
        for at in [At::Offset(0), At::End] {
            let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
            let (codes, end) = write(guest, &threads, full, at, b"0123").await;
            assert_eq!((codes, end), (vec![Code::Dropped(4)], Err(FileError::InsufficientSpace)));
        }
    });
}

#[test]
#[cfg(unix)]
fn what_cannot_be_written_says_why() {
    let (threads, scratch) = (Threads::new(), Scratch::new());
    let _entered = threads.enter();
    with_guest::<u8, _>(async |guest| {
        for at in [At::Offset(0), At::End] {
            scratch.file(b"0");
            let read_only = fs::File::open(scratch.0.join("file")).unwrap();
            let (_, end) = write(guest, &threads, read_only, at, b"0").await;
            assert_eq!(end, Err(FileError::BadDescriptor));
        }
        for offset in [u64::MAX, i64::MAX as u64 + 1] {
            let file = scratch.file(b"0");
            let (_, end) = write(guest, &threads, file, At::Offset(offset), b"0").await;
            assert_eq!(end, Err(FileError::Invalid));
        }
        assert_eq!(fs::read(scratch.0.join("file")).unwrap(), b"0");
    });
}

#[test]
fn a_short_write_continues_on_the_thread() {
    let threads = Threads::new();
    let _entered = threads.enter();
    with_guest::<u8, _>(async |guest| {
        for at in [At::Offset(1), At::End] {
            let (object, gate) = Gated::new(b"x");
            gate.release(2);
            gate.fail(io::ErrorKind::Interrupted.into());
            gate.release(1);
            gate.release(9);
            let written = write(guest, &threads, object, at, b"012345").await;
            assert_eq!(written, (vec![Code::Completed(6)], Ok(())));
            assert_eq!(gate.data(), b"x012345");
            assert_eq!(gate.calls().iter().map(|call| call.0).collect::<Vec<_>>(), [6, 4, 3]);
        }
    });
}

#[test]
fn a_cancelled_write_returns_at_once_with_what_was_accepted() {
    // The thread is blocked meanwhile, and the next write waits for it.
    let threads = Threads::new();
    let _entered = threads.enter();
    with_guest::<u8, _>(async |guest| {
        let (object, gate) = Gated::new(b"");
        let (consumer, done) = wasi::write_at(object, At::Offset(0)).with_completion();
        let stream = guest.sink(consumer).await;
        guest.load(b"0123").await;
        assert_eq!(guest.write(stream, 4).await, Code::Blocked);
        assert_eq!(guest.cancel_write(stream).await, Code::Cancelled(4));
        guest.load(b"45").await;
        assert_eq!(guest.write(stream, 2).await, Code::Blocked);
        // Nothing of it was accepted.
        assert_eq!(guest.cancel_write(stream).await, Code::Cancelled(0));
        gate.release(9);
        threads.settle();
        assert_eq!(guest.write(stream, 2).await, Code::Blocked);
        gate.release(9);
        threads.settle();
        assert_eq!(guest.wait(stream).await, Code::Completed(2));
        assert_eq!(gate.data(), b"012345");
        guest.drop_writable(stream).await;
        let done = done.await;
        assert_eq!((done.moved, wasi::file_end(done.end)), (6, Ok(())));
    });
}

#[test]
fn an_error_after_a_cancelled_write_is_reported_at_the_end() {
    let threads = Threads::new();
    let _entered = threads.enter();
    for flush in [Flush::EachOp, Flush::OnClose] {
        with_guest::<u8, _>(async |guest| {
            let (object, gate) = Gated::new(b"");
            let consumer = wasi::write_at(object, At::End).flush(flush);
            let (consumer, done) = consumer.with_completion();
            let stream = guest.sink(consumer).await;
            guest.load(b"0123").await;
            match guest.write(stream, 4).await {
                Code::Blocked => {
                    assert_eq!(guest.cancel_write(stream).await, Code::Cancelled(4));
                }
                code => assert_eq!((flush, code), (Flush::OnClose, Code::Completed(4))),
            }
            gate.release(1);
            gate.fail(io::Error::other(FileError::Quota));
            threads.settle();
            guest.drop_writable(stream).await;
            let done = done.await;
            assert_eq!(wasi::file_end(done.end), Err(FileError::Quota));
            let (_, _, unwritten) = done.inner.into_parts().unwrap();
            assert_eq!((gate.data(), unwritten), (b"0".to_vec(), b"123".to_vec()));
        });
    }
}

#[test]
fn what_was_accepted_is_written_without_a_completion() {
    let threads = Threads::new();
    let _entered = threads.enter();
    with_guest::<u8, _>(async |guest| {
        let (object, gate) = Gated::new(b"");
        let stream = guest.sink(wasi::write_at(object, At::End)).await;
        guest.load(b"0123").await;
        assert_eq!(guest.write(stream, 4).await, Code::Blocked);
        assert_eq!(guest.cancel_write(stream).await, Code::Cancelled(4));
        guest.drop_writable(stream).await;
        gate.release(9);
        threads.settle();
        assert_eq!(gate.data(), b"0123");
    });
}
