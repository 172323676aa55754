//! Common mistakes with items that are handles: each leaves some of them raw, where nobody can close them any more.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use wasmtime::component::StreamResult::{self, Cancelled, Completed, Dropped};
use wasmtime::component::{
    Destination, FutureReader, Resource, ResourceTable, ResourceType, Source, StreamConsumer,
    StreamProducer, StreamReader, VecBuffer,
};
use wasmtime::{AsContextMut as _, Result, StoreContextMut};
use wasmtime_streams_testing::{
    Check, Finding, Item, Made, StreamIn, StreamOut, consumer, consumer_in, producer,
};

use crate::wrong::assert_found;

const RULE: &str = "Resources are created on delivery";

/// What happens to a batch.
#[derive(Clone, Copy, PartialEq)]
pub enum Batch {
    /// Each handle is closed in the poll that takes it.
    Closed,
    /// The host reads each stream.
    Piped,
    /// The handles are kept raw, and dropped with the consumer.
    KeptRaw,
    /// The third handle is refused, and the rest of its batch closed.
    RefusedAndClosed,
    /// The third handle is refused, and the rest of its batch dropped.
    RefusedAndDropped,
    /// One handle a poll is handed on. What is left when the stream is cut is dropped.
    HandedOnSlowly,
}
use Batch::*;

/// Reads everything, and discards it.
struct Drain;

impl<D: 'static> StreamConsumer<D> for Drain {
    type Item = u32;

    fn poll_consume(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        mut source: Source<'_, u32>,
        _: bool,
    ) -> Poll<Result<StreamResult>> {
        let mut items = Vec::with_capacity(64);
        source.read(store, &mut items)?;
        Poll::Ready(Ok(Completed))
    }
}

/// How the host controls a consumer.
#[derive(Default)]
struct Host {
    cancelled: bool,
    room: usize,
    waker: Option<Waker>,
}

type Shared = Arc<Mutex<Host>>;

fn change(host: &Shared, f: impl FnOnce(&mut Host)) {
    let mut host = host.lock().unwrap();
    f(&mut host);
    let waker = host.waker.take();
    drop(host);
    waker.into_iter().for_each(Waker::wake);
}

/// A consumer of streams.
pub struct Nested {
    batch: Batch,
    raw: VecDeque<StreamReader<u32>>,
    taken: usize,
    host: Shared,
}

impl<D: 'static> StreamConsumer<D> for Nested {
    type Item = StreamReader<u32>;

    fn poll_consume(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'_, D>,
        mut source: Source<'_, StreamReader<u32>>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let this = self.get_mut();
        let mut host = this.host.lock().unwrap();
        if host.cancelled {
            return Poll::Ready(Ok(Dropped));
        }
        let mut batch = Vec::with_capacity(source.remaining(store.as_context_mut()).min(64));
        source.read(store.as_context_mut(), &mut batch)?;
        for mut reader in batch {
            this.taken += 1;
            match this.batch {
                RefusedAndDropped if this.taken >= 3 => {}
                Closed | RefusedAndClosed | RefusedAndDropped => {
                    reader.close(store.as_context_mut())?;
                }
                Piped => reader.pipe(store.as_context_mut(), Drain)?,
                KeptRaw | HandedOnSlowly => this.raw.push_back(reader),
            }
        }
        if this.batch == HandedOnSlowly {
            while (host.room > 0 || finish)
                && let Some(next) = this.raw.pop_front()
            {
                next.pipe(store.as_context_mut(), Drain)?;
                host.room = host.room.saturating_sub(1);
            }
            if !this.raw.is_empty() {
                host.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
        }
        let refuses = matches!(this.batch, RefusedAndClosed | RefusedAndDropped);
        Poll::Ready(Ok(if refuses && this.taken >= 3 { Dropped } else { Completed }))
    }
}

/// Five streams. The guest has their writable ends.
pub fn nested(batch: Batch) -> Check<(), StreamReader<u32>, StreamIn<Nested>> {
    consumer(vec![0; 5], move || {
        let host = Shared::default();
        let (cut, step) = (host.clone(), host.clone());
        let made = Made::new(Nested { batch, raw: VecDeque::new(), taken: 0, host });
        if batch != HandedOnSlowly {
            return made;
        }
        let mut steps = 5;
        made.cut(move || change(&cut, |host| host.cancelled = true)).step(move || {
            let more = steps > 0;
            steps -= usize::from(more);
            change(&step, |host| host.room += 1);
            more
        })
    })
}

#[test]
fn streams_are_kept_raw_until_the_consumer_is_dropped() {
    assert_found(nested(KeptRaw), Finding::HandleLeft, RULE);
}

#[test]
fn the_rest_of_a_batch_is_dropped_when_one_is_refused() {
    assert_found(nested(RefusedAndDropped), Finding::HandleLeft, RULE);
}

