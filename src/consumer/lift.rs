//! Taking items from a guest's write: bounded, in batches, with store access.

use wasmtime::component::{Lift, ReadBuffer, Source, WriteBuffer};
use wasmtime::{AsContextMut, Error, StoreContextMut};

use crate::layer::{Ask, Within};
use crate::{Receive, Take};

/// A `Vec` as read buffer that takes at most `limit` items more, whatever its spare capacity.
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

/// Why a write can give no more items.
#[derive(Debug)]
pub(super) enum Failure {
    /// What the guest wrote is no valid item: it traps.
    Lift(Error),
    /// The receiving step refused an item: the stream ends.
    Receive(Error),
}

/// One guest write, as an item sink sees it.
pub(super) struct Write<'a, 's, D: 'static, W, V: Receive<D, W>> {
    pub(super) store: StoreContextMut<'a, D>,
    pub(super) source: Source<'s, W>,
    pub(super) receive: &'a mut V,
    pub(super) batch: usize,
    pub(super) remaining: usize,
    pub(super) taken: &'a mut usize,
    pub(super) failure: Option<Failure>,
    pub(super) layers: &'a mut Option<Within<'s, V::Item>>,
}

impl<D: 'static, W, V> Write<'_, '_, D, W, V>
where
    W: Lift + Send + Sync + 'static,
    V: Receive<D, W>,
{
    fn read<B: ReadBuffer<W>>(&mut self, buffer: &mut B) -> wasmtime::Result<()> {
        self.source.read(self.store.as_context_mut(), buffer)
    }

    fn fail(&mut self, failure: Failure) {
        self.remaining = 0;
        self.failure = Some(failure);
    }

    fn took(&mut self, n: usize) {
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
        let lifted = loop {
            // To make an empty vector grow takes a good part of the time of a small batch.
            if items.capacity() == 0 {
                items = Vec::with_capacity(limit);
            } else {
                items.reserve(limit);
            }
            let mut buffer = Limited { items, limit };
            let result = self.read(&mut buffer);
            items = buffer.items;
            match result {
                Ok(()) => break items.len() - before,
                // Wasmtime charges what is lifted per read: a batch may be too much where single items pass. Nothing
                // was marked as read, so try again with one.
                Err(_) if limit > 1 => {
                    items.truncate(before);
                    // From here on one by one: to try a whole batch again for each item would take quadratic time.
                    self.batch = 1;
                    limit = 1;
                }
                Err(error) => {
                    items.truncate(before);
                    self.fail(Failure::Lift(error));
                    break 0;
                }
            }
        };
        self.took(lifted);
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
        self.took(1);
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
