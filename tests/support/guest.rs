//! Drives the scripted guest (guest.wat): each method is one operation of the guest's.

use std::any::TypeId;
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, LazyLock, Mutex};

use futures::StreamExt as _;
use futures::channel::{mpsc, oneshot};
use futures::future::{Either, select};
use wasmtime::component::{
    Accessor, Component, ComponentType, FutureConsumer, FutureProducer, FutureReader, Lift, Linker,
    Lower, Resource, ResourceTable, ResourceType, StreamConsumer, StreamProducer, StreamReader,
};
use wasmtime::{AsContextMut, Engine, Result, Store, StoreContextMut};

use super::executor;

/// What a test's store holds.
pub struct Data<T: 'static> {
    pub table: ResourceTable,
    streams: VecDeque<StreamReader<T>>,
    futures: VecDeque<FutureReader<T>>,
    dump: Vec<u8>,
}

/// A host object that a guest holds as a resource.
#[derive(Debug, PartialEq, Eq)]
pub struct Connection(pub u32);

/// Items that a scripted guest can be made for.
pub trait Item: ComponentType + Lift + Lower + Send + Sync + 'static {
    const WIT: &'static str;
    const PRELUDE: &'static str = "";
    /// Bytes in the guest's memory.
    const SIZE: u32;
}

impl Item for u8 {
    const WIT: &'static str = "u8";
    const SIZE: u32 = 1;
}

impl Item for u32 {
    const WIT: &'static str = "u32";
    const SIZE: u32 = 4;
}

impl Item for String {
    const WIT: &'static str = "string";
    const SIZE: u32 = 8;
}

impl Item for Resource<Connection> {
    const WIT: &'static str = "(own $connection)";
    const PRELUDE: &'static str = r#"(import "connection" (type $connection (sub resource)))"#;
    const SIZE: u32 = 4;
}

static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::default);
type Key = (TypeId, u32);
static COMPONENTS: LazyLock<Mutex<HashMap<Key, Component>>> = LazyLock::new(Mutex::default);

const PAGES: u32 = 512;

/// Where the script's buffers begin in the guest's memory.
pub const BUFFER: u32 = 16 << 20;

fn component<T: Item>(pages: u32) -> Component {
    let mut components = COMPONENTS.lock().unwrap();
    let component = components.entry((TypeId::of::<T>(), pages)).or_insert_with(|| {
        let text = include_str!("guest.wat")
            .replace("PRELUDE", T::PRELUDE)
            .replace("ITEM", T::WIT)
            .replace("PAGES", &pages.to_string());
        Component::new(&ENGINE, text).unwrap()
    });
    component.clone()
}

type Command = (u32, u32, u32, u32, Vec<u8>);
type Reply = (u32, u32, u32);

/// The guest's view of the channel that commands come through.
struct Commands {
    next: tokio::sync::Mutex<mpsc::UnboundedReceiver<(Command, oneshot::Sender<Reply>)>>,
    reply: Mutex<Option<oneshot::Sender<Reply>>>,
}

