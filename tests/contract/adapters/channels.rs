//! Rows: the channels of tokio.

use std::cell::RefCell;
use std::fmt::Display;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use ::tokio::sync::broadcast::error::TryRecvError::Closed;
use ::tokio::sync::mpsc::error::TryRecvError::Disconnected;
use ::tokio::sync::{broadcast, mpsc, watch};
use wasmtime::StoreContextMut;
use wasmtime_streams as ws;
use wasmtime_streams::{Completion, End};
use wasmtime_streams_testing::{self as testing, BoxedCheck, Made, ReceiverEnd, Reported};

use super::{ITEMS, add, completed, completed_as, names};

/// Sends two items a step, and drops the sender in a step of its own. The guest may be gone by then.
pub(super) fn sending<T, S>(
    sender: S,
    items: Vec<T>,
    send: impl Fn(&S, T) -> bool,
) -> impl FnMut() -> bool {
    sending_then(sender, items, send, drop)
}

/// The same; `end` runs in place of the drop.
pub(super) fn sending_then<T, S>(
    sender: S,
    items: Vec<T>,
    send: impl Fn(&S, T) -> bool,
    end: impl Fn(S),
) -> impl FnMut() -> bool {
    let mut items = items.into_iter();
    let mut sender = Some(sender);
    move || {
        let Some(open) = &sender else { return false };
        let mut part = items.by_ref().take(2).peekable();
        match part.peek() {
            Some(_) => part.for_each(|item| {
                send(open, item);
            }),
            None => sender.take().into_iter().for_each(&end),
        }
        true
    }
}

/// Checks a receiver: with all items in the channel and no sender, and with a part at a time.
macro_rules! receiver {
    ($items:expr, $channel:expr, $send:expr, $make:expr) => {{
        let ready = testing::producer($items, || {
            let (tx, rx) = $channel;
            $items.into_iter().for_each(|item| assert!($send(&tx, item)));
            let (producer, completion) = $make(rx).with_completion();
            completed(Made::new(producer), completion)
        });
        let parts = testing::producer($items, || {
            let (tx, rx) = $channel;
            let (producer, completion) = $make(rx).with_completion();
            completed(Made::new(producer), completion).step(sending(tx, $items, $send))
        });
        add(ready.boxed(), parts.boxed())
    }};
}

/// The receiver behind a sink, on the host: gives an item, or what it can tell of the end.
pub(super) type Receive<T> = Box<dyn FnMut() -> Result<T, ReceiverEnd>>;

/// The end of a channel, whose receiver cannot tell a cut.
fn of_channel(closed: bool) -> ReceiverEnd {
    if closed { ReceiverEnd::Complete } else { ReceiverEnd::Open }
}

fn bounded<T: 'static>(room: usize) -> (mpsc::Sender<T>, Receive<T>) {
    let (tx, mut rx) = mpsc::channel(room);
    (tx, Box::new(move || rx.try_recv().map_err(|error| of_channel(error == Disconnected))))
}

fn unbounded() -> (mpsc::UnboundedSender<u8>, Receive<u8>) {
    let (tx, mut rx) = mpsc::unbounded_channel();
    (tx, Box::new(move || rx.try_recv().map_err(|error| of_channel(error == Disconnected))))
}

fn broadcasting() -> (broadcast::Sender<u8>, Receive<u8>) {
    let (tx, mut rx) = broadcast::channel(ITEMS.len());
    (tx, Box::new(move || rx.try_recv().map_err(|error| of_channel(error == Closed))))
}

/// How a receiver behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// It receives once everything is over.
    Last,
    /// It receives one item a step.
    Steps,
    /// The same; after this many items it takes what is left and goes away.
    Leaves(usize),
}

