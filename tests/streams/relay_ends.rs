//! How the streams of a relay end when one of the two guests traps or is cut.

use std::convert::Infallible;

use futures::channel::oneshot;
use futures::join;
use wasmtime::AsContext as _;
use wasmtime_streams::to_guest::FromHost;
use wasmtime_streams::{Completion, End, StoreToken, relay};
use wasmtime_streams_testing::{Guest, Setup, executor};

use crate::read_to_end;
use crate::support::guest::Code;

/// Runs two guests in two stores. Both go on while either script waits.
fn two_guests<R>(
    one: impl AsyncFnOnce(&Guest<'_, StoreToken, u8>),
    two: impl AsyncFnOnce(&Guest<'_, StoreToken, u8>) -> R,
) -> (wasmtime::Result<()>, wasmtime::Result<R>) {
    let one = Setup::new(StoreToken::new()).drive(one);
    let two = Setup::new(StoreToken::new()).drive(two);
    executor::run(async { join!(one, two) })
}

fn watch<S, E>(guest: &Guest<'_, StoreToken, u8>, done: Completion<S, E>) -> Completion<S, E> {
    guest.with(|store| done.watch_store(store.as_context().data()))
}

#[test]
fn a_trap_of_the_first_guest_is_distinct_from_the_end_of_its_stream() {
    // Rule "Completion": the reason of an end passes on, after everything that came before it.
    for traps in [true, false] {
        let (consumer, producer) = relay::byte_parts(64);
        let (one, two) = two_guests(
            async |guest| {
                let (consumer, done) = consumer.with_completion();
                drop(watch(guest, done));
                let writable = guest.sink(consumer).await;
                assert_eq!(guest.send(writable, &[1, 2, 3]).await, Code::Completed(3));
                if traps {
                    guest.trap().await;
                }
                guest.drop_writable(writable).await;
            },
            async |guest| {
                let (producer, done) = producer.with_completion();
                let readable = guest.source(producer).await;
                // Only once the other store is gone.
                executor::idle().await;
                assert_eq!(read_to_end(guest, readable, 9).await, [1, 2, 3]);
                done.await.end
            },
        );
        assert_eq!(one.is_err(), traps);
        match two.unwrap() {
            End::Abandoned => assert!(traps),
            End::Finished => assert!(!traps),
            end => panic!("{end:?}"),
        }
    }
}

type ToCompletion = Completion<FromHost<u8>, Infallible>;

#[test]
fn a_trap_of_the_second_guest_ends_the_stream_of_the_first() {
    // Rule "Completion": to the first guest its peer is gone, and its parked write is woken.
    let (consumer, producer) = relay::byte_parts(4);
    let (consumer, from) = consumer.with_completion();
    let (producer, to) = producer.with_completion();
    let (trapped, traps) = oneshot::channel::<()>();
    let (watch_to, watched) = oneshot::channel();
    let (one, two) = two_guests(
        async |guest| {
            let writable = guest.sink(consumer).await;
            assert_eq!(guest.send(writable, &[1, 2, 3, 4]).await, Code::Completed(4));
            assert_eq!(guest.write(writable, 2).await, Code::Blocked);
            drop(trapped);
            // With a completion, the reader is dropped only when that is awaited or dropped.
            let (code, to) = join!(guest.wait(writable), async {
                let to: ToCompletion = watched.await.unwrap();
                let to = to.await;
                (to.end, to.inner.into_unread())
            });
            assert_eq!(code, Code::Dropped(0));
            assert!(matches!(to.0, End::Abandoned) && to.1 == [1, 2, 3, 4], "{to:?}");
            assert!(matches!(from.await.end, End::ReceiverDropped));
        },
        async |guest| {
            guest.source(producer).await;
            assert!(watch_to.send(watch(guest, to)).is_ok());
            let _ = traps.await;
            guest.trap().await;
        },
    );
    one.unwrap();
    two.unwrap_err();
}

#[test]
fn a_cut_of_one_side_is_reported_on_the_other() {
    // Rule "Items before the error": a limit on the first stream ends the second one, with the reason.
    let (consumer, producer) = relay::item_parts::<u8>(64);
    let (one, two) = two_guests(
        async |guest| {
            let writable = guest.sink(consumer.limit(2)).await;
            assert_eq!(guest.send_all(writable, &[1, 2, 3]).await, Code::Dropped(2));
        },
        async |guest| {
            let (producer, done) = producer.with_completion();
            let readable = guest.source(producer).await;
            assert_eq!(read_to_end(guest, readable, 9).await, [1, 2]);
            done.await.end
        },
    );
    one.unwrap();
    assert!(matches!(two.unwrap(), End::LimitReached));
}
