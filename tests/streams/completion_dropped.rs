//! Streams whose completion was dropped.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Waker};

use wasmtime_streams::{from_guest, to_guest, tokio_io};

use crate::completion::{Woken, wakes};
use crate::support::guest::{Code, with_guest};
use crate::support::script::{Reader, Script, Step, Writer};
use wasmtime_streams_testing::executor::idle;

#[test]
fn dropping_the_completion_does_not_affect_the_stream() {
    // Rule "Completion".
    with_guest::<u8, _>(async |guest| {
        let (producer, done) = tokio_io::read(&b"ab"[..]).with_completion();
        drop(done);
        let stream = guest.source(producer).await;
        assert_eq!(guest.recv(stream, 9).await.1, b"ab");
        assert_eq!(guest.read(stream, 9).await, Code::Dropped(0));

        let (producer, done) =
            tokio_io::read(Reader::new(Script::new([Step::Fail]))).with_completion();
        drop(done);
        let stream = guest.source(producer).await;
        assert_eq!(guest.read(stream, 9).await, Code::Dropped(0));

        // A failed flush is not tried again.
        let flush = Script::new([Step::Fail, Step::Accept(0)]);
        let (consumer, done) =
            tokio_io::write(Writer::with_flush(Script::new([]), flush)).with_completion();
        drop(done);
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send(stream, &[1]).await, Code::Dropped(1));
    });
}

#[test]
fn a_dropped_completion_keeps_no_task_in_memory() {
    // Rule "Completion".
    with_guest::<u8, _>(async |guest| {
        let (producer, mut done) = tokio_io::read(&b"ab"[..]).with_completion();
        let task = Arc::new(Woken(AtomicBool::new(false)));
        let waker = Waker::from(task.clone());
        assert!(Pin::new(&mut done).poll(&mut Context::from_waker(&waker)).is_pending());
        drop((done, waker));
        let stream = guest.source(producer).await;
        assert_eq!(guest.recv(stream, 1).await.1, b"a");
        assert_eq!(Arc::strong_count(&task), 1);
    });
}

#[test]
fn the_object_is_notified_of_its_end_though_the_completion_was_dropped() {
    // Rule "Completion". Hand-overs pass the end on to their other side.
    with_guest::<u8, _>(async |guest| {
        for after in [0, 1, 2] {
            let (consumer, mut reader) = from_guest::consumer(8);
            let (consumer, done) = consumer.with_completion();
            let mut done = Some(done);
            let stream = guest.sink(consumer).await;
            for write in 0..3 {
                if write == after {
                    drop(done.take());
                }
                guest.send_all(stream, &[write]).await;
                let read = poll_fn(|cx| reader.poll_fill_buf(cx).map_ok(<[u8]>::to_vec)).await;
                assert_eq!(read, Ok(vec![write]));
                reader.consume(1);
            }
            let mut end = poll_fn(|cx| reader.poll_fill_buf(cx).map_ok(<[u8]>::len));
            assert!(wakes(&mut end, guest.drop_writable(stream)).await);
            assert_eq!(end.await, Ok(0));

            let (mut writer, producer) = to_guest::producer(2);
            let (producer, done) = producer.with_completion();
            let mut done = Some(done);
            let stream = guest.source(producer).await;
            for write in 0..3 {
                if write == after {
                    drop(done.take());
                }
                assert_eq!(poll_fn(|cx| writer.poll_write(cx, &[write])).await, Ok(1));
                assert_eq!(guest.recv(stream, 1).await.1, [write]);
            }
            // There is room for one more. The source keeps the room of the other until the next read.
            assert_eq!(poll_fn(|cx| writer.poll_write(cx, &[8, 9])).await, Ok(1));
            let mut room = poll_fn(|cx| writer.poll_room(cx));
            assert!(wakes(&mut room, guest.drop_readable(stream)).await);
            assert_eq!(
                room.await,
                Err(wasmtime_streams::Cut(wasmtime_streams::EndReason::PeerDropped))
            );
        }
    });
}

#[test]
fn a_handle_that_outlives_its_completion_cancels() {
    // Rule "Completion": from any thread, also while a read is parked.
    with_guest::<u8, _>(async |guest| {
        for parked in [false, true] {
            let script = Script::new([Step::Data(vec![1]), Step::Hold]);
            let (producer, done) = tokio_io::read(Reader::new(script)).with_completion();
            let handle = done.cancel_handle();
            drop(done);
            let stream = guest.source(producer).await;
            assert_eq!(guest.recv(stream, 1).await.1, [1]);
            if parked {
                assert_eq!(guest.read(stream, 1).await, Code::Blocked);
                idle().await;
                handle.cancel();
                assert_eq!(guest.wait(stream).await, Code::Dropped(0));
            } else {
                handle.cancel();
                drop(handle);
                assert_eq!(guest.read(stream, 1).await, Code::Dropped(0));
            }
        }
    });
}
