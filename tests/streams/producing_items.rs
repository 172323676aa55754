//! Items to the guest.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures::{StreamExt as _, stream};
use wasmtime_streams::{End, EndReason, ItemProducer, ItemSource, Then, items::Plain};

use crate::support::guest::{BUFFER, Code, with_guest, with_large_guest};
use crate::support::script::{FAILURE, ItemStream, Script, Step};
use wasmtime_streams_testing::Item;
use wasmtime_streams_testing::executor::idle;

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect()
}

#[test]
fn a_read_takes_all_items_that_are_ready() {
    // Rule "Fill each operation": also after an item that comes later.
    for len in [1, 2, 7, 256, 4096] {
        with_guest::<u32, _>(async |guest| {
            let stream =
                guest.source(wasmtime_streams::streams::items(stream::iter(0..5000_u32))).await;
            let mut got = Vec::new();
            loop {
                let (code, bytes) = guest.recv(stream, len).await;
                got.extend(words(&bytes));
                match code {
                    Code::Completed(n) => assert_eq!(n, len),
                    // The stream reports that nothing is left.
                    Code::Dropped(n) => break assert_eq!(n, (5000 - 1) % len + 1),
                    code => panic!("{code:?}"),
                }
            }
            assert!(got.into_iter().eq(0..5000));
        });
    }
}

#[test]
fn strings_arrive_whole_and_in_order() {
    // Rule "Fill each operation", with items that own heap data.
    with_guest::<String, _>(async |guest| {
        let items = (0..150).map(|n| format!("item {n}"));
        let want: Vec<_> = items.clone().collect();
        let stream = guest.source(wasmtime_streams::streams::items(stream::iter(items))).await;
        let mut got = Vec::new();
        let mut batches = Vec::new();
        loop {
            let (code, bytes) = guest.recv(stream, 1000).await;
            batches.push(code);
            for pair in words(&bytes).chunks(2) {
                got.push(String::from_utf8(guest.dump(pair[0], pair[1]).await).unwrap());
            }
            if let Code::Dropped(_) = code {
                break;
            }
        }
        assert_eq!(got, want);
        // Rule "Bounded memory": 64 at a time.
        assert_eq!(batches, [Code::Completed(64), Code::Completed(64), Code::Dropped(22)]);
    });
}

/// Never ends. Records what it is asked for.
struct Greedy<T> {
    asked: Arc<Mutex<Vec<(usize, usize)>>>,
    item: T,
}

impl<T> Unpin for Greedy<T> {}

impl<T: Clone + Send + 'static> ItemSource for Greedy<T> {
    type Item = T;
    type Error = Infallible;

    fn poll_items(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        max: usize,
        out: &mut Vec<T>,
    ) -> Poll<Result<Then, Infallible>> {
        self.asked.lock().unwrap().push((max, out.capacity()));
        out.resize(out.len() + max, self.item.clone());
        Poll::Ready(Ok(Then::More))
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}

fn greedy<T: Item + Clone + Plain>(item: T, len: u32, batch: usize) -> Vec<(usize, usize)> {
    let asked = Arc::new(Mutex::new(Vec::new()));
    with_large_guest::<T, _>(len, async |guest| {
        let source = Greedy { asked: asked.clone(), item };
        let stream = guest.source(ItemProducer::new(source)).await;
        for _ in 0..2 {
            let code = match guest.read(stream, len).await {
                // Lowering a string calls the guest's allocator, from the event loop.
                Code::Blocked => guest.wait(stream).await,
                code => code,
            };
            assert_eq!(code, Code::Completed(batch as u32));
        }
    });
    Arc::into_inner(asked).unwrap().into_inner().unwrap()
}

#[test]
fn the_batch_bounds_memory_whatever_the_guest_asks_for() {
    // Rule "Bounded memory": 2^28 - 1 items are asked for.
    const LEN: u32 = (1 << 28) - 1;
    let asked = greedy::<u8>(1, LEN, 65536);
    assert_eq!(asked, [(65536, 0), (65536, 65536)]);
    let asked = greedy::<u32>(1, LEN, 16384);
    assert_eq!(asked, [(16384, 0), (16384, 16384)]);
    let asked = greedy::<String>(String::new(), LEN, 64);
    assert_eq!(asked, [(64, 0), (64, 64)]);
}

#[test]
fn the_batch_setting_bounds_every_operation() {
    // Rule "Bounded memory".
    with_guest::<u32, _>(async |guest| {
        let producer = wasmtime_streams::streams::items(stream::iter(0..10)).batch(4);
        let stream = guest.source(producer).await;
        let codes =
            [guest.read(stream, 9).await, guest.read(stream, 9).await, guest.read(stream, 9).await];
        assert_eq!(codes, [Code::Completed(4), Code::Completed(4), Code::Dropped(2)]);
    });
}