/// Observes the receiver behind a sink, and drives it in steps.
fn received<X, S, T>(
    (consumer, completion): (X, Completion<S, impl Display + 'static>),
    receive: Receive<T>,
    peer: Peer,
) -> Made<X, T>
where
    S: Unpin + 'static,
    T: Clone + 'static,
{
    // To the host, a receiver that leaves is an error like a failure of the sink.
    let made = completed_as(Made::new(consumer), completion, |end| match end {
        End::Failed(_) | End::ReceiverDropped => Reported::Failed,
        _ => Reported::Ended,
    });
    observed(made, receive, peer, false)
}

/// The same for a consumer that is already set up. With `tells_cut` the receiver can tell a cut from the end of the
/// data.
pub(super) fn observed<X, T>(
    made: Made<X, T>,
    receive: Receive<T>,
    peer: Peer,
    tells_cut: bool,
) -> Made<X, T>
where
    T: Clone + 'static,
{
    struct State<T> {
        receive: Option<Receive<T>>,
        got: Vec<T>,
        end: ReceiverEnd,
    }

    impl<T> State<T> {
        fn receive(&mut self) -> bool {
            if self.end != ReceiverEnd::Open {
                return false;
            }
            match self.receive.as_mut().map(|receive| receive()) {
                Some(Ok(item)) => {
                    self.got.push(item);
                    return true;
                }
                Some(Err(end)) => self.end = end,
                None => self.end = ReceiverEnd::Left,
            }
            false
        }

        fn drain(&mut self) -> ReceiverEnd {
            while self.receive() {}
            self.end
        }
    }

    let state = State { receive: Some(receive), got: Vec::new(), end: ReceiverEnd::Open };
    let state = Rc::new(RefCell::new(state));
    let (step, closed, end) = (state.clone(), state.clone(), state.clone());
    let made = made
        .received(move || {
            let mut state = state.borrow_mut();
            state.drain();
            state.got.clone()
        })
        .closed(move || closed.borrow_mut().drain() != ReceiverEnd::Open);
    let made = if tells_cut { made.receiver_end(move || end.borrow_mut().drain()) } else { made };
    if peer == Peer::Last {
        return made;
    }
    made.step(move || {
        let mut state = step.borrow_mut();
        if peer != Peer::Leaves(state.got.len()) {
            return state.receive();
        }
        state.drain();
        state.receive.take().is_some()
    })
}

fn sender(room: usize, peer: Peer) -> BoxedCheck {
    let check = testing::consumer(ITEMS.to_vec(), move || {
        let (tx, receive) = bounded::<u8>(room);
        received(ws::channels::mpsc_sender(tx).with_completion(), receive, peer)
    });
    let check = if let Peer::Leaves(_) = peer { check.fails() } else { check };
    check.bound(room).boxed()
}

fn sender_of_strings() -> BoxedCheck {
    let check = testing::consumer(names(), || {
        let (tx, receive) = bounded::<String>(3);
        received(ws::channels::mpsc_sender(tx).with_completion(), receive, Peer::Steps)
    });
    check.bound(3).boxed()
}

fn unbounded_sender(peer: Peer) -> BoxedCheck {
    let check = testing::consumer(ITEMS.to_vec(), move || {
        let (tx, receive) = unbounded();
        received(ws::channels::mpsc_unbounded_sender(tx).with_completion(), receive, peer)
    });
    let check = if let Peer::Leaves(_) = peer { check.fails() } else { check };
    check.boxed()
}

fn broadcast_sender(peer: Peer) -> BoxedCheck {
    let check = testing::consumer(ITEMS.to_vec(), move || {
        let (tx, receive) = broadcasting();
        received(ws::channels::broadcast_sender(tx).with_completion(), receive, peer)
    });
    check.boxed()
}

/// Without a receiver, which is no error.
fn broadcast_sender_without_receivers() -> BoxedCheck {
    let check = testing::consumer(ITEMS.to_vec(), || {
        let sender = ws::channels::broadcast_sender(broadcast::Sender::<u8>::new(1));
        let (consumer, completion) = sender.with_completion();
        completed(Made::new(consumer), completion)
    });
    check.boxed()
}

/// The guest misses the first three items, and gets another one in their place.
fn broadcast_receiver_lagging() -> BoxedCheck {
    let check = testing::producer(vec![103, 4, 5, 6, 7], || {
        let (tx, rx) = broadcast::channel(4);
        ITEMS.into_iter().for_each(|item| assert!(broadcast(&tx, item)));
        let producer = ws::channels::broadcast_receiver(rx).on_lag(|lost| Some(100 + lost as u8));
        let (producer, completion) = producer.with_completion();
        completed(Made::new(producer), completion)
    });
    check.boxed()
}

/// The last value of a channel whose sender is gone.
fn watch_receiver_closed() -> BoxedCheck {
    let check = testing::producer(vec![5_u8], || {
        let (_, rx) = watch::channel(5_u8);
        let (producer, completion) = ws::channels::watch_receiver(rx).with_completion();
        completed(Made::new(producer), completion)
    });
    check.boxed()
}

/// Each value is sent after the guest has read the one before, so that none is skipped.
fn watch_receiver(changes_only: bool) -> BoxedCheck {
    let check = testing::producer(ITEMS.to_vec(), move || {
        let (tx, rx) = watch::channel(u8::from(!changes_only));
        let producer = ws::channels::watch_receiver(rx);
        let producer = if changes_only { producer.changes_only() } else { producer };
        let read = Arc::new(AtomicU8::new(0));
        let reads = read.clone();
        let note = move |_: StoreContextMut<'_, ()>, item: u8| {
            reads.store(item, Ordering::Relaxed);
            Ok(item)
        };
        let (producer, completion) = producer.deliver_with(note).with_completion();
        let mut sender = Some(tx);
        completed(Made::new(producer), completion).step(move || {
            let Some(open) = &sender else { return false };
            let value = *open.borrow();
            match value {
                7 => sender = None,
                _ if read.load(Ordering::Relaxed) < value => return false,
                _ => drop(open.send_replace(value + 1)),
            }
            true
        })
    });
    check.boxed()
}

