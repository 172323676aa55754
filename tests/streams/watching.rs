//! What the host sees of a running stream: counts, and the data.

use std::sync::{Arc, Mutex};

use futures::stream;
use wasmtime_streams::{Meter, sinks, streams, tokio_io};
use wasmtime_streams_testing::executor::idle;

use crate::support::guest::{Code, with_guest};
use crate::support::script::{Reader, Script, Step, Writer};

fn counts(meter: &Meter) -> (u64, u64) {
    (meter.moved(), meter.operations())
}

#[test]
fn a_meter_counts_what_the_guest_gets_and_its_reads() {
    // Rule "Completion": a meter counts what moved.
    // A read of nothing does not count: one at the end, a cancelled one, a zero-length one.
    with_guest::<u8, _>(async |guest| {
        let meter = Meter::new();
        let script = Script::new([Step::Data(vec![1, 2, 3]), Step::Hold, Step::Data(vec![4, 5])]);
        let control = script.control();
        let (producer, done) =
            tokio_io::read(Reader::new(script)).metered(&meter).with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(guest.read(stream, 0).await, Code::Completed(0));
        assert_eq!(counts(&meter), (0, 0));
        guest.recv(stream, 2).await;
        assert_eq!(counts(&meter), (2, 1));
        guest.recv(stream, 2).await;
        assert_eq!(counts(&meter), (3, 2));
        assert_eq!(guest.read(stream, 2).await, Code::Blocked);
        idle().await;
        assert_eq!(guest.cancel_read(stream).await, Code::Cancelled(0));
        assert_eq!(counts(&meter), (3, 2));
        control.release();
        guest.recv(stream, 9).await;
        assert_eq!(guest.read(stream, 9).await, Code::Dropped(0));
        assert_eq!((counts(&meter), done.await.moved), ((5, 3), 5));
    });
    with_guest::<u32, _>(async |guest| {
        let meter = Meter::new();
        let stream = guest.source(streams::items(stream::iter(0..5_u32)).metered(&meter)).await;
        guest.recv(stream, 2).await;
        assert_eq!(counts(&meter), (2, 1));
        guest.recv(stream, 9).await;
        assert_eq!(counts(&meter), (5, 2));
    });
}

#[test]
fn a_meter_counts_what_the_sink_takes_and_the_guests_writes() {
    // Rule "Completion": a meter counts what moved.
    with_guest::<u8, _>(async |guest| {
        let meter = Meter::new();
        let script = Script::new([Step::Accept(2), Step::Hold, Step::Accept(1)]);
        let control = script.control();
        let (consumer, done) =
            tokio_io::write(Writer::new(script)).metered(&meter).with_completion();
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.write(stream, 0).await, Code::Completed(0));
        // A short write: the rest is another guest write.
        assert_eq!(guest.send(stream, &[1, 2, 3]).await, Code::Completed(2));
        assert_eq!(counts(&meter), (2, 1));
        assert_eq!(guest.write(stream, 1).await, Code::Blocked);
        idle().await;
        assert_eq!(counts(&meter), (2, 1));
        control.release();
        assert_eq!(guest.wait(stream).await, Code::Completed(1));
        assert_eq!(counts(&meter), (3, 2));
        guest.drop_writable(stream).await;
        assert_eq!((counts(&meter), done.await.moved), ((3, 2), 3));
    });
}

#[test]
fn a_held_write_counts_once_however_often_the_sink_takes_items() {
    // Rule "Completion": a meter counts what moved.
    // The counts can be read while it is held.
    with_guest::<u8, _>(async |guest| {
        let meter = Meter::new();
        let accept = Step::Accept(1);
        let more = [accept.clone(), accept.clone(), Step::Hold, accept.clone(), accept.clone()];
        let script = Script::new([&[accept, Step::Hold][..], &more].concat());
        let control = script.control();
        let consumer = sinks::items::<_, u8>(Writer::new(script)).batch(2).metered(&meter);
        let (consumer, done) = consumer.with_completion();
        let stream = guest.sink(consumer).await;
        guest.load(&[1, 2, 3, 4, 5]).await;
        assert_eq!(guest.write(stream, 5).await, Code::Blocked);
        idle().await;
        assert_eq!(counts(&meter), (2, 1), "one batch is taken, and half of it is sent");
        control.release();
        idle().await;
        assert_eq!(counts(&meter), (4, 1), "the second batch");
        control.release();
        assert_eq!(guest.wait(stream).await, Code::Completed(5));
        assert_eq!(counts(&meter), (5, 1));
        guest.drop_writable(stream).await;
        assert_eq!(done.await.moved, 5);
    });
}

