//! What the tests of wrong implementations share: host objects, macros, and the assertion.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use wasmtime::component::Source;
use wasmtime::{AsContextMut as _, Result, StoreContextMut};
use wasmtime_streams_testing::{Check, Finding, Item, Made, Reported, Role};

pub const ITEMS: [u32; 7] = [1, 2, 3, 4, 5, 6, 7];

pub fn items() -> Vec<u32> {
    ITEMS.to_vec()
}

/// Asserts that the kit finds `finding`, and names `rule` for it.
#[track_caller]
pub fn assert_found<D, T, R>(check: Check<D, T, R>, finding: Finding, rule: &str)
where
    D: Send + 'static,
    T: Item,
    R: Role<D, T>,
{
    let failure = check.run().expect_err("nothing was found");
    assert_eq!(failure.finding, finding, "\n{failure}\n");
    assert_eq!(failure.finding.rule(), rule);
    let contract = include_str!("../../docs/contract.md");
    assert!(contract.contains(&format!("\n## {rule}\n")), "{rule} is no rule of the contract");
    assert!(failure.to_string().starts_with(&format!("broken rule: {rule}\n")), "{failure}");
}

/// A channel that is filled before the first read.
pub fn full<V>(items: impl IntoIterator<Item = V>) -> UnboundedReceiver<V> {
    let (tx, rx) = unbounded_channel();
    items.into_iter().for_each(|item| assert!(tx.send(item).is_ok()));
    rx
}

/// A producer that reads from a channel that is filled before the first read.
pub fn ready<P>(make: impl Fn(UnboundedReceiver<u32>) -> P) -> impl Fn() -> Made<P> {
    move || Made::new(make(full(ITEMS)))
}

/// A producer that reads from a channel that gets two items a step.
pub fn fed<P>(make: impl Fn(UnboundedReceiver<u32>) -> P) -> impl Fn() -> Made<P> {
    move || {
        let (tx, rx) = unbounded_channel();
        let (mut tx, mut left) = (Some(tx), VecDeque::from(ITEMS));
        Made::new(make(rx)).step(move || {
            let part: Vec<_> = left.drain(..left.len().min(2)).collect();
            match part.is_empty() {
                true => tx.take().is_some(),
                false => {
                    // The receiver may be gone.
                    let _ = part.into_iter().try_for_each(|item| tx.as_ref().unwrap().send(item));
                    true
                }
            }
        })
    }
}

/// The ends that the host got.
#[derive(Clone, Debug, Default)]
pub struct Reports(Arc<Mutex<Vec<Reported>>>);

impl Reports {
    pub fn push(&self, reported: Reported) {
        self.0.lock().unwrap().push(reported);
    }

    pub fn all(&self) -> Vec<Reported> {
        self.0.lock().unwrap().clone()
    }
}

#[derive(Debug)]
struct State<V> {
    room: usize,
    waker: Option<Waker>,
    received: Vec<V>,
    empty_chunks: usize,
    closed: bool,
}

/// The receiver behind a consumer. It has room for some items, and gets more with each step.
#[derive(Debug)]
pub struct Peer<V = u32>(Arc<Mutex<State<V>>>);

impl<V> Clone for Peer<V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<V> Peer<V> {
    pub fn new(room: usize) -> Self {
        let (received, empty_chunks, closed) = (Vec::new(), 0, false);
        Self(Arc::new(Mutex::new(State { room, waker: None, received, empty_chunks, closed })))
    }

    /// Registers the waker where there is no room.
    pub fn poll_room(&self, cx: &mut Context<'_>) -> Poll<usize> {
        let mut state = self.0.lock().unwrap();
        if state.room == 0 {
            state.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(state.room)
    }

    pub fn room(&self) -> usize {
        self.0.lock().unwrap().room
    }

    pub fn send(&self, chunk: Vec<V>) {
        let mut state = self.0.lock().unwrap();
        state.room = state.room.saturating_sub(chunk.len());
        state.empty_chunks += usize::from(chunk.is_empty());
        state.received.extend(chunk);
    }

    pub fn close(&self) {
        self.0.lock().unwrap().closed = true;
    }

    fn step(&self) {
        let mut state = self.0.lock().unwrap();
        state.room += 2;
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }
}

/// A consumer whose peer has room for everything.
pub fn roomy<C, V: Clone + 'static>(make: impl Fn(Peer<V>) -> C) -> impl Fn() -> Made<C, V> {
    move || {
        let peer = Peer::new(usize::MAX);
        let made = Made::new(make(peer.clone()));
        let empty = peer.clone();
        made.received(move || peer.0.lock().unwrap().received.clone())
            .empty_chunks(move || empty.0.lock().unwrap().empty_chunks)
    }
}

