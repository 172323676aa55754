//! A connection that moves only when a test says so: both endpoints are on a runtime of their own, on the test's thread.

use std::cell::RefCell;
use std::collections::HashMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use quinn::{ReadError, RecvStream, SendStream, TransportConfig, VarInt};
use tokio::runtime::{Builder, Runtime};

use crate::machines::Machines;

/// How many streams a test has opened at the same time, at most.
const STREAMS: u32 = 10_000;

pub(crate) struct Wire {
    runtime: Runtime,
    machines: Machines,
    probe: RefCell<Probe>,
}

/// A stream in each direction that carries nothing but what shows that everything before it has arrived.
struct Probe {
    near: (SendStream, RecvStream),
    far: (SendStream, RecvStream),
}

thread_local! {
    static WIRES: RefCell<HashMap<u32, &'static Wire>> = RefCell::default();
}

/// The connection of this thread whose streams have windows of so many bytes. A runtime cannot end with its thread, so it
/// stays.
pub(crate) fn wire(window: u32) -> &'static Wire {
    WIRES.with_borrow_mut(|wires| {
        *wires.entry(window).or_insert_with(|| Box::leak(Box::new(Wire::new(window))))
    })
}

impl Wire {
    fn new(window: u32) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let transport = || {
            let mut transport = TransportConfig::default();
            transport.stream_receive_window(window.into());
            transport.max_concurrent_uni_streams(STREAMS.into());
            transport
        };
        let (machines, probe) = runtime.block_on(async {
            let machines = Machines::with(transport).await;
            let mut near = machines.near.open_bi().await.unwrap();
            near.0.write_all(b"!").await.unwrap();
            let mut far = machines.far.accept_bi().await.unwrap();
            far.1.read_exact(&mut [0]).await.unwrap();
            // Whatever else is to be sent goes first.
            near.0.set_priority(-1).unwrap();
            far.0.set_priority(-1).unwrap();
            (machines, Probe { near, far })
        });
        Self { runtime, machines, probe: RefCell::new(probe) }
    }

    /// A stream from near to far.
    pub(crate) fn stream(&self) -> (SendStream, RecvStream) {
        let stream = self.runtime.block_on(self.machines.stream());
        self.settle();
        stream
    }

    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Waits until everything that either side has done so far has reached the other one, twice, as an answer may be due.
    pub(crate) fn settle(&self) {
        let probe = &mut *self.probe.borrow_mut();
        self.runtime.block_on(async {
            for _ in 0..2 {
                probe.near.0.write_all(b".").await.unwrap();
                probe.far.1.read_exact(&mut [0]).await.unwrap();
                probe.far.0.write_all(b".").await.unwrap();
                probe.near.1.read_exact(&mut [0]).await.unwrap();
            }
        });
    }
}

/// Polls once, with a waker that does nothing.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// How a stream ended for its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Finished,
    Reset(VarInt),
}

/// The far side of a stream, with what has arrived of it.
pub(crate) struct Receiver {
    pub(crate) stream: RecvStream,
    pub(crate) bytes: Vec<u8>,
    pub(crate) end: Option<End>,
}

impl Receiver {
    pub(crate) fn new(stream: RecvStream) -> Self {
        Self { stream, bytes: Vec::new(), end: None }
    }

    /// Takes everything that is there or comes once there is room for it.
    pub(crate) fn take(&mut self, wire: &Wire) {
        wire.settle();
        let mut buf = [0; 1024];
        while self.end.is_none() {
            match now(self.stream.read(&mut buf)) {
                Some(Ok(Some(n))) => self.bytes.extend(&buf[..n]),
                Some(Ok(None)) => self.end = Some(End::Finished),
                Some(Err(ReadError::Reset(code))) => self.end = Some(End::Reset(code)),
                Some(Err(error)) => panic!("{error}"),
                None => return,
            }
            wire.settle();
        }
    }
}
