//! A guest's output as an object of the host's, in the guest's own task and in others.

use std::future::poll_fn;
use std::io;

use futures::channel::oneshot;
use futures::stream::{FusedStream as _, StreamExt as _};
use futures::{AsyncReadExt as _, FutureExt as _, join};
use wasmtime_streams::lift::{self, Cut, GuestReader};
use wasmtime_streams::testing::{Item, executor};
use wasmtime_streams::{End, Why};

use crate::pattern;
use crate::support::guest::{Code, Guest, with_guest, with_large_guest};

/// How much a reader has in hand, once something is there.
async fn lent(reader: &mut GuestReader) -> Result<usize, Cut> {
    poll_fn(|cx| reader.poll_fill_buf(cx).map_ok(<[u8]>::len)).await
}

/// Starts a write that stays parked, whatever can run.
macro_rules! parked {
    ($wait:ident, $guest:ident.write($stream:ident, $len:expr)) => {
        assert_eq!($guest.write($stream, $len).await, Code::Blocked);
        let mut $wait = Box::pin($guest.wait($stream));
        assert_eq!($guest.parked(&mut $wait).await, None);
    };
}

#[test]
fn a_guest_gets_no_further_ahead_than_the_capacity() {
    // Rule "No outrunning": half waits to be read, half is being read, and a parked write goes on with each half.
    for (capacity, half) in [(0, 1), (1, 1), (2, 1), (3, 1), (7, 3), (64, 32), (4096, 2048)] {
        with_guest::<u8, _>(async |guest| {
            let (consumer, mut reader) = lift::consumer(capacity);
            let stream = guest.sink(consumer).await;
            assert_eq!(guest.write(stream, 10_000).await, Code::Completed(half));
            parked!(wait, guest.write(stream, 10_000));
            assert_eq!(lent(&mut reader).await, Ok(half as usize));
            assert_eq!(wait.await, Code::Completed(half));
            // What is lent is not consumed by looking at it again.
            assert_eq!(lent(&mut reader).await, Ok(half as usize));
            reader.consume(half as usize - 1);
            parked!(wait, guest.write(stream, 10_000));
            reader.consume(1);
            assert_eq!(guest.parked(&mut wait).await, None);
            assert_eq!(lent(&mut reader).await, Ok(half as usize));
            assert_eq!(wait.await, Code::Completed(half));
        });
    }
}

#[test]
fn items_get_no_further_ahead_than_the_capacity_either() {
    // Rule "No outrunning": and what was not taken is taken later, in order.
    with_guest::<u32, _>(async |guest| {
        let (consumer, mut items) = lift::item_consumer(10);
        let stream = guest.sink(consumer).await;
        guest.load_items(&(0..20).collect::<Vec<_>>()).await;
        assert_eq!(guest.write(stream, 20).await, Code::Completed(5));
        parked!(wait, guest.write(stream, 20));
        assert_eq!(items.next_item().await, Some(0));
        assert_eq!(wait.await, Code::Completed(5));
        parked!(wait, guest.write(stream, 20));
        assert_eq!(items.next_batch().await.unwrap(), [1, 2, 3, 4]);
        assert_eq!(guest.parked(&mut wait).await, None);
        assert_eq!(items.next_batch().await.unwrap(), [0, 1, 2, 3, 4]);
        assert_eq!(wait.await, Code::Completed(5));
    });
}

/// Writes `count` items in one operation, and takes what is there.
async fn one_batch<T: Item>(guest: &Guest<'_, T>, values: Vec<T::Value>) -> usize
where
    T: 'static,
{
    let (consumer, mut items) = lift::item_consumer::<T>(2 * values.len());
    let stream = guest.sink(consumer).await;
    guest.load_items(&values).await;
    let len = values.len() as u32;
    assert_eq!(guest.write(stream, len).await, Code::Completed(len));
    items.next_batch().await.unwrap().len()
}

#[test]
fn a_write_of_many_items_crosses_as_one_batch() {
    // Rule "Exact count": not item by item, however many steps it takes to lift them.
    let batch = with_guest(async |guest| one_batch::<u32>(guest, (0..1000).collect()).await);
    assert_eq!(batch, 1000);
    let names = (0..1000).map(|n| format!("item {n}")).collect();
    assert_eq!(with_guest(async |guest| one_batch::<String>(guest, names).await), 1000);
    let many = with_large_guest(65_536, async |guest| {
        one_batch::<u32>(guest, (0..65_536).collect()).await
    });
    assert_eq!(many, 65_536);
}

#[test]
fn every_byte_arrives_once_and_in_order() {
    // Rule "Once and in order": with reads and writes of all sizes, in two tasks that wait for each other.
    let data = pattern(10_000);
    for capacity in [2, 7, 100, 4096, 1 << 20] {
        for read in [1, 13, 5000] {
            with_guest::<u8, _>(async |guest| {
                let (consumer, mut reader) = lift::consumer(capacity);
                let stream = guest.sink(consumer).await;
                let writes = async {
                    for part in data.chunks(777) {
                        assert!(guest.send_all(stream, part).await.count() > 0);
                    }
                    guest.drop_writable(stream).await;
                };
                let reads = async {
                    let mut all = Vec::new();
                    let mut buf = vec![0; read];
                    loop {
                        match reader.read(&mut buf).await.unwrap() {
                            0 => return all,
                            n => all.extend_from_slice(&buf[..n]),
                        }
                    }
                };
                assert_eq!(join!(writes, reads).1, data);
            });
        }
    }
}

#[test]
fn a_zero_length_write_waits_for_room() {
    // Rule "Zero-length writes": and the host sees nothing of it.
    with_guest::<u8, _>(async |guest| {
        let (consumer, mut reader) = lift::consumer(4);
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.write(stream, 0).await, Code::Completed(0));
        assert_eq!(guest.write(stream, 2).await, Code::Completed(2));
        parked!(wait, guest.write(stream, 0));
        assert_eq!(lent(&mut reader).await, Ok(2));
        assert_eq!(wait.await, Code::Completed(0));
        reader.consume(2);
        assert!(lent(&mut reader).now_or_never().is_none());
        assert_eq!(guest.write(stream, 2).await, Code::Completed(2));
        parked!(wait, guest.write(stream, 0));
        drop(reader);
        assert_eq!(wait.await, Code::Dropped(0));
    });
}