fn linker<T: Item>(commands: Arc<Commands>) -> Result<Linker<Data<T>>> {
    let mut linker = Linker::new(&ENGINE);
    let mut root = linker.root();
    if !T::PRELUDE.is_empty() {
        root.resource(
            "connection",
            ResourceType::host::<Connection>(),
            |mut store: StoreContextMut<'_, Data<T>>, rep| {
                let connection = Resource::<Connection>::new_own(rep);
                store.data_mut().table.delete(connection)?;
                Ok(())
            },
        )?;
    }
    root.func_wrap_concurrent("next", move |_, reply: Reply| {
        let commands = commands.clone();
        Box::pin(async move {
            if let Some(waiting) = commands.reply.lock().unwrap().take() {
                let _ = waiting.send(reply);
            }
            let next = commands.next.lock().await.next().await;
            // A script that has ended tells the guest to return.
            let (command, reply) = next.unzip();
            *commands.reply.lock().unwrap() = reply;
            Ok((command.unwrap_or_default(),))
        })
    })?;
    root.func_wrap("dump", |mut store: StoreContextMut<'_, Data<T>>, (bytes,): (Vec<u8>,)| {
        store.data_mut().dump = bytes;
        Ok(())
    })?;
    root.func_wrap("get-stream", |mut store: StoreContextMut<'_, Data<T>>, ()| {
        Ok((store.data_mut().streams.pop_front().unwrap(),))
    })?;
    root.func_wrap(
        "give-stream",
        |mut store: StoreContextMut<'_, Data<T>>, (stream,): (StreamReader<T>,)| {
            store.data_mut().streams.push_back(stream);
            Ok(())
        },
    )?;
    root.func_wrap("get-future", |mut store: StoreContextMut<'_, Data<T>>, ()| {
        Ok((store.data_mut().futures.pop_front().unwrap(),))
    })?;
    root.func_wrap(
        "give-future",
        |mut store: StoreContextMut<'_, Data<T>>, (future,): (FutureReader<T>,)| {
            store.data_mut().futures.push_back(future);
            Ok(())
        },
    )?;
    Ok(linker)
}

/// How an operation was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    Blocked,
    Completed(u32),
    Dropped(u32),
    Cancelled(u32),
}

impl Code {
    fn decode(code: u32) -> Self {
        match (code, code & 0xf) {
            (u32::MAX, _) => Code::Blocked,
            (_, 0) => Code::Completed(code >> 4),
            (_, 1) => Code::Dropped(code >> 4),
            (_, 2) => Code::Cancelled(code >> 4),
            _ => panic!("unknown code {code:#x}"),
        }
    }

    pub fn count(self) -> u32 {
        match self {
            Code::Blocked => 0,
            Code::Completed(n) | Code::Dropped(n) | Code::Cancelled(n) => n,
        }
    }
}

/// A guest under the control of a test.
pub struct Guest<'a, T: 'static> {
    accessor: &'a Accessor<Data<T>>,
    commands: mpsc::UnboundedSender<(Command, oneshot::Sender<Reply>)>,
}

