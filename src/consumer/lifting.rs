//! Takes items from a guest write: bounded, in batches, with store access.

use std::mem;

use wasmtime::component::{Lift, ReadBuffer, Source, WriteBuffer};
use wasmtime::{AsContextMut, Error, StoreContextMut};

use crate::items::is_text_or_list;
use crate::layer::{ActiveLayers, EnteredLayers};
use crate::{Take, items::Receive};

/// A `Vec` as read buffer that takes at most `limit` more items, whatever its spare capacity.
struct Limited<W> {
    items: Vec<W>,
    limit: usize,
}

impl<W: Send + Sync + 'static> ReadBuffer<W> for Limited<W> {
    fn extend<I: IntoIterator<Item = W>>(&mut self, iter: I) {
        let before = self.items.len();
        Extend::extend(&mut self.items, iter);
        self.limit = self.limit.saturating_sub(self.items.len() - before);
    }

    fn remaining_capacity(&self) -> usize {
        self.limit
    }

    fn move_from(&mut self, input: &mut dyn WriteBuffer<W>, count: usize) {
        self.items.reserve(count);
        self.items.move_from(input, count);
        self.limit = self.limit.saturating_sub(count);
    }
}

/// Whether each item must be lifted by a read of its own.
///
/// Wasmtime charges heap data against the store's hostcall fuel, for each read. A batch that exceeds it fails after
/// some of its items, and can be read again one by one only if those hold no handles: a lifted handle is out of the
/// guest's table.
#[inline(always)]
pub(super) fn lifts_one_by_one<D: 'static, W: 'static, V: Receive<D, W>>(receive: &V) -> bool {
    mem::needs_drop::<W>() && !is_text_or_list::<W>() && receive.may_hold_handles()
}

/// Reads the rest of a batch from a host stream, and nothing from a guest write.
struct HostRemainder<W> {
    items: Vec<W>,
    room: usize,
    from_host: bool,
}

impl<W: Send + Sync + 'static> ReadBuffer<W> for HostRemainder<W> {
    fn extend<I: IntoIterator<Item = W>>(&mut self, iter: I) {
        Extend::extend(&mut self.items, iter);
    }

    fn remaining_capacity(&self) -> usize {
        self.room
    }

    // Called for host streams only, also with a `count` of 0.
    fn move_from(&mut self, input: &mut dyn WriteBuffer<W>, count: usize) {
        self.from_host = true;
        self.items.reserve(count);
        self.items.move_from(input, count);
        self.room = 0;
    }
}

/// Discards the rest of a batch when a host-to-host stream ends early.
///
/// Wasmtime drops that rest, and a reader that is only dropped stays in the store's table. The rest of a guest write
/// stays with the guest.
#[cold]
pub(super) fn discard<D: 'static, W, V>(
    mut store: StoreContextMut<'_, D>,
    mut source: Source<'_, W>,
    receive: &mut V,
) where
    W: Lift + Send + Sync + 'static,
    V: Receive<D, W>,
{
    let mut rest = HostRemainder { items: Vec::new(), room: 0, from_host: false };
    // Reads nothing, but shows whether it is a host stream.
    let _ = source.read(store.as_context_mut(), &mut rest);
    if rest.from_host {
        rest.room = source.remaining(store.as_context_mut());
        let _ = source.read(store.as_context_mut(), &mut rest);
        for item in rest.items {
            receive.discard(store.as_context_mut(), item);
        }
    }
}

/// Why a write can give no more items.
#[derive(Debug)]
pub(super) enum Failure {
    /// What the guest wrote is no valid item: it traps.
    Lift(Error),
    /// The receiving step refused an item: the stream ends.
    Receive(Error),
}

