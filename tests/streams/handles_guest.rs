//! A guest for items that hold handles. It also makes, reads, writes and drops what is in the items.
//!
//! Like the scripted guest of the contract kit it does one operation at a time, as the test directs.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, LazyLock, Mutex};

use futures::channel::{mpsc, oneshot};
use futures::future::{Either, select};
use futures::{StreamExt as _, lock};
use wasmtime::component::{
    Accessor, Component, FutureReader, Linker, Resource, ResourceType, StreamConsumer,
    StreamProducer, StreamReader,
};
use wasmtime::{AsContextMut as _, Engine, Result, Store, StoreContextMut};
use wasmtime_streams_testing::executor::{self, Stalled};

use crate::handles_wire::wat;
pub use crate::handles_wire::{Bytes, Of, Record, Wire};
use crate::support::guest::{Code, Connection, World};

pub static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::default);
static COMPONENTS: LazyLock<Mutex<HashMap<&str, Component>>> = LazyLock::new(Mutex::default);

/// The start of the guest's buffer: items are written from here, and read to here.
pub const BUFFER: u32 = 0x20_0000;

/// Decodes the answer of a built-in.
fn code(code: u32) -> Code {
    match (code, code & 0xf) {
        (u32::MAX, _) => Code::Blocked,
        (_, 0) => Code::Completed(code >> 4),
        (_, 1) => Code::Dropped(code >> 4),
        _ => Code::Cancelled(code >> 4),
    }
}

fn component<T: Wire>() -> Result<Component> {
    let mut components = COMPONENTS.lock().unwrap();
    if let Some(component) = components.get(T::TYPE) {
        return Ok(component.clone());
    }
    let component = Component::new(&ENGINE, wat(T::TYPE))?;
    components.insert(T::TYPE, component.clone());
    Ok(component)
}

type Reply = (u32, u32, u32);
type Command = (u32, u32, u32, u32, Vec<u8>);
type Commands = mpsc::UnboundedSender<(Command, oneshot::Sender<Reply>)>;

struct Shared<T: 'static> {
    commands: lock::Mutex<mpsc::UnboundedReceiver<(Command, oneshot::Sender<Reply>)>>,
    reply: Mutex<Option<oneshot::Sender<Reply>>>,
    streams: Mutex<VecDeque<StreamReader<T>>>,
    futures: Mutex<VecDeque<FutureReader<T>>>,
    dump: Mutex<Vec<u8>>,
}

fn linker<T: Wire>(shared: &Arc<Shared<T>>) -> Result<Linker<World>> {
    let mut linker = Linker::new(&ENGINE);
    let mut root = linker.root();
    let this = shared.clone();
    root.func_wrap_concurrent("next", move |_, reply: Reply| {
        let shared = this.clone();
        Box::pin(async move {
            if let Some(waiting) = shared.reply.lock().unwrap().take() {
                let _ = waiting.send(reply);
            }
            let (command, reply) = shared.commands.lock().await.next().await.unzip();
            *shared.reply.lock().unwrap() = reply;
            Ok((command.unwrap_or_default(),))
        })
    })?;
    let this = shared.clone();
    root.func_wrap("dump", move |_, (bytes,): (Vec<u8>,)| {
        *this.dump.lock().unwrap() = bytes;
        Ok(())
    })?;
    let this = shared.clone();
    root.func_wrap("get-stream", move |_, ()| {
        Ok((this.streams.lock().unwrap().pop_front().unwrap(),))
    })?;
    let this = shared.clone();
    root.func_wrap("give-stream", move |_, (stream,): (StreamReader<T>,)| {
        this.streams.lock().unwrap().push_back(stream);
        Ok(())
    })?;
    let this = shared.clone();
    root.func_wrap("get-future", move |_, ()| {
        Ok((this.futures.lock().unwrap().pop_front().unwrap(),))
    })?;
    let this = shared.clone();
    root.func_wrap("give-future", move |_, (future,): (FutureReader<T>,)| {
        this.futures.lock().unwrap().push_back(future);
        Ok(())
    })?;
    let ty = ResourceType::host::<Connection>();
    root.resource("item", ty, |mut store: StoreContextMut<'_, World>, rep| {
        store.data_mut().table.delete(Resource::<Connection>::new_own(rep))?;
        Ok(())
    })?;
    Ok(linker)
}

/// A guest under the control of a test.
pub struct Guest<'a, T: 'static> {
    accessor: &'a Accessor<World>,
    commands: Commands,
    shared: Arc<Shared<T>>,
}

