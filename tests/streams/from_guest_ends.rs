//! How a guest's output ends for the host that reads it, and what the guest sees when the host leaves.

use std::any::Any;
use std::io;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use futures::channel::oneshot;
use futures::stream::{FusedStream as _, StreamExt as _};
use futures::{AsyncReadExt as _, join};
use wasmtime_streams::from_guest::{self};
use wasmtime_streams::{Cut, End, EndReason, to_guest};
use wasmtime_streams_testing::executor;

use crate::support::guest::{Code, with_guest};

#[test]
fn dropping_the_host_end_wakes_a_parked_write() {
    // Rule "Register the current waker", and "Completion": both forms.
    with_guest::<u8, _>(async |guest| {
        let (consumer, reader) = from_guest::consumer(2);
        let (consumer, done) = consumer.with_completion();
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.write(stream, 9).await, Code::Completed(2));
        parked!(wait, guest.write(stream, 9));
        drop(reader);
        assert_eq!(wait.await, Code::Dropped(0));
        let done = done.await;
        assert!(matches!(done.end, End::ReceiverDropped) && done.moved == 2);
    });
    with_guest::<String, _>(async |guest| {
        let (consumer, mut items) = from_guest::item_consumer(2);
        let stream = guest.sink(consumer).await;
        guest.load_items(&["a".to_owned(), "b".to_owned(), "c".to_owned()]).await;
        assert_eq!(guest.write(stream, 3).await, Code::Completed(2));
        assert_eq!(items.next_item().await.unwrap(), "a");
        parked!(wait, guest.write(stream, 3));
        drop(items);
        assert_eq!(wait.await, Code::Dropped(0));
    });
}

#[test]
fn without_a_parked_write_the_next_write_reports_the_end() {
    // Rule "Completion": for a sink whose reader is gone.
    for zero_length in [true, false] {
        with_guest::<u8, _>(async |guest| {
            let (consumer, reader) = from_guest::consumer(9);
            let stream = guest.sink(consumer).await;
            assert_eq!(guest.write(stream, 1).await, Code::Completed(1));
            drop(reader);
            let len = if zero_length { 0 } else { 9 };
            assert_eq!(guest.write(stream, len).await, Code::Dropped(0));
        });
    }
}

#[test]
fn a_completion_says_whether_the_reader_stayed_to_the_end() {
    // Rule "Completion": it is no end of the data if nobody waited for it.
    for leaves in [true, false] {
        with_guest::<u8, _>(async |guest| {
            let (consumer, reader) = from_guest::consumer(64);
            let (consumer, done) = consumer.with_completion();
            let stream = guest.sink(consumer).await;
            assert_eq!(guest.write(stream, 9).await, Code::Completed(9));
            if leaves {
                drop(reader);
                guest.drop_writable(stream).await;
            } else {
                guest.drop_writable(stream).await;
                drop(reader);
            }
            match done.await.end {
                End::ReceiverDropped => assert!(leaves),
                End::Finished => assert!(!leaves),
                end => panic!("{end:?}"),
            }
        });
    }
}

#[test]
fn the_end_of_the_guest_is_the_end_of_the_stream() {
    // Rule "Exactly once, in order": it comes after all items, and stays.
    with_guest::<u8, _>(async |guest| {
        let (consumer, mut items) = from_guest::item_consumer(8);
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send(stream, &[1, 2, 3]).await, Code::Completed(3));
        guest.drop_writable(stream).await;
        assert!(!items.is_terminated());
        assert_eq!(items.by_ref().collect::<Vec<_>>().await, [1, 2, 3]);
        assert!(items.is_terminated() && items.cut().is_none());
        assert_eq!((items.next().await, items.next_batch().await), (None, None));
    });
}

#[test]
fn a_stream_that_the_host_cuts_reports_the_reason_after_the_data() {
    // Rule "Items before the error": a limit, a signal, a cancel. None is the end of the data.
    for why in [EndReason::LimitReached, EndReason::TimedOut, EndReason::Cancelled] {
        with_guest::<u8, _>(async |guest| {
            let (consumer, mut reader) = from_guest::consumer(64);
            let (cut, signal) = oneshot::channel::<()>();
            let until = async {
                let _ = signal.await;
            };
            let (consumer, done) =
                consumer.limit(5).until(EndReason::TimedOut, until).with_completion();
            let stream = guest.sink(consumer).await;
            let sent = guest.send(stream, &[1, 2, 3, 4]).await;
            assert_eq!(sent, Code::Completed(4));
            let expected: &[u8] = match why {
                EndReason::LimitReached => {
                    assert_eq!(guest.send(stream, &[5, 6]).await, Code::Dropped(1));
                    &[1, 2, 3, 4, 5]
                }
                EndReason::TimedOut => {
                    drop(cut);
                    &[1, 2, 3, 4]
                }
                _ => {
                    done.cancel();
                    &[1, 2, 3, 4]
                }
            };
            let done = done.await;
            let mut all = vec![0; 9];
            assert_eq!(reader.read(&mut all).await.unwrap(), expected.len());
            assert_eq!(&all[..expected.len()], expected);
            let error: io::Error = reader.read(&mut all).await.unwrap_err();
            assert_eq!(error.get_ref().and_then(|e| e.downcast_ref()), Some(&Cut(why)));
            assert!(reader.read(&mut all).await.is_err(), "the next read succeeds");
            assert_eq!(done.moved, expected.len() as u64);
        });
    }
}

#[test]
fn a_cut_wakes_a_waiting_reader() {
    // Rule "Register the current waker": the waker of the host's task.
    with_guest::<u8, _>(async |guest| {
        let (consumer, mut items) = from_guest::item_consumer(8);
        let (consumer, done) = consumer.with_completion();
        guest.sink(consumer).await;
        let reads = async {
            assert_eq!(items.next_item().await, None);
            assert_eq!(items.cut(), Some(EndReason::Cancelled));
        };
        let cancels = async {
            executor::idle().await;
            done.cancel();
        };
        join!(reads, cancels);
    });
}

/// A task that only lends its waker.
struct Task;

impl Wake for Task {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn an_end_that_is_over_keeps_no_task_in_memory() {
    // Rule "Bounded memory": a waker may own everything that its task holds.
    for dropped in ["the writer", "the reader", "nothing, but closed"] {
        let task = Arc::new(Task);
        let waker = Waker::from(task.clone());
        let (mut writer, producer) = to_guest::producer(2);
        let mut cx = Context::from_waker(&waker);
        assert!(writer.poll_write(&mut cx, &[1]).is_ready());
        assert!(writer.poll_write(&mut cx, &[2]).is_ready());
        assert!(writer.poll_write(&mut cx, &[3]).is_pending());
        assert_eq!(Arc::strong_count(&task), 3);
        let kept: Box<dyn Any> = match dropped {
            "the writer" => {
                drop(writer);
                Box::new(producer)
            }
            "the reader" => {
                drop(producer);
                Box::new(writer)
            }
            _ => {
                writer.close();
                Box::new((writer, producer))
            }
        };
        assert_eq!(Arc::strong_count(&task), 2, "{dropped}");
        drop(kept);
    }
}
