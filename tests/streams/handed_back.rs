//! Items that were acknowledged to a writer and did not reach the guest are handed back, also while the writer goes on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use futures::executor::block_on;
use wasmtime::StoreContextMut;
use wasmtime_streams::{relay, to_guest};

use crate::support::guest::{Code, World, with_guest};

#[test]
fn what_was_acknowledged_is_handed_back_while_the_writer_fills_the_last_chunk() {
    // Rule "Exactly once, in order": the guest of the first store has seen that 1 is written.
    with_guest::<u8, _>(async |guest| {
        let (consumer, producer) = relay::item_parts::<u8>(64);
        let (take, takes) = mpsc::channel::<()>();
        let (unread, taken) = mpsc::channel();
        let second = thread::spawn(move || {
            takes.recv().unwrap();
            let _ = unread.send(producer.into_inner().into_unread());
        });
        let early = Arc::new(Mutex::new(None));
        let noted = early.clone();
        let mut taken = Some(taken);
        let consumer = consumer.receive_with(move |_: StoreContextMut<'_, World>, item: u8| {
            if item == 2
                && let Some(taken) = taken.take()
            {
                take.send(()).unwrap();
                // The chunk is being filled. Taking the source apart now may have to wait for that; this call does not
                // wait for it.
                *noted.lock().unwrap() =
                    Some(match taken.recv_timeout(Duration::from_millis(200)) {
                        Ok(unread) => Ok(unread),
                        Err(_) => Err(taken),
                    });
            }
            Ok(item)
        });
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send(stream, &[1]).await, Code::Completed(1));
        guest.send(stream, &[2]).await;
        let early = early.lock().unwrap().take().expect("the step has not run");
        let unread = early.unwrap_or_else(|late| late.recv().unwrap());
        assert_eq!(unread.first(), Some(&1), "handed back {unread:?}");
        second.join().unwrap();
    });
}

#[test]
fn what_was_acknowledged_is_handed_back_whenever_the_source_is_taken_apart() {
    // Rule "Exactly once, in order": the host's own writer, on a thread of its own, at many moments.
    for round in 0..2000_usize {
        let (mut sink, producer) = to_guest::item_producer::<usize>(1 << 20);
        let sent = Arc::new(AtomicUsize::new(0));
        let counts = sent.clone();
        let writes = thread::spawn(move || {
            for n in 0.. {
                if block_on(sink.send_batch(vec![n])).is_err() {
                    return;
                }
                counts.store(n + 1, Ordering::SeqCst);
            }
        });
        while sent.load(Ordering::SeqCst) < 1 + round % 40 {
            std::hint::spin_loop();
        }
        let source = producer.into_inner();
        let acknowledged = sent.load(Ordering::SeqCst);
        let unread = source.into_unread();
        assert!(unread.iter().copied().eq(0..unread.len()), "round {round}: an item is missing");
        assert!(
            unread.len() >= acknowledged,
            "round {round}: {} of {acknowledged} were handed back",
            unread.len()
        );
        writes.join().unwrap();
    }
}
