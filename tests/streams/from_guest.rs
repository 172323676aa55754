//! A guest's output as a host object, in the guest's own task and in others.

use std::future::poll_fn;

use futures::{AsyncReadExt as _, FutureExt as _, join};
use wasmtime_streams::Cut;
use wasmtime_streams::from_guest::{self, GuestReader};
use wasmtime_streams::items::Plain;
use wasmtime_streams_testing::Item;

use crate::pattern;
use crate::support::guest::{Code, Guest, with_guest, with_large_guest};

/// How many bytes a reader lends, once there are some.
async fn buffered(reader: &mut GuestReader) -> Result<usize, Cut> {
    poll_fn(|cx| reader.poll_fill_buf(cx).map_ok(<[u8]>::len)).await
}

#[test]
fn a_guest_gets_no_further_ahead_than_the_capacity() {
    // Rule "Backpressure": what was read makes room at the next read. A parked write goes on then.
    let chunks = [(0, 2, 1), (1, 2, 1), (3, 3, 1), (7, 7, 3), (64, 64, 32), (4096, 4096, 2048)];
    for (capacity, all, chunk) in chunks {
        with_guest::<u8, _>(async |guest| {
            let (consumer, mut reader) = from_guest::consumer(capacity);
            let stream = guest.sink(consumer).await;
            assert_eq!(guest.write(stream, 10_000).await, Code::Completed(all));
            parked!(wait, guest.write(stream, 10_000));
            // Looking at the buffered bytes again does not consume them.
            for _ in 0..2 {
                assert_eq!(buffered(&mut reader).await, Ok(chunk as usize));
            }
            reader.consume(chunk as usize - 1);
            assert_eq!(guest.parked(&mut wait).await, None);
            reader.consume(1);
            assert_eq!(guest.parked(&mut wait).await, None);
            assert!(buffered(&mut reader).await.is_ok_and(|n| n > 0));
            assert_eq!(wait.await, Code::Completed(chunk));
        });
    }
}

#[test]
fn items_get_no_further_ahead_than_the_capacity_either() {
    // Rule "Backpressure": what was not taken is taken later, in order.
    with_guest::<u32, _>(async |guest| {
        let (consumer, mut items) = from_guest::item_consumer(10);
        let stream = guest.sink(consumer).await;
        guest.load_items(&(0..20).collect::<Vec<_>>()).await;
        assert_eq!(guest.write(stream, 20).await, Code::Completed(10));
        parked!(wait, guest.write(stream, 20));
        assert_eq!(items.next_item().await, Some(0));
        assert_eq!(items.next_batch().await.unwrap(), [1, 2, 3, 4]);
        assert_eq!(guest.parked(&mut wait).await, None);
        assert_eq!(items.next_batch().await.unwrap(), [5, 6, 7, 8, 9]);
        assert_eq!(wait.await, Code::Completed(5));
        assert_eq!(items.next_batch().await.unwrap(), [0, 1, 2, 3, 4]);
    });
}

/// Writes these items in one operation, and returns how many the receiver gets at once.
async fn one_batch<T: Item + Plain>(guest: &Guest<'_, T>, values: Vec<T::Value>) -> usize {
    let (consumer, mut items) = from_guest::item_consumer::<T>(2 * values.len());
    let stream = guest.sink(consumer).await;
    guest.load_items(&values).await;
    let len = values.len() as u32;
    assert_eq!(guest.write(stream, len).await, Code::Completed(len));
    items.next_batch().await.unwrap().len()
}

#[test]
fn a_write_of_many_items_arrives_as_one_batch() {
    // Rule "Exact partial writes": not item by item, in however many parts they are lifted.
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
    // Rule "Exactly once, in order": with reads and writes of all sizes, in two tasks that wait for each other.
    let data = pattern(10_000);
    for capacity in [2, 7, 100, 4096, 1 << 20] {
        for read in [1, 13, 5000] {
            with_guest::<u8, _>(async |guest| {
                let (consumer, mut reader) = from_guest::consumer(capacity);
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
        let (consumer, mut reader) = from_guest::consumer(4);
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.write(stream, 0).await, Code::Completed(0));
        assert_eq!(guest.write(stream, 4).await, Code::Completed(4));
        parked!(wait, guest.write(stream, 0));
        assert_eq!(buffered(&mut reader).await, Ok(2));
        reader.consume(2);
        assert_eq!(guest.parked(&mut wait).await, None);
        assert_eq!(buffered(&mut reader).await, Ok(2));
        assert_eq!(wait.await, Code::Completed(0));
        reader.consume(2);
        assert!(buffered(&mut reader).now_or_never().is_none());
        assert_eq!(guest.write(stream, 4).await, Code::Completed(4));
        parked!(wait, guest.write(stream, 0));
        drop(reader);
        assert_eq!(wait.await, Code::Dropped(0));
    });
}

#[test]
fn a_cancelled_write_is_answered_at_once_and_loses_nothing() {
    // Rule "Cancellation keeps the stream".
    with_guest::<u8, _>(async |guest| {
        let (consumer, mut reader) = from_guest::consumer(4);
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send(stream, &[1, 2, 3, 4]).await, Code::Completed(4));
        assert_eq!(guest.write(stream, 2).await, Code::Blocked);
        assert_eq!(guest.cancel_write(stream).await, Code::Cancelled(0));
        assert_eq!(buffered(&mut reader).await, Ok(2));
        reader.consume(2);
        assert_eq!(buffered(&mut reader).await, Ok(2));
        assert_eq!(guest.send(stream, &[5]).await, Code::Completed(1));
        guest.drop_writable(stream).await;
        let mut all = Vec::new();
        reader.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, [3, 4, 5]);
    });
}
