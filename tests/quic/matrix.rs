//! The matrix of ends over streams between two machines: see `tests/ends`.

use std::collections::{BTreeMap, BTreeSet};

use quinn::VarInt;
use wasmtime_streams::EndReason::{Abandoned, Finished, ReceiverDropped};
use wasmtime_streams::quic::{self, Codes, Write};
use wasmtime_streams::{ByteSink as _, EndReason};

use crate::constructors::addresses_of;
use crate::host::Host;
use crate::made::{
    GIVEN, Open, Peer, Plan, Sees, Shape, byte_sink, byte_source, item_sink, item_source,
};
use crate::rows::AtCut::TellsWhy;
use crate::rows::AtEnd::{Told, ToldOnceSent};
use crate::rows::Can::{BeAborted, Buffer, Fail, Step, Wait};
use crate::rows::Feeder::AtOnce;
use crate::rows::Leaves::Is;
use crate::rows::{reads, rows, writes};
use crate::shown;
use crate::wire::{End, Receiver, Wire, now, wire};

/// A code of the other machine's own.
const CODE: VarInt = VarInt::from_u32(42);

const BYTE: &[u8] = &[7];
const FRAME: &[u8] = &[0, 0, 0, 1, 7];

/// The other machine sends.
struct Feeds {
    wire: &'static Wire,
    sink: Option<Write>,
    item: &'static [u8],
}

impl Feeds {
    fn end(&mut self, reason: EndReason) {
        std::pin::Pin::new(self.sink.as_mut().unwrap()).ended(reason);
        self.wire.settle();
    }
}

impl Peer for Feeds {
    fn give(&mut self) {
        let stream = self.sink.as_mut().unwrap().get_mut();
        self.wire.block_on(stream.write_all(self.item)).unwrap();
        self.wire.settle();
    }

    fn finish(&mut self) {
        self.end(Finished);
    }

    fn fail(&mut self) {
        self.sink.take().unwrap().get_mut().reset(CODE).unwrap();
        self.wire.settle();
    }

    fn leave(&mut self) {
        self.sink = None;
        self.wire.settle();
    }

    fn abort(&mut self) {
        self.end(GIVEN);
    }

    fn step(&mut self) {
        self.wire.settle();
    }

    fn sees(&mut self) -> Option<Sees> {
        self.wire.settle();
        let stopped = now(self.sink.as_mut()?.get_mut().stopped());
        Some(if matches!(stopped, Some(Ok(Some(_)))) { Sees::Gone } else { Sees::Open })
    }
}

/// The other machine receives.
struct Receives {
    wire: &'static Wire,
    receiver: Option<Receiver>,
}

impl Peer for Receives {
    fn take(&mut self) {
        self.sees();
    }

    fn leave(&mut self) {
        self.receiver = None;
        self.wire.settle();
    }

    fn step(&mut self) {
        self.wire.settle();
    }

    fn sees(&mut self) -> Option<Sees> {
        let receiver = self.receiver.as_mut()?;
        receiver.take(self.wire);
        Some(match receiver.end {
            None => Sees::Open,
            Some(End::Finished) => Sees::End,
            Some(End::Reset(code)) => {
                Sees::Cut(Codes::default().reason(code).expect("a code of a reason"))
            }
        })
    }
}

/// A stream with room for two items, from this machine or to it.
fn stream(item: &[u8]) -> (&'static Wire, quinn::SendStream, quinn::RecvStream) {
    let wire = wire(u32::try_from(2 * item.len()).unwrap());
    let (send, recv) = wire.stream();
    (wire, send, recv)
}

fn feeds(item: &'static [u8]) -> (quinn::RecvStream, Feeds) {
    let (wire, send, recv) = stream(item);
    (recv, Feeds { wire, sink: Some(quic::write(send).into_inner()), item })
}

fn receives(item: &'static [u8]) -> (quinn::SendStream, Receives) {
    let (wire, send, recv) = stream(item);
    (send, Receives { wire, receiver: Some(Receiver::new(recv)) })
}

fn read(_: &Host, plan: &Plan) -> Open {
    let (stream, peer) = feeds(BYTE);
    byte_source(plan, quic::read(stream), peer)
}

fn read_items(_: &Host, plan: &Plan) -> Open {
    let (stream, peer) = feeds(FRAME);
    item_source(plan, quic::read_items::<u8>(stream), |item| item, peer)
}

fn write(_: &Host, plan: &Plan) -> Open {
    let (stream, peer) = receives(BYTE);
    byte_sink(plan, quic::write(stream), Shape::EXACT, peer)
}

fn write_items(_: &Host, plan: &Plan) -> Open {
    let (stream, peer) = receives(FRAME);
    item_sink(plan, quic::write_items::<u8>(stream), |item| item, Shape::EXACT, peer)
}

#[rustfmt::skip]
rows! { SOURCES:
    quic_read:       read,       [Wait Fail BeAborted],      reads(AtOnce), Is(Abandoned);
    quic_read_items: read_items, [Wait Fail Step BeAborted], reads(AtOnce), Is(Abandoned);
}

#[rustfmt::skip]
rows! { SINKS:
    quic_write:       write,       [Wait],             writes(Told, TellsWhy),         Is(ReceiverDropped);
    quic_write_items: write_items, [Wait Step Buffer], writes(ToldOnceSent, TellsWhy), Is(ReceiverDropped);
}

/// The rows of a table of the page that are of this module.
fn here(mut shown: BTreeMap<String, Vec<String>>) -> BTreeMap<String, Vec<String>> {
    shown.retain(|label, _| label.starts_with("quic::"));
    shown
}

#[test]
fn the_page_of_ends_shows_these_rows() {
    let addresses = addresses_of("quic");
    assert_eq!(here(shown::sources()), shown::expected(SOURCES, &addresses));
    assert_eq!(here(shown::sinks()), shown::expected(SINKS, &addresses));
    let rows: BTreeSet<_> = SOURCES.iter().chain(SINKS).map(|row| row.name).collect();
    assert_eq!(rows.len(), addresses.len());
}
