//! How much memory a full hand-over holds, for writes of any size.

use std::pin::Pin;
use std::task::{Context, Waker};

use wasmtime_streams::to_guest::{self, HostWriter};
use wasmtime_streams::{ByteSource as _, ItemSink as _, ItemSource as _, Take, relay};

use crate::{ALLOCATOR, COUNTED, SHARED};

/// How many bytes a filled hand-over holds more than an empty one.
fn held<W>(empty: impl Fn() -> W, fill: impl FnOnce(&mut W)) -> usize {
    // Takes all spare memory that earlier hand-overs left for later ones.
    let (mut other, _others) = to_guest::producer(4 * SHARED);
    write(&mut other, &[7; 64 << 10]);
    let mut filled = empty();
    let before = ALLOCATOR.current_usage();
    fill(&mut filled);
    ALLOCATOR.current_usage().saturating_sub(before)
}

/// Writes `piece` until there is no room.
fn write(writer: &mut HostWriter, piece: &[u8]) {
    while writer.poll_write(&mut Context::from_waker(Waker::noop()), piece).is_ready() {}
}

/// How many bytes are held of writes of `piece`, after `reads` reads of `part` bytes.
fn held_bytes(capacity: usize, piece: &[u8], reads: usize, part: usize) -> usize {
    held(
        || to_guest::producer(capacity),
        |(writer, producer)| {
            let cx = &mut Context::from_waker(Waker::noop());
            let mut buf = vec![0; part];
            for _ in 0..reads {
                write(writer, piece);
                assert!(Pin::new(producer.get_mut()).poll_read(cx, &mut buf).is_ready());
            }
            write(writer, piece);
        },
    )
}

#[test]
fn queued_bytes_use_no_more_memory_than_the_capacity_and_a_chunk() {
    // docs/contract.md, "Memory": however large the writes and reads are.
    let _counted = COUNTED.lock().unwrap();
    let data = vec![7; 1 << 20];
    for capacity in [1000, 64 << 10, 100_000, 128 << 10, 200_000, 512 << 10] {
        let chunk = (capacity / 2).min(64 << 10);
        // Reused memory is a little longer than its chunk. The rest is the queue of chunks itself.
        let most = (capacity + chunk) / 64 * 65 + 1024;
        for piece in [99, 1000, 16_385, 32_769, 40_000, 65_537, 1 << 20] {
            for (reads, part) in [(0, 0), (1, 1), (5, 1), (7, 1000), (9, 16_385), (9, 1 << 17)] {
                let held = held_bytes(capacity, &data[..piece], reads, part);
                assert!(
                    held <= most,
                    "{held} of {capacity} in pieces of {piece}, {reads} reads of {part}"
                );
            }
        }
    }
}

/// A guest's write of this many numbers.
struct Numbers(usize);

impl Take<u64> for Numbers {
    fn remaining(&self) -> usize {
        self.0
    }

    fn taken(&self) -> usize {
        0
    }

    fn take(&mut self, max: usize, out: &mut Vec<u64>) -> usize {
        let n = max.min(self.0).min(8192);
        self.0 -= n;
        out.resize(out.len() + n, 7);
        n
    }

    fn take_one(&mut self) -> Option<u64> {
        self.0 = self.0.checked_sub(1)?;
        Some(7)
    }
}

/// How many bytes are held of items that come in such batches, after `reads` reads of `part` items.
fn held_items(capacity: usize, batch: usize, reads: usize, part: usize) -> usize {
    held(
        || relay::item_parts::<u64>(capacity),
        |(consumer, producer)| {
            let cx = &mut Context::from_waker(Waker::noop());
            for read in 0..=reads {
                let mut sink = Pin::new(consumer.get_mut());
                while sink.as_mut().poll_accept(cx, &mut Numbers(batch)).is_ready() {}
                if read < reads {
                    // As a producer does after it has delivered `part` items.
                    let mut out = Vec::with_capacity(part);
                    let source = Pin::new(producer.get_mut());
                    assert!(source.poll_items(cx, part, &mut out).is_ready());
                }
            }
        },
    )
}

#[test]
fn queued_items_use_no_more_memory_than_twice_the_capacity() {
    // docs/contract.md, "Memory": whatever the batches are.
    let _counted = COUNTED.lock().unwrap();
    for capacity in [2, 5, 64, 1000, 100_000] {
        let most = 2 * capacity * size_of::<u64>() + 1024;
        for batch in [1, 3, 100, 333, 8192, 1 << 20] {
            for (reads, part) in [(0, 0), (1, 1), (5, 1), (7, 100), (9, 3000), (9, 1 << 20)] {
                let held = held_items(capacity, batch, reads, part);
                assert!(
                    held <= most,
                    "{held} of {capacity} in batches of {batch}, {reads} reads of {part}"
                );
            }
        }
    }
}