/// The items are numbers: the latest one is the number of accepted items.
fn watch_sender() -> BoxedCheck {
    let check = testing::consumer(ITEMS.to_vec(), || {
        let (tx, rx) = watch::channel(0_u8);
        let closed = rx.clone();
        let (consumer, completion) = ws::channels::watch_sender(tx).with_completion();
        completed(Made::new(consumer), completion)
            .received(move || (1..=*rx.borrow()).collect())
            .closed(move || closed.has_changed().is_err())
    });
    check.boxed()
}

fn try_send<T>(sender: &mpsc::Sender<T>, item: T) -> bool {
    sender.try_send(item).is_ok()
}

fn send_unbounded<T>(sender: &mpsc::UnboundedSender<T>, item: T) -> bool {
    sender.send(item).is_ok()
}

fn broadcast<T>(sender: &broadcast::Sender<T>, item: T) -> bool {
    sender.send(item).is_ok()
}

#[rustfmt::skip]
rows! {
    channels_mpsc_receiver: receiver!(ITEMS.to_vec(), mpsc::channel(7), try_send, ws::channels::mpsc_receiver);
    channels_mpsc_receiver_of_strings: receiver!(names(), mpsc::channel(7), try_send, ws::channels::mpsc_receiver);
    channels_mpsc_unbounded_receiver: receiver!(ITEMS.to_vec(), mpsc::unbounded_channel(), send_unbounded, ws::channels::mpsc_unbounded_receiver);
    channels_broadcast_receiver: receiver!(ITEMS.to_vec(), broadcast::channel(7), broadcast, ws::channels::broadcast_receiver);
    channels_broadcast_receiver_of_strings: receiver!(names(), broadcast::channel(7), broadcast, ws::channels::broadcast_receiver);
    channels_broadcast_receiver_lagging: broadcast_receiver_lagging();
    channels_watch_receiver: watch_receiver(false);
    channels_watch_receiver_changes_only: watch_receiver(true);
    channels_watch_receiver_closed: watch_receiver_closed();
    channels_mpsc_sender: add(sender(8, Peer::Last), sender(2, Peer::Steps));
    channels_mpsc_sender_of_one: sender(1, Peer::Steps);
    channels_mpsc_sender_of_strings: sender_of_strings();
    channels_mpsc_sender_closed: sender(2, Peer::Leaves(2));
    channels_mpsc_unbounded_sender: add(unbounded_sender(Peer::Last), unbounded_sender(Peer::Steps));
    channels_mpsc_unbounded_sender_closed: unbounded_sender(Peer::Leaves(1));
    channels_broadcast_sender: add(broadcast_sender(Peer::Last), broadcast_sender(Peer::Steps));
    channels_broadcast_sender_unheard: broadcast_sender_without_receivers();
    channels_watch_sender: watch_sender();
}