#[test]
fn the_rest_of_a_batch_is_dropped_when_the_host_cancels() {
    assert_found(nested(HandedOnSlowly), Finding::HandleLeft, RULE);
}

/// Takes items that the host made, and closes or drops them.
pub struct Takes<T> {
    kept: Vec<T>,
    close: fn(&mut T, StoreContextMut<'_, ResourceTable>) -> Result<()>,
}

impl<T> Unpin for Takes<T> {}

impl<T: Item> StreamConsumer<ResourceTable> for Takes<T> {
    type Item = T;

    fn poll_consume(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut store: StoreContextMut<'_, ResourceTable>,
        mut source: Source<'_, T>,
        _: bool,
    ) -> Poll<Result<StreamResult>> {
        let this = self.get_mut();
        let mut batch = Vec::with_capacity(source.remaining(store.as_context_mut()).min(64));
        source.read(store.as_context_mut(), &mut batch)?;
        for mut item in batch {
            (this.close)(&mut item, store.as_context_mut())?;
            this.kept.push(item);
        }
        Poll::Ready(Ok(Completed))
    }
}

/// Futures that the host made, which the guest passes on.
pub fn futures(
    closes: bool,
) -> Check<ResourceTable, FutureReader<u32>, StreamIn<Takes<FutureReader<u32>>>> {
    consumer_in(ResourceTable::new, vec![0; 4], move || {
        Made::new(Takes {
            kept: Vec::new(),
            close: if closes {
                |future: &mut FutureReader<u32>, store| future.close(store)
            } else {
                |_, _| Ok(())
            },
        })
    })
    .gives(|store, _| FutureReader::new(store, std::future::pending::<Result<u32>>()))
}

#[derive(Debug)]
pub struct File;

/// Resources that the host made, which the guest passes on.
pub fn files(
    deletes: bool,
) -> Check<ResourceTable, Resource<File>, StreamIn<Takes<Resource<File>>>> {
    consumer_in(ResourceTable::new, vec![0; 4], move || {
        Made::new(Takes {
            kept: Vec::new(),
            close: match deletes {
                true => |file: &mut Resource<File>, mut store| {
                    store.data_mut().delete(Resource::<File>::new_own(file.rep()))?;
                    Ok(())
                },
                false => |_, _| Ok(()),
            },
        })
    })
    .gives(|mut store, _| Ok(store.data_mut().push(File)?))
    .link(|root| {
        root.resource("item", ResourceType::host::<File>(), |mut store, rep| {
            store.data_mut().delete(Resource::<File>::new_own(rep))?;
            Ok(())
        })
    })
    .leftovers(|table| table.iter_mut().count())
}

#[test]
fn futures_are_kept_raw() {
    assert_found(futures(false), Finding::HandleLeft, RULE);
}

#[test]
fn resources_are_kept_raw() {
    assert_found(files(false), Finding::ResourceLeft, RULE);
}

/// Never produces anything.
struct Silent;

impl<D: 'static> StreamProducer<D> for Silent {
    type Item = u32;
    type Buffer = VecBuffer<u32>;

    fn poll_produce<'a>(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: StoreContextMut<'a, D>,
        _: Destination<'a, u32, VecBuffer<u32>>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        if finish { Poll::Ready(Ok(Cancelled)) } else { Poll::Pending }
    }
}

/// Gives streams. Makes each when it is read, or all of them at the first read.
pub struct Gives {
    left: usize,
    ahead: bool,
    made: VecDeque<StreamReader<u32>>,
}

impl<D: 'static> StreamProducer<D> for Gives {
    type Item = StreamReader<u32>;
    type Buffer = VecBuffer<StreamReader<u32>>;

    fn poll_produce<'a>(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut store: StoreContextMut<'a, D>,
        mut dst: Destination<'a, Self::Item, Self::Buffer>,
        _: bool,
    ) -> Poll<Result<StreamResult>> {
        let this = self.get_mut();
        let wanted = dst.remaining(store.as_context_mut()).unwrap_or(64).min(this.left);
        let ahead = if this.ahead { this.left } else { wanted };
        while this.made.len() < ahead {
            this.made.push_back(StreamReader::new(store.as_context_mut(), Silent)?);
        }
        this.left -= wanted;
        dst.set_buffer(this.made.drain(..wanted).collect::<Vec<_>>().into());
        Poll::Ready(Ok(if this.left == 0 { Dropped } else { Completed }))
    }
}

pub fn gives(ahead: bool) -> Check<(), StreamReader<u32>, StreamOut<Gives>> {
    producer(vec![0; 4], move || Made::new(Gives { left: 4, ahead, made: VecDeque::new() }))
}

#[test]
fn streams_are_made_ahead_of_the_guest() {
    assert_found(gives(true), Finding::HandleLeft, RULE);
}
