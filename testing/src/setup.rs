//! Starts the scripted guest (guest.wat).

use std::any::TypeId;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use futures::channel::{mpsc, oneshot};
use futures::future::{Either, select};
use futures::lock;
use futures::stream::StreamExt as _;
use wasmtime::component::{
    Component, FutureReader, InstancePre, Linker, LinkerInstance, StreamReader,
};
use wasmtime::{Engine, Result, Store};

use super::executor::{self, Effort, Stalled};
use super::{BUFFER, Guest, Item};

static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::default);
type Components = HashMap<(TypeId, u32), Component>;
static COMPONENTS: LazyLock<Mutex<Components>> = LazyLock::new(Mutex::default);

/// The default size of a guest's memory in pages, which gives it a buffer of 16 MiB.
const PAGES: u32 = 512;

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Replaces [`Item::MAKE`] for items that the guest cannot make.
const NO_MAKE: &str = r#"
    (core module $no-make
        (func (export "new") (result i64) unreachable)
        (func (export "write") (param i32 i32 i32) (result i32) unreachable)
        (func (export "close") (param i32) unreachable))
    (core instance $no-make (instantiate $no-make))
    (alias core export $no-make "new" (core func $item.new))
    (alias core export $no-make "write" (core func $item.write))
    (alias core export $no-make "close" (core func $item.close))"#;

fn component<T: Item>(pages: u32) -> Result<Component> {
    let mut components = locked(&COMPONENTS);
    if let Some(component) = components.get(&(TypeId::of::<T>(), pages)) {
        return Ok(component.clone());
    }
    let text = include_str!("guest.wat")
        .replace("PRELUDE", T::PRELUDE)
        .replace("DROP", T::DROP)
        .replace("MAKE", T::MAKE.unwrap_or(NO_MAKE))
        .replace("ITEM", T::TYPE)
        .replace("PAGES", &pages.to_string());
    let component = Component::new(&ENGINE, text)?;
    components.insert((TypeId::of::<T>(), pages), component.clone());
    Ok(component)
}

/// One guest operation: see guest.wat.
#[derive(Default)]
pub(super) struct Command {
    pub(super) op: u32,
    pub(super) a: u32,
    pub(super) b: u32,
    pub(super) c: u32,
    pub(super) bytes: Vec<u8>,
}

pub(super) type Reply = (u32, u32, u32);
type Queue = mpsc::UnboundedReceiver<(Command, oneshot::Sender<Reply>)>;

/// State shared by a test and its guest's imports.
pub(super) struct Shared<T: 'static> {
    commands: lock::Mutex<Queue>,
    reply: Mutex<Option<oneshot::Sender<Reply>>>,
    pub(super) streams: Mutex<VecDeque<StreamReader<T>>>,
    pub(super) futures: Mutex<VecDeque<FutureReader<T>>>,
    pub(super) dump: Mutex<Vec<u8>>,
}

fn missing() -> wasmtime::Error {
    wasmtime::Error::msg("the guest asked for a stream that it was not given")
}

/// What is shared with the guest that runs now. The imports are defined once for many guests.
struct Current<T: 'static>(Arc<Mutex<Option<Arc<Shared<T>>>>>);

impl<T> Clone for Current<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Current<T> {
    fn get(&self) -> Result<Arc<Shared<T>>> {
        locked(&self.0).clone().ok_or_else(|| wasmtime::Error::msg("no guest runs"))
    }
}

/// A guest that is compiled, with its imports.
pub(super) struct Prepared<D: 'static, T: 'static> {
    guest: InstancePre<D>,
    current: Current<T>,
}

fn define<D: Send + 'static, T: Item>(
    root: &mut LinkerInstance<'_, D>,
    current: &Current<T>,
) -> Result<()> {
    let (next, dump, get, give) =
        (current.clone(), current.clone(), current.clone(), current.clone());
    let (get_future, give_future) = (current.clone(), current.clone());
    root.func_wrap_concurrent("next", move |_, reply: Reply| {
        let shared = next.get();
        Box::pin(async move {
            let shared = shared?;
            if let Some(waiting) = locked(&shared.reply).take() {
                // Fails if the script has ended.
                let _ = waiting.send(reply);
            }
            let next = shared.commands.lock().await.next().await;
            let (command, reply) = next.unzip();
            *locked(&shared.reply) = reply;
            // After the end of the script: the default command, 0, makes the guest return.
            let Command { op, a, b, c, bytes } = command.unwrap_or_default();
            Ok(((op, a, b, c, bytes),))
        })
    })?;
    root.func_wrap("dump", move |_, (bytes,): (Vec<u8>,)| {
        *locked(&dump.get()?.dump) = bytes;
        Ok(())
    })?;
    root.func_wrap("get-stream", move |_, ()| {
        Ok((locked(&get.get()?.streams).pop_front().ok_or_else(missing)?,))
    })?;
    root.func_wrap("give-stream", move |_, (stream,): (StreamReader<T>,)| {
        locked(&give.get()?.streams).push_back(stream);
        Ok(())
    })?;
    root.func_wrap("get-future", move |_, ()| {
        Ok((locked(&get_future.get()?.futures).pop_front().ok_or_else(missing)?,))
    })?;
    root.func_wrap("give-future", move |_, (future,): (FutureReader<T>,)| {
        locked(&give_future.get()?.futures).push_back(future);
        Ok(())
    })
}

