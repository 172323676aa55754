use std::mem;

use wasmtime::{Result, StoreContextMut};

use super::values::{cast, is_same};
use super::{Crossing, IntoGuest, IntoHost};
use crate::items::receive_each;
use crate::items::{Deliver, Receive};
use crate::limits::{HOST_CAPACITY, default_batch};

/// Items with streams and futures in them: host objects on the host, handles in the guest. The step of `nested()`.
///
/// [`IntoGuest`] says what each type becomes on the way to a guest, and [`IntoHost`] on the way from one. Items without
/// handles cross as they are, whole batches at a time.
#[derive(Clone, Copy, Debug)]
pub struct Nested {
    bytes: usize,
    items: Option<usize>,
}

impl Default for Nested {
    fn default() -> Self {
        Self { bytes: HOST_CAPACITY, items: None }
    }
}

impl Nested {
    /// The capacity of each `stream<u8>` in an item of a guest, in bytes: 64 KiB by default, and at least 2.
    pub fn bytes(mut self, capacity: usize) -> Self {
        self.bytes = capacity;
        self
    }

    /// The capacity of each other stream in an item of a guest, in items, at least 2. By default 64 if the items own
    /// heap data, else as many as 64 KiB hold.
    pub fn items(mut self, capacity: usize) -> Self {
        self.items = Some(capacity);
        self
    }

    pub(crate) fn byte_capacity(self) -> usize {
        self.bytes
    }

    pub(crate) fn capacity<T>(self) -> usize {
        self.items.unwrap_or(default_batch::<T>())
    }
}

impl<D: 'static, I: IntoGuest<D>> Deliver<D, I> for Nested {
    type Wire = I::Guest;

    fn deliver(&mut self, store: StoreContextMut<'_, D>, item: I) -> Result<I::Guest> {
        Crossing::new(store, *self).give(item)
    }

    // Inlined: for a single item the call is half of the cost.
    #[inline(always)]
    fn deliver_all(
        &mut self,
        store: StoreContextMut<'_, D>,
        mut items: Vec<I>,
        out: &mut Vec<I::Guest>,
    ) -> Result<()> {
        if let Some(plain) = cast::<_, Vec<I::Guest>>(&mut items) {
            if out.is_empty() {
                *out = mem::take(plain);
            } else {
                out.append(plain);
            }
            return Ok(());
        }
        let mut crossing = Crossing::new(store, *self);
        out.reserve(items.len());
        for item in items {
            out.push(crossing.give(item)?);
        }
        Ok(())
    }
}

impl<D: 'static, W: IntoHost<D>> Receive<D, W> for Nested {
    type Item = W::Host;

    fn receive(&mut self, store: StoreContextMut<'_, D>, wire: W) -> Result<W::Host> {
        wire.into_host(&mut Crossing::new(store, *self))
    }

    fn may_hold_handles(&self) -> bool {
        !is_same::<W, W::Host>()
    }

    #[inline(always)]
    fn storage(&mut self, out: &mut Vec<W::Host>) -> Vec<W> {
        cast::<_, Vec<W>>(out).map(mem::take).unwrap_or_default()
    }

    #[inline(always)]
    fn receive_all(
        &mut self,
        store: StoreContextMut<'_, D>,
        mut wire: Vec<W>,
        out: &mut Vec<W::Host>,
    ) -> Result<()> {
        if let Some(plain) = cast::<_, Vec<W::Host>>(&mut wire) {
            // `storage` took the items of `out`, so `wire` starts with them.
            *out = mem::take(plain);
            return Ok(());
        }
        let mut crossing = Crossing::new(store, *self);
        receive_each(wire, out, |wire| wire.into_host(&mut crossing))
    }
}
