//! Rows: what stands between a stream and another task or store: `from_guest`, `to_guest` and `relay`.

use std::cell::RefCell;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use wasmtime_streams::from_guest::{GuestItems, GuestReader, ToHost};
use wasmtime_streams::to_guest::{FromHost, HostSink, HostWriter};
use wasmtime_streams::{
    ByteSink, ByteSource as _, Completion, End, EndReason, ItemSink, ItemSource as _, Take, Then,
    from_guest, relay, to_guest,
};
use wasmtime_streams_testing::{self as testing, BoxedCheck, Made, ReceiverEnd, Reported};

use super::channels::{Peer, Receive, observed, sending_then};
use super::{Checks, ITEMS, add, completed_as, names};

/// Functions that give their parts to a store at once. The parts have rows.
pub(super) const IN_A_STORE: &[&str] = &[
    "from_guest_value",
    "to_guest_writer",
    "to_guest_sink",
    "to_guest_value",
    "relay_bytes",
    "relay_items",
    "relay_splice",
    "relay_splice_items",
];

/// The other task, which does at once what it can.
fn now() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn bytes(mut reader: GuestReader) -> Receive<u8> {
    Box::new(move || {
        let mut byte = [0];
        match reader.poll_read(&mut now(), &mut byte) {
            Poll::Ready(Ok(1)) => Ok(byte[0]),
            Poll::Ready(Ok(_)) => Err(ReceiverEnd::Complete),
            Poll::Ready(Err(_)) => Err(ReceiverEnd::Cut),
            Poll::Pending => Err(ReceiverEnd::Open),
        }
    })
}

fn items<T: 'static>(mut items: GuestItems<T>) -> Receive<T> {
    Box::new(move || match items.poll_try_item(&mut now()) {
        Poll::Ready(Ok(Some(item))) => Ok(item),
        Poll::Ready(Ok(None)) => Err(ReceiverEnd::Complete),
        Poll::Ready(Err(_)) => Err(ReceiverEnd::Cut),
        Poll::Pending => Err(ReceiverEnd::Open),
    })
}

/// What the second store of a relay learns of the end.
fn second_end<E>(answer: &Poll<Result<Then, E>>) -> ReceiverEnd {
    match answer {
        Poll::Ready(Ok(Then::End(EndReason::Finished))) => ReceiverEnd::Complete,
        Poll::Ready(Ok(Then::End(_)) | Err(_)) => ReceiverEnd::Cut,
        _ => ReceiverEnd::Open,
    }
}

/// The second half of a relay, as the second store polls it.
fn second_bytes(mut second: FromHost<u8>) -> Receive<u8> {
    Box::new(move || {
        let mut byte = [0];
        match Pin::new(&mut second).poll_read(&mut now(), &mut byte) {
            Poll::Ready(Ok((1, _))) => Ok(byte[0]),
            answer => Err(second_end(&answer.map_ok(|(_, then)| then))),
        }
    })
}

fn second_items<T: Send + 'static>(mut second: FromHost<T>) -> Receive<T> {
    Box::new(move || {
        let mut item = Vec::new();
        let answer = Pin::new(&mut second).poll_items(&mut now(), 1, &mut item);
        item.pop().ok_or_else(|| second_end(&answer))
    })
}

/// A reader that leaves is reported as a failure.
fn completed_reader<X, V, S>(made: Made<X, V>, completion: Completion<S, Infallible>) -> Made<X, V>
where
    S: Unpin + 'static,
{
    completed_as(made, completion, |end| match end {
        End::ReceiverDropped => Reported::Failed,
        _ => Reported::Ended,
    })
}

/// Checks the sink of a pair: with a reader that comes last, one that reads step by step, and one that leaves.
macro_rules! sink {
    ($items:expr, $pair:expr, $receive:expr) => {{
        let mut checks = $crate::adapters::Checks::default();
        for (capacity, peer) in [
            (16, Peer::Last),
            (2, Peer::Steps),
            (5, Peer::Steps),
            (4, Peer::Leaves(2)),
            (2, Peer::Leaves(0)),
        ] {
            let check = testing::consumer($items, move || {
                let (consumer, reader) = $pair(capacity);
                let (consumer, completion) = consumer.with_completion();
                observed(
                    completed_reader(Made::new(consumer), completion),
                    $receive(reader),
                    peer,
                    true,
                )
            });
            let check = if let Peer::Leaves(_) = peer { check.fails() } else { check };
            checks = add(checks, check.bound(capacity).boxed());
        }
        checks
    }};
}

/// A cut is reported as a failure.
fn completed_writer<X, V, S>(made: Made<X, V>, completion: Completion<S, Infallible>) -> Made<X, V>
where
    S: Unpin + 'static,
{
    completed_as(made, completion, |end| match end {
        End::Abandoned => Reported::Failed,
        _ => Reported::Ended,
    })
}