#[test]
fn a_shared_meter_counts_all_its_streams() {
    // Rule "Completion": a meter counts what moved.
    with_guest::<u8, _>(async |guest| {
        let meter = Meter::new();
        for producer in [&b"12"[..], b"345"].map(tokio_io::read) {
            let stream = guest.source(producer.metered(&meter).limit(9)).await;
            guest.recv(stream, 9).await;
        }
        let stream = guest.sink(tokio_io::write(Vec::new()).metered(&meter.clone())).await;
        guest.send_all(stream, b"6789").await;
        assert_eq!(counts(&meter), (9, 3));
    });
}

/// A list, twice: for the test and for the closure that fills it.
fn list<T>() -> (Arc<Mutex<Vec<T>>>, Arc<Mutex<Vec<T>>>) {
    let list = Arc::new(Mutex::new(Vec::new()));
    (list.clone(), list)
}

#[test]
fn an_inspection_sees_exactly_the_bytes_that_move() {
    // Rule "Exactly once, in order": not what was only offered, and nothing else that is in the buffer.
    with_guest::<u8, _>(async |guest| {
        let (seen, look) = list();
        let parts = [Step::Data(vec![1, 2]), Step::Pending, Step::Data(vec![3])];
        let producer = tokio_io::read(Reader::new(Script::new(parts)))
            .inspect(move |bytes| look.lock().unwrap().push(bytes.to_vec()));
        let stream = guest.source(producer).await;
        while let Code::Completed(_) = guest.recv(stream, 9).await.0 {}
        assert_eq!(*seen.lock().unwrap(), [vec![1, 2], vec![3]]);

        let (seen, look) = list();
        let script = Script::new([Step::Accept(2), Step::Pending, Step::Accept(1), Step::Fail]);
        let writer = Writer::new(script);
        let log = writer.log();
        let consumer = tokio_io::write(writer)
            .inspect(move |bytes| look.lock().unwrap().extend_from_slice(bytes));
        let stream = guest.sink(consumer).await;
        guest.send_all(stream, &[1, 2, 3, 4, 5]).await;
        assert_eq!((&*seen.lock().unwrap(), log.accepted()), (&vec![1, 2, 3], vec![1, 2, 3]));
    });
}

#[test]
fn an_inspection_sees_exactly_the_items_that_move() {
    // Rule "Exactly once, in order".
    with_guest::<u32, _>(async |guest| {
        let (seen, look) = list();
        let producer = streams::items(stream::iter(1..=5_u32))
            .inspect(move |item: &u32| look.lock().unwrap().push(*item));
        let stream = guest.source(producer).await;
        guest.recv(stream, 2).await;
        assert_eq!(*seen.lock().unwrap(), [1, 2], "items that the guest has not read");
        guest.recv(stream, 1).await;
        guest.drop_readable(stream).await;
        assert_eq!(*seen.lock().unwrap(), [1, 2, 3]);
    });
    for batch in [1, 2, 9] {
        with_guest::<u8, _>(async |guest| {
            let (seen, look) = list();
            let writer = Writer::new(Script::new([Step::Accept(1), Step::Accept(1), Step::Fail]));
            let consumer = sinks::items::<_, u8>(writer)
                .batch(batch)
                .inspect(move |item: &u8| look.lock().unwrap().push(*item));
            let (consumer, done) = consumer.with_completion();
            let stream = guest.sink(consumer).await;
            guest.send_all(stream, &[1, 2, 3, 4, 5]).await;
            let seen = seen.lock().unwrap().clone();
            let moved = done.await.moved;
            assert_eq!(seen, (1..=moved as u8).collect::<Vec<_>>());
            assert!(moved >= 2, "{moved}");
        });
    }
}
