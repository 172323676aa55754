//! Reads at an offset.

use std::fs::File;
use std::io;

use futures::executor::block_on;
use wasmtime::component::StreamReader;
use wasmtime::{Engine, Store};
use wasmtime_streams::wasi::{self, FileError, ReadAt};
use wasmtime_streams::{ByteProducer, ByteSource, iterators};

use super::guest::{Code, with_guest, with_large_guest};
use super::{Gated, Scratch, Threads};

/// Host to host, outside of a runtime: what is read, and how it ends.
fn all<O: ReadAt>(object: O, offset: u64) -> (Vec<u8>, Result<(), FileError>) {
    let mut store = Store::new(&Engine::default(), ());
    let (producer, ended) = wasi::read_at(object, offset).with_completion();
    let reader = StreamReader::new(&mut store, producer).unwrap();
    let (sink, done) = iterators::collect_bytes(1 << 20).with_completion();
    reader.pipe(&mut store, sink).unwrap();
    let both = store.run_concurrent(async |_| (ended.await.end, done.await.inner.into_inner()));
    let (end, bytes) = block_on(both).unwrap();
    (bytes, wasi::file_end(end))
}

#[test]
fn a_read_begins_at_its_offset_and_ends_with_the_data() {
    let (threads, scratch) = (Threads::new(), Scratch::new());
    let _entered = threads.enter();
    for offset in [0, 3, 9, 10, 11, 1 << 40] {
        let expected = &b"0123456789"[(offset.min(10)) as usize..];
        assert_eq!(all(scratch.file(b"0123456789"), offset), (expected.to_vec(), Ok(())));
        assert_eq!(all(*b"0123456789", offset), (expected.to_vec(), Ok(())));
    }
}

