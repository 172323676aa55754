//! How much memory a hand-over holds while nobody reads it, for writes of many sizes.

use std::pin::Pin;
use std::task::{Context, Waker};

#[cfg(feature = "http-body")]
use wasmtime_streams::body;
use wasmtime_streams::from_guest::{self, GuestReader, ToHost};
use wasmtime_streams::{ByteConsumer, ByteSink, to_guest};

use super::{ALLOCATOR, COUNTED};

/// The largest chunk, with the overhead of its allocation.
const CHUNK: usize = 65 * 1024;

/// The overhead of a hand-over.
const SMALL: usize = 2048;

const CAPACITIES: [usize; 4] = [64 << 10, 100_000, 256 << 10, 1 << 20];

/// The sizes of the writes.
const PIECES: [usize; 12] =
    [100, 1000, 4096, 10_000, 16_383, 16_384, 16_385, 21_846, 32_767, 32_769, 40_000, 65_537];

/// Takes the process's spare buffers, so that the measured hand-over allocates its own.
fn take_spare_buffers() -> (ByteConsumer<ToHost<u8>>, GuestReader) {
    let cx = &mut Context::from_waker(Waker::noop());
    let data = vec![7; 64 << 10];
    let (mut consumer, reader) = from_guest::consumer(2 << 20);
    while Pin::new(consumer.get_mut()).poll_write(cx, &data).is_ready() {}
    (consumer, reader)
}

/// Writes until there is no room, for each capacity and write size. Returns the cases that hold more than the capacity
/// and a chunk.
fn most_over<W>(
    mut open: impl FnMut(usize) -> W,
    mut write: impl FnMut(&mut W, &mut Context<'_>, &[u8]) -> bool,
) -> Vec<String> {
    let _counted = COUNTED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let cx = &mut Context::from_waker(Waker::noop());
    let mut over = Vec::new();
    for capacity in CAPACITIES {
        for piece in PIECES {
            let data = vec![7; piece];
            let _spare = take_spare_buffers();
            let before = ALLOCATOR.current_usage();
            let mut open = open(capacity);
            while write(&mut open, cx, &data) {}
            let held = ALLOCATOR.current_usage() - before;
            if held > capacity + CHUNK + SMALL {
                over.push(format!("{held} bytes of {capacity}, in writes of {piece}"));
            }
        }
    }
    over
}

#[test]
fn a_byte_hand_over_holds_at_most_its_capacity_and_a_chunk() {
    // docs/contract.md, "Memory".
    let over = most_over(from_guest::consumer, |(consumer, _), cx, data| {
        Pin::new(consumer.get_mut()).poll_write(cx, data).is_ready()
    });
    assert!(over.is_empty(), "from_guest: {over:#?}");
    let over = most_over(to_guest::producer, |(writer, _), cx, data| {
        writer.poll_write(cx, data).is_ready()
    });
    assert!(over.is_empty(), "to_guest: {over:#?}");
}

#[cfg(feature = "http-body")]
#[test]
fn a_body_holds_at_most_its_capacity_and_a_chunk() {
    // docs/contract.md, "Memory".
    let over = most_over(
        |capacity| body::from_guest(capacity, None),
        |(consumer, _), cx, data| Pin::new(consumer.get_mut()).poll_write(cx, data).is_ready(),
    );
    assert!(over.is_empty(), "{over:#?}");
}

#[test]
fn an_item_hand_over_holds_at_most_its_capacity_and_a_chunk() {
    // docs/contract.md, "Memory". The items are bytes.
    let over = most_over(to_guest::item_producer::<u8>, |(sink, _), cx, data| {
        if sink.poll_room(cx).is_pending() {
            return false;
        }
        data.iter().all(|byte| sink.try_send(*byte).is_ok())
    });
    assert!(over.is_empty(), "{over:#?}");
}
