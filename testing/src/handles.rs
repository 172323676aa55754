//! Items that are or hold handles: gives them to the guest, and checks at the end that none is left open.

use std::collections::VecDeque;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use wasmtime::component::{Destination, StreamProducer, StreamReader, StreamResult, VecBuffer};
use wasmtime::{Result, StoreContextMut};

use super::check::Check;
use super::role::Role;
use super::session::{Session, Side, Stuck};
use super::{Code, Finding, Guest, Item};

/// The items that the guest writes.
#[derive(Debug, Default)]
pub(super) struct Handles {
    /// Each item in memory, and the handle in it.
    items: Vec<(Vec<u8>, Option<u32>)>,
    /// The guest's ends of the items that are streams.
    writers: Vec<u32>,
}

impl Handles {
    /// Some of the items as bytes in memory.
    pub(super) fn bytes(&self, range: Range<usize>) -> Vec<u8> {
        self.items[range].iter().flat_map(|(bytes, _)| bytes.iter().copied()).collect()
    }
}

/// A producer of the items that the guest writes.
struct Given<T>(VecDeque<T>);

impl<T> Unpin for Given<T> {}

impl<D, T: Item> StreamProducer<D> for Given<T> {
    type Item = T;
    type Buffer = VecBuffer<T>;

    fn poll_produce<'a>(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        store: StoreContextMut<'a, D>,
        mut destination: Destination<'a, T, VecBuffer<T>>,
        _: bool,
    ) -> Poll<Result<StreamResult>> {
        let wanted = destination.remaining(store).unwrap_or(0).min(self.0.len());
        destination.set_buffer(self.get_mut().0.drain(..wanted).collect::<Vec<_>>().into());
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

impl<D: Send + 'static, T: Item, R: Role<D, T>> Check<D, T, R> {
    /// Gives the guest the handles that it writes, or has it make them.
    pub(super) async fn handles(&self, guest: &Guest<'_, D, T>) -> Result<Option<Handles>> {
        if !matches!(R::SIDE, Side::Writes | Side::WritesFuture) {
            return Ok(None);
        }
        let mut handles = Handles::default();
        if let Some(give) = &self.gives {
            let count = self.items.len();
            let given = (0..count).map(|at| guest.with(|store| give(store, at)));
            let given = Given(given.collect::<Result<VecDeque<_>>>()?);
            let reader = guest.with(|store| StreamReader::new(store, given))?;
            let stream = guest.take(reader).await;
            let (_, bytes) = guest.recv(stream, count as u32).await;
            let values = guest.items(count as u32).await;
            guest.drop_readable(stream).await;
            let value = |value: Option<T::Value>| value.as_ref().and_then(T::handle);
            let items = bytes.chunks(T::SIZE as usize).map(<[u8]>::to_vec);
            handles.items = items.zip(values.into_iter().map(value)).collect();
        } else if T::MAKE.is_some() {
            for _ in 0..self.items.len() {
                let (item, writer) = guest.make_item().await;
                handles.items.push((item.to_le_bytes().to_vec(), Some(item)));
                handles.writers.push(writer);
            }
        } else {
            return Ok(None);
        }
        Ok(Some(handles))
    }
}

impl<D: Send + 'static, T: Item> Session<'_, '_, D, T> {
    /// After the end of the stream: the guest drops the items that it did not write, and checks that a write to those
    /// that it wrote does not wait forever.
    pub(super) async fn check_handles(&mut self) -> Result<(), Stuck> {
        let Some(Handles { items, writers }) = self.handles.take() else { return Ok(()) };
        for (_, handle) in items.iter().skip(self.accepted) {
            if let Some(handle) = handle {
                self.guest.drop_item(*handle).await;
            }
        }
        for (number, writer) in writers.into_iter().enumerate() {
            if number < self.accepted && self.guest.write_item(writer).await == Code::Blocked {
                let guest = self.guest;
                let wait = self.control.wait_for(Box::pin(guest.wait(writer))).await;
                if wait.is_none() {
                    let detail = format!("a write to item {number} waits forever");
                    self.log.report(Finding::HandleLeft, detail);
                    return Err(Stuck);
                }
            }
            self.guest.close_item(writer).await;
        }
        Ok(())
    }
}
