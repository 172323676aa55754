//! Hand-overs between two tasks: nothing that was accepted is lost when one of them goes away while the other works.

use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;

use wasmtime_streams::to_guest::{self, FromHost};
use wasmtime_streams::{ByteSource as _, Completion, End, ItemSource as _, relay};
use wasmtime_streams_testing::executor;

use crate::pattern;
use crate::support::guest::{Code, with_guest};

fn now() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

#[test]
fn what_was_acknowledged_comes_back_though_a_write_is_under_way() {
    // Rule "Exact partial writes": the source is taken apart while the guest's next items are lifted.
    with_guest::<u32, _>(async |guest| {
        let (consumer, producer) = relay::item_parts::<u32>(64);
        let (_producer, to) = producer.with_completion();
        let mut to: Option<Completion<FromHost<u32>, _>> = Some(to);
        let (unread, back) = mpsc::channel();
        let consumer = consumer.receive_with(move |_, item: u32| {
            // In the middle of the batch.
            if item == 6
                && let Some(to) = to.take()
            {
                to.cancel();
                unread.send(executor::run(to).inner.into_unread()).unwrap();
            }
            Ok(item)
        });
        let (consumer, from) = consumer.with_completion();
        let stream = guest.sink(consumer).await;
        guest.load_items(&[1, 2, 3, 4]).await;
        assert_eq!(guest.write(stream, 4).await, Code::Completed(4));
        guest.load_items(&[5, 6, 7]).await;
        // The sink has taken them from the guest, and nobody gets them, so the sink hands them back.
        assert_eq!(guest.write(stream, 3).await, Code::Dropped(3));
        let from = from.await;
        assert!(matches!(from.end, End::ReceiverDropped), "{:?}", from.end);
        assert_eq!(from.moved, 7);
        assert_eq!(back.recv().unwrap(), [1, 2, 3, 4]);
        assert_eq!(from.inner.into_unsent(), [5, 6, 7]);
    });
}

/// Spins for a time that differs from call to call.
fn spin(n: usize) {
    (0..n * 7919 % 3000).for_each(|_| std::hint::spin_loop());
}

#[test]
fn every_byte_that_a_writer_was_told_is_accepted_is_read_or_comes_back() {
    // Rule "Exact partial writes": a source is handed back at any moment of a write on another thread.
    const CAPACITY: usize = 200_000;
    let data = Arc::new(pattern(CAPACITY + 10_000));
    for round in 0..400 {
        let (mut writer, producer) = to_guest::producer(CAPACITY);
        let mut source = producer.into_inner();
        let (started, starts) = mpsc::channel();
        let all = data.clone();
        let writes = thread::spawn(move || {
            let mut accepted = 0;
            // Pieces that do not divide a chunk.
            while let Poll::Ready(written) =
                writer.poll_write(&mut now(), &all[accepted..accepted + 5_000])
            {
                match written {
                    Ok(n) => accepted += n,
                    Err(_) => break,
                }
                let _ = started.send(());
            }
            accepted
        });
        starts.recv().unwrap();
        // From here on the hand-over knows that its sides run on two threads.
        let mut got = vec![0; 7];
        let Poll::Ready(Ok((n, _))) = Pin::new(&mut source).poll_read(&mut now(), &mut got) else {
            panic!("nothing to read")
        };
        got.truncate(n);
        spin(round);
        got.extend(source.into_unread());
        let accepted = writes.join().unwrap();
        assert_eq!(got.len(), accepted, "round {round}");
        assert!(got == data[..accepted]);
    }
}

#[test]
fn every_item_that_a_sink_was_told_is_sent_is_read_or_comes_back() {
    // Rule "Exact partial writes": the same for items. The sender keeps what was not sent.
    for round in 0..400 {
        let (mut sink, producer) = to_guest::item_producer::<u32>(200_000);
        let mut source = producer.into_inner();
        let (started, starts) = mpsc::channel();
        let sends = thread::spawn(move || {
            let mut sent = 0;
            loop {
                let batch = (sent..sent + 300).collect();
                match futures::executor::block_on(sink.send_batch(batch)) {
                    Ok(()) => sent += 300,
                    Err(unsent) => {
                        let first = unsent.items.front().copied();
                        assert!(unsent.items.iter().copied().eq(first.unwrap()..sent + 300));
                        return first.unwrap();
                    }
                }
                let _ = started.send(());
            }
        });
        starts.recv().unwrap();
        let mut got = Vec::new();
        assert!(Pin::new(&mut source).poll_items(&mut now(), 7, &mut got).is_ready());
        spin(round);
        got.extend(source.into_unread());
        let sent = sends.join().unwrap();
        assert!(got.iter().copied().eq(0..sent), "round {round}: {} of {sent}", got.len());
    }
}

#[test]
fn a_write_that_crosses_the_end_of_a_chunk_is_accepted_whole() {
    // Rule "Exactly once, in order": chunks are filled to their end, and no write is shorter because of that.
    let data = pattern(100);
    for piece in 1..=20 {
        let (mut writer, producer) = to_guest::producer(40);
        let mut source = producer.into_inner();
        let (mut written, mut got) = (0, Vec::new());
        while got.len() < data.len() {
            while written < data.len() {
                let part = &data[written..(written + piece).min(data.len())];
                let held = written - got.len();
                match writer.poll_write(&mut now(), part) {
                    Poll::Ready(Ok(n)) if n == part.len() => written += n,
                    // A short write is right only without more room. The reader's chunk counts until the reader comes
                    // back.
                    Poll::Ready(Ok(n)) => {
                        written += n;
                        let full = if got.is_empty() { 40 } else { 21 };
                        assert!(held + n >= full, "{n} of {piece} accepted with {held} bytes held");
                    }
                    Poll::Ready(Err(gone)) => panic!("{gone}"),
                    Poll::Pending => break,
                }
            }
            let mut buf = [0; 13];
            match Pin::new(&mut source).poll_read(&mut now(), &mut buf) {
                Poll::Ready(Ok((n, _))) => got.extend_from_slice(&buf[..n]),
                other => panic!("{other:?} after {} bytes", written),
            }
        }
        assert!(got == data);
    }
}
