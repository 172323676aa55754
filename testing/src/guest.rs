//! Drives the scripted guest (guest.wat): each method is one guest operation.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::pin;
use std::sync::Arc;

use futures::channel::{mpsc, oneshot};
use futures::future::{Either, select};
use wasmtime::component::{
    Accessor, FutureConsumer, FutureProducer, FutureReader, StreamConsumer, StreamProducer,
    StreamReader,
};
use wasmtime::{AsContextMut, StoreContextMut};

use super::setup::{Command, Reply, Shared, locked};
use super::{Heap, Item, executor};

/// Address of the host's allocations in the guest's memory.
const HEAP: u32 = 0x1_0000;

/// Address of the guest's buffer in its memory.
pub const BUFFER: u32 = 16 << 20;

/// The result code of a guest operation, with the number of items it moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The operation is pending.
    Blocked,
    /// The operation completed; the stream goes on.
    Completed(u32),
    /// The other end was dropped.
    Dropped(u32),
    /// The guest cancelled the operation.
    Cancelled(u32),
}

impl Code {
    fn decode(code: u32) -> Self {
        match (code, code & 0xf) {
            (u32::MAX, _) => Code::Blocked,
            (_, 0) => Code::Completed(code >> 4),
            (_, 1) => Code::Dropped(code >> 4),
            _ => Code::Cancelled(code >> 4),
        }
    }

    /// How many items moved.
    pub fn count(self) -> u32 {
        match self {
            Code::Blocked => 0,
            Code::Completed(n) | Code::Dropped(n) | Code::Cancelled(n) => n,
        }
    }
}

/// A guest controlled by a test: see [`Setup::run`](super::Setup::run).
pub struct Guest<'a, D: 'static, T: 'static> {
    accessor: &'a Accessor<D>,
    commands: Commands,
    shared: Arc<Shared<T>>,
}

type Commands = mpsc::UnboundedSender<(Command, oneshot::Sender<Reply>)>;

impl<D, T> fmt::Debug for Guest<'_, D, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guest").finish_non_exhaustive()
    }
}

