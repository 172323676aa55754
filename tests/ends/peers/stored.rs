//! Hand-overs that are made in a store, in one call. They have no layers, and only their other side sees the end.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::LazyLock;
use std::thread;

use wasmtime::component::StreamReader;
use wasmtime::{Engine, Store, StoreContextMut};
use wasmtime_streams::relay::Relayed;
use wasmtime_streams::to_guest::FromHost;
use wasmtime_streams::{
    Completion, EndReason, Flush, StoreToken, from_guest, iterators, relay, to_guest,
};
use wasmtime_streams_testing::executor;

use super::handoff::{Feeds, Receives, reads, takes};
use crate::host::Host;
use crate::made::{Given, Open, Peer, Plan, Sees, Shape};

const SHAPE: Shape = Shape { room: 2, flush: Flush::EachOp };

/// The other side, which exists only once the stream is in a store.
struct Late<P>(Rc<RefCell<Option<P>>>);

impl<P: Peer> Late<P> {
    fn with<R>(&self, act: impl FnOnce(&mut P) -> R) -> R {
        act(self.0.borrow_mut().as_mut().expect("the stream is in no store yet"))
    }
}

impl<P: Peer> Peer for Late<P> {
    fn give(&mut self) {
        self.with(P::give);
    }

    fn take(&mut self) {
        self.with(P::take);
    }

    fn finish(&mut self) {
        self.with(P::finish);
    }

    fn leave(&mut self) {
        self.with(P::leave);
    }

    fn abort(&mut self) {
        self.with(P::abort);
    }

    fn sees(&mut self) -> Option<Sees> {
        self.with(P::sees)
    }
}

/// Gives the guest a stream, or takes one from it, and makes the other side.
fn open<P: Peer + 'static>(
    make: impl FnOnce(
        StoreContextMut<'_, StoreToken>,
        Option<StreamReader<u8>>,
    ) -> (P, Option<StreamReader<u8>>)
    + 'static,
) -> Open {
    let slot = Rc::new(RefCell::new(None));
    let peer = Late(slot.clone());
    let give = move |store: StoreContextMut<'_, StoreToken>, reader: Option<StreamReader<u8>>| {
        let (peer, reader) = make(store, reader);
        slot.replace(Some(peer));
        Given { reader, ..Given::default() }
    };
    Open { give: Box::new(give), peer: Box::new(peer), shape: SHAPE, seen: None }
}

pub fn reader(_: &Host, _: &Plan) -> Open {
    open(|store, stream| {
        (Receives::new(from_guest::reader(store, stream.unwrap(), 2).unwrap(), reads), None)
    })
}

pub fn items(_: &Host, _: &Plan) -> Open {
    open(|store, stream| {
        (Receives::new(from_guest::items(store, stream.unwrap(), 2).unwrap(), takes), None)
    })
}

pub fn writer(_: &Host, _: &Plan) -> Open {
    open(|store, _| {
        let (writer, reader) = to_guest::writer(store, 8).unwrap();
        (Feeds(Some(writer)), Some(reader))
    })
}

pub fn sink(_: &Host, _: &Plan) -> Open {
    open(|store, _| {
        let (sink, reader) = to_guest::sink::<u8>(store, 8).unwrap();
        (Feeds(Some(sink)), Some(reader))
    })
}

/// Another store, with the stream that is connected to it.
struct Second {
    store: Option<Store<()>>,
    to: Option<Completion<FromHost<u8>, std::convert::Infallible>>,
}

fn other_store() -> Store<()> {
    static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::default);
    Store::new(&ENGINE, ())
}

impl Second {
    fn new(store: Store<()>, to: Completion<FromHost<u8>, std::convert::Infallible>) -> Self {
        Self { store: Some(store), to: Some(to) }
    }
}

impl Peer for Second {
    fn leave(&mut self) {
        self.store = None;
    }

    fn sees(&mut self) -> Option<Sees> {
        let (store, to) = (self.store.as_mut()?, self.to.take()?);
        // On a thread of its own: Wasmtime cannot run a store inside of another one.
        let ran = thread::scope(|scope| {
            let run = || executor::try_run(store.run_concurrent(async |_| to.await.end.reason())).0;
            scope.spawn(run).join().unwrap()
        });
        Some(match ran {
            Err(executor::Stalled) => Sees::Open,
            Ok(end) => match end.unwrap() {
                EndReason::Finished => Sees::End,
                reason => Sees::Cut(reason),
            },
        })
    }
}

pub fn relay_bytes(_: &Host, _: &Plan) -> Open {
    open(|store, stream| {
        let mut other = other_store();
        let relayed = relay::bytes(store, stream.unwrap(), &mut other, 2, |_| {}).unwrap();
        let Relayed { stream, to, .. } = relayed;
        stream.pipe(&mut other, iterators::collect_bytes(99)).unwrap();
        (Second::new(other, to), None)
    })
}

pub fn relay_items(_: &Host, _: &Plan) -> Open {
    open(|store, stream| {
        let mut other = other_store();
        let relayed = relay::items(store, stream.unwrap(), &mut other, 2, |byte: u8| byte).unwrap();
        let Relayed { stream, to, .. } = relayed;
        stream.pipe(&mut other, iterators::collect::<u8>(99)).unwrap();
        (Second::new(other, to), None)
    })
}
