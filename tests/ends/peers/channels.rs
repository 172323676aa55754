//! Channels of tokio.

use tokio::sync::broadcast::error::TryRecvError::Closed;
use tokio::sync::mpsc::error::TryRecvError::Disconnected;
use tokio::sync::{broadcast, mpsc, watch};
use wasmtime_streams as ws;

use crate::host::Host;
use crate::made::{Open, Peer, Plan, Sees, Shape, item_sink, item_source};

/// A sender that feeds a source.
struct Feeds<S> {
    sender: Option<S>,
    send: fn(&S),
    is_closed: fn(&S) -> bool,
}

impl<S> Feeds<S> {
    fn new(sender: S, send: fn(&S), is_closed: fn(&S) -> bool) -> Self {
        Self { sender: Some(sender), send, is_closed }
    }
}

impl<S> Peer for Feeds<S> {
    fn give(&mut self) {
        self.sender.iter().for_each(self.send);
    }

    fn finish(&mut self) {
        self.sender = None;
    }

    fn leave(&mut self) {
        self.sender = None;
    }

    fn sees(&mut self) -> Option<Sees> {
        let sender = self.sender.as_ref()?;
        Some(if (self.is_closed)(sender) { Sees::Gone } else { Sees::Open })
    }
}

pub fn mpsc_receiver(_: &Host, plan: &Plan) -> Open {
    let (tx, rx) = mpsc::channel(9);
    let peer = Feeds::new(tx, |tx| tx.try_send(7).unwrap(), mpsc::Sender::is_closed);
    item_source(plan, ws::channels::mpsc_receiver(rx), |byte| byte, peer)
}

pub fn mpsc_unbounded_receiver(_: &Host, plan: &Plan) -> Open {
    let (tx, rx) = mpsc::unbounded_channel();
    let peer = Feeds::new(tx, |tx| tx.send(7).unwrap(), mpsc::UnboundedSender::is_closed);
    item_source(plan, ws::channels::mpsc_unbounded_receiver(rx), |byte| byte, peer)
}

pub fn broadcast_receiver(_: &Host, plan: &Plan) -> Open {
    let (tx, rx) = broadcast::channel(8);
    let send = |tx: &broadcast::Sender<u8>| assert!(tx.send(7).is_ok());
    let peer = Feeds::new(tx, send, |tx| tx.receiver_count() == 0);
    item_source(plan, ws::channels::broadcast_receiver(rx), |byte| byte, peer)
}

pub fn watch_receiver(_: &Host, plan: &Plan) -> Open {
    let (tx, rx) = watch::channel(0);
    let send = |tx: &watch::Sender<u8>| assert!(tx.send(7).is_ok());
    let peer = Feeds::new(tx, send, watch::Sender::is_closed);
    item_source(plan, ws::channels::watch_receiver(rx).changes_only(), |byte| byte, peer)
}

/// A receiver behind a sink. `receive` gives an item, or whether the channel has ended.
struct Receives<R> {
    receiver: Option<R>,
    receive: fn(&mut R) -> Result<(), bool>,
}

impl<R> Receives<R> {
    fn new(receiver: R, receive: fn(&mut R) -> Result<(), bool>) -> Self {
        Self { receiver: Some(receiver), receive }
    }
}

impl<R> Peer for Receives<R> {
    fn take(&mut self) {
        self.sees();
    }

    fn leave(&mut self) {
        self.receiver = None;
    }

    fn sees(&mut self) -> Option<Sees> {
        let receiver = self.receiver.as_mut()?;
        loop {
            match (self.receive)(receiver) {
                Ok(()) => {}
                Err(true) => return Some(Sees::End),
                Err(false) => return Some(Sees::Open),
            }
        }
    }
}

pub fn mpsc_sender(_: &Host, plan: &Plan) -> Open {
    let (tx, rx) = mpsc::channel::<u8>(2);
    let peer = Receives::new(rx, |rx| rx.try_recv().map(drop).map_err(|e| e == Disconnected));
    item_sink(plan, ws::channels::mpsc_sender(tx), |byte| byte, Shape::EXACT, peer)
}

pub fn mpsc_unbounded_sender(_: &Host, plan: &Plan) -> Open {
    let (tx, rx) = mpsc::unbounded_channel::<u8>();
    let peer = Receives::new(rx, |rx| rx.try_recv().map(drop).map_err(|e| e == Disconnected));
    item_sink(plan, ws::channels::mpsc_unbounded_sender(tx), |byte| byte, Shape::EXACT, peer)
}

pub fn broadcast_sender(_: &Host, plan: &Plan) -> Open {
    let (tx, rx) = broadcast::channel::<u8>(8);
    let peer = Receives::new(rx, |rx| rx.try_recv().map(drop).map_err(|e| e == Closed));
    item_sink(plan, ws::channels::broadcast_sender(tx), |byte| byte, Shape::EXACT, peer)
}

pub fn watch_sender(_: &Host, plan: &Plan) -> Open {
    let (tx, rx) = watch::channel(0_u8);
    let peer = Receives::new(rx, |rx| Err(rx.has_changed().is_err()));
    item_sink(plan, ws::channels::watch_sender(tx), |byte| byte, Shape::EXACT, peer)
}
