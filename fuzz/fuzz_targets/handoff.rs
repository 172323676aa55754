//! Hand-overs to another task or another store, with arbitrary scripts of the guest and the task.
#![no_main]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt::Debug;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use libfuzzer_sys::fuzz_target;
use wasmtime::component::{StreamConsumer, StreamProducer};
use wasmtime_streams::from_guest::{GuestItems, GuestReader, ToHost};
use wasmtime_streams::to_guest::{FromHost, HostSink, HostWriter};
use wasmtime_streams::{
    ByteSink, ByteSource as _, Completion, End, EndReason, Then, body::GuestBody, from_guest,
    relay, to_guest,
};
use wasmtime_streams_fuzz::{Input, completed_as, quiet, run};
use wasmtime_streams_testing::{self as testing, Item, Made, Op, Reported};

/// The script of the task.
#[derive(Clone, Debug)]
struct Task {
    /// The capacity of the hand-over.
    capacity: usize,
    /// How many items it moves at most in each step, repeated.
    steps: Vec<usize>,
    /// A reader leaves once it has this many items.
    leaves: Option<usize>,
}

impl Task {
    fn new(input: &mut Input<'_>) -> Self {
        let capacity = usize::from(input.byte() % 40) + 2;
        let leaves = input.byte();
        let leaves = (leaves & 1 == 1).then_some(usize::from(leaves >> 1));
        let steps = input.part().iter().map(|byte| usize::from(byte % 16) + 1);
        Self { capacity, leaves, steps: steps.collect() }
    }

    /// How many items it moves at most, step by step.
    fn steps(&self) -> impl FnMut() -> usize + 'static {
        let mut steps = self.steps.clone().into_iter().cycle();
        move || steps.next().unwrap_or(1)
    }
}

/// A context for polls that are never woken: the task does only what is ready.
fn noop_context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// Receives at most this many items; none is an error that says whether the stream has ended.
type Receive<T> = Box<dyn FnMut(usize) -> Result<Vec<T>, bool>>;

fn read(mut reader: GuestReader) -> Receive<u8> {
    let mut copies = false;
    Box::new(move |most| {
        copies = !copies;
        let mut buffer = vec![0; most];
        let read = if copies {
            reader.poll_read(&mut noop_context(), &mut buffer)
        } else {
            // Without a copy.
            reader.poll_fill_buf(&mut noop_context()).map_ok(|bytes| {
                let n = bytes.len().min(most);
                buffer[..n].copy_from_slice(&bytes[..n]);
                n
            })
        };
        match read {
            Poll::Ready(Ok(n)) if n > 0 => {
                if !copies {
                    reader.consume(n);
                }
                buffer.truncate(n);
                Ok(buffer)
            }
            ended => Err(ended.is_ready()),
        }
    })
}

fn items<T: 'static>(mut items: GuestItems<T>) -> Receive<T> {
    Box::new(move |most| {
        let next = if most % 2 == 0 {
            items.poll_batch(&mut noop_context())
        } else {
            items.poll_item(&mut noop_context()).map(|item| item.map(|item| vec![item]))
        };
        match next {
            Poll::Ready(Some(items)) => Ok(items),
            ended => Err(ended.is_ready()),
        }
    })
}

fn second(mut second: FromHost<u8>) -> Receive<u8> {
    Box::new(move |most| {
        let mut buffer = vec![0; most];
        match Pin::new(&mut second).poll_read(&mut noop_context(), &mut buffer) {
            Poll::Ready(Ok((n, _))) if n > 0 => {
                buffer.truncate(n);
                Ok(buffer)
            }
            ended => Err(matches!(ended, Poll::Ready(Ok((_, Then::End(_)))))),
        }
    })
}

fn body(mut body: GuestBody) -> Receive<u8> {
    Box::new(move |_| match http_body::Body::poll_frame(Pin::new(&mut body), &mut noop_context()) {
        Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
            Ok(data) => Ok(data.into()),
            Err(_) => Err(true),
        },
        ended => Err(ended.is_ready()),
    })
}

struct Peer<T> {
    receive: Option<Receive<T>>,
    got: Vec<T>,
    ended: bool,
}

impl<T> Peer<T> {
    fn receive(&mut self, most: usize) -> bool {
        match self.receive.as_mut().map(|receive| receive(most)) {
            Some(Ok(items)) => {
                self.got.extend(items);
                return true;
            }
            Some(Err(ended)) => self.ended = ended,
            None => self.ended = true,
        }
        false
    }

    fn drain(&mut self) {
        while self.receive(64) {}
    }
}

fn sink<C, S, E>(
    what: &str,
    items: Vec<<C::Item as Item>::Value>,
    (task, ops): (Task, &[Op]),
    make: impl Fn(usize) -> (C, Completion<S, E>, Receive<<C::Item as Item>::Value>) + 'static,
) where
    C: StreamConsumer<(), Item: Item<Value: Clone>>,
    S: Unpin + 'static,
    E: 'static,
{
    let peer = task.clone();
    let mut check = testing::consumer(items, move || {
        let (consumer, completion, receive) = make(peer.capacity);
        let made = completed_as(Made::new(consumer), completion, |end| match end {
            End::ReceiverDropped => Reported::Failed,
            _ => Reported::Ended,
        });
        let state = Peer { receive: Some(receive), got: Vec::new(), ended: false };
        let state = Rc::new(RefCell::new(state));
        let (step, closed) = (state.clone(), state.clone());
        let mut step_size = peer.steps();
        let leaves = peer.leaves;
        made.step(move || {
            let mut state = step.borrow_mut();
            if leaves.is_none_or(|leaves| state.got.len() < leaves) {
                return state.receive(step_size());
            }
            state.drain();
            state.receive.take().is_some()
        })
        .received(move || {
            let mut state = state.borrow_mut();
            state.drain();
            state.got.clone()
        })
        .closed(move || {
            let mut state = closed.borrow_mut();
            state.drain();
            state.ended
        })
    });
    if task.leaves.is_some() {
        check = check.fails();
    }
    let check = check.bound(task.capacity);
    run(what, &task, check, ops);
}

