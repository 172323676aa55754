//! The contract kit over streams between two machines. A step is a move of the other machine.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use quinn::{RecvStream, SendStream, VarInt};
use wasmtime::component::{StreamConsumer, StreamProducer};
use wasmtime_streams::{Completion, End, quic};
use wasmtime_streams_testing::{self as testing, Made, ReceiverEnd, Report, Reported};

use crate::completed::{completed, completed_as};
use crate::constructors::addresses_of;
use crate::wire::{self, Receiver, wire};

const ITEMS: [u8; 7] = [1, 2, 3, 4, 5, 6, 7];

/// More than is ever sent.
const WIDE: u32 = 1 << 16;

/// A code of the other machine's own.
const CODE: VarInt = VarInt::from_u32(42);

/// An item as a frame.
fn frame(item: u8) -> Vec<u8> {
    vec![0, 0, 0, 1, item]
}

/// To the host a receiver that leaves is an error, too.
fn left_is_failed<E>(end: End<E>) -> Reported {
    match end {
        End::Failed(_) | End::ReceiverDropped => Reported::Failed,
        _ => Reported::Ended,
    }
}

/// How the other machine behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It has done everything before the guest begins.
    Ready,
    /// It does a part at a time.
    Parts,
    /// The same, and cuts the stream at the end.
    Fails,
}

const KINDS: [Kind; 3] = [Kind::Ready, Kind::Parts, Kind::Fails];

fn add(a: Report, b: Report) -> Report {
    Report { scripts: a.scripts + b.scripts, operations: a.operations + b.operations, ..a }
}

/// The other machine sends two items at a time, and then the end.
fn reads<P, S, E>(
    encode: fn(u8) -> Vec<u8>,
    make: fn(RecvStream) -> (P, Completion<S, E>),
) -> Report
where
    P: StreamProducer<(), Item = u8>,
    S: Unpin + 'static,
    E: 'static,
{
    let wire = wire(WIDE);
    let check = |kind| {
        let check = testing::producer(ITEMS.to_vec(), move || {
            let (send, recv) = wire.stream();
            let (mut send, mut parts) = (Some(send), ITEMS.chunks(2));
            let mut step = move || {
                let Some(open) = &mut send else { return false };
                match parts.next() {
                    Some(part) => {
                        let bytes: Vec<u8> = part.iter().flat_map(|item| encode(*item)).collect();
                        // A reader that has left is seen by the check.
                        let _ = wire.block_on(open.write_all(&bytes));
                    }
                    None if kind == Kind::Fails => {
                        let _ = open.reset(CODE);
                        send = None;
                    }
                    None => {
                        let _ = open.finish();
                        send = None;
                    }
                }
                wire.settle();
                true
            };
            let (producer, completion) = make(recv);
            let made = completed(Made::new(producer), completion);
            if kind == Kind::Ready {
                while step() {}
                return made;
            }
            made.step(step)
        });
        let check = check.short().depth(2).random(100);
        if kind == Kind::Fails { check.fails().assert() } else { check.assert() }
    };
    KINDS.map(check).into_iter().reduce(add).unwrap()
}

/// The other machine takes what it has room for; to fail, it tells this one to stop then.
fn writes<C, S, E>(
    encode: fn(u8) -> Vec<u8>,
    make: fn(SendStream) -> (C, Completion<S, E>),
) -> Report
where
    C: StreamConsumer<(), Item = u8>,
    S: Unpin + 'static,
    E: 'static,
{
    let length = encode(1).len();
    // Room for two items.
    let narrow = u32::try_from(2 * length).unwrap();
    let check = |kind| {
        let wire = wire(if kind == Kind::Ready { WIDE } else { narrow });
        let check = testing::consumer(ITEMS.to_vec(), move || {
            let (send, recv) = wire.stream();
            let receiver = Rc::new(RefCell::new((Receiver::new(recv), false)));
            let (all, end, far) = (receiver.clone(), receiver.clone(), receiver);
            let (consumer, completion) = make(send);
            let mut left = 2 * ITEMS.len();
            completed_as(Made::new(consumer), completion, left_is_failed)
                .received(move || {
                    let (receiver, left) = &mut *all.borrow_mut();
                    if !*left {
                        receiver.take(wire);
                    }
                    let whole = receiver.bytes.chunks_exact(length);
                    whole.filter_map(|item| item.last().copied()).collect()
                })
                .receiver_end(move || {
                    let (receiver, left) = &mut *end.borrow_mut();
                    if *left {
                        return ReceiverEnd::Left;
                    }
                    receiver.take(wire);
                    match receiver.end {
                        None => ReceiverEnd::Open,
                        Some(wire::End::Finished) => ReceiverEnd::Complete,
                        Some(wire::End::Reset(_)) => ReceiverEnd::Cut,
                    }
                })
                .step(move || {
                    let (receiver, leaves) = &mut *far.borrow_mut();
                    left = left.saturating_sub(1);
                    if kind == Kind::Fails && left < ITEMS.len() {
                        *leaves = true;
                        // Fails if the stream has ended.
                        let _ = receiver.stream.stop(CODE);
                    } else {
                        receiver.take(wire);
                    }
                    wire.settle();
                    left > 0
                })
        });
        let check = check.depth(2).random(100);
        if kind == Kind::Fails { check.fails().assert() } else { check.assert() }
    };
    KINDS.map(check).into_iter().reduce(add).unwrap()
}

fn byte(item: u8) -> Vec<u8> {
    vec![item]
}

/// Makes each row a test, and `ROWS` their names.
macro_rules! rows {
    ($($name:ident: $check:expr;)*) => {
        $(
            #[test]
            fn $name() {
                let report = $check;
                assert!(report.operations > 0);
                println!("contract: {report}");
            }
        )*

        const ROWS: &[&str] = &[$(stringify!($name)),*];
    };
}

#[rustfmt::skip]
rows! {
    quic_read: reads(byte, |stream| quic::read(stream).with_completion());
    quic_read_items: reads(frame, |stream| quic::read_items::<u8>(stream).with_completion());
    quic_write: writes(byte, |stream| quic::write(stream).with_completion());
    quic_write_items: writes(frame, |stream| quic::write_items::<u8>(stream).with_completion());
}

#[test]
fn no_constructor_is_missing_from_the_rows() {
    let rows: BTreeSet<_> = ROWS.iter().map(|row| row.replacen('_', "::", 1)).collect();
    assert_eq!(rows, addresses_of("quic"));
}