/// Checks the source of a pair: with everything in it and the writer closed, and with a part at a time.
macro_rules! source {
    ($items:expr, $pair:expr, $send:expr, $close:expr) => {{
        let close = |writer: RefCell<_>| $close(writer.into_inner());
        let ready = testing::producer($items, move || {
            let (writer, producer) = $pair(16);
            let mut writer = sending_then(RefCell::new(writer), $items, $send, close);
            while writer() {}
            let (producer, completion) = producer.with_completion();
            completed_writer(Made::new(producer), completion)
        });
        let parts = testing::producer($items, move || {
            let (writer, producer) = $pair(16);
            let (producer, completion) = producer.with_completion();
            let step = sending_then(RefCell::new(writer), $items, $send, close);
            completed_writer(Made::new(producer), completion).step(step)
        });
        add(ready.boxed(), parts.boxed())
    }};
}

fn write(writer: &RefCell<HostWriter>, byte: u8) -> bool {
    writer.borrow_mut().poll_write(&mut now(), &[byte]).is_ready()
}

fn send<T>(sink: &RefCell<HostSink<T>>, item: T) -> bool {
    sink.borrow_mut().try_send(item).is_ok()
}

/// The first half of a relay, as the first store polls it.
fn first_byte(first: &RefCell<ToHost<u8>>, byte: u8) -> bool {
    Pin::new(&mut *first.borrow_mut()).poll_write(&mut now(), &[byte]).is_ready()
}

/// A guest's write of one item.
struct One<T>(Option<T>);

impl<T> Take<T> for One<T> {
    fn remaining(&self) -> usize {
        usize::from(self.0.is_some())
    }

    fn taken(&self) -> usize {
        1 - self.remaining()
    }

    fn take(&mut self, max: usize, out: &mut Vec<T>) -> usize {
        let item = if max > 0 { self.0.take() } else { None };
        let n = usize::from(item.is_some());
        out.extend(item);
        n
    }

    fn take_one(&mut self) -> Option<T> {
        self.0.take()
    }
}

fn first_item<T: Send + 'static>(first: &RefCell<ToHost<T>>, item: T) -> bool {
    let mut one = One(Some(item));
    Pin::new(&mut *first.borrow_mut()).poll_accept(&mut now(), &mut one).is_ready()
}

fn end_of_bytes(mut first: ToHost<u8>) {
    ByteSink::ended(Pin::new(&mut first), EndReason::Finished);
}

fn end_of_items<T: Send + 'static>(mut first: ToHost<T>) {
    ItemSink::ended(Pin::new(&mut first), EndReason::Finished);
}

fn byte_parts() -> Checks {
    let sink = sink!(ITEMS.to_vec(), relay::byte_parts, |p: wasmtime_streams::ByteProducer<_>| {
        second_bytes(p.into_inner())
    });
    let pair = |capacity| {
        let (consumer, producer) = relay::byte_parts(capacity);
        (consumer.into_inner(), producer)
    };
    add(sink, source!(ITEMS.to_vec(), pair, first_byte, end_of_bytes))
}

fn item_parts() -> Checks {
    let sink = sink!(names(), relay::item_parts::<String>, |p: wasmtime_streams::ItemProducer<
        _,
    >| { second_items(p.into_inner()) });
    let pair = |capacity| {
        let (consumer, producer) = relay::item_parts::<String>(capacity);
        (consumer.into_inner(), producer)
    };
    add(sink, source!(names(), pair, first_item, end_of_items))
}

fn value_consumer() -> BoxedCheck {
    testing::future_consumer(5_u32, || {
        let (consumer, mut value) = from_guest::value_consumer::<u32>();
        let mut received = Vec::new();
        Made::new(consumer).received(move || {
            // The value is given once.
            if let Poll::Ready(Ok(value)) = Pin::new(&mut value).poll(&mut now()) {
                received.push(value);
            }
            received.clone()
        })
    })
    .boxed()
}

fn value_producer() -> BoxedCheck {
    testing::future_producer(5_u32, || {
        let (sender, producer) = to_guest::value_producer::<u32>();
        let mut sender = Some(sender);
        Made::new(producer).step(move || sender.take().is_some_and(|sender| sender.send(5).is_ok()))
    })
    .boxed()
}

#[rustfmt::skip]
rows! {
    from_guest_consumer: sink!(ITEMS.to_vec(), from_guest::consumer, bytes);
    from_guest_item_consumer: sink!(ITEMS.to_vec(), from_guest::item_consumer::<u8>, items);
    from_guest_item_consumer_of_strings: sink!(names(), from_guest::item_consumer::<String>, items);
    from_guest_value_consumer: value_consumer();
    to_guest_producer: source!(ITEMS.to_vec(), to_guest::producer, write, |mut writer: HostWriter| writer.close());
    to_guest_item_producer: source!(ITEMS.to_vec(), to_guest::item_producer::<u8>, send, |mut sink: HostSink<u8>| sink.close());
    to_guest_item_producer_of_strings: source!(names(), to_guest::item_producer::<String>, send, |mut sink: HostSink<String>| sink.close());
    to_guest_value_producer: value_producer();
    relay_byte_parts: byte_parts();
    relay_item_parts: item_parts();
}
