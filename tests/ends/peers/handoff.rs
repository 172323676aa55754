//! Hand-overs to another task or store.

use std::pin::Pin;
use std::task::Poll;

use wasmtime_streams::from_guest::{GuestItems, GuestReader, ToHost};
use wasmtime_streams::to_guest::{FromHost, HostSink, HostWriter};
use wasmtime_streams::{
    ByteSink as _, ByteSource as _, EndReason, Flush, ItemSink as _, ItemSource as _, Take, Then,
    from_guest, relay, to_guest,
};

use crate::host::{Host, now};
use crate::made::{
    GIVEN, Open, Peer, Plan, Sees, Shape, byte_sink, byte_source, item_sink, item_source,
};

/// Room for two items.
const ROOM: usize = 2;
const SHAPE: Shape = Shape { room: 2, flush: Flush::EachOp };

/// What the receiver got from one poll: an item, nothing yet, or the end.
pub enum Next {
    Item,
    Sees(Sees),
}

/// The receiver of a hand-over.
pub struct Receives<R> {
    pub receiver: Option<R>,
    pub next: fn(&mut R) -> Next,
    /// A cut is reported once, so it is kept.
    pub over: Option<Sees>,
}

impl<R> Receives<R> {
    pub fn new(receiver: R, next: fn(&mut R) -> Next) -> Self {
        Self { receiver: Some(receiver), next, over: None }
    }
}

impl<R> Peer for Receives<R> {
    fn take(&mut self) {
        self.sees();
    }

    fn leave(&mut self) {
        self.receiver = None;
    }

    fn sees(&mut self) -> Option<Sees> {
        let receiver = self.receiver.as_mut()?;
        while self.over.is_none() {
            match (self.next)(receiver) {
                Next::Item => {}
                Next::Sees(Sees::Open) => return Some(Sees::Open),
                Next::Sees(over) => self.over = Some(over),
            }
        }
        self.over
    }
}

pub fn reads(reader: &mut GuestReader) -> Next {
    match now(|cx| reader.poll_read(cx, &mut [0])) {
        Poll::Pending => Next::Sees(Sees::Open),
        Poll::Ready(Ok(0)) => Next::Sees(Sees::End),
        Poll::Ready(Ok(_)) => Next::Item,
        Poll::Ready(Err(wasmtime_streams::Cut(reason))) => Next::Sees(Sees::Cut(reason)),
    }
}

pub fn takes(items: &mut GuestItems<u8>) -> Next {
    match now(|cx| items.poll_try_item(cx)) {
        Poll::Pending => Next::Sees(Sees::Open),
        Poll::Ready(Ok(Some(_))) => Next::Item,
        Poll::Ready(Ok(None)) => Next::Sees(Sees::End),
        Poll::Ready(Err(wasmtime_streams::Cut(reason))) => {
            // What the plain form of the stream can ask.
            assert_eq!(items.cut(), Some(reason));
            Next::Sees(Sees::Cut(reason))
        }
    }
}

/// An end, as the store of the second half of a relay sees it.
fn ended(reason: EndReason) -> Next {
    Next::Sees(if reason == EndReason::Finished { Sees::End } else { Sees::Cut(reason) })
}

fn reads_second(second: &mut FromHost<u8>) -> Next {
    match now(|cx| Pin::new(second).poll_read(cx, &mut [0])) {
        Poll::Pending => Next::Sees(Sees::Open),
        Poll::Ready(Ok((0, Then::End(reason)))) => ended(reason),
        Poll::Ready(Ok(_)) => Next::Item,
        Poll::Ready(Err(never)) => match never {},
    }
}

fn takes_second(second: &mut FromHost<u8>) -> Next {
    let mut items = Vec::new();
    match now(|cx| Pin::new(second).poll_items(cx, 1, &mut items)) {
        Poll::Pending => Next::Sees(Sees::Open),
        Poll::Ready(Ok(Then::End(reason))) if items.is_empty() => ended(reason),
        Poll::Ready(Ok(_)) => Next::Item,
        Poll::Ready(Err(never)) => match never {},
    }
}

pub fn consumer(_: &Host, plan: &Plan) -> Open {
    let (consumer, reader) = from_guest::consumer(ROOM);
    byte_sink(plan, consumer, SHAPE, Receives::new(reader, reads))
}

pub fn item_consumer(_: &Host, plan: &Plan) -> Open {
    let (consumer, items) = from_guest::item_consumer(ROOM);
    item_sink(plan, consumer, |byte| byte, SHAPE, Receives::new(items, takes))
}

pub fn first_bytes(_: &Host, plan: &Plan) -> Open {
    let (consumer, producer) = relay::byte_parts(ROOM);
    byte_sink(plan, consumer, SHAPE, Receives::new(producer.into_inner(), reads_second))
}

