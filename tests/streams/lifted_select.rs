//! A guest's items in `select!`, beside other things that a task waits for.

use futures::channel::oneshot;
use futures::future::{FutureExt as _, pending};
use futures::stream::{FusedStream, StreamExt as _};
use futures::{join, select};
use wasmtime_streams::from_guest::{self, GuestItems};
use wasmtime_streams_testing::executor;

use crate::support::guest::{Code, with_guest};

/// Takes all items beside something that never comes, until the stream says that it is over.
async fn take_all(mut items: GuestItems<u8>) -> (Vec<u8>, GuestItems<u8>) {
    let mut never = pending::<()>().fuse();
    let mut all = Vec::new();
    loop {
        select! {
            item = items.next() => match item {
                Some(item) => all.push(item),
                None => return (all, items),
            },
            () = never => unreachable!(),
            complete => panic!("over before it was said"),
        }
    }
}

#[test]
fn a_loop_that_selects_sees_the_end() {
    // Rule "Completion": whether the end is there with the last items, or comes while the loop waits.
    for ends_first in [true, false] {
        for data in [&b"123"[..], b""] {
            with_guest::<u8, _>(async |guest| {
                let (consumer, items) = from_guest::item_consumer(8);
                let stream = guest.sink(consumer).await;
                if !data.is_empty() {
                    assert_eq!(guest.send(stream, data).await, Code::Completed(3));
                }
                let ends = async {
                    if !ends_first {
                        executor::idle().await;
                    }
                    guest.drop_writable(stream).await;
                };
                let (all, items) = match ends_first {
                    true => {
                        ends.await;
                        take_all(items).await
                    }
                    false => join!(take_all(items), ends).0,
                };
                assert_eq!(all, data);
                assert!(items.is_terminated());
            });
        }
    }
}

#[test]
fn a_loop_that_selects_sees_a_cut() {
    // Rule "Completion": what the host cuts ends the loop as well, and says so.
    with_guest::<u8, _>(async |guest| {
        let (consumer, items) = from_guest::item_consumer(8);
        let (consumer, done) = consumer.with_completion();
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send(stream, b"12").await, Code::Completed(2));
        done.cancel();
        let (all, items) = take_all(items).await;
        assert!(all == b"12" && items.cut().is_some() && items.is_terminated());
    });
}

#[test]
fn a_stream_of_items_is_terminated_only_after_it_has_said_so() {
    // Rule "Completion": `None` is given first, item by item and in batches.
    for batches in [false, true] {
        with_guest::<u8, _>(async |guest| {
            let (consumer, mut items) = from_guest::item_consumer(8);
            let stream = guest.sink(consumer).await;
            assert_eq!(guest.send(stream, b"12").await, Code::Completed(2));
            guest.drop_writable(stream).await;
            let mut said = 0;
            loop {
                assert!(!items.is_terminated(), "after {said} answers");
                let over = match batches {
                    true => items.next_batch().await.is_none(),
                    false => items.next().await.is_none(),
                };
                said += 1;
                if over {
                    break;
                }
            }
            assert!(items.is_terminated());
            assert_eq!(items.next().await, None, "and it stays so");
        });
    }
}

#[test]
fn a_task_that_stops_taking_does_not_miss_the_end() {
    // Rule "Completion": another branch is served between the last item and the end.
    with_guest::<u8, _>(async |guest| {
        let (consumer, mut items) = from_guest::item_consumer(8);
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send(stream, b"1").await, Code::Completed(1));
        guest.drop_writable(stream).await;
        assert_eq!(items.next().await, Some(b'1'));
        let (tell, told) = oneshot::channel::<()>();
        let mut told = told.fuse();
        drop(tell);
        let (mut ended, mut served) = (false, false);
        while !ended || !served {
            select! {
                item = items.next() => {
                    assert_eq!(item, None);
                    ended = true;
                }
                _ = told => served = true,
                complete => panic!("over before it was said"),
            }
        }
    });
}