#[test]
fn a_write_that_the_guest_cancels_is_answered_and_costs_nothing() {
    // Rule "Finish is not the end".
    with_guest::<u8, _>(async |guest| {
        let (consumer, mut reader) = lift::consumer(4);
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send(stream, &[1, 2]).await, Code::Completed(2));
        assert_eq!(guest.write(stream, 2).await, Code::Blocked);
        assert_eq!(guest.cancel_write(stream).await, Code::Cancelled(0));
        assert_eq!(lent(&mut reader).await, Ok(2));
        assert_eq!(guest.send(stream, &[3]).await, Code::Completed(1));
        guest.drop_writable(stream).await;
        let mut all = Vec::new();
        reader.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, [1, 2, 3]);
    });
}

#[test]
fn dropping_the_host_end_wakes_a_parked_write() {
    // Rule "A fresh waker", and "Completion": both forms.
    with_guest::<u8, _>(async |guest| {
        let (consumer, reader) = lift::consumer(2);
        let (consumer, done) = consumer.with_completion();
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.write(stream, 9).await, Code::Completed(1));
        parked!(wait, guest.write(stream, 9));
        drop(reader);
        assert_eq!(wait.await, Code::Dropped(0));
        let done = done.await;
        assert!(matches!(done.end, End::PeerDropped) && done.moved == 1);
    });
    with_guest::<String, _>(async |guest| {
        let (consumer, mut items) = lift::item_consumer(2);
        let stream = guest.sink(consumer).await;
        guest.load_items(&["a".to_owned(), "b".to_owned(), "c".to_owned()]).await;
        assert_eq!(guest.write(stream, 3).await, Code::Completed(1));
        assert_eq!(items.next_item().await.unwrap(), "a");
        assert_eq!(guest.write(stream, 3).await, Code::Completed(1));
        parked!(wait, guest.write(stream, 3));
        drop(items);
        assert_eq!(wait.await, Code::Dropped(0));
    });
}

#[test]
fn without_a_parked_write_the_guest_learns_it_at_its_next_one() {
    // Rule "Completion": of a sink whose peer is gone.
    for zero_length in [true, false] {
        with_guest::<u8, _>(async |guest| {
            let (consumer, reader) = lift::consumer(9);
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
    // Rule "Completion": the data has not come to its end if nobody waited for it.
    for leaves in [true, false] {
        with_guest::<u8, _>(async |guest| {
            let (consumer, reader) = lift::consumer(64);
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
                End::PeerDropped => assert!(leaves),
                End::Finished => assert!(!leaves),
                end => panic!("{end:?}"),
            }
        });
    }
}

#[test]
fn the_end_of_the_guest_is_the_end_of_the_stream() {
    // Rule "Once and in order": it comes after all items, and stays.
    with_guest::<u8, _>(async |guest| {
        let (consumer, mut items) = lift::item_consumer(8);
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
fn a_stream_that_the_host_cuts_short_says_why_after_what_came_before() {
    // Rule "Items before the error": a limit, a signal, a cancel; it is not the end of the data.
    for why in [Why::LimitReached, Why::TimedOut, Why::Cancelled] {
        with_guest::<u8, _>(async |guest| {
            let (consumer, mut reader) = lift::consumer(64);
            let (cut, signal) = oneshot::channel::<()>();
            let until = async {
                let _ = signal.await;
            };
            let (consumer, done) = consumer.limit(5).until(Why::TimedOut, until).with_completion();
            let stream = guest.sink(consumer).await;
            let sent = guest.send(stream, &[1, 2, 3, 4]).await;
            assert_eq!(sent, Code::Completed(4));
            let expected: &[u8] = match why {
                Why::LimitReached => {
                    assert_eq!(guest.send(stream, &[5, 6]).await, Code::Dropped(1));
                    &[1, 2, 3, 4, 5]
                }
                Why::TimedOut => {
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
            assert_eq!(reader.read(&mut all).await.unwrap(), 0, "it is said once");
            assert_eq!(done.moved, expected.len() as u64);
        });
    }
}

#[test]
fn a_reader_that_waits_is_woken_by_a_cut() {
    // Rule "A fresh waker": of the host's own task.
    with_guest::<u8, _>(async |guest| {
        let (consumer, mut items) = lift::item_consumer(8);
        let (consumer, done) = consumer.with_completion();
        guest.sink(consumer).await;
        let reads = async {
            assert_eq!(items.next_item().await, None);
            assert_eq!(items.cut(), Some(Why::Cancelled));
        };
        let cancels = async {
            executor::idle().await;
            done.cancel();
        };
        join!(reads, cancels);
    });
}