pub fn first_items(_: &Host, plan: &Plan) -> Open {
    let (consumer, producer) = relay::item_parts::<u8>(ROOM);
    let peer = Receives::new(producer.into_inner(), takes_second);
    item_sink(plan, consumer, |byte| byte, SHAPE, peer)
}

/// The writer of a hand-over.
pub trait Writes {
    fn send(&mut self) -> bool;
    /// Ends the data.
    fn finish(&mut self);
    /// Cuts the stream.
    fn abort(&mut self, reason: EndReason);
    /// Whether nobody reads any more.
    fn is_alone(&mut self) -> bool;
}

/// The other side of a source that a hand-over feeds.
pub struct Feeds<W>(pub Option<W>);

impl<W: Writes> Peer for Feeds<W> {
    fn give(&mut self) {
        assert!(self.0.as_mut().unwrap().send());
    }

    fn finish(&mut self) {
        self.0.as_mut().unwrap().finish();
    }

    fn leave(&mut self) {
        self.0 = None;
    }

    fn abort(&mut self) {
        self.0.as_mut().unwrap().abort(GIVEN);
    }

    fn sees(&mut self) -> Option<Sees> {
        Some(if self.0.as_mut()?.is_alone() { Sees::Gone } else { Sees::Open })
    }
}

impl Writes for HostWriter {
    fn send(&mut self) -> bool {
        now(|cx| self.poll_write(cx, &[7])) == Poll::Ready(Ok(1))
    }

    fn finish(&mut self) {
        self.close();
    }

    fn abort(&mut self, reason: EndReason) {
        HostWriter::abort(self, reason);
    }

    fn is_alone(&mut self) -> bool {
        now(|cx| self.poll_room(cx))
            == Poll::Ready(Err(wasmtime_streams::Cut(wasmtime_streams::EndReason::PeerDropped)))
    }
}

impl Writes for HostSink<u8> {
    fn send(&mut self) -> bool {
        self.try_send(7).is_ok()
    }

    fn finish(&mut self) {
        self.close();
    }

    fn abort(&mut self, reason: EndReason) {
        HostSink::abort(self, reason);
    }

    fn is_alone(&mut self) -> bool {
        now(|cx| self.poll_room(cx))
            == Poll::Ready(Err(wasmtime_streams::Cut(wasmtime_streams::EndReason::PeerDropped)))
    }
}

/// A write of one item, as the first store makes it.
struct One(Option<u8>);

impl Take<u8> for One {
    fn remaining(&self) -> usize {
        usize::from(self.0.is_some())
    }

    fn taken(&self) -> usize {
        1 - self.remaining()
    }

    fn take(&mut self, max: usize, out: &mut Vec<u8>) -> usize {
        let item = if max > 0 { self.0.take() } else { None };
        let n = usize::from(item.is_some());
        out.extend(item);
        n
    }

    fn take_one(&mut self) -> Option<u8> {
        self.0.take()
    }
}

/// The first half of a relay, as its store polls it.
struct Bytes(ToHost<u8>);
struct Items(ToHost<u8>);

macro_rules! first {
    ($type:ident, $trait:ident, |$first:ident, $cx:ident| $send:expr) => {
        impl Writes for $type {
            fn send(&mut self) -> bool {
                let $first = Pin::new(&mut self.0);
                now(|$cx| $send).is_ready()
            }

            fn finish(&mut self) {
                wasmtime_streams::$trait::ended(Pin::new(&mut self.0), EndReason::Finished);
            }

            fn abort(&mut self, reason: EndReason) {
                wasmtime_streams::$trait::ended(Pin::new(&mut self.0), reason);
            }

            fn is_alone(&mut self) -> bool {
                let first = Pin::new(&mut self.0);
                let room = now(|cx| wasmtime_streams::$trait::poll_writable(first, cx).unwrap());
                matches!(room, Poll::Ready(Err(_)))
            }
        }
    };
}

first!(Bytes, ByteSink, |first, cx| first.poll_write(cx, &[7]));
first!(Items, ItemSink, |first, cx| first.poll_accept(cx, &mut One(Some(7))));

pub fn producer(_: &Host, plan: &Plan) -> Open {
    let (writer, producer) = to_guest::producer(8);
    byte_source(plan, producer, Feeds(Some(writer)))
}

pub fn item_producer(_: &Host, plan: &Plan) -> Open {
    let (sink, producer) = to_guest::item_producer::<u8>(8);
    item_source(plan, producer, |byte| byte, Feeds(Some(sink)))
}

pub fn second_bytes(_: &Host, plan: &Plan) -> Open {
    let (consumer, producer) = relay::byte_parts(8);
    byte_source(plan, producer, Feeds(Some(Bytes(consumer.into_inner()))))
}

pub fn second_items(_: &Host, plan: &Plan) -> Open {
    let (consumer, producer) = relay::item_parts::<u8>(8);
    item_source(plan, producer, |byte| byte, Feeds(Some(Items(consumer.into_inner()))))
}