#[test]
fn items_go_before_the_error_that_ends_the_stream() {
    // Rule "Items before the error".
    for items in 0..3 {
        with_guest::<u32, _>(async |guest| {
            let script = Script::new([Step::Data(vec![7; items]), Step::Fail]);
            let stream = ItemStream::new(script, u32::from);
            let (producer, done) = wasmtime_streams::streams::try_items(stream).with_completion();
            let stream = guest.source(producer).await;
            let (code, bytes) = guest.recv(stream, 10).await;
            assert_eq!((code, words(&bytes)), (Code::Dropped(items as u32), vec![7; items]));
            let done = done.await;
            assert!(matches!(done.end, End::Failed(error) if error.to_string() == FAILURE));
            assert_eq!(done.moved, items as u64);
        });
    }
}

#[test]
fn a_cancelled_read_loses_no_item() {
    // Rule "Cancellation keeps the stream".
    with_guest::<String, _>(async |guest| {
        let script = Script::new([Step::Hold, Step::Data(vec![1, 2]), Step::Hold]);
        let control = script.control();
        let items = ItemStream::new(script, |n| n.to_string()).map(Result::unwrap);
        let stream = guest.source(wasmtime_streams::streams::items(items)).await;
        assert_eq!(guest.read(stream, 5).await, Code::Blocked);
        idle().await;
        assert_eq!(guest.cancel_read(stream).await, Code::Cancelled(0));
        control.release();
        let mut got = Vec::new();
        for _ in 0..2 {
            let (code, bytes) = guest.recv(stream, 1).await;
            assert_eq!(code, Code::Completed(1));
            let at = words(&bytes);
            got.extend(guest.dump(at[0], at[1]).await);
        }
        assert_eq!(got, b"12");
        assert_eq!(guest.read(stream, 1).await, Code::Blocked);
        assert_eq!(guest.cancel_read(stream).await, Code::Cancelled(0));
    });
}

/// Answers with items beside `Pending`, and then with items beside an end.
struct ItemsWithPending(u8);

impl ItemSource for ItemsWithPending {
    type Item = u8;
    type Error = Infallible;

    fn poll_items(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _: usize,
        out: &mut Vec<u8>,
    ) -> Poll<Result<Then, Infallible>> {
        self.0 += 1;
        out.push(self.0);
        cx.waker().wake_by_ref();
        if self.0 < 3 { Poll::Pending } else { Poll::Ready(Ok(Then::End(EndReason::Finished))) }
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}

#[test]
fn items_returned_with_pending_complete_the_operation() {
    // Rule "No empty completions", and the opposite: Wasmtime refuses a `Pending` after items.
    with_guest::<u8, _>(async |guest| {
        let (producer, done) = ItemProducer::new(ItemsWithPending(0)).with_completion();
        let stream = guest.source(producer).await;
        let mut codes = Vec::new();
        for _ in 0..3 {
            codes.push(guest.recv(stream, 9).await);
        }
        let want = [
            (Code::Completed(1), vec![1]),
            (Code::Completed(1), vec![2]),
            (Code::Dropped(1), vec![3]),
        ];
        assert_eq!(codes, want);
        assert_eq!(done.await.moved, 3);
    });
}

/// Gives one item a poll, and reports that there are more.
struct OneAtATime(u8);

impl ItemSource for OneAtATime {
    type Item = u8;
    type Error = Infallible;

    fn poll_items(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: usize,
        out: &mut Vec<u8>,
    ) -> Poll<Result<Then, Infallible>> {
        self.0 += 1;
        out.push(self.0);
        Poll::Ready(Ok(if self.0 == 9 { Then::Stop } else { Then::More }))
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}

#[test]
fn a_source_is_asked_again_while_it_reports_more() {
    // Rule "Fill each operation".
    with_guest::<u8, _>(async |guest| {
        let stream = guest.source(ItemProducer::new(OneAtATime(0))).await;
        assert_eq!(guest.recv(stream, 5).await, (Code::Completed(5), vec![1, 2, 3, 4, 5]));
        assert_eq!(guest.recv(stream, 9).await, (Code::Completed(4), vec![6, 7, 8, 9]));
    });
}

#[test]
fn a_stream_of_items_is_not_polled_after_its_end() {
    // Rule "The end goes with the last items": the core fuses. The script panics if it is polled again.
    with_guest::<u32, _>(async |guest| {
        let script = Script::new([Step::Data(vec![1])]);
        let items = ItemStream::new(script, u32::from).map(Result::unwrap);
        let stream = guest.source(wasmtime_streams::streams::items(items)).await;
        assert_eq!(guest.recv(stream, 1).await.0, Code::Completed(1));
        assert_eq!(guest.recv(stream, 1).await.0, Code::Dropped(0));
        assert_eq!(guest.dump(BUFFER, 4).await, [1, 0, 0, 0]);
    });
}
