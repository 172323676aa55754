//! A guest's items in `select!`, beside other events.

use futures::channel::oneshot;
use futures::future::{FutureExt as _, pending};
use futures::stream::{FusedStream, StreamExt as _};
use futures::{join, select};
use wasmtime_streams::from_guest::{self, GuestItems};
use wasmtime_streams_testing::executor;

use crate::support::guest::{Code, with_guest};

/// Takes all items beside an event that never comes, until the stream ends.
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
            complete => panic!("terminated before `None`"),
        }
    }
}

#[test]
fn a_select_loop_sees_the_end() {
    // Rule "Completion": whether the end comes with the last items or while the loop waits.
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
fn a_select_loop_sees_a_cut() {
    // Rule "Completion": a cut by the host ends the loop as well, and is reported.
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
fn a_stream_of_items_is_terminated_only_after_none() {
    // Rule "Completion": `None` comes first, item by item and in batches.
    for batches in [false, true] {
        with_guest::<u8, _>(async |guest| {
            let (consumer, mut items) = from_guest::item_consumer(8);
            let stream = guest.sink(consumer).await;
            assert_eq!(guest.send(stream, b"12").await, Code::Completed(2));
            guest.drop_writable(stream).await;
            let mut answers = 0;
            loop {
                assert!(!items.is_terminated(), "after {answers} answers");
                let over = match batches {
                    true => items.next_batch().await.is_none(),
                    false => items.next().await.is_none(),
                };
                answers += 1;
                if over {
                    break;
                }
            }
            assert!(items.is_terminated());
            assert_eq!(items.next().await, None, "a second `None`");
        });
    }
}

#[test]
fn a_task_that_pauses_does_not_miss_the_end() {
    // Rule "Completion": another branch runs between the last item and the end.
    with_guest::<u8, _>(async |guest| {
        let (consumer, mut items) = from_guest::item_consumer(8);
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send(stream, b"1").await, Code::Completed(1));
        guest.drop_writable(stream).await;
        assert_eq!(items.next().await, Some(b'1'));
        let (ready, is_ready) = oneshot::channel::<()>();
        let mut is_ready = is_ready.fuse();
        drop(ready);
        let (mut ended, mut served) = (false, false);
        while !ended || !served {
            select! {
                item = items.next() => {
                    assert_eq!(item, None);
                    ended = true;
                }
                _ = is_ready => served = true,
                complete => panic!("terminated before `None`"),
            }
        }
    });
}
