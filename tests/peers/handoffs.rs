//! Hand-overs between threads, a few items at a time. Wake-ups could be lost here, and both ends may go away at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use futures::executor::block_on;
use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use wasmtime::component::StreamReader;
use wasmtime::{Engine, Store};
use wasmtime_streams::{End, from_guest, to_guest};

use crate::DEADLINE;

/// Runs `work` on a thread of its own, and fails if that hangs.
fn within<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    let (tx, rx) = mpsc::channel();
    thread::spawn(move || tx.send(work()));
    rx.recv_timeout(2 * DEADLINE).expect("it hangs or panicked")
}

/// Spins for a time that differs from call to call.
fn spin(n: usize) {
    (0..n * 7919 % 300).for_each(|_| std::hint::spin_loop());
}

/// Runs a store on this thread until `over` resolves.
fn run(mut store: Store<()>, over: futures::channel::oneshot::Receiver<()>) {
    let _ = block_on(store.run_concurrent(async |_| over.await)).unwrap();
}

#[test]
fn bytes_between_three_threads_lose_no_wake_up() {
    // Rule "Register the current waker": one thread writes, one runs the store, one reads, and each waits for the
    // others all the time.
    for capacity in [1, 2, 3, 7, 64] {
        const COUNT: usize = 20_000;
        let all = within(move || {
            let mut store = Store::new(&Engine::default(), ());
            let (mut writer, stream) = to_guest::writer(&mut store, capacity).unwrap();
            let mut reader = from_guest::reader(&mut store, stream, capacity).unwrap();
            let (stop, over) = futures::channel::oneshot::channel();
            let store = thread::spawn(|| run(store, over));
            let writes = thread::spawn(move || {
                for n in 0..COUNT {
                    spin(n);
                    block_on(writer.write_all(&[n as u8])).unwrap();
                }
                writer.close();
            });
            let mut all = Vec::new();
            let mut buf = [0; 5];
            loop {
                spin(all.len());
                match block_on(reader.read(&mut buf)).unwrap() {
                    0 => break,
                    n => all.extend_from_slice(&buf[..n]),
                }
            }
            drop(stop);
            store.join().unwrap();
            writes.join().unwrap();
            all
        });
        assert!(all.len() == COUNT && all.iter().enumerate().all(|(n, byte)| n as u8 == *byte));
    }
}

/// Counts its live instances.
#[derive(Debug)]
struct Counted(Arc<AtomicUsize>, usize);

impl Counted {
    fn new(count: &Arc<AtomicUsize>, n: usize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count.clone(), n)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn items_never_get_further_ahead_than_the_capacity_and_none_is_lost() {
    // Rule "Backpressure": counted while both ends run. What a read has taken no longer counts as queued.
    const CAPACITY: usize = 10;
    within(|| {
        let mut store = Store::new(&Engine::default(), ());
        let (mut sink, producer) = to_guest::item_producer::<u32>(CAPACITY);
        let taken = Arc::new(AtomicUsize::new(0));
        let takes = taken.clone();
        let producer = producer.inspect(move |_| {
            takes.fetch_add(1, Ordering::SeqCst);
        });
        let stream = StreamReader::new(&mut store, producer).unwrap();
        let mut items = from_guest::items(&mut store, stream, CAPACITY).unwrap();
        let (stop, over) = futures::channel::oneshot::channel();
        let store = thread::spawn(|| run(store, over));
        let writes = thread::spawn(move || {
            for n in 0..20_000 {
                spin(n);
                block_on(sink.send_item(n as u32)).unwrap();
                let ahead = n + 1 - taken.load(Ordering::SeqCst);
                assert!(ahead <= CAPACITY, "{ahead} items are queued");
            }
            sink.close();
        });
        let mut next = 0;
        while let Some(batch) = block_on(items.next_batch()) {
            assert!(batch.len() <= CAPACITY / 2);
            for item in batch {
                assert_eq!(item, next);
                next += 1;
            }
        }
        assert_eq!(next, 20_000);
        drop(stop);
        store.join().unwrap();
        writes.join().unwrap();
    });
}

#[test]
fn an_end_that_is_dropped_at_any_moment_is_reported_to_the_other() {
    // Rule "Completion": a reader is dropped while the writer fills its buffer.
    for round in 0..300 {
        let (written, leaked, end) = within(move || {
            let mut store = Store::new(&Engine::default(), ());
            let (mut sink, producer) = to_guest::item_producer::<Counted>(16);
            let live = Arc::new(AtomicUsize::new(0));
            let deliver = |_: wasmtime::StoreContextMut<'_, ()>, item: Counted| Ok(item.1 as u32);
            let stream = StreamReader::new(&mut store, producer.deliver_with(deliver)).unwrap();
            let (consumer, mut items) = from_guest::item_consumer::<u32>(16);
            let (consumer, done) = consumer.with_completion();
            stream.pipe(&mut store, consumer).unwrap();
            let store = thread::spawn(move || {
                let done = block_on(store.run_concurrent(async |_| done.await)).unwrap();
                drop(store);
                done.end
            });
            let count = live.clone();
            let writes = thread::spawn(move || {
                for n in 0..1_000_000 {
                    if block_on(sink.send_item(Counted::new(&count, n))).is_err() {
                        return n;
                    }
                }
                usize::MAX
            });
            for _ in 0..round % 17 {
                block_on(items.next_item()).unwrap();
            }
            spin(round);
            drop(items);
            let written = writes.join().unwrap();
            let end = store.join().unwrap();
            (written, live.load(Ordering::SeqCst), end)
        });
        assert!(written < 1_000_000, "the writer does not see it");
        assert_eq!(leaked, 0, "items are kept");
        assert!(matches!(end, End::ReceiverDropped), "{end:?}");
    }
}

#[test]
fn a_value_and_its_receiver_meet_or_miss_each_other_in_order() {
    // Rule "Completion": the value is sent, dropped or received at the same moment.
    for round in 0..2000 {
        within(move || {
            let mut store = Store::new(&Engine::default(), ());
            let (sender, future) = to_guest::value::<u32>(&mut store).unwrap();
            let value = from_guest::value(&mut store, future).unwrap();
            let sends = thread::spawn(move || {
                spin(round);
                sender.send(7)
            });
            if round % 2 == 0 {
                let got = block_on(store.run_concurrent(async |_| value.await)).unwrap();
                assert_eq!((got, sends.join().unwrap()), (Ok(7), Ok(())));
            } else {
                spin(round / 2);
                drop((store, value));
                // Either result is right. The thread must end.
                let _ = sends.join().unwrap();
            }
        });
    }
}
