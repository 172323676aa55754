//! A write that waits for room in a channel holds a place in the channel's queue. At a cut the sink frees that place at
//! once, also while the host keeps the completion or its result.

use std::fmt::Debug;
use std::time::Duration;

use futures::channel::mpsc as futures_mpsc;
use futures::{FutureExt as _, SinkExt as _, StreamExt as _, join};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::PollSender;
use wasmtime::StoreContextMut;
use wasmtime_streams::{Flush, ItemConsumer, ItemSink, StoreToken, channels, sinks};
use wasmtime_streams_testing::executor::idle;
use wasmtime_streams_testing::{Guest, Setup};

use crate::support::cuts::{self, Cutting, Plan, Signs, Writes};
use crate::support::guest::{Code, with_guest};

/// The clock is paused and advances only while all tasks wait: a test that reaches this timeout hangs.
const TIMEOUT: Duration = Duration::from_secs(3600);

/// Parks a guest's write on a full channel of capacity 1, cuts the stream, and empties the channel. Returns the plans
/// under which the `send` of another sender then never completes.
async fn blocks_other_senders<S>(make: impl Fn(mpsc::Sender<u8>) -> ItemConsumer<S>) -> Vec<Plan>
where
    S: ItemSink<Item = u8> + Unpin,
    S::Error: Debug,
{
    let mut wrong = Vec::new();
    for plan in Plan::all(&[Writes::Waits]) {
        let (tx, mut rx) = mpsc::channel::<u8>(1);
        tx.try_send(0).unwrap();
        let (other, consumer) = (tx.clone(), make(tx));
        let far = async |signs: &Signs| {
            signs.may_cut.cancel();
            signs.is_cut.cancelled().await;
            assert_eq!(rx.recv().await, Some(0));
            timeout(TIMEOUT, other.send(1)).await.is_ok()
        };
        let pipe = |cutting: &mut Cutting, store: StoreContextMut<'_, StoreToken>, stream| {
            cutting.pipe_items(store, stream, consumer);
        };
        if !cuts::run(plan, pipe, far).await {
            wrong.push(plan);
        }
    }
    wrong
}

#[tokio::test(start_paused = true)]
async fn a_tokio_sender_frees_its_place_in_the_queue_when_its_stream_is_cut() {
    // Rule "Completion": another sender gets the room.
    let wrong = blocks_other_senders(channels::mpsc_sender).await;
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[tokio::test(start_paused = true)]
async fn a_futures_sender_does_not_block_other_senders_when_its_stream_is_cut() {
    // Rule "Completion": the senders of this channel queue, too.
    for plan in Plan::all(&[Writes::Waits]) {
        let (mut tx, mut rx) = futures_mpsc::channel::<u8>(0);
        let mut other = tx.clone();
        // Each sender has one slot of its own. This fills the slot of the guest's sender.
        tx.try_send(0).unwrap();
        let consumer = sinks::items(tx).flush(Flush::OnClose);
        let far = async |signs: &Signs| {
            signs.may_cut.cancel();
            signs.is_cut.cancelled().await;
            let send = async {
                for n in 1..=3 {
                    other.send(n).await.unwrap();
                }
            };
            let (received, ()) = join!(rx.by_ref().take(4).collect::<Vec<_>>(), send);
            assert_eq!(received, [0, 1, 2, 3]);
        };
        let pipe = |cutting: &mut Cutting, store: StoreContextMut<'_, StoreToken>, stream| {
            cutting.pipe_items(store, stream, consumer);
        };
        timeout(TIMEOUT, cuts::run(plan, pipe, far)).await.unwrap_or_else(|_| panic!("{plan:?}"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_host_can_free_the_place_of_a_handed_back_poll_sender() {
    // Rule "Completion": by `abort_send`, which the `Sink` trait does not have.
    for polled in [false, true] {
        let (tx, mut rx) = mpsc::channel::<u8>(1);
        tx.try_send(0).unwrap();
        let other = tx.clone();
        let consumer = sinks::items::<_, u8>(PollSender::new(tx)).flush(Flush::OnClose);
        let (consumer, mut done) = consumer.with_completion();
        let ran = Setup::new(()).drive(async |guest: &Guest<'_, (), u8>| {
            let stream = guest.sink(consumer).await;
            assert_eq!(guest.write(stream, 1).await, Code::Blocked);
            tokio::time::sleep(Duration::from_millis(1)).await;
            if polled {
                assert!((&mut done).now_or_never().is_none());
            }
            done.cancel();
            assert_eq!(guest.wait(stream).await, Code::Dropped(0));
            assert_eq!(rx.recv().await, Some(0));
            let mut done = done.await;
            done.inner.get_mut().abort_send();
            timeout(TIMEOUT, other.send(1)).await.expect("timed out").unwrap();
            drop(done);
        });
        ran.await.unwrap();
    }
}

#[test]
fn a_receiver_whose_stream_has_ended_keeps_no_second_receiver() {
    // Rule "Completion": a parked read waits on a second receiver, which is dropped when the stream ends.
    let mut left = Vec::new();
    for end in ["a cancel", "the guest's drop"] {
        with_guest::<u8, _>(async |guest| {
            let (news, latest) = (broadcast::Sender::<u8>::new(4), watch::Sender::<u8>::new(0));
            let (broadcast, of_broadcast) =
                channels::broadcast_receiver(news.subscribe()).with_completion();
            let (watch, of_watch) = channels::watch_receiver(latest.subscribe()).with_completion();
            let (one, two) = (guest.source(broadcast).await, guest.source(watch).await);
            assert_eq!(guest.recv(two, 1).await.0, Code::Completed(1));
            for stream in [one, two] {
                assert_eq!(guest.read(stream, 1).await, Code::Blocked);
            }
            idle().await;
            if end == "a cancel" {
                of_broadcast.cancel();
                of_watch.cancel();
            } else {
                for stream in [one, two] {
                    assert_eq!(guest.cancel_read(stream).await, Code::Cancelled(0));
                    guest.drop_readable(stream).await;
                }
            }
            let kept = (of_broadcast.await, of_watch.await);
            left.push((end, news.receiver_count(), latest.receiver_count()));
            drop(kept);
        });
    }
    assert_eq!(left, [("a cancel", 1, 1), ("the guest's drop", 1, 1)]);
}
