//! The host object of several streams of stdio (`adapters/wasi/stdio/shared.rs`).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use loom::sync::Mutex;
use loom::thread;

use crate::component::StreamResult;
use crate::object::Object;
use crate::stdio::{Opened, Outcome, Shared};
use crate::task::{Owning, Task, block_on};

super::models!(stdio:
    UNBOUNDED(
        an_operation_waits_for_the_operation_of_another,
        closing_ends_an_operation_that_is_under_way,
        a_stream_that_is_dropped_gives_up_its_turn,
        a_waker_may_own_a_stream,
        the_object_may_look_at_what_it_belongs_to_when_it_is_dropped,
        an_operation_wakes_the_waker_of_its_last_poll,
    ),
    BOUNDED(
        closing_ends_an_operation_that_waits_for_its_turn,
    )
);

/// What the object's operation waits for.
#[derive(Clone, Default)]
struct Data(Arc<Mutex<(bool, Option<Waker>)>>);

impl Data {
    fn comes(&self) {
        let mut state = self.0.lock().unwrap();
        state.0 = true;
        let waker = state.1.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock().unwrap();
        if state.0 {
            return Poll::Ready(());
        }
        state.1 = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// One operation is under way at a time.
#[derive(Default)]
struct Host {
    data: Data,
    drops: Arc<AtomicUsize>,
    under_way: Option<usize>,
    on_drop: Option<Box<dyn FnOnce() + Send>>,
}

impl Object for Host {
    fn cancel(&mut self) {
        self.under_way = None;
    }

    fn outcome(&mut self) -> Option<Outcome> {
        Some(Ok(()))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::Relaxed);
        if let Some(act) = self.on_drop.take() {
            act();
        }
    }
}

/// An operation of a stream with that number.
fn poll(stream: &mut Opened<Host>, number: usize, cx: &mut Context<'_>) -> Poll<StreamResult> {
    let polled = stream.poll(cx, |host, cx| {
        let under_way = *host.under_way.get_or_insert(number);
        assert_eq!(under_way, number, "two operations are under way");
        let answer = host.data.poll(cx).map(|()| Ok(StreamResult::Completed));
        if answer.is_ready() {
            host.under_way = None;
        }
        answer
    });
    polled.map(|answer| answer.unwrap())
}

fn run(mut stream: Opened<Host>, number: usize) -> (StreamResult, Opened<Host>) {
    let answer = block_on(|cx| poll(&mut stream, number, cx));
    // The guest keeps its stream.
    (answer, stream)
}

/// Stdio, invariants 1 and 2: the answer of one wakes the other.
fn an_operation_waits_for_the_operation_of_another() {
    let host = Host::default();
    let data = host.data.clone();
    let shared = Shared::new(Box::new(host));
    let ((first, _a), (second, _b)) = (shared.open(), shared.open());
    let first = thread::spawn(move || run(first, 1));
    let second = thread::spawn(move || run(second, 2));
    data.comes();
    // Both are kept until both are answered.
    let (first, second) = (first.join().unwrap(), second.join().unwrap());
    assert_eq!((first.0, second.0), (StreamResult::Completed, StreamResult::Completed));
}

/// Stdio, invariant 2: closing wakes the operation, which ends the stream.
fn closing_ends_an_operation_that_is_under_way() {
    let host = Host::default();
    let drops = host.drops.clone();
    let shared = Shared::new(Box::new(host));
    let (stream, _outcome) = shared.open();
    let stream = thread::spawn(move || run(stream, 1));
    shared.close();
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    assert_eq!(stream.join().unwrap().0, StreamResult::Dropped);
}

/// Stdio, invariant 2, for an operation that waits.
fn closing_ends_an_operation_that_waits_for_its_turn() {
    let shared = Shared::new(Box::new(Host::default()));
    let ((first, _a), (second, _b)) = (shared.open(), shared.open());
    let first = thread::spawn(move || run(first, 1));
    let second = thread::spawn(move || run(second, 2));
    shared.close();
    assert_eq!(first.join().unwrap().0, StreamResult::Dropped);
    assert_eq!(second.join().unwrap().0, StreamResult::Dropped);
}

/// Stdio, invariant 1: so the next operation begins.
fn a_stream_that_is_dropped_gives_up_its_turn() {
    let host = Host::default();
    let data = host.data.clone();
    let shared = Shared::new(Box::new(host));
    let ((mut first, _a), (second, _b)) = (shared.open(), shared.open());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(poll(&mut first, 1, &mut cx).is_pending());
    data.comes();
    let second = thread::spawn(move || run(second, 2));
    drop(first);
    assert_eq!(second.join().unwrap().0, StreamResult::Completed);
}

/// Stdio, invariant 2: the wakers are called after the unlock.
fn a_waker_may_own_a_stream() {
    let shared = Shared::new(Box::new(Host::default()));
    let (mut stream, _outcome) = shared.open();
    let closes = thread::spawn(move || shared.close());
    let owner = Owning::empty();
    if poll(&mut stream, 1, &mut Context::from_waker(&owner.waker())).is_pending() {
        owner.own(stream);
    }
    closes.join().unwrap();
}

/// Stdio, invariant 3: the object is dropped after the unlock.
fn the_object_may_look_at_what_it_belongs_to_when_it_is_dropped() {
    let counted = Arc::new(std::sync::OnceLock::<Arc<Shared<Host>>>::new());
    let looks = counted.clone();
    let on_drop = move || assert_eq!(looks.get().map(|shared| shared.opened()), Some(1));
    let mut host = Host::default();
    host.on_drop = Some(Box::new(on_drop));
    let shared = Shared::new(Box::new(host));
    let _ = counted.set(shared.clone());
    let (stream, _outcome) = shared.open();
    let stream = thread::spawn(move || run(stream, 1));
    shared.close();
    assert_eq!(stream.join().unwrap().0, StreamResult::Dropped);
}

/// Stdio, invariant 2: each stream has its current waker registered.
fn an_operation_wakes_the_waker_of_its_last_poll() {
    let shared = Shared::new(Box::new(Host::default()));
    let (mut stream, _outcome) = shared.open();
    let closes = thread::spawn(move || shared.close());
    let first = Task::new();
    if first.poll(|cx| poll(&mut stream, 1, cx)).is_pending() {
        assert_eq!(block_on(|cx| poll(&mut stream, 1, cx)), StreamResult::Dropped);
    }
    closes.join().unwrap();
}