/// A consumer whose peer gets room for two more items a step.
pub fn narrow<C, V: Clone + 'static>(make: impl Fn(Peer<V>) -> C) -> impl Fn() -> Made<C, V> {
    move || {
        let peer = Peer::new(0);
        let (step, mut steps) = (peer.clone(), 4);
        Made::new(make(peer.clone()))
            .received(move || peer.0.lock().unwrap().received.clone())
            .step(move || {
                let more = steps > 0;
                steps -= usize::from(more);
                step.step();
                more
            })
    }
}

/// A consumer that must close its peer.
pub fn closing<C, V: Clone + 'static>(make: impl Fn(Peer<V>) -> C) -> impl Fn() -> Made<C, V> {
    move || {
        let peer = Peer::new(usize::MAX);
        let closed = peer.clone();
        Made::new(make(peer.clone()))
            .received(move || peer.0.lock().unwrap().received.clone())
            .closed(move || closed.0.lock().unwrap().closed)
    }
}

/// Takes what has arrived, up to `most` items; `None` at the end.
pub fn batch(
    rx: &mut UnboundedReceiver<u32>,
    wanted: usize,
    cx: &mut Context<'_>,
) -> Poll<Option<Vec<u32>>> {
    let mut items = Vec::new();
    while items.len() < wanted {
        match rx.poll_recv(cx) {
            Poll::Ready(Some(item)) => items.push(item),
            _ if !items.is_empty() => break,
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => return Poll::Pending,
        }
    }
    Poll::Ready(Some(items))
}

/// Takes up to `most` items.
pub fn take<D: 'static>(
    mut store: StoreContextMut<'_, D>,
    source: &mut Source<'_, u32>,
    most: usize,
) -> Result<Vec<u32>> {
    let mut items = Vec::with_capacity(source.remaining(store.as_context_mut()).min(most));
    source.read(store, &mut items)?;
    Ok(items)
}

/// The answer where nothing has arrived. It is correct; the implementations whose mistake it is write their own.
macro_rules! nothing {
    ($finish:expr) => {
        match $finish {
            true => std::task::Poll::Ready(Ok(wasmtime::component::StreamResult::Cancelled)),
            false => std::task::Poll::Pending,
        }
    };
}

/// A struct and its `poll_produce`. The rest of the trait is the same for all.
macro_rules! wrong_producer {
    (
        $(#[$doc:meta])* struct $name:ident { $($field:ident: $ty:ty),* $(,)? }
        |$this:ident, $cx:pat_param, $store:pat_param, $dst:ident, $finish:pat_param| $body:block
    ) => {
        $(#[$doc])*
        struct $name { $($field: $ty),* }

        impl<D: 'static> wasmtime::component::StreamProducer<D> for $name {
            type Item = u32;
            type Buffer = wasmtime::component::VecBuffer<u32>;

            #[allow(unused_mut)] // not every body changes all of them
            fn poll_produce<'a>(
                self: std::pin::Pin<&mut Self>,
                $cx: &mut std::task::Context<'_>,
                $store: wasmtime::StoreContextMut<'a, D>,
                mut $dst: wasmtime::component::Destination<'a, Self::Item, Self::Buffer>,
                $finish: bool,
            ) -> std::task::Poll<wasmtime::Result<wasmtime::component::StreamResult>> {
                let $this = self.get_mut();
                $body
            }
        }
    };
}

/// A struct and its `poll_consume`.
macro_rules! wrong_consumer {
    (
        $(#[$doc:meta])* struct $name:ident { $($field:ident: $ty:ty),* $(,)? }
        |$this:ident, $cx:pat_param, $store:ident, $source:ident, $finish:pat_param| $body:block
    ) => {
        $(#[$doc])*
        struct $name { $($field: $ty),* }

        impl<D: 'static> wasmtime::component::StreamConsumer<D> for $name {
            type Item = u32;

            #[allow(unused_mut)] // not every body changes all of them
            fn poll_consume(
                self: std::pin::Pin<&mut Self>,
                $cx: &mut std::task::Context<'_>,
                mut $store: wasmtime::StoreContextMut<'_, D>,
                mut $source: wasmtime::component::Source<'_, Self::Item>,
                $finish: bool,
            ) -> std::task::Poll<wasmtime::Result<wasmtime::component::StreamResult>> {
                let $this = self.get_mut();
                $body
            }
        }
    };
}
pub(crate) use {nothing, wrong_consumer, wrong_producer};

#[global_allocator]
static ALLOCATOR: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;

/// The peak of allocated bytes since the last call.
pub fn peak() -> usize {
    let peak = ALLOCATOR.peak_usage();
    ALLOCATOR.reset_peak_usage();
    peak
}