#[test]
fn an_offset_that_no_file_can_have_is_invalid() {
    // The largest one means the file's own position to some calls of the system.
    let (threads, scratch) = (Threads::new(), Scratch::new());
    let _entered = threads.enter();
    for offset in [u64::MAX, u64::MAX - 1, i64::MAX as u64 + 1] {
        let (bytes, end) = all(scratch.file(b"0123456789"), offset);
        assert_eq!((bytes, end), (Vec::new(), Err(FileError::Invalid)), "{offset}");
        assert_eq!(all(*b"0123456789", offset), (Vec::new(), Ok(())));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn what_the_page_cache_has_is_read_without_a_thread() {
    // There is no runtime.
    let scratch = Scratch::new();
    let file = scratch.file(&[7; 100_000]);
    if matches!(ReadAt::try_read_at(&file, &mut [0], 0), Err(error) if error.kind() == io::ErrorKind::Unsupported)
    {
        eprintln!("skipped: the file system cannot read without blocking");
        return;
    }
    assert_eq!(all(file, 1), (vec![7; 99_999], Ok(())));
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_that_may_block_is_read_on_a_thread() {
    // Files of /proc cannot be read without blocking.
    let expected = std::fs::read("/proc/version").unwrap();
    let (bytes, end) = all(File::open("/proc/version").unwrap(), 0);
    assert_eq!(bytes, b"");
    assert!(end.is_err(), "there is no runtime");

    let threads = Threads::new();
    let _entered = threads.enter();
    assert_eq!(all(File::open("/proc/version").unwrap(), 0), (expected, Ok(())));
}

#[test]
fn a_runtime_that_is_gone_fails_the_stream() {
    let threads = Threads::new();
    let entered = threads.enter();
    let (object, _gate) = Gated::new(b"01");
    let producer = wasi::read_at(object, 0);
    drop(entered);
    drop(threads);
    with_guest::<u8, _>(async |guest| {
        let (producer, ended) = producer.with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(guest.recv(stream, 9).await.0, Code::Dropped(0));
        assert_eq!(wasi::file_end(ended.await.end), Err(FileError::Io));
    });
}

#[test]
fn where_the_guests_buffer_begins_makes_no_difference() {
    // Some places are read by way of the host's memory.
    let (threads, scratch) = (Threads::new(), Scratch::new());
    let _entered = threads.enter();
    let bytes: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    let file = scratch.file(&bytes);
    let mut memory = vec![0; 110_000];
    for place in [0, 1, 8, 16, 31, 32, 4095] {
        for offset in [0, 1, 16, 4090, 250_000, 299_999, 300_000] {
            for len in [1, 4096, 4097, 32 << 10, 100_000] {
                // From the start of a page.
                let page = memory.as_ptr().addr().wrapping_neg() % 4096;
                let buf = &mut memory[page + place..][..len];
                let n = match file.try_read_at(buf, offset as u64) {
                    Ok(n) => n,
                    Err(error) => {
                        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
                        continue;
                    }
                };
                let expected = &bytes[offset..(offset + len).min(bytes.len())];
                assert_eq!(&buf[..n], expected, "{place} {offset} {len}");
            }
        }
        let file = Slow(file.try_clone().unwrap(), false);
        assert_eq!(all(file, place as u64), (bytes[place..].to_vec(), Ok(())));
    }
}

#[test]
fn one_read_takes_at_most_256_kib() {
    let (threads, scratch) = (Threads::new(), Scratch::new());
    let _entered = threads.enter();
    let file = scratch.file(&vec![7; 300 << 10]);
    with_large_guest::<u8, _>(1 << 20, async |guest| {
        for direct in [true, false] {
            let file = Slow(file.try_clone().unwrap(), direct);
            let stream = guest.source(wasi::read_at(file, 0)).await;
            let mut codes = Vec::new();
            for _ in 0..3 {
                let mut code = guest.read(stream, 1 << 20).await;
                if code == Code::Blocked {
                    threads.settle();
                    code = guest.wait(stream).await;
                }
                codes.push(code);
            }
            let full = 256 << 10;
            let rest = (300 << 10) - full;
            assert_eq!(codes, [Code::Completed(full), Code::Completed(rest), Code::Dropped(0)]);
        }
    });
}

/// A file, with or without reads that do not block.
struct Slow(File, bool);

impl ReadAt for Slow {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        ReadAt::read_at(&self.0, buf, offset)
    }

    fn try_read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        if self.1 {
            return self.0.try_read_at(buf, offset);
        }
        Err(io::ErrorKind::WouldBlock.into())
    }
}

#[test]
fn a_cancelled_read_returns_at_once_and_its_bytes_are_for_the_next() {
    // Rule "Cancellation keeps the stream": the thread is blocked meanwhile.
    let threads = Threads::new();
    let _entered = threads.enter();
    with_guest::<u8, _>(async |guest| {
        let (object, gate) = Gated::new(b"0123456789");
        let stream = guest.source(wasi::read_at(object, 1)).await;
        assert_eq!(guest.read(stream, 4).await, Code::Blocked);
        assert_eq!(guest.cancel_read(stream).await, Code::Cancelled(0));
        // Zero-length operations wait for it.
        assert_eq!(guest.read(stream, 0).await, Code::Blocked);
        gate.release(9);
        threads.settle();
        assert_eq!(guest.wait(stream).await, Code::Completed(0));
        assert_eq!(guest.recv(stream, 3).await, (Code::Completed(3), b"123".to_vec()));
        assert_eq!(guest.recv(stream, 9).await, (Code::Completed(1), b"4".to_vec()));
        assert_eq!(guest.read(stream, 9).await, Code::Blocked);
        gate.release(2);
        threads.settle();
        assert_eq!(guest.wait(stream).await, Code::Completed(2));
        assert_eq!(gate.calls(), [(4, Some(1)), (9, Some(5))]);
        guest.drop_readable(stream).await;
    });
}

#[test]
fn the_offset_that_is_handed_back_is_of_the_first_byte_not_taken() {
    let threads = Threads::new();
    let _entered = threads.enter();
    with_guest::<u8, _>(async |guest| {
        let (object, gate) = Gated::new(b"0123456789");
        let (producer, done) = wasi::read_at(object, 1).with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(guest.read(stream, 6).await, Code::Blocked);
        assert_eq!(guest.cancel_read(stream).await, Code::Cancelled(0));
        gate.release(6);
        threads.settle();
        assert_eq!(guest.recv(stream, 2).await, (Code::Completed(2), b"12".to_vec()));
        guest.drop_readable(stream).await;
        let done = done.await;
        assert_eq!((done.moved, done.inner.into_parts().unwrap().1), (2, 3));
    });
}

#[test]
fn an_object_is_handed_back_after_the_read_of_its_thread() {
    let threads = Threads::new();
    let _entered = threads.enter();
    with_guest::<u8, _>(async |guest| {
        let (object, gate) = Gated::new(b"0123456789");
        let (producer, done) = wasi::read_at(object, 0).with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(guest.read(stream, 6).await, Code::Blocked);
        assert_eq!(guest.cancel_read(stream).await, Code::Cancelled(0));
        guest.drop_readable(stream).await;
        let mut inner = done.await.inner;
        assert!(inner.get_ref().is_none());
        gate.release(6);
        threads.settle();
        inner.settled().await;
        assert_eq!(inner.into_parts().unwrap().1, 0);
    });
}

#[test]
fn no_byte_follows_the_largest_offset() {
    /// Has a byte at every offset.
    struct Endless;

    impl ReadAt for Endless {
        fn read_at(&self, buf: &mut [u8], _: u64) -> io::Result<usize> {
            buf.fill(1);
            Ok(buf.len().min(4))
        }

        fn try_read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
            self.read_at(buf, offset)
        }
    }

    assert_eq!(all(Endless, u64::MAX - 9), (vec![1; 12], Err(FileError::Overflow)));
}

