//! Iterators, collectors and closures. The host itself is the other side.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use wasmtime::StoreContextMut;
use wasmtime_streams::{self as ws, StoreToken};

use super::Nobody;
use crate::host::Host;
use crate::made::{Open, Peer, Plan, Sees, Shape, byte_sink, item_sink, item_source, received};

type Item = Result<u8, &'static str>;

/// The items that an iterator still has. It ends when there are none.
#[derive(Clone, Default)]
struct Items(Arc<Mutex<VecDeque<Item>>>);

impl Iterator for Items {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        self.0.lock().unwrap().pop_front()
    }

    // It does not know its end in advance.
    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, None)
    }
}

impl Peer for Items {
    fn give(&mut self) {
        self.0.lock().unwrap().push_back(Ok(7));
    }

    fn finish(&mut self) {}

    fn fail(&mut self) {
        self.0.lock().unwrap().push_back(Err("scripted failure"));
    }

    fn sees(&mut self) -> Option<Sees> {
        None
    }
}

pub fn iterators_items(_: &Host, plan: &Plan) -> Open {
    let items = Items::default();
    let peer = items.clone();
    item_source(plan, ws::iterators::items(items.map(Result::unwrap)), |byte| byte, peer)
}

pub fn iterators_try_items(_: &Host, plan: &Plan) -> Open {
    let items = Items::default();
    let peer = items.clone();
    item_source(plan, ws::iterators::try_items(items), |byte| byte, peer)
}

pub fn iterators_collect(_: &Host, plan: &Plan) -> Open {
    item_sink(plan, ws::iterators::collect::<u8>(99), |byte| byte, Shape::EXACT, Nobody)
}

pub fn iterators_collect_bytes(_: &Host, plan: &Plan) -> Open {
    byte_sink(plan, ws::iterators::collect_bytes(99), Shape::EXACT, Nobody)
}

pub fn iterators_for_each(_: &Host, plan: &Plan) -> Open {
    received(plan, ws::iterators::for_each(plan.step(|_: u8| ())), Shape::EXACT, Nobody)
}

pub fn iterators_for_each_batch(_: &Host, plan: &Plan) -> Open {
    let mut step = plan.step(|_: Vec<u8>| ());
    let call = move |store: StoreContextMut<'_, StoreToken>, batch: Vec<u8>| step(store, batch);
    received(plan, ws::iterators::for_each_batch(call), Shape::EXACT, Nobody)
}