impl<'a, D: Send + 'static, T: Item> Guest<'a, D, T> {
    pub(super) fn new(
        accessor: &'a Accessor<D>,
        commands: Commands,
        shared: Arc<Shared<T>>,
    ) -> Self {
        Self { accessor, commands, shared }
    }

    async fn command(&self, op: u32, a: u32, b: u32, c: u32) -> Reply {
        self.command_with(Command { op, a, b, c, bytes: Vec::new() }).await
    }

    async fn command_with(&self, command: Command) -> Reply {
        let (tx, rx) = oneshot::channel();
        // If the guest has trapped its call returns the trap, and this future is dropped.
        if self.commands.unbounded_send((command, tx)).is_err() {
            return std::future::pending().await;
        }
        match rx.await {
            Ok(reply) => reply,
            Err(oneshot::Canceled) => std::future::pending().await,
        }
    }

    async fn code(&self, op: u32, a: u32, b: u32, c: u32) -> Code {
        Code::decode(self.command(op, a, b, c).await.0)
    }

    /// Access to the store.
    pub fn with<R>(&self, f: impl FnOnce(StoreContextMut<'_, D>) -> R) -> R {
        self.accessor.with(|mut access| f(access.as_context_mut()))
    }

    /// Hands a stream to the guest and returns its handle.
    ///
    /// # Panics
    ///
    /// Where [`StreamReader::new`] fails.
    pub async fn source(&self, producer: impl StreamProducer<D, Item = T>) -> u32 {
        let reader = self.with(|store| StreamReader::new(store, producer));
        self.take(reader.expect("a stream")).await
    }

    /// Hands a stream to the guest and returns its handle.
    pub async fn take(&self, reader: StreamReader<T>) -> u32 {
        locked(&self.shared.streams).push_back(reader);
        self.command(8, 0, 0, 0).await.0
    }

    /// The guest makes a stream. Returns its readable end, and the handle of its writable end.
    pub async fn stream(&self) -> (StreamReader<T>, u32) {
        let (readable, writable, _) = self.command(7, 0, 0, 0).await;
        (self.give(readable).await, writable)
    }

    /// The guest makes a stream, whose readable end is piped into `consumer`. Returns the handle of its writable end.
    ///
    /// # Panics
    ///
    /// Where [`StreamReader::pipe`] fails.
    pub async fn sink(&self, consumer: impl StreamConsumer<D, Item = T>) -> u32 {
        let (reader, writable) = self.stream().await;
        self.with(|store| reader.pipe(store, consumer)).expect("a stream that is open");
        writable
    }

    /// Takes a stream back from the guest.
    pub async fn give(&self, readable: u32) -> StreamReader<T> {
        self.command(9, readable, 0, 0).await;
        let given = locked(&self.shared.streams).pop_front();
        match given {
            Some(reader) => reader,
            None => std::future::pending().await,
        }
    }

    /// Starts a read of `len` items into the guest's [buffer](BUFFER).
    pub async fn read(&self, stream: u32, len: u32) -> Code {
        self.code(1, stream, BUFFER, len).await
    }

    /// Starts a write of `len` items from the guest's [buffer](BUFFER).
    pub async fn write(&self, stream: u32, len: u32) -> Code {
        self.code(2, stream, BUFFER, len).await
    }

    /// Cancels the pending read, and waits for its code.
    pub async fn cancel_read(&self, stream: u32) -> Code {
        self.code(3, stream, 0, 0).await
    }

    /// Cancels the pending write, and waits for its code.
    pub async fn cancel_write(&self, stream: u32) -> Code {
        self.code(4, stream, 0, 0).await
    }

    /// Drops a readable end. The guest traps if a read is pending.
    pub async fn drop_readable(&self, stream: u32) {
        self.command(5, stream, 0, 0).await;
    }

    /// Drops a writable end. The guest traps if a write is pending.
    pub async fn drop_writable(&self, stream: u32) {
        self.command(6, stream, 0, 0).await;
    }

    /// Waits for the pending operation.
    pub async fn wait(&self, waitable: u32) -> Code {
        Code::decode(self.command(10, waitable, 0, 0).await.2)
    }

    /// Runs `wait` until it completes or nothing can run any more; then `None`: its operation is parked.
    pub async fn parked<W: Future<Output = Code> + Unpin>(&self, wait: &mut W) -> Option<Code> {
        match select(wait, pin!(executor::idle())).await {
            Either::Left((code, _)) => Some(code),
            Either::Right(_) => None,
        }
    }

    /// Reads up to `len` items, waits if the read blocks, and returns the bytes of the items in memory.
    pub async fn recv(&self, stream: u32, len: u32) -> (Code, Vec<u8>) {
        let code = match self.read(stream, len).await {
            Code::Blocked => self.wait(stream).await,
            code => code,
        };
        (code, self.dump(BUFFER, code.count() * T::SIZE).await)
    }

    /// Writes items that are `bytes` in memory, and waits if the write blocks.
    pub async fn send(&self, stream: u32, bytes: &[u8]) -> Code {
        self.load(bytes).await;
        match self.write(stream, bytes.len() as u32 / T::SIZE).await {
            Code::Blocked => self.wait(stream).await,
            code => code,
        }
    }

    /// Writes items that are `bytes` in memory, in as many operations as it takes. Returns the code of the last one.
    pub async fn send_all(&self, stream: u32, mut bytes: &[u8]) -> Code {
        loop {
            let code = self.send(stream, bytes).await;
            bytes = &bytes[(code.count() * T::SIZE) as usize..];
            if bytes.is_empty() || !matches!(code, Code::Completed(_)) {
                return code;
            }
        }
    }

    /// Copies `bytes` to the start of the guest's [buffer](BUFFER).
    pub async fn load(&self, bytes: &[u8]) {
        self.command_with(Command { op: 11, a: BUFFER, b: 0, c: 0, bytes: bytes.to_vec() }).await;
    }

    /// Stores items at the start of the guest's [buffer](BUFFER), and what they own after them.
    pub async fn load_items(&self, items: &[T::Value]) {
        let mut heap = Heap::new(BUFFER + items.len() as u32 * T::SIZE);
        let mut bytes = Vec::new();
        items.iter().for_each(|item| T::store(item, &mut heap, &mut bytes));
        bytes.extend_from_slice(heap.bytes());
        self.load(&bytes).await;
    }

    /// Loads the first `count` items of the guest's [buffer](BUFFER); `None` for one that is invalid.
    pub async fn items(&self, count: u32) -> Vec<Option<T::Value>> {
        self.items_and_top(count).await.0
    }

    /// The same, and frees what the items own.
    pub(super) async fn take_items(&self, count: u32) -> Vec<Option<T::Value>> {
        let (items, top) = self.items_and_top(count).await;
        if top > HEAP {
            self.reset_heap().await;
        }
        items
    }

    async fn items_and_top(&self, count: u32) -> (Vec<Option<T::Value>>, u32) {
        let (bytes, top) = self.dump_and_top(BUFFER, count * T::SIZE).await;
        let heap = match top {
            HEAP => Vec::new(),
            _ => self.dump(HEAP, top - HEAP).await,
        };
        let heap = Heap::with(HEAP, heap);
        let items = bytes.chunks(T::SIZE as usize).map(|item| T::load(item, &heap)).collect();
        (items, top)
    }

    /// Frees all that the host has allocated in the guest's memory.
    pub async fn reset_heap(&self) {
        self.command(14, HEAP, 0, 0).await;
    }

    /// A copy of a part of the guest's memory.
    pub async fn dump(&self, at: u32, len: u32) -> Vec<u8> {
        self.dump_and_top(at, len).await.0
    }

    /// The same, and the end of what the host has allocated there.
    async fn dump_and_top(&self, at: u32, len: u32) -> (Vec<u8>, u32) {
        let (top, _, _) = self.command(12, at, len, 0).await;
        (mem::take(&mut *locked(&self.shared.dump)), top)
    }

    /// Drops a handle of a resource.
    pub async fn drop_item(&self, handle: u32) {
        self.command(15, handle, 0, 0).await;
    }

    /// The guest makes an [item](Item::MAKE) that is a stream. Returns the item, and the handle of its writable end.
    pub(super) async fn make_item(&self) -> (u32, u32) {
        let (readable, writable, _) = self.command(16, 0, 0, 0).await;
        (readable, writable)
    }

    /// Starts a write of one item, whatever the guest's [buffer](BUFFER) holds, to an item that is a stream.
    pub(super) async fn write_item(&self, writable: u32) -> Code {
        self.code(17, writable, BUFFER, 1).await
    }

    /// Drops the writable end of an item that is a stream.
    pub(super) async fn close_item(&self, writable: u32) {
        self.command(18, writable, 0, 0).await;
    }

    /// The guest traps; never returns.
    pub async fn trap(&self) {
        self.command(13, 0, 0, 0).await;
    }

    /// Hands a future to the guest and returns its handle.
    ///
    /// # Panics
    ///
    /// Where [`FutureReader::new`] fails.
    pub async fn future_source(&self, producer: impl FutureProducer<D, Item = T>) -> u32 {
        let reader = self.with(|store| FutureReader::new(store, producer));
        self.take_future(reader.expect("a future")).await
    }

    /// Hands a future to the guest and returns its handle.
    pub async fn take_future(&self, reader: FutureReader<T>) -> u32 {
        locked(&self.shared.futures).push_back(reader);
        self.command(28, 0, 0, 0).await.0
    }

    /// The guest makes a future, whose readable end is piped into `consumer`. Returns the handle of its writable end.
    ///
    /// # Panics
    ///
    /// Where [`FutureReader::pipe`] fails.
    pub async fn future_sink(&self, consumer: impl FutureConsumer<D, Item = T> + Unpin) -> u32 {
        let (readable, writable, _) = self.command(27, 0, 0, 0).await;
        self.command(29, readable, 0, 0).await;
        let given = locked(&self.shared.futures).pop_front();
        if let Some(reader) = given {
            self.with(|store| reader.pipe(store, consumer)).expect("a future that is open");
        }
        writable
    }

    /// Starts a read of a future into the guest's [buffer](BUFFER).
    pub async fn future_read(&self, future: u32) -> Code {
        self.code(21, future, BUFFER, 0).await
    }

    /// Starts a write of a future from the guest's [buffer](BUFFER).
    pub async fn future_write(&self, future: u32) -> Code {
        self.code(22, future, BUFFER, 0).await
    }

    /// Cancels the pending read, and waits for its code.
    pub async fn future_cancel_read(&self, future: u32) -> Code {
        self.code(23, future, 0, 0).await
    }

    /// Cancels the pending write, and waits for its code.
    pub async fn future_cancel_write(&self, future: u32) -> Code {
        self.code(24, future, 0, 0).await
    }

    /// Drops a readable end. The guest traps if a read is pending.
    pub async fn future_drop_readable(&self, future: u32) {
        self.command(25, future, 0, 0).await;
    }

    /// Drops a writable end. The guest traps if no value was written.
    pub async fn future_drop_writable(&self, future: u32) {
        self.command(26, future, 0, 0).await;
    }
}