/// Runs `script` against a fresh guest, and returns what it returns; fails if nothing can run, or if the guest traps.
pub fn with_guest<T: Item, R>(script: impl AsyncFnOnce(&Guest<'_, T>) -> R) -> R {
    executor::run(guest(PAGES, script)).unwrap()
}

/// Like [`with_guest`], for a guest that traps: returns why, and how the script went until then.
pub fn with_trapping_guest<T: Item, R>(
    script: impl AsyncFnOnce(&Guest<'_, T>) -> R,
) -> wasmtime::Error {
    match executor::run(guest(PAGES, script)) {
        Ok(_) => panic!("expected a trap"),
        Err(error) => error,
    }
}

/// Runs `script` against a guest with `pages` pages of memory.
pub async fn guest<T: Item, R>(
    pages: u32,
    script: impl AsyncFnOnce(&Guest<'_, T>) -> R,
) -> Result<R> {
    let (tx, rx) = mpsc::unbounded();
    let commands = Commands { next: tokio::sync::Mutex::new(rx), reply: Mutex::new(None) };
    let linker = linker::<T>(Arc::new(commands))?;
    let data = Data {
        table: ResourceTable::new(),
        streams: VecDeque::new(),
        futures: VecDeque::new(),
        dump: Vec::new(),
    };
    let mut store = Store::new(&ENGINE, data);
    let instance = linker.instantiate_async(&mut store, &component::<T>(pages)).await?;
    let run = instance.get_typed_func::<(), ()>(&mut store, "run")?;
    let output = store
        .run_concurrent(async |accessor| {
            let guest = Guest { accessor, commands: tx };
            let script = async {
                let output = script(&guest).await;
                drop(guest);
                output
            };
            let call = async { run.call_concurrent(accessor, ()).await };
            // The script ends first, or else the guest has trapped.
            match select(std::pin::pin!(call), std::pin::pin!(script)).await {
                Either::Left((Err(trap), _)) => Err(trap),
                Either::Left((Ok(()), _)) => panic!("the guest returned before its script ended"),
                Either::Right((output, call)) => call.await.map(|()| output),
            }
        })
        .await??;
    Ok(output)
}

impl<'a, T: Item> Guest<'a, T> {
    async fn command(&self, op: u32, a: u32, b: u32, c: u32, bytes: Vec<u8>) -> Reply {
        let (tx, rx) = oneshot::channel();
        self.commands.unbounded_send(((op, a, b, c, bytes), tx)).unwrap();
        match rx.await {
            Ok(reply) => reply,
            // The guest has trapped: the call says so.
            Err(oneshot::Canceled) => std::future::pending().await,
        }
    }

    /// Access to the store.
    pub fn with<R>(&self, f: impl FnOnce(StoreContextMut<'_, Data<T>>) -> R) -> R {
        self.accessor.with(|mut access| f(access.as_context_mut()))
    }

    /// Hands a stream to the guest and returns its handle.
    pub async fn source(&self, producer: impl StreamProducer<Data<T>, Item = T>) -> u32 {
        self.source_by(|store| StreamReader::new(store, producer).unwrap()).await
    }

    /// Hands a stream to the guest and returns its handle.
    pub async fn source_by(
        &self,
        make: impl FnOnce(StoreContextMut<'_, Data<T>>) -> StreamReader<T>,
    ) -> u32 {
        self.with(|mut store| {
            let reader = make(store.as_context_mut());
            store.data_mut().streams.push_back(reader);
        });
        self.command(8, 0, 0, 0, Vec::new()).await.0
    }

    /// Lets the guest make a stream, takes its readable end into `consumer`, and returns the writable end's handle.
    pub async fn sink(&self, consumer: impl StreamConsumer<Data<T>, Item = T>) -> u32 {
        self.sink_by(|store, reader| reader.pipe(store, consumer).unwrap()).await
    }

    /// Lets the guest make a stream, hands its readable end to `pipe`, and returns the writable end's handle.
    pub async fn sink_by(
        &self,
        pipe: impl FnOnce(StoreContextMut<'_, Data<T>>, StreamReader<T>),
    ) -> u32 {
        let (readable, writable, _) = self.command(7, 0, 0, 0, Vec::new()).await;
        let reader = self.give(readable).await;
        self.with(|store| pipe(store, reader));
        writable
    }

    /// Takes a stream back from the guest.
    pub async fn give(&self, readable: u32) -> StreamReader<T> {
        self.command(9, readable, 0, 0, Vec::new()).await;
        self.with(|mut store| store.data_mut().streams.pop_front()).unwrap()
    }

    /// Starts a read of `len` items to the start of the buffer.
    pub async fn read(&self, stream: u32, len: u32) -> Code {
        Code::decode(self.command(1, stream, BUFFER, len, Vec::new()).await.0)
    }

    /// Starts a write of `len` items from the start of the buffer.
    pub async fn write(&self, stream: u32, len: u32) -> Code {
        Code::decode(self.command(2, stream, BUFFER, len, Vec::new()).await.0)
    }

    pub async fn cancel_read(&self, stream: u32) -> Code {
        Code::decode(self.command(3, stream, 0, 0, Vec::new()).await.0)
    }

    pub async fn cancel_write(&self, stream: u32) -> Code {
        Code::decode(self.command(4, stream, 0, 0, Vec::new()).await.0)
    }

    pub async fn drop_readable(&self, stream: u32) {
        self.command(5, stream, 0, 0, Vec::new()).await;
    }

    pub async fn drop_writable(&self, stream: u32) {
        self.command(6, stream, 0, 0, Vec::new()).await;
    }

    /// Waits for the event of the operation that is under way.
    pub async fn wait(&self, waitable: u32) -> Code {
        Code::decode(self.command(10, waitable, 0, 0, Vec::new()).await.2)
    }

    /// Waits for the event, as far as anything can run: `None` if the operation stays parked. The wait goes on.
    pub async fn parked(&self, wait: &mut (impl Future<Output = Code> + Unpin)) -> Option<Code> {
        match select(wait, std::pin::pin!(executor::idle())).await {
            Either::Left((code, _)) => Some(code),
            Either::Right(_) => None,
        }
    }

    /// Reads up to `len` items, waiting if need be, and returns their bytes in memory.
    pub async fn recv(&self, stream: u32, len: u32) -> (Code, Vec<u8>) {
        let code = match self.read(stream, len).await {
            Code::Blocked => self.wait(stream).await,
            code => code,
        };
        (code, self.dump(BUFFER, code.count() * T::SIZE).await)
    }

    /// Writes items that are `bytes` in memory, waiting if need be.
    pub async fn send(&self, stream: u32, bytes: &[u8]) -> Code {
        self.load(bytes).await;
        match self.write(stream, bytes.len() as u32 / T::SIZE).await {
            Code::Blocked => self.wait(stream).await,
            code => code,
        }
    }

    /// Writes all of `bytes`, in as many operations as it takes.
    pub async fn send_all(&self, stream: u32, mut bytes: &[u8]) -> Code {
        loop {
            let code = self.send(stream, bytes).await;
            bytes = &bytes[(code.count() * T::SIZE) as usize..];
            if bytes.is_empty() || !matches!(code, Code::Completed(_)) {
                return code;
            }
        }
    }

    /// Copies `bytes` to the start of the buffer.
    pub async fn load(&self, bytes: &[u8]) {
        self.command(11, BUFFER, 0, 0, bytes.to_vec()).await;
    }

    /// The guest's memory.
    pub async fn dump(&self, at: u32, len: u32) -> Vec<u8> {
        self.command(12, at, len, 0, Vec::new()).await;
        self.with(|mut store| std::mem::take(&mut store.data_mut().dump))
    }

    /// Never returns.
    pub async fn trap(&self) {
        self.command(13, 0, 0, 0, Vec::new()).await;
    }

    /// Hands a future to the guest and returns its handle.
    pub async fn future_source(&self, producer: impl FutureProducer<Data<T>, Item = T>) -> u32 {
        self.with(|mut store| {
            let reader = FutureReader::new(store.as_context_mut(), producer).unwrap();
            store.data_mut().futures.push_back(reader);
        });
        self.command(28, 0, 0, 0, Vec::new()).await.0
    }

    /// Lets the guest make a future, takes its readable end into `consumer`, and returns the writable end's handle.
    pub async fn future_sink(
        &self,
        consumer: impl FutureConsumer<Data<T>, Item = T> + Unpin,
    ) -> u32 {
        let (readable, writable, _) = self.command(27, 0, 0, 0, Vec::new()).await;
        self.command(29, readable, 0, 0, Vec::new()).await;
        self.with(|mut store| {
            let reader = store.data_mut().futures.pop_front().unwrap();
            reader.pipe(store, consumer).unwrap();
        });
        writable
    }

    pub async fn future_read(&self, future: u32) -> Code {
        Code::decode(self.command(21, future, BUFFER, 0, Vec::new()).await.0)
    }

    pub async fn future_write(&self, future: u32) -> Code {
        Code::decode(self.command(22, future, BUFFER, 0, Vec::new()).await.0)
    }

    pub async fn future_cancel_read(&self, future: u32) -> Code {
        Code::decode(self.command(23, future, 0, 0, Vec::new()).await.0)
    }

    pub async fn future_drop_readable(&self, future: u32) {
        self.command(25, future, 0, 0, Vec::new()).await;
    }
}