/// One guest write, for an item sink to take from.
pub(super) struct Write<'a, 's, D: 'static, W, V: Receive<D, W>> {
    pub(super) store: StoreContextMut<'a, D>,
    pub(super) source: Source<'s, W>,
    pub(super) receive: &'a mut V,
    pub(super) batch: usize,
    pub(super) remaining: usize,
    pub(super) taken: &'a mut usize,
    pub(super) failure: Option<Failure>,
    pub(super) layers: &'a mut Option<EnteredLayers<'s, V::Item>>,
}

impl<D: 'static, W, V> Write<'_, '_, D, W, V>
where
    W: Lift + Send + Sync + 'static,
    V: Receive<D, W>,
{
    fn read<B: ReadBuffer<W>>(&mut self, buffer: &mut B) -> wasmtime::Result<()> {
        self.source.read(self.store.as_context_mut(), buffer)
    }

    /// Appends up to `limit` lifted items. After an error those lifted before it stay.
    fn lift(&mut self, items: &mut Vec<W>, limit: usize) -> wasmtime::Result<()> {
        // Growing an empty vector step by step takes a good part of the time of a small batch.
        if items.capacity() == 0 {
            *items = Vec::with_capacity(limit);
        } else {
            items.reserve(limit);
        }
        let alone = lifts_one_by_one::<D, W, V>(self.receive);
        let (reads, each) = if alone { (limit, 1) } else { (1, limit) };
        let mut buffer = Limited { items: mem::take(items), limit: 0 };
        let mut result = Ok(());
        for _ in 0..reads {
            buffer.limit = each;
            result = self.read(&mut buffer);
            if result.is_err() {
                break;
            }
        }
        *items = buffer.items;
        result
    }

    fn fail(&mut self, failure: Failure) {
        self.remaining = 0;
        self.failure = Some(failure);
    }

    fn count_taken(&mut self, n: usize) {
        *self.taken += n;
        self.remaining = self.remaining.saturating_sub(n);
    }
}

impl<D: 'static, W, V> Take<V::Item> for Write<'_, '_, D, W, V>
where
    W: Lift + Send + Sync + 'static,
    V: Receive<D, W>,
{
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn taken(&self) -> usize {
        *self.taken
    }

    fn take(&mut self, max: usize, out: &mut Vec<V::Item>) -> usize {
        let mut limit = max.min(self.batch).min(self.remaining);
        if limit == 0 {
            return 0;
        }
        let had = out.len();
        let mut items = self.receive.storage(out);
        let before = items.len();
        let error = loop {
            match self.lift(&mut items, limit) {
                Ok(()) => break None,
                // The batch may exceed the hostcall fuel where single items do not. It holds no handles, so nothing was
                // taken: try again with one item.
                Err(_)
                    if limit > 1
                        && mem::needs_drop::<W>()
                        && !lifts_one_by_one::<D, W, V>(self.receive) =>
                {
                    items.truncate(before);
                    // One by one from now on: a batch tried again for each item would take quadratic time.
                    self.batch = 1;
                    limit = 1;
                }
                // The items lifted before the error are taken, and delivered.
                Err(error) => break Some(error),
            }
        };
        self.count_taken(items.len() - before);
        if let Some(error) = error {
            self.fail(Failure::Lift(error));
        }
        let received = self.receive.receive_all(self.store.as_context_mut(), items, out);
        if let Err(error) = received {
            self.fail(Failure::Receive(error));
        }
        self.layers.passed(&out[had..]);
        out.len() - had
    }

    fn take_one(&mut self) -> Option<V::Item> {
        if self.remaining == 0 {
            return None;
        }
        let mut item = None;
        if let Err(error) = self.read(&mut item) {
            self.fail(Failure::Lift(error));
            return None;
        }
        let wire = item?;
        self.count_taken(1);
        match self.receive.receive(self.store.as_context_mut(), wire) {
            Ok(item) => {
                self.layers.passed(std::slice::from_ref(&item));
                Some(item)
            }
            Err(error) => {
                self.fail(Failure::Receive(error));
                None
            }
        }
    }
}