/// `send` sends the first of these items, and returns how many.
fn source<P, S, W: 'static>(
    what: &str,
    items: Vec<<P::Item as Item>::Value>,
    (task, ops): (Task, &[Op]),
    make: impl Fn(usize) -> (P, Completion<S, Infallible>, W) + 'static,
    send: fn(&mut W, &[<P::Item as Item>::Value]) -> usize,
    close: fn(&mut W),
) where
    P: StreamProducer<(), Item: Item<Value: Clone + Debug>>,
    S: Unpin + 'static,
{
    let (peer, sent) = (task.clone(), items.clone());
    let check = testing::producer(items, move || {
        let (producer, completion, writer) = make(peer.capacity);
        let mut writer = Some(writer);
        let mut left: VecDeque<_> = sent.clone().into();
        let mut step_size = peer.steps();
        let made = completed_as(Made::new(producer), completion, |end| match end {
            End::Abandoned => Reported::Failed,
            _ => Reported::Ended,
        });
        made.step(move || {
            let Some(open) = &mut writer else { return false };
            if left.is_empty() {
                close(open);
                writer = None;
                return true;
            }
            let most = step_size().min(left.len());
            let n = send(open, &left.make_contiguous()[..most]);
            left.drain(..n);
            n > 0
        })
    });
    run(what, &task, check, ops);
}

/// How many items were written; all of them if the reader has left.
fn written<E>(poll: Poll<Result<usize, E>>, all: usize) -> usize {
    match poll {
        Poll::Ready(Ok(n)) => n,
        Poll::Ready(Err(_)) => all,
        Poll::Pending => 0,
    }
}

fn write(writer: &mut HostWriter, bytes: &[u8]) -> usize {
    written(writer.poll_write(&mut noop_context(), bytes), bytes.len())
}

fn first(first: &mut ToHost<u8>, bytes: &[u8]) -> usize {
    written(Pin::new(first).poll_write(&mut noop_context(), bytes), bytes.len())
}

fn send(sink: &mut HostSink<String>, items: &[String]) -> usize {
    if sink.poll_room(&mut noop_context()).map_err(drop) == Poll::Ready(Err(())) {
        return items.len();
    }
    items.iter().take_while(|item| sink.try_send(item.to_string()).is_ok()).count()
}

fuzz_target!(init: quiet(), |bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let (adapter, len) = (input.byte(), input.byte() % 64);
    let task = Task::new(&mut input);
    let ops = &*input.ops();
    let numbers: Vec<u8> = (0..len).collect();
    let names = numbers.iter().map(|n| format!("item {n}")).collect();
    match adapter % 8 {
        0 => sink("from_guest::consumer", numbers, (task, ops), |capacity| {
            let (consumer, reader) = from_guest::consumer(capacity);
            let (consumer, completion) = consumer.with_completion();
            (consumer, completion, read(reader))
        }),
        1 => sink("from_guest::item_consumer", names, (task, ops), |capacity| {
            let (consumer, reader) = from_guest::item_consumer::<String>(capacity);
            let (consumer, completion) = consumer.with_completion();
            (consumer, completion, items(reader))
        }),
        2 => sink("from_guest::item_consumer of numbers", numbers, (task, ops), |capacity| {
            let (consumer, reader) = from_guest::item_consumer::<u8>(capacity);
            let (consumer, completion) = consumer.with_completion();
            (consumer, completion, items(reader))
        }),
        3 => sink("guest_body", numbers, (task, ops), |capacity| {
            let (consumer, reader) = wasmtime_streams::body::from_guest(capacity, None);
            let (consumer, completion) = consumer.with_completion();
            (consumer, completion, body(reader))
        }),
        4 => sink("relay::byte_parts, first", numbers, (task, ops), |capacity| {
            let (consumer, producer) = relay::byte_parts(capacity);
            let (consumer, completion) = consumer.with_completion();
            (consumer, completion, second(producer.into_inner()))
        }),
        5 => {
            let make = |capacity| {
                let (writer, producer) = to_guest::producer(capacity);
                let (producer, completion) = producer.with_completion();
                (producer, completion, writer)
            };
            source("to_guest::producer", numbers, (task, ops), make, write, HostWriter::close);
        }
        6 => {
            let make = |capacity| {
                let (writer, producer) = to_guest::item_producer::<String>(capacity);
                let (producer, completion) = producer.with_completion();
                (producer, completion, writer)
            };
            source("to_guest::item_producer", names, (task, ops), make, send, HostSink::close);
        }
        _ => {
            let make = |capacity| {
                let (consumer, producer) = relay::byte_parts(capacity);
                let (producer, completion) = producer.with_completion();
                (producer, completion, consumer.into_inner())
            };
            source("relay::byte_parts, second", numbers, (task, ops), make, first, |first| {
                ByteSink::ended(Pin::new(first), EndReason::Finished);
            });
        }
    }
});