/// Runs `script` against a fresh guest. Fails if it stalls.
pub fn try_with_guest<T: Wire, R>(script: impl AsyncFnOnce(&Guest<'_, T>) -> R) -> Result<R> {
    match executor::try_run(drive(script)).0 {
        Ok(result) => result,
        Err(Stalled) => panic!("stalled: nothing can run any more"),
    }
}

/// Runs `script` against a fresh guest. Fails if it stalls or if the guest traps.
pub fn with_guest<T: Wire, R>(script: impl AsyncFnOnce(&Guest<'_, T>) -> R) -> R {
    try_with_guest(script).unwrap()
}

/// The same as a future.
pub async fn drive<T: Wire, R>(script: impl AsyncFnOnce(&Guest<'_, T>) -> R) -> Result<R> {
    let (commands, rx) = mpsc::unbounded();
    let shared = Arc::new(Shared {
        commands: lock::Mutex::new(rx),
        reply: Mutex::default(),
        streams: Mutex::default(),
        futures: Mutex::default(),
        dump: Mutex::default(),
    });
    let component = component::<T>()?;
    let mut store = Store::new(&ENGINE, World::default());
    let instance = linker(&shared)?.instantiate_async(&mut store, &component).await?;
    let run = instance.get_typed_func::<(), ()>(&mut store, "run")?;
    store
        .run_concurrent(async |accessor| {
            let guest = Guest { accessor, commands, shared };
            let script = async {
                // The guest's own entries exist from its first operation on.
                guest.words(0).await;
                let output = script(&guest).await;
                drop(guest);
                output
            };
            let call = async { run.call_concurrent(accessor, ()).await };
            match select(pin!(call), pin!(script)).await {
                Either::Left((Err(trap), _)) => Err(trap),
                Either::Left((Ok(()), script)) => Ok(script.await),
                Either::Right((output, call)) => call.await.map(|()| output),
            }
        })
        .await?
}

impl<T: Wire> Guest<'_, T> {
    async fn command(&self, op: u32, a: u32, b: u32, c: u32, bytes: Vec<u8>) -> Reply {
        let (tx, rx) = oneshot::channel();
        if self.commands.unbounded_send(((op, a, b, c, bytes), tx)).is_err() {
            return std::future::pending().await;
        }
        match rx.await {
            Ok(reply) => reply,
            Err(_) => std::future::pending().await,
        }
    }

    async fn op(&self, of: Of, op: u32, a: u32, b: u32, c: u32) -> Reply {
        self.command(of as u32 * 10 + op, a, b, c, Vec::new()).await
    }

    /// Access to the store.
    pub fn with<R>(&self, f: impl FnOnce(StoreContextMut<'_, World>) -> R) -> R {
        self.accessor.with(|mut access| f(access.as_context_mut()))
    }

    /// How many entries the store's table has: three for each stream and future.
    pub fn entries(&self) -> usize {
        self.with(|mut store| store.concurrent_state_table_size())
    }

    /// How many resources the host's table has.
    pub fn resources(&self) -> usize {
        self.with(|mut store| store.data_mut().table.iter_mut().count())
    }

    /// Starts a read of `len` items into the guest's [buffer](BUFFER).
    pub async fn read(&self, of: Of, handle: u32, len: u32) -> Code {
        code(self.op(of, 1, handle, BUFFER, len).await.0)
    }

    /// Starts a write of `len` items from the guest's [buffer](BUFFER).
    pub async fn write(&self, of: Of, handle: u32, len: u32) -> Code {
        code(self.op(of, 2, handle, BUFFER, len).await.0)
    }

    /// Starts a write of `len` items from this offset in the guest's [buffer](BUFFER).
    pub async fn write_at(&self, of: Of, handle: u32, at: u32, len: u32) -> Code {
        code(self.op(of, 2, handle, BUFFER + at, len).await.0)
    }

    /// Reads, and waits if need be.
    pub async fn recv(&self, of: Of, handle: u32, len: u32) -> Code {
        match self.read(of, handle, len).await {
            Code::Blocked => self.wait(handle).await,
            code => code,
        }
    }

    /// Writes, and waits if need be.
    pub async fn send(&self, of: Of, handle: u32, len: u32) -> Code {
        match self.write(of, handle, len).await {
            Code::Blocked => self.wait(handle).await,
            code => code,
        }
    }

    /// Reads a nested stream of bytes to its end.
    pub async fn read_bytes(&self, handle: u32) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let code = self.recv(Of::Bytes, handle, 100).await;
            all.extend(self.dump(BUFFER, code.count()).await);
            if !matches!(code, Code::Completed(_)) {
                return all;
            }
        }
    }

    pub async fn cancel_read(&self, of: Of, handle: u32) -> Code {
        code(self.op(of, 3, handle, 0, 0).await.0)
    }

    pub async fn drop_readable(&self, of: Of, handle: u32) {
        self.op(of, 5, handle, 0, 0).await;
    }

    pub async fn drop_writable(&self, of: Of, handle: u32) {
        self.op(of, 6, handle, 0, 0).await;
    }

    /// A new stream or future of the guest: its readable and its writable end.
    pub async fn open(&self, of: Of) -> (u32, u32) {
        let (readable, writable, _) = self.op(of, 7, 0, 0, 0).await;
        (readable, writable)
    }

    /// Hands a stream to the guest and returns its handle.
    pub async fn take(&self, reader: StreamReader<T>) -> u32 {
        self.shared.streams.lock().unwrap().push_back(reader);
        self.command(8, 0, 0, 0, Vec::new()).await.0
    }

    /// Hands a stream to the guest and returns its handle.
    pub async fn source(&self, producer: impl StreamProducer<World, Item = T>) -> u32 {
        self.take(self.with(|store| StreamReader::new(store, producer)).unwrap()).await
    }

    /// Hands a future to the guest and returns its handle.
    pub async fn take_future(&self, reader: FutureReader<T>) -> u32 {
        self.shared.futures.lock().unwrap().push_back(reader);
        self.command(48, 0, 0, 0, Vec::new()).await.0
    }

    /// Takes a stream back from the guest.
    pub async fn give(&self, readable: u32) -> StreamReader<T> {
        self.command(9, readable, 0, 0, Vec::new()).await;
        self.shared.streams.lock().unwrap().pop_front().unwrap()
    }

    /// Lets the guest make a stream: its readable end, and the handle of its writable end.
    pub async fn stream(&self) -> (StreamReader<T>, u32) {
        let (readable, writable) = self.open(Of::Items).await;
        (self.give(readable).await, writable)
    }

    /// Lets the guest make a stream into `consumer`: the handle of its writable end.
    pub async fn sink(&self, consumer: impl StreamConsumer<World, Item = T>) -> u32 {
        let (reader, writable) = self.stream().await;
        self.with(|store| reader.pipe(store, consumer)).unwrap();
        writable
    }

    /// Lets the guest make a future of an item: its readable end, and the handle of its writable end.
    pub async fn future(&self) -> (FutureReader<T>, u32) {
        let (readable, writable) = self.open(Of::Item).await;
        self.command(49, readable, 0, 0, Vec::new()).await;
        (self.shared.futures.lock().unwrap().pop_front().unwrap(), writable)
    }

    /// Waits for the event of the pending operation.
    pub async fn wait(&self, waitable: u32) -> Code {
        code(self.command(100, waitable, 0, 0, Vec::new()).await.2)
    }

    /// Polls `wait` until nothing more can run. `None` if its operation stays parked.
    pub async fn parked<W: Future<Output = Code> + Unpin>(&self, wait: &mut W) -> Option<Code> {
        match select(wait, pin!(executor::idle())).await {
            Either::Left((code, _)) => Some(code),
            Either::Right(_) => None,
        }
    }

    /// Copies `words` to the start of the guest's [buffer](BUFFER).
    pub async fn load(&self, words: &[u32]) {
        self.load_at(0, words).await;
    }

    /// Copies `words` to this offset in the buffer.
    pub async fn load_at(&self, at: u32, words: &[u32]) {
        let bytes = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.command(101, BUFFER + at, 0, 0, bytes).await;
    }

    /// The first `count` words in the guest's [buffer](BUFFER).
    pub async fn words(&self, count: u32) -> Vec<u32> {
        let bytes = self.dump(BUFFER, 4 * count).await;
        bytes.chunks(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect()
    }

    /// A part of the guest's memory.
    pub async fn dump(&self, at: u32, len: u32) -> Vec<u8> {
        self.command(102, at, len, 0, Vec::new()).await;
        std::mem::take(&mut *self.shared.dump.lock().unwrap())
    }

    /// Drops the handle of a resource.
    pub async fn drop_resource(&self, handle: u32) {
        self.command(38, handle, 0, 0, Vec::new()).await;
    }
}
