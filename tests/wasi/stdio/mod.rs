//! Stdin, stdout and stderr, by a guest that the test drives one operation at a time: guest.wat.

mod ends;
mod shared;

use futures::executor::block_on;
use wasmtime::component::{Component, ComponentNamedList, Instance, Lift, Linker, Lower};
use wasmtime::{Engine, Store};
use wasmtime_streams::wasi::{self, Stdio, StdioEnds};
use wasmtime_streams_testing::executor;

/// Status codes of operations.
pub(crate) const BLOCKED: u32 = u32::MAX;
pub(crate) const DROPPED: u32 = 1;
pub(crate) const CANCELLED: u32 = 2;

pub(crate) const fn completed(n: u32) -> u32 {
    n << 4
}

struct Guest {
    store: Store<Stdio>,
    instance: Instance,
}

impl Guest {
    fn new(stdio: Stdio) -> Self {
        let engine = Engine::default();
        let guest = Component::new(&engine, include_str!("guest.wat")).unwrap();
        let mut linker = Linker::<Stdio>::new(&engine);
        wasi::stdio(&mut linker, |stdio| stdio).unwrap();
        let mut store = Store::new(&engine, stdio);
        let instance = block_on(linker.instantiate_async(&mut store, &guest)).unwrap();
        Self { store, instance }
    }

    fn call<P, R>(&mut self, name: &str, params: P) -> R
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: Lift + Send + Sync + 'static,
        (R,): ComponentNamedList + Lift,
    {
        let func = self.instance.get_typed_func::<P, (R,)>(&mut self.store, name).unwrap();
        executor::run(func.call_async(&mut self.store, params)).unwrap().0
    }

    /// A new stream, and its result future.
    fn open(&mut self, name: &str) -> (u32, u32) {
        self.call(name, ())
    }

    fn read(&mut self, stream: u32, len: u32) -> u32 {
        self.call("read", (stream, len))
    }

    /// Writes `len` times the byte `byte`.
    fn write(&mut self, stream: u32, len: u32, byte: u8) -> u32 {
        self.call("write", (stream, len, u32::from(byte)))
    }

    fn drop_end(&mut self, name: &str, stream: u32) {
        let func = self.instance.get_typed_func::<(u32,), ()>(&mut self.store, name).unwrap();
        executor::run(func.call_async(&mut self.store, (stream,))).unwrap();
    }

    /// Runs the store until nothing can run any more.
    fn idle(&mut self) {
        executor::run(self.store.run_concurrent(async |_| executor::idle().await)).unwrap();
    }

    /// Runs the store, and gives the event of an operation under way: its status, [`BLOCKED`] without one.
    fn event(&mut self, waitable: u32) -> u32 {
        self.idle();
        self.call("event", (waitable,))
    }

    /// The last `len` bytes that were read.
    fn data(&mut self, len: u32) -> Vec<u8> {
        (0..len).map(|at| self.byte(65536 + at)).collect()
    }

    fn byte(&mut self, at: u32) -> u8 {
        self.call::<(u32,), u32>("byte", (at,)) as u8
    }

    /// The value of a result future.
    fn outcome(&mut self, future: u32) -> Result<(), &'static str> {
        let mut status: u32 = self.call("result", (future,));
        if status == BLOCKED {
            status = self.event(future);
        }
        assert_eq!(status, 0, "the result future has no value");
        match (self.byte(64), self.byte(65)) {
            (0, _) => Ok(()),
            (_, code) => Err(["io", "illegal-byte-sequence", "pipe"][usize::from(code)]),
        }
    }

    fn close(&mut self) -> StdioEnds {
        executor::run(self.store.data_mut().closing())
    }

    /// Closes the stdio while the guest waits for the event of an operation under way, and gives that event.
    fn close_while_waiting(&mut self, waitable: u32) -> u32 {
        let wait = self.instance.get_typed_func::<(u32,), (u32,)>(&mut self.store, "wait").unwrap();
        let run = self.store.run_concurrent(async |accessor| {
            let wait = wait.call_concurrent(accessor, (waitable,));
            let close = async {
                executor::idle().await;
                accessor.with(|mut access| access.data_mut().closing()).await
            };
            futures::join!(wait, close).0
        });
        executor::run(run).unwrap().unwrap().0
    }
}
