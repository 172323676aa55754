//! The answer to a cancelled operation, over every source and sink, before the data arrives and at that moment.

use futures::FutureExt as _;
use wasmtime_streams_testing::executor::idle;

use crate::read_to_end;
use crate::support::adapters::sinks;
use crate::support::every_source::{Layer, every_source};
use crate::support::guest::{BUFFER, Code, with_guest};
use crate::support::script::{Script, Step, Writer};

/// The order of the guest's cancel and what its operation waits for: data, the end or room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// Cancelled before the host runs again. Then the event happens.
    CancelAtOnce,
    /// Cancelled while the operation is parked. Then the event happens.
    CancelParked,
    /// The event happens, and the guest cancels before the host runs again.
    Comes,
    /// The event happens and the operation completes. The guest cancels before it sees that.
    ComesAndIsDone,
}

const ORDERS: [Order; 4] =
    [Order::CancelAtOnce, Order::CancelParked, Order::Comes, Order::ComesAndIsDone];

impl Order {
    fn comes_first(self) -> bool {
        matches!(self, Order::Comes | Order::ComesAndIsDone)
    }
}

#[test]
fn a_cancelled_read_reports_what_it_got_and_the_next_one_goes_on() {
    // Rule "Cancellation keeps the stream", rule "Exactly once, in order".
    for source in every_source().iter().filter(|source| source.waits) {
        for layer in [Layer::Nothing, Layer::Until, Layer::Completion] {
            for order in ORDERS {
                with_guest::<u8, _>(async |guest| {
                    let what = format!("{}, {layer:?}, {order:?}", source.name);
                    let mut opened = source.open_late(guest, &[1, 2, 3], layer).await;
                    let stream = opened.stream;
                    assert_eq!(guest.read(stream, 9).await, Code::Blocked, "{what}");
                    if order != Order::CancelAtOnce {
                        idle().await;
                    }
                    if order.comes_first() {
                        opened.arrive();
                    }
                    if order == Order::ComesAndIsDone {
                        idle().await;
                    }
                    let code = guest.cancel_read(stream).await;
                    match order {
                        Order::CancelAtOnce | Order::CancelParked => {
                            assert_eq!(code, Code::Cancelled(0), "{what}");
                            opened.arrive();
                        }
                        // Either the data or the cancel is first.
                        Order::Comes => {
                            assert!(matches!(code, Code::Cancelled(0..=3)), "{what}: {code:?}");
                        }
                        Order::ComesAndIsDone => {
                            assert!(matches!(code, Code::Cancelled(1..=3)), "{what}: {code:?}");
                        }
                    }
                    let mut got = guest.dump(BUFFER, code.count()).await;
                    opened.end();
                    got.extend(read_to_end(guest, stream, 9).await);
                    assert_eq!(got, source.gives(&[1, 2, 3]), "{what}");
                });
            }
        }
    }
}

#[test]
fn a_read_that_is_cancelled_at_the_end_or_the_next_one_reports_the_end() {
    // Rule "Cancellation keeps the stream", rule "The end goes with the last items": now or by the next read.
    for source in every_source().iter().filter(|source| source.waits) {
        for layer in [Layer::Nothing, Layer::Completion] {
            for order in ORDERS {
                with_guest::<u8, _>(async |guest| {
                    let what = format!("{}, {layer:?}, {order:?}", source.name);
                    // A watch without a new value has only its end.
                    let mut opened = source.open_late(guest, &[], layer).await;
                    let stream = opened.stream;
                    opened.arrive();
                    assert_eq!(guest.read(stream, 9).await, Code::Blocked, "{what}");
                    if order != Order::CancelAtOnce {
                        idle().await;
                    }
                    if order.comes_first() {
                        opened.end();
                    }
                    if order == Order::ComesAndIsDone {
                        idle().await;
                    }
                    let code = guest.cancel_read(stream).await;
                    match order {
                        Order::CancelAtOnce | Order::CancelParked => {
                            assert_eq!(code, Code::Cancelled(0), "{what}");
                            opened.end();
                        }
                        Order::Comes => {
                            let either = matches!(code, Code::Cancelled(0) | Code::Dropped(0));
                            assert!(either, "{what}: {code:?}");
                        }
                        Order::ComesAndIsDone => assert_eq!(code, Code::Dropped(0), "{what}"),
                    }
                    if let Code::Cancelled(_) = code {
                        assert_eq!(guest.recv(stream, 9).await.0, Code::Dropped(0), "{what}");
                    }
                });
            }
        }
    }
}

#[test]
fn reads_that_are_cancelled_repeatedly_lose_nothing() {
    // Rule "Cancellation keeps the stream": each read has a waker of its own.
    for source in every_source().iter().filter(|source| source.waits) {
        with_guest::<u8, _>(async |guest| {
            let mut opened = source.open_late(guest, &[1, 2, 3], Layer::Nothing).await;
            let stream = opened.stream;
            for n in 0..10 {
                assert_eq!(guest.read(stream, 9).await, Code::Blocked, "{}", source.name);
                if n % 2 == 0 {
                    idle().await;
                }
                assert_eq!(guest.cancel_read(stream).await, Code::Cancelled(0), "{}", source.name);
            }
            assert_eq!(guest.read(stream, 9).await, Code::Blocked, "{}", source.name);
            let mut wait = Box::pin(guest.wait(stream));
            assert_eq!(guest.parked(&mut wait).await, None, "{}", source.name);
            opened.arrive();
            let code = wait.await;
            let mut got = guest.dump(BUFFER, code.count()).await;
            opened.end();
            got.extend(read_to_end(guest, stream, 9).await);
            assert_eq!(got, source.gives(&[1, 2, 3]), "{}", source.name);
        });
    }
}

#[test]
fn a_cancelled_write_reports_what_was_taken_and_the_next_one_goes_on() {
    // Rule "Cancellation keeps the stream", rule "Exact partial writes".
    for sink in sinks() {
        for order in ORDERS {
            with_guest::<u8, _>(async |guest| {
                let what = format!("{}, {order:?}", sink.name);
                let script = Script::new([Step::Hold]);
                let control = script.control();
                let (stream, mut done, log) = sink.open(guest, Writer::new(script)).await;
                guest.load(&[1, 2, 3]).await;
                assert_eq!(guest.write(stream, 3).await, Code::Blocked, "{what}");
                if order != Order::CancelAtOnce {
                    idle().await;
                }
                if order.comes_first() {
                    control.release();
                }
                if order == Order::ComesAndIsDone {
                    idle().await;
                }
                let code = guest.cancel_write(stream).await;
                match order {
                    Order::ComesAndIsDone => assert_eq!(code, Code::Cancelled(3), "{what}"),
                    _ => assert!(matches!(code, Code::Cancelled(0..=3)), "{what}: {code:?}"),
                }
                if !sink.holds {
                    // What was taken is in the sink.
                    assert_eq!(log.accepted().len(), code.count() as usize, "{what}");
                }
                assert!((&mut done).now_or_never().is_none(), "{what}: it has ended");
                if !order.comes_first() {
                    control.release();
                }
                let rest = &[1, 2, 3, 4][code.count() as usize..];
                assert_eq!(guest.send_all(stream, rest).await.count() as usize, rest.len());
                guest.drop_writable(stream).await;
                let (end, moved) = done.await;
                assert!(end.is_finished() && moved == 4, "{what}: {end:?} after {moved}");
                assert_eq!(log.accepted(), [1, 2, 3, 4], "{what}");
            });
        }
    }
}