/// A hook that defines more imports.
type Link<D> = Arc<dyn Fn(&mut LinkerInstance<'_, D>) -> Result<()>>;

/// The configuration of a guest.
pub struct Setup<D: 'static> {
    data: D,
    pages: u32,
    link: Option<Link<D>>,
    left: Option<Arc<AtomicUsize>>,
}

impl<D: fmt::Debug> fmt::Debug for Setup<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup").field("data", &self.data).finish_non_exhaustive()
    }
}

impl<D: Send + 'static> Setup<D> {
    /// A guest in a store with `data`.
    pub fn new(data: D) -> Self {
        Self { data, pages: PAGES, link: None, left: None }
    }

    /// Sets the size of the guest's buffer, by default 16 MiB. Untouched memory costs nothing.
    pub fn buffer(mut self, bytes: u32) -> Self {
        self.pages = (BUFFER + bytes).div_ceil(1 << 16);
        self
    }

    /// Defines more imports, such as the resource `item` if the items are resources.
    pub fn link(
        mut self,
        link: impl Fn(&mut LinkerInstance<'_, D>) -> Result<()> + 'static,
    ) -> Self {
        self.link = Some(Arc::new(link));
        self
    }

    /// Stores in `left` the number of entries in the store's table after the guest has returned: streams, futures, and
    /// the guest's own.
    pub(super) fn count(mut self, left: Arc<AtomicUsize>) -> Self {
        self.left = Some(left);
        self
    }

    /// Runs `script` against a new guest on this thread.
    ///
    /// # Errors
    ///
    /// The trap, if the guest traps, and [`Stalled`] if nothing can run any more.
    pub fn run<T: Item, R>(
        self,
        script: impl AsyncFnOnce(&Guest<'_, D, T>) -> R,
    ) -> (Result<Result<R>, Stalled>, Effort) {
        executor::try_run(self.drive(script))
    }

    /// Like [`run`](Self::run), as a future for any executor, so with real sockets, files and timers. Outside the kit's
    /// own executor, [`idle`](executor::idle) and [`Guest::parked`] never return.
    ///
    /// # Errors
    ///
    /// The trap, if the guest traps.
    pub async fn drive<T: Item, R>(
        self,
        script: impl AsyncFnOnce(&Guest<'_, D, T>) -> R,
    ) -> Result<R> {
        let prepared = self.prepare()?;
        self.drive_prepared(&prepared, script).await
    }

    /// Compiles a guest, and defines its imports.
    pub(super) fn prepare<T: Item>(&self) -> Result<Prepared<D, T>> {
        let mut linker = Linker::<D>::new(&ENGINE);
        if let Some(link) = &self.link {
            link(&mut linker.root())?;
        }
        let current = Current(Arc::default());
        define(&mut linker.root(), &current)?;
        let guest = linker.instantiate_pre(&component::<T>(self.pages)?)?;
        Ok(Prepared { guest, current })
    }

    /// Like [`drive`](Self::drive), with a guest that no other script runs at the same time.
    pub(super) async fn drive_prepared<T: Item, R>(
        self,
        Prepared { guest, current }: &Prepared<D, T>,
        script: impl AsyncFnOnce(&Guest<'_, D, T>) -> R,
    ) -> Result<R> {
        let (tx, rx) = mpsc::unbounded();
        let shared = Arc::new(Shared {
            commands: lock::Mutex::new(rx),
            reply: Mutex::default(),
            streams: Mutex::default(),
            futures: Mutex::default(),
            dump: Mutex::default(),
        });
        *locked(&current.0) = Some(shared.clone());
        let mut store = Store::new(&ENGINE, self.data);
        let instance = guest.instantiate_async(&mut store).await?;
        let run = instance.get_typed_func::<(), ()>(&mut store, "run")?;
        let output = store
            .run_concurrent(async |accessor| {
                let guest = Guest::new(accessor, tx, shared);
                let script = async {
                    let output = script(&guest).await;
                    drop(guest);
                    output
                };
                let call = async { run.call_concurrent(accessor, ()).await };
                // The script ends first, unless the guest traps.
                match select(pin!(call), pin!(script)).await {
                    Either::Left((Err(trap), _)) => Err(trap),
                    Either::Left((Ok(()), script)) => Ok(script.await),
                    Either::Right((output, call)) => call.await.map(|()| output),
                }
            })
            .await??;
        if let Some(left) = &self.left {
            let table = store.concurrent_resource_table();
            left.store(table.map_or(0, |table| table.iter_mut().count()), Ordering::Relaxed);
        }
        Ok(output)
    }
}
