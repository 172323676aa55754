//! A relay between two stores on two threads, with much more data than it may hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use bytes::Bytes;
use futures::executor::block_on;
use futures::{StreamExt as _, stream};
use wasmtime::component::StreamReader;
use wasmtime::{Engine, Store};
use wasmtime_streams::{relay, streams, tokio_io};

use crate::pattern;

const MIB: usize = 1 << 20;

#[test]
fn the_writer_is_never_further_ahead_than_the_capacity_and_a_chunk() {
    // Rule "Backpressure", rule "Exactly once, in order": with a capacity below a chunk, of one, and of several.
    for capacity in [10_000, 64 * 1024, 256 * 1024] {
        let engine = Engine::default();
        let (mut one, mut two) = (Store::new(&engine, ()), Store::new(&engine, ()));
        let data = Bytes::from(pattern(MIB));
        let body = stream::repeat(data.clone()).take(64);
        let input = StreamReader::new(&mut one, streams::chunks(body)).unwrap();

        let (passed, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let arrived = Arc::new(AtomicUsize::new(0));
        let (passes, notes, arrives) = (passed.clone(), most.clone(), arrived.clone());
        let look = move |bytes: &[u8]| {
            let passed = passes.fetch_add(bytes.len(), Ordering::SeqCst) + bytes.len();
            notes.fetch_max(passed - arrives.load(Ordering::SeqCst), Ordering::SeqCst);
        };
        let relayed = relay::bytes(&mut one, input, &mut two, capacity, look).unwrap();

        let arrives = arrived.clone();
        let (consumer, done) = tokio_io::write(tokio::io::sink())
            .inspect(move |bytes| {
                let at = arrives.load(Ordering::SeqCst) % MIB;
                let (end, start) = bytes.split_at(bytes.len().min(MIB - at));
                assert!(data[at..].starts_with(end) && data.starts_with(start), "other bytes");
                arrives.fetch_add(bytes.len(), Ordering::SeqCst);
            })
            .with_completion();
        relayed.stream.pipe(&mut two, consumer).unwrap();
        let from = relayed.from;
        let first = thread::spawn(move || block_on(one.run_concurrent(async |_| from.await)));
        let done = block_on(two.run_concurrent(async |_| done.await)).unwrap();
        let from = first.join().unwrap().unwrap();
        assert!(from.end.is_finished() && done.end.is_finished());
        assert_eq!((from.moved, done.moved), (64 * MIB as u64, 64 * MIB as u64));
        let most = most.load(Ordering::SeqCst);
        assert!(most <= capacity + 64 * 1024, "{most} bytes ahead with a capacity of {capacity}");
        assert_eq!(passed.load(Ordering::SeqCst), arrived.load(Ordering::SeqCst));
    }
}