#[test]
fn an_error_of_the_host_object_can_be_a_code_of_the_interface() {
    let threads = Threads::new();
    let _entered = threads.enter();
    let (object, gate) = Gated::new(b"0123456789");
    gate.release(3);
    gate.fail(io::ErrorKind::Interrupted.into());
    gate.release(2);
    gate.fail(io::Error::other(FileError::TextFileBusy));
    assert_eq!(all(object, 1), (b"12345".to_vec(), Err(FileError::TextFileBusy)));
}

#[test]
#[cfg(unix)]
fn what_cannot_be_read_says_why() {
    let (threads, scratch) = (Threads::new(), Scratch::new());
    let _entered = threads.enter();
    let directory = File::open(&scratch.0).unwrap();
    assert_eq!(all(directory, 0), (Vec::new(), Err(FileError::IsDirectory)));
    let write_only = File::create(scratch.0.join("new")).unwrap();
    assert_eq!(all(write_only, 0), (Vec::new(), Err(FileError::BadDescriptor)));
    let pipe = File::from(std::os::fd::OwnedFd::from(io::pipe().unwrap().0));
    assert_eq!(all(pipe, 0), (Vec::new(), Err(FileError::InvalidSeek)));
}

#[test]
fn a_second_zero_length_read_finds_the_end() {
    let threads = Threads::new();
    let _entered = threads.enter();
    with_guest::<u8, _>(async |guest| {
        let stream = guest.source(wasi::read_at(*b"01", 2)).await;
        assert_eq!(guest.read(stream, 0).await, Code::Completed(0));
        assert_eq!(guest.read(stream, 0).await, Code::Dropped(0));
        guest.drop_readable(stream).await;
    });
}

#[test]
fn streams_of_any_pointer_are_read() {
    fn producer(object: impl ReadAt) -> ByteProducer<impl ByteSource> {
        wasi::read_at(object, 0)
    }
    let _ = (producer(&b"0"[..]), producer(std::sync::Arc::<[u8]>::from(*b"0")));
    let _ = producer(Box::new(vec![0_u8]) as Box<dyn ReadAt>);
    let _ = producer(bytes::Bytes::new());
}
